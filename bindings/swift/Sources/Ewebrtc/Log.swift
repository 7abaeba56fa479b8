// The log of the library: levels by module, loggers, and a function that gets the lines.
//
// Owns: `LogManager`, `Logger`, `LogLine`, `LogLevel`. Lives on: any thread; the function is called on a thread of the library of its
// own. Must not import: the phone.

internal import EwebrtcNative

/// How much is written; each level includes those before it.
public enum LogLevel: String, Sendable, Hashable, CaseIterable {
    /// Nothing.
    case off
    /// Errors.
    case error
    /// Warnings.
    case warn
    /// What is good to know.
    case info
    /// What helps to find a fault.
    case debug
    /// Steps.
    case trace
}

/// A line of the log.
public struct LogLine: Sendable, Hashable, CustomStringConvertible {
    /// Its level.
    public let level: LogLevel
    /// The logger that wrote it.
    public let module: String
    /// What was written; may have several lines.
    public let message: String
    /// Source file, where known.
    public let file: String?
    /// Line in that file.
    public let line: Int?

    /// Level, text and place.
    public var description: String {
        let place = file.map { file in line.map { " [\(file):\($0)]" } ?? " [\(file)]" } ?? ""
        return "[\(level == .warn ? "WARNING" : level.rawValue.uppercased())] \(message)\(place)"
    }
}

private final class Lines: EwebrtcNative.LogListener {
    private let callback: @Sendable (LogLine) -> Void

    init(_ callback: @escaping @Sendable (LogLine) -> Void) { self.callback = callback }

    func onLine(line: EwebrtcNative.LogLine) throws {
        callback(
            LogLine(
                level: LogLevel(rawValue: line.level) ?? .error, module: line.module, message: line.text, file: line.file,
                line: line.line.map(Int.init)))
    }
}

/// A logger: a name, a level, and lines that are written when the level includes them. Made by `LogManager`.
public final class Logger: Sendable {
    private let native: EwebrtcNative.Logger
    /// Its name, as in `LogManager.loggers`.
    public let name: String

    init(_ native: EwebrtcNative.Logger) {
        self.native = native
        name = native.name()
    }

    /// Its level. Setting it has no effect after the logger was deleted.
    public var logLevel: LogLevel {
        get { LogLevel(rawValue: native.level()) ?? .off }
        set { try? native.setLevel(level: newValue.rawValue) }
    }

    /// Whether an application has made it.
    public var isCustomType: Bool { native.isCustom() }

    /// Writes an error.
    public func logError(_ message: String, file: String = #fileID, line: Int = #line) { write(.error, message, file, line) }
    /// Writes a warning.
    public func logWarning(_ message: String, file: String = #fileID, line: Int = #line) { write(.warn, message, file, line) }
    /// Writes what is good to know.
    public func logInfo(_ message: String, file: String = #fileID, line: Int = #line) { write(.info, message, file, line) }
    /// Writes what helps to find a fault.
    public func logDebug(_ message: String, file: String = #fileID, line: Int = #line) { write(.debug, message, file, line) }
    /// Writes a step, with `data` as JSON on a second line.
    public func logTrace(_ message: String, data: JSONValue? = nil, file: String = #fileID, line: Int = #line) {
        write(.trace, data.map { "\(message)\n\($0)" } ?? message, file, line)
    }

    private func write(_ level: LogLevel, _ message: String, _ file: String, _ line: Int) {
        try? native.write(level: level.rawValue, text: message, file: file, line: UInt32(clamping: line))
    }
}

/// The log of the whole process; its functions may be called on any thread.
///
/// The modules of the library log at `warn` until told otherwise, `call` and `session` at `info`, and `webrtc`, the crates beneath, not
/// at all. Lines go nowhere until there is a function for them. No token is ever written, and no address, number or IP address at
/// `info` and above; `webrtc` is the exception: its lines may contain packets.
public enum LogManager {
    /// Sets the function that gets the lines, in place of the one before, which gets what is on its way; `nil`: lines go nowhere.
    ///
    /// It is called with one line at a time, on a thread of the library of its own, so it never delays a call; of a flood that it does
    /// not follow the newest lines are left out and counted in a line of their own. What is logged inside it is left out.
    ///
    /// - Throws: `PhoneError.closed` at the end of the process.
    public static func setCallback(_ callback: (@Sendable (LogLine) -> Void)?) throws {
        try lifting { try EwebrtcNative.setLogListener(listener: callback.map(Lines.init)) }
    }

    /// Levels that can be set, least first; `off` can be set, too.
    public static var logLevels: [LogLevel] { EwebrtcNative.logLevels().compactMap(LogLevel.init) }

    /// The level that was last set for all loggers, at first `warn`. Setting it changes every logger there is, except `webrtc`; those
    /// made later begin at their default.
    public static var globalLogLevel: LogLevel {
        get { LogLevel(rawValue: EwebrtcNative.globalLogLevel()) ?? .off }
        set { try? EwebrtcNative.setGlobalLogLevel(level: newValue.rawValue) }
    }

    /// The level at which loggers begin that have no default of their own.
    public static var defaultLogLevel: LogLevel { LogLevel(rawValue: EwebrtcNative.defaultLogLevel()) ?? .off }

    /// Loggers that begin at another level.
    public static var moduleDefaults: [String: LogLevel] { EwebrtcNative.moduleDefaults().compactMapValues(LogLevel.init) }

    /// Level of every logger.
    public static var currentModuleLogLevels: [String: LogLevel] {
        EwebrtcNative.moduleLogLevels().compactMapValues(LogLevel.init)
    }

    /// Names of all loggers.
    public static var loggers: [String] { EwebrtcNative.loggers() }

    /// Brings every logger and the global level back to their defaults.
    public static func resetLogLevels() { EwebrtcNative.resetLogLevels() }

    /// The logger of this name.
    ///
    /// - Throws: `PhoneError.config` when there is none.
    public static func getLogger(_ module: String) throws -> Logger {
        Logger(try lifting { try EwebrtcNative.getLogger(name: module) })
    }

    /// A logger of the application, at the level `warn`.
    ///
    /// - Throws: `PhoneError.config` when the name is empty, longer than 64 bytes, has control characters or is that of another logger,
    ///   or when there are 1024 of them.
    public static func createCustomLogger(_ module: String) throws -> Logger {
        Logger(try lifting { try EwebrtcNative.createCustomLogger(name: module) })
    }

    /// Deletes a logger of the application. Whoever still holds it writes nothing any more.
    ///
    /// - Throws: `PhoneError.config` when there is none of this name, or it is a module of the library.
    public static func deleteCustomLogger(_ module: String) throws {
        try lifting { try EwebrtcNative.deleteCustomLogger(name: module) }
    }
}
