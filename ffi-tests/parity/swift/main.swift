// The parity runner of Swift: does what it is told line by line (ffi-tests/parity/README.md), by means of the package as its users have it.

import Ewebrtc
import Foundation

/// One queue for the beginnings of all commands, so that they are given in the order in which they were read.
final class InOrder: TaskExecutor {
    private let queue = DispatchQueue(label: "commands")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Lines of output, each written at once and whole.
enum Output {
    private static let lock = NSLock()

    static func line(_ text: String) {
        lock.withLock { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
    }
}

struct Mistake: Error {
    let text: String
}

/// A phone, and the task that writes its events.
struct Line {
    let phone: Phone
    let events: Task<Void, Never>
}

func outcome(_ error: any Error) -> String {
    switch error as? PhoneError {
    case .refused(let fields): return "error \(fields.errorCode)"
    case .notFound, .callEnded: return "fault not-found"
    case .closed: return "fault closed"
    case .busy: return "fault busy"
    case .unknownMethod: return "fault unknown-method"
    case .argument, .config: return "fault argument"
    case .noAudio, .noVideo: return "fault no-audio"
    default:
        FileHandle.standardError.write(Data("\(error)\n".utf8))
        return "fault other"
    }
}

/// Options that the package has types for; what they do not cover goes by the documented names.
struct Options {
    let given: [String: JSONValue]

    /// Whether these are all there are, and each is one that its type has.
    func only(_ names: String...) -> Bool {
        let media = given["mediaType"]?.text, action = given["action"]?.text
        return given.keys.allSatisfy(names.contains) && given.allSatisfy { $0.key == "gap" ? $0.value.integer != nil : $0.value.text != nil }
            && (media == nil || MediaType(rawValue: media!) != nil) && (action == nil || CallAction(rawValue: action!) != nil)
    }

