// What the rest of the package waits with: values behind a lock, deadlines, and commands whose wait can be cancelled.
//
// Owns: `Guarded`, `Ending`, `command`, `within`. Lives on: any thread; commands are given on one queue, in the order of the calls. Must not
// import: anything but the generated module.

import Foundation
internal import EwebrtcNative

/// A value that is only touched under a lock.
final class Guarded<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    /// Touches the value. Nothing that could come back to the same lock belongs inside: no callback, no end of a stream.
    func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}

/// The end of the process. A thread has called `exit`, or `main` is over, and phones are being closed, while others run on: what they wait
/// for does not come any more, and what they are refused they do not hear. Else a program that leaves an error at its top would be ended
/// by that, or come to its own end with another status, before the one that was asked for.
enum Ending {
    private static let thread = Guarded<pthread_t?>(nil)

    /// Longest wait, in milliseconds, for phones that were not closed: their sessions are given back and recordings completed when the
    /// gateway answers meanwhile.
    private static let goodbye: UInt64 = 1500

    /// Prepares for it, once.
    static let prepared: Void = {
        atexit {
            Ending.thread.with { $0 = pthread_self() }
            EwebrtcNative.endProcess(timeoutMs: Ending.goodbye)
        }
    }()

    /// Whether it has begun.
    static var hasBegun: Bool { thread.with { $0 != nil } }

    /// Does not return on a thread other than the one that ends the process, once it has begun.
    static func park() {
        guard thread.with({ $0.map { pthread_equal($0, pthread_self()) == 0 } ?? false }) else { return }
        while true { sleep(3600) }
    }
}

/// The queue on which commands are handed to the library: those of one task after the other reach it in that order.
@available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *)
private final class Commands: TaskExecutor {
    static let shared = Commands()
    private let queue = DispatchQueue(label: "ewebrtc.commands")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// The outcome of work that is waited for by one task, which may stop waiting.
private final class Outcome<Value: Sendable>: Sendable {
    private enum State {
        case running
        case waited(CheckedContinuation<Value, any Error>)
        case done(Result<Value, any Error>)
        case left
    }

    private let state = Guarded(State.running)

    func finish(_ result: Result<Value, any Error>) {
        if Ending.hasBegun { return }
        let waiting: CheckedContinuation<Value, any Error>? = state.with {
            switch $0 {
            case .running:
                $0 = .done(result)
                return nil
            case .waited(let continuation):
                $0 = .left
                return continuation
            case .done, .left:
                return nil
            }
        }
        waiting?.resume(with: result)
    }

    func value() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now: Result<Value, any Error>? = state.with {
                    if case .done(let result) = $0 { return result }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    $0 = .waited(continuation)
                    return nil
                }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            finish(.failure(CancellationError()))
        }
    }
}

/// Gives a command and waits for it. Cancelling the task ends the waiting, not the command; a task that is cancelled already gives none.
///
/// UniFFI's own functions do not notice that their task is cancelled, so they run in a task of their own.
func command<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try Task.checkCancellation()
    let outcome = Outcome<Value>()
    let run: @Sendable () async -> Void = {
        do {
            outcome.finish(.success(try await work()))
        } catch {
            outcome.finish(.failure(translated(error)))
        }
    }
    if #available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *) {
        Task(executorPreference: Commands.shared, operation: run)
    } else {
        Task(operation: run)
    }
    return try await outcome.value()
}

/// Work that may take so long; `nil`: for ever. The work must notice when it is cancelled.
func within<Value: Sendable>(
    _ timeout: Duration?, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    guard let timeout else { return try await work() }
    return try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: timeout)
            throw PhoneError.timeout
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw PhoneError.timeout }
        return value
    }
}

/// How often audio and pictures are looked for: the library moves them every 10 ms.
let tick = Duration.milliseconds(10)
