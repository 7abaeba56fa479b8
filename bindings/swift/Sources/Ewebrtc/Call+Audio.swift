// Program audio of a call: 16-bit mono samples at the phone's `pcmRate`, as numbers or as little-endian bytes.
//
// Owns: these methods of `Call`, `Pieces`. Lives on: any thread; `write`, `read`, `clear` and their like never wait.

import Foundation
internal import EwebrtcNative

/// Bytes of a sample.
private let sampleSize = 2

/// How much program audio waits at most, in milliseconds.
private let queueMilliseconds = 30_000

private func bytes(_ samples: ArraySlice<Int16>) -> Data {
    samples.map(\.littleEndian).withUnsafeBytes { Data($0) }
}

private func numbers(_ bytes: Data) -> [Int16] {
    [Int16](unsafeUninitializedCapacity: bytes.count / sampleSize) { buffer, count in
        count = bytes.count / sampleSize
        bytes.copyBytes(to: UnsafeMutableRawBufferPointer(buffer), count: count * sampleSize)
        for index in 0..<count { buffer[index] = Int16(littleEndian: buffer[index]) }
    }
}

extension Call {
    /// Appends audio to what a call with local media `pcm` sends, and says how many samples fitted: about 30 seconds wait at most. When
    /// nothing waits silence is sent.
    ///
    /// - Throws: `PhoneError.noAudio` when the source is another or the call was not answered yet, `callEnded`, `notFound`.
    @discardableResult
    public func write(_ samples: [Int16]) throws -> Int { try write(samples[...]) }

    /// As `write` of an array, of a part of one.
    ///
    /// - Throws: As there.
    @discardableResult
    public func write(_ samples: ArraySlice<Int16>) throws -> Int {
        // No more is copied than there is room for.
        let most = try room()
        return try living { Int(try native.pcmWrite(samples: bytes(samples.prefix(most)))) / sampleSize }
    }

    /// As `write` of samples, of their bytes; says how many bytes fitted.
    ///
    /// - Throws: As there; `PhoneError.argument` for half a sample.
    @discardableResult
    public func write(_ bytes: Data) throws -> Int {
        if !bytes.count.isMultiple(of: sampleSize) {
            throw PhoneError.argument("samples are 16 bit: the number of bytes is odd")
        }
        let most = try room() * sampleSize
        return try living { Int(try native.pcmWrite(samples: bytes.prefix(most))) }
    }

    private func room() throws -> Int {
        let queued = Int(try living { try native.pcmQueuedMs() })
        return max(0, queueMilliseconds - queued) * phone.pcmRate / 1000
    }

    /// Takes audio that was heard in a call with remote media `pcm`, at most `most` samples of it; empty when none is there. About 30
    /// seconds are kept, then the oldest are dropped. What came before the end may be read after it.
    ///
    /// - Throws: `PhoneError.argument` for a negative number, `noAudio`, `callEnded` when the call has ended without audio, `notFound`.
    public func read(most: Int? = nil) throws -> [Int16] {
        // As many bytes as there are numbers for: `Int.max` means everything.
        numbers(try readData(most: most.map { min(max(-1, $0), Int.max / sampleSize) * sampleSize }))
    }

    /// As `read`, as bytes, and at most so many bytes.
    ///
    /// - Throws: As `read`.
    public func readData(most: Int? = nil) throws -> Data {
        if let most, most < 0 { throw PhoneError.argument("a negative number of samples") }
        return try living { try native.pcmRead(bytes: try most.map { UInt64($0) } ?? native.pcmAvailable()) }
    }

    /// Drops what was written and not sent yet, as when the other party begins to talk. Of a call that has ended nothing is left.
    ///
    /// - Throws: `PhoneError.noAudio`, `notFound` when there never was such a call.
    public func clear() throws {
        do {
            try living { try native.pcmClear() }
        } catch PhoneError.callEnded {
        }
    }

    /// How much was written and not sent yet, in milliseconds, rounded up; 0 when the call has ended.
    ///
    /// - Throws: As `clear`.
    public var queuedMilliseconds: Int {
        get throws {
            do {
                return Int(try living { try native.pcmQueuedMs() })
            } catch PhoneError.callEnded {
                return 0
            }
        }
    }

    /// How many samples were dropped so far because nobody read them in time.
    ///
    /// - Throws: As `read`.
    public var dropped: Int {
        get throws { Int(try living { try native.pcmDropped() }) / sampleSize }
    }

    /// Writes all of it, waiting for room. It returns when all is in the queue, see `drain`. Cancelling the task ends it.
    ///
    /// - Throws: As `write`, also when the call ends meanwhile.
    public func send(_ samples: [Int16]) async throws {
        var rest = samples[...]
        try await lasting {
            while true {
                rest = rest.dropFirst(try write(rest))
                if rest.isEmpty { return }
                try await Task.sleep(for: tick)
            }
        }
    }

    /// As `send` of samples, of their bytes.
    ///
    /// - Throws: As there; `PhoneError.argument` for half a sample.
    public func send(_ bytes: Data) async throws {
        var rest = bytes
        try await lasting {
            while true {
                rest = rest.dropFirst(try write(rest))
                if rest.isEmpty { return }
                try await Task.sleep(for: tick)
            }
        }
    }

    /// Waits until all that was written has been sent. Cancelling the task ends it.
    ///
    /// - Throws: `PhoneError.callEnded`, also when the call ends meanwhile, and as `clear`.
    public func drain() async throws {
        try await lasting {
            while true {
                let queued = Int(try living { try native.pcmQueuedMs() })
                if queued == 0 { return }
                try await Task.sleep(for: max(tick, .milliseconds(queued / 2)))
            }
        }
    }

    /// Reads so many samples, waiting for them. Fewer are the last ones before the call's end, none is its end. Cancelling the task ends
    /// it; what it has read then is lost.
    ///
    /// - Throws: `PhoneError.argument` when `count` is not positive, `noAudio`, `notFound`.
    public func receive(_ count: Int) async throws -> [Int16] {
        if count < 1 { throw PhoneError.argument("the number of samples is not positive: \(count)") }
        var all: [Int16] = []
        while true {
            // In this order: nothing comes any more once the state is gone.
            let over = state == nil
            let part: [Int16]
            do { part = try read(most: count - all.count) } catch PhoneError.callEnded { return all }
            all += part
            if all.count == count || (over && part.isEmpty) { return all }
            if part.isEmpty { try await Task.sleep(for: tick) }
        }
    }

    /// What is heard, in pieces of so many milliseconds, until the call ends. Reading it throws as `receive`, also where the number is not
    /// positive.
    public func listen(milliseconds: Int = 20) -> Pieces {
        Pieces(call: self, count: phone.pcmRate * min(max(0, milliseconds), Int.max / phone.pcmRate) / 1000)
    }
}

/// What is heard in a call, piece by piece; see `Call.listen`.
public struct Pieces: AsyncSequence, AsyncIteratorProtocol, Sendable {
    fileprivate let call: Call
    fileprivate let count: Int

    /// The next piece; `nil` after the last one.
    public mutating func next() async throws -> [Int16]? {
        let piece = try await call.receive(count)
        return piece.isEmpty ? nil : piece
    }

    /// The pieces one by one.
    public func makeAsyncIterator() -> Pieces { self }
}
