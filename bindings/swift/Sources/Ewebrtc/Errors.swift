// The errors, and how the generated module's become them.
//
// Owns: `PhoneError`, `ErrorFields`, `CallEnd`. Lives on: any thread. Must not import: anything but the generated module.

import Foundation
internal import EwebrtcNative

/// The fields of an error of the catalogue. Codes are texts, since leading zeros matter.
public struct ErrorFields: Sendable, Hashable {
    /// `ErrorCode`, such as `2211`.
    public let errorCode: String
    /// `JSObject`: the object that reported it.
    public let jsObject: String
    /// `JSMethod`: the method that reported it, or `*`.
    public let jsMethod: String
    /// `ErrorMessage`: one sentence.
    public let errorMessage: String
    /// `Cause`: the probable cause.
    public let cause: String
    /// `Resolution`: the suggested remedy.
    public let resolution: String
    /// `APIError`: the gateway's own text.
    public let apiError: String?
    /// `ResourceMethod`: method and address of the request that failed.
    public let resourceMethod: String?
    /// `HttpStatusCode`; `0` when no answer came.
    public let httpStatusCode: String?
    /// `MessageId`: the gateway's message id.
    public let messageId: String?
    /// `AdditionalInformation`: further detail.
    public let additionalInformation: String?

    /// The fields that there are, by the names of the Phone API (`ErrorCode`, `JSObject` ...).
    public var documented: [String: String] {
        let all: [(String, String?)] = [
            ("ErrorCode", errorCode), ("JSObject", jsObject), ("JSMethod", jsMethod), ("ErrorMessage", errorMessage),
            ("Cause", cause), ("Resolution", resolution), ("APIError", apiError), ("ResourceMethod", resourceMethod),
            ("HttpStatusCode", httpStatusCode), ("MessageId", messageId), ("AdditionalInformation", additionalInformation),
        ]
        return Dictionary(uniqueKeysWithValues: all.compactMap { name, value in value.map { (name, $0) } })
    }

    /// The reverse of `documented`, from the properties of an event; `nil` when there is no `ErrorCode`.
    public init?(_ properties: [String: JSONValue]) {
        guard let code = properties["ErrorCode"]?.text else { return nil }
        errorCode = code
        jsObject = properties["JSObject"]?.text ?? ""
        jsMethod = properties["JSMethod"]?.text ?? ""
        errorMessage = properties["ErrorMessage"]?.text ?? ""
        cause = properties["Cause"]?.text ?? ""
        resolution = properties["Resolution"]?.text ?? ""
        apiError = properties["APIError"]?.text
        resourceMethod = properties["ResourceMethod"]?.text
        httpStatusCode = properties["HttpStatusCode"]?.text
        messageId = properties["MessageId"]?.text
        additionalInformation = properties["AdditionalInformation"]?.text
    }

    init(_ native: EwebrtcNative.ErrorFields) {
        errorCode = native.errorCode
        jsObject = native.jsObject
        jsMethod = native.jsMethod
        errorMessage = native.errorMessage
        cause = native.cause
        resolution = native.resolution
        apiError = native.apiError
        resourceMethod = native.resourceMethod
        httpStatusCode = native.httpStatusCode
        messageId = native.messageId
        additionalInformation = native.additionalInformation
    }
}

extension ErrorFields: CustomStringConvertible {
    /// Code, sentence and details.
    public var description: String {
        let details = [apiError, additionalInformation].compactMap { $0 }.filter { !$0.isEmpty }
        return "\(errorCode): \(errorMessage)" + details.map { " (\($0))" }.joined()
    }
}

/// How a call has ended.
public struct CallEnd: Sendable {
    /// The event that ended it: `call:disconnected`, `call:rejected`, `call:canceled`, or those of conferences.
    public let event: Event
    /// What the last `error` event of the call said; `nil` when there was none.
    public let error: ErrorFields?

    /// What the event says of the reason, such as that nobody answered.
    public var reason: String? { event.reason }
}

