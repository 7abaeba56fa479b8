// The gateway in the same process, and tokens from gateways in development mode.
//
// Owns: `Gateway`, `DevToken`. Lives on: any thread. Must not import: the phone.

import Foundation
internal import EwebrtcNative

/// What a gateway in development mode gives for a name.
public struct DevToken: Sendable {
    /// The token itself; not shown when the value is printed.
    public let accessToken: String
    /// Seconds until it ends.
    public let expiresIn: Int
    /// Kind of the user: an account id or a virtual number.
    public let kind: String
    /// Address under which others reach the user.
    public let address: String

    init(_ native: EwebrtcNative.DevToken) {
        accessToken = native.accessToken
        expiresIn = Int(clamping: native.expiresIn)
        kind = native.kind
        address = native.address
    }
}

extension DevToken: CustomStringConvertible {
    /// Without the token.
    public var description: String { "DevToken(\(kind) \(address), \(expiresIn) s)" }
}

/// A gateway in this process, in development mode: every name may log in. It ends with the object, or by `stop`.
public final class Gateway: Sendable {
    private let native: EwebrtcNative.Gateway
    /// Address for `Phone`.
    public let url: String

    /// Starts it; it listens when this returns.
    ///
    /// - Parameters:
    ///   - listen: `address:port`; a free port of 127.0.0.1 unless it is given.
    ///   - domain: That of the accounts.
    /// - Throws: `PhoneError.config` for what is no address and port or no domain, `system` when the address cannot be listened on.
    public init(listen: String? = nil, domain: String? = nil) throws {
        native = try lifting { try EwebrtcNative.Gateway(listen: listen, domain: domain) }
        url = native.url()
    }

    /// A token for this user, who exists from then on: a name is an account id, 10 or 11 digits are a number.
    ///
    /// - Throws: `PhoneError.refused` with the gateway's code when it does not accept the name, 0002 when it has stopped.
    public func devToken(_ user: String) async throws -> DevToken {
        let native = native
        return DevToken(try await command { try await native.devToken(user: user) })
    }

    /// Ends every session and stops listening; when it returns the port is free again, after five seconds at most.
    public func stop() async {
        let native = native
        // It waits, which the threads of tasks must not.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                native.stop()
                continuation.resume()
            }
        }
    }
}

/// A token for this user from the gateway at this address, as `Gateway.devToken`.
///
/// - Parameters:
///   - gateway: `http://host:port` or `https://host`.
///   - user: A name, or a number of 10 or 11 digits.
///   - rootCertificates: Texts in PEM that are trusted beside the operating system's.
/// - Throws: `PhoneError.config` for an unusable address, `system` when the gateway is not in development mode, `refused` as there.
public func devToken(gateway: String, user: String, rootCertificates: [String] = []) async throws -> DevToken {
    let work: @Sendable () async throws -> EwebrtcNative.DevToken = {
        try await EwebrtcNative.devToken(gateway: gateway, user: user, rootCertificates: rootCertificates)
    }
    return DevToken(try await command(work))
}