    func text(_ name: String) -> String { given[name]?.text ?? "" }
    var gap: Int? { given["gap"]?.integer.map(Int.init) }
    var type: MediaType? { given["mediaType"]?.text.flatMap(MediaType.init) }
    var action: CallAction? { given["action"]?.text.flatMap(CallAction.init) }
    var local: Media? { given["localMedia"]?.text.map(Media.init(rawValue:)) }
    var remote: Media? { given["remoteMedia"]?.text.map(Media.init(rawValue:)) }
}

/// A method of the phone, by the package's own one where there is one.
func give(_ phone: Phone, _ method: String, _ options: Options) async throws {
    let plain = options.given.isEmpty
    switch method {
    case "dial" where options.only("destination", "mediaType", "localMedia", "remoteMedia"):
        try await phone.dial(
            options.text("destination"), mediaType: options.type, localMedia: options.local, remoteMedia: options.remote)
    case "addCall" where options.only("destination", "mediaType", "localMedia", "remoteMedia"):
        try await phone.addCall(
            options.text("destination"), mediaType: options.type, localMedia: options.local, remoteMedia: options.remote)
    case "answer" where options.only("mediaType", "localMedia", "remoteMedia", "action"):
        try await phone.answer(
            localMedia: options.local, remoteMedia: options.remote, mediaType: options.type, action: options.action)
    case "startConference" where options.only("mediaType", "localMedia", "remoteMedia"):
        try await phone.startConference(mediaType: options.type, localMedia: options.local, remoteMedia: options.remote)
    case "joinConference" where options.only("localMedia", "remoteMedia", "action"):
        try await phone.joinConference(localMedia: options.local, remoteMedia: options.remote, action: options.action)
    case "sendDTMFTone" where options.only("input", "gap"):
        try await phone.sendDTMFTone(options.text("input"), gapMilliseconds: options.gap)
    case "addParticipant" where options.only("participant"): try await phone.addParticipant(options.text("participant"))
    case "removeParticipant" where options.only("participant"): try await phone.removeParticipant(options.text("participant"))
    case "associateE911Id" where options.only("e911Id"): try await phone.associateE911Id(options.text("e911Id"))
    case "logout" where plain: try await phone.logout()
    case "reject" where plain: try await phone.reject()
    case "cancel" where plain: try await phone.cancel()
    case "hangup" where plain: try await phone.hangup()
    case "hold" where plain: try await phone.hold()
    case "resume" where plain: try await phone.resume()
    case "switchCall" where plain: try await phone.switchCall()
    case "transfer" where plain: try await phone.transfer()
    case "move" where plain: try await phone.move()
    case "mute" where plain: try await phone.mute()
    case "unmute" where plain: try await phone.unmute()
    case "upgrade" where plain: try await phone.upgrade()
    case "downgrade" where plain: try await phone.downgrade()
    case "acceptModification" where plain: try await phone.acceptModification()
    case "rejectModification" where plain: try await phone.rejectModification()
    case "rejectConference" where plain: try await phone.rejectConference()
    case "endConference" where plain: try await phone.endConference()
    case "dial", "addCall": try await phone.invoke(method, options.given)
    default: try await phone.perform(method, options.given)
    }
}

/// The same of a call.
func give(_ call: Call, _ method: String, _ options: Options) async throws {
    switch method {
    case "hangup" where options.given.isEmpty: try await call.hangup()
    case "mute" where options.given.isEmpty: try await call.mute()
    case "unmute" where options.given.isEmpty: try await call.unmute()
    case "sendDTMFTone" where options.only("input", "gap"):
        try await call.sendDTMFTone(options.text("input"), gapMilliseconds: options.gap)
    default: try await call.phone.perform(method, options.given, call: call)
    }
}

func samples(_ hex: Substring) throws -> Data {
    let digits = Array(hex.utf8)
    guard digits.count.isMultiple(of: 2) else { throw Mistake(text: "half a byte: \(hex)") }
    return Data(
        try stride(from: 0, to: digits.count, by: 2).map { place in
            guard let byte = UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16) else {
                throw Mistake(text: "no hexadecimal digits: \(hex)")
            }
            return byte
        })
}

func hexadecimal(_ data: Data) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: data.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

func makePhone(_ name: String, _ gateway: String, _ settings: [Substring]) throws -> Line {
    var local = Media.silence, remote = Media.discard, rate = 48_000, channel = EventChannel.longPoll
    for setting in settings {
        let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
        switch (parts.first, parts.count) {
        case ("local", 2): local = Media(rawValue: parts[1])
        case ("remote", 2): remote = Media(rawValue: parts[1])
        case ("rate", 2): rate = Int(parts[1]) ?? 0
        case ("channel", 2):
            guard let named = EventChannel(rawValue: parts[1]) else { throw Mistake(text: "no channel: \(setting)") }
            channel = named
        default: throw Mistake(text: "no setting: \(setting)")
        }
    }
    let phone = try Phone(gateway, localMedia: local, remoteMedia: remote, pcmRate: rate, eventChannel: channel)
    let events = phone.events()
    let writing = Task { for await event in events { Output.line("event \(name) \(event.json)") } }
    return Line(phone: phone, events: writing)
}

func run() {
    let order = InOrder()
    var lines: [String: Line] = [:], gateways: [String: String] = [:]

    /// Gives a command beside the others; what it answers is the work's value.
    func begin(_ id: String, _ work: @escaping @Sendable () async throws -> String) {
        Task(executorPreference: order) {
            do {
                Output.line("\(id) \(try await work())")
            } catch {
                Output.line("\(id) \(outcome(error))")
            }
        }
    }

    while let text = readLine() {
        let all = text.split(separator: " ")
        guard all.count >= 3 else { continue }
        let id = String(all[0]), verb = all[1], name = String(all[2]), words = Array(all.dropFirst(3))
        /// JSON is the last part, and may have blanks.
        func options(after count: Int) throws -> Options {
            let parts = text.split(separator: " ", maxSplits: count)
            return Options(given: parts.count > count ? try JSONValue(json: String(parts[count])).object ?? [:] : [:])
        }
        do {
            if verb == "phone", let gateway = words.first {
                lines[name] = try makePhone(name, String(gateway), Array(words.dropFirst()))
                gateways[name] = String(gateway)
                Output.line("\(id) ok")
                continue
            }
            guard let line = lines[name], let gateway = gateways[name] else { throw Mistake(text: "no phone \(name)") }
            let phone = line.phone, first = words.first.map(String.init) ?? ""
            func call() throws -> Call {
                guard let handle = UInt64(first) else { throw Mistake(text: "no handle: \(first)") }
                return phone.call(handle)
            }
            switch (verb, words.count) {
            case ("login", 1):
                begin(id) {
                    try await phone.login(try await devToken(gateway: gateway, user: first))
                    return "ok"
                }
            case ("do", 1...):
                let options = try options(after: 4)
                begin(id) {
                    try await give(phone, first, options)
                    return "ok"
                }
            case ("on", 2...):
                let call = try call(), method = String(words[1]), options = try options(after: 5)
                begin(id) {
                    try await give(call, method, options)
                    return "ok"
                }
            case ("get", 1...):
                let options = try options(after: 4)
                begin(id) { "value \(try (try await phone.invoke(first, options.given)).json())" }
            case ("write", 2):
                let taken = try call().write(try samples(words[1])) / 2
                Output.line("\(id) value \(taken)")
            case ("read", 1):
                let heard = try call().readData()
                Output.line("\(id) value \(heard.isEmpty ? "-" : hexadecimal(heard))")
            case ("close", 0):
                begin(id) {
                    await phone.close()
                    await line.events.value
                    return "ok"
                }
            default: throw Mistake(text: "not understood: \(text)")
            }
        } catch {
            Output.line("\(id) \(outcome(error))")
        }
    }
    let open = Array(lines.values), done = DispatchSemaphore(value: 0)
    Task {
        for line in open { await line.phone.close() }
        for line in open { await line.events.value }
        done.signal()
    }
    done.wait()
}

run()