extension CallEnd: CustomStringConvertible {
    /// The event, the reason and the last error.
    public var description: String {
        if let error, error.errorMessage == reason { return "\(event.name): \(error)" }
        let text = reason.map { "\(event.name): \($0)" } ?? event.name
        return error.map { "\(text); the last error was \($0)" } ?? text
    }
}

/// Why something was refused or failed. Waits whose task is cancelled throw `CancellationError` instead.
public enum PhoneError: Error, Sendable {
    /// Refused or failed with a code of the catalogue. The same was published as an `error` event, or as `session:expired` or
    /// `gateway:unreachable` where the protocol says so.
    case refused(ErrorFields)
    /// There never was a call with this handle, as far as the phone knows; of `answer` and `joinConference`: it ended meanwhile.
    case notFound
    /// The call has ended; of a call that was waited for, before that came. So says every method of a call that is over, from the moment of
    /// its end on, whether its events have come or not.
    case callEnded(CallEnd)
    /// The phone has no method of this name.
    case unknownMethod(String)
    /// The phone is closed.
    case closed
    /// Too many commands are under way; this one was not given.
    case busy
    /// Waiting was refused where it could be for oneself.
    case inHandler
    /// A setting cannot be used; the text says which.
    case config(String)
    /// An argument cannot be used; the text says which.
    case argument(String)
    /// The call has no program audio in this direction: its media is not `pcm`, or it was not answered yet.
    case noAudio
    /// The call has no program video in this direction: its media has no `;video=frames`, or it was not answered yet.
    case noVideo
    /// The operating system or the gateway's development mode refused; the text says what.
    case system(String)
    /// The time that was given to a wait is over.
    case timeout
    /// The library failed inside.
    case internalFailure(String)

    /// The fields of `refused`.
    public var fields: ErrorFields? {
        if case .refused(let fields) = self { fields } else { nil }
    }

    /// The code of `refused`, such as `2211`.
    public var code: String? { fields?.errorCode }
}

extension PhoneError: CustomStringConvertible, LocalizedError {
    /// What happened, for people.
    public var description: String {
        switch self {
        case .refused(let fields): fields.description
        case .notFound: "there is no call with this handle"
        case .callEnded(let end): end.description
        case .unknownMethod(let method): "there is no method '\(method)'"
        case .closed: "the phone is closed"
        case .busy: "too many commands are under way"
        case .inHandler: "an event handler must not wait for its own phone"
        case .config(let text), .argument(let text), .system(let text), .internalFailure(let text): text
        case .noAudio: "the call has no program audio in this direction"
        case .noVideo: "the call has no program video in this direction"
        case .timeout: "the time is over"
        }
    }

    /// As `description`.
    public var errorDescription: String? { description }
}

/// The error of this package for one of the generated module.
func translated(_ error: any Error) -> any Error {
    guard let native = error as? EwebrtcNative.PhoneError else {
        if error is PhoneError || error is CancellationError { return error }
        return PhoneError.internalFailure((error as? any LocalizedError)?.errorDescription ?? String(describing: error))
    }
    switch native {
    case .Refused(let fields): return PhoneError.refused(ErrorFields(fields))
    case .NotFound: return PhoneError.notFound
    case .UnknownMethod(let method): return PhoneError.unknownMethod(method)
    case .Closed: return PhoneError.closed
    case .Busy: return PhoneError.busy
    case .InHandler: return PhoneError.inHandler
    case .Config(let reason): return PhoneError.config(reason)
    case .Argument(let reason): return PhoneError.argument(reason)
    case .NoAudio: return PhoneError.noAudio
    case .NoVideo: return PhoneError.noVideo
    case .System(let reason): return PhoneError.system(reason)
    case .Callback(let reason): return PhoneError.internalFailure(reason)
    }
}

/// Does something; errors of the generated module come out as those of this package.
func lifting<Value>(_ step: () throws -> Value) throws -> Value {
    do {
        return try step()
    } catch {
        Ending.park()
        throw translated(error)
    }
}
