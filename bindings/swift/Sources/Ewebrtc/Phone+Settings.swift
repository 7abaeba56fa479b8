// What calls are set up with, changed while the phone lives, and the network: methods of the phone. What is set holds for calls made
// or answered afterwards; the resets go back to what the phone was made with.
//
// Owns: these methods of `Phone`. Lives on: any thread; nothing waits.

internal import EwebrtcNative

extension Phone {
    /// Audio codecs that can be chosen, best first.
    public static var supportedAudioCodecs: [String] { EwebrtcNative.supportedAudioCodecs() }

    /// STUN and TURN servers of calls made from now on.
    public func getIceServers() -> [IceServer] { native.iceServers().map(IceServer.init) }

    /// Sets the STUN and TURN servers of calls made from now on.
    ///
    /// - Throws: `PhoneError.refused` with 4811 for an empty list, a server without a URL and a URL that cannot be read.
    public func setIceServers(_ servers: [IceServer]) throws {
        try lifting { try native.setIceServers(servers: servers.map(\.native)) }
    }

    /// Goes back to the servers with which the phone was made.
    public func resetIceServers() { native.resetIceServers() }

    /// Which paths the media of calls made from now on may take.
    ///
    /// - Throws: `PhoneError.closed`.
    public func getIceTransport() throws -> IceTransport {
        IceTransport(rawValue: try lifting { try native.iceTransport() }) ?? .all
    }

    /// Sets which paths the media of calls made from now on may take.
    ///
    /// - Throws: `PhoneError.closed`.
    public func setIceTransport(_ transport: IceTransport) throws {
        try lifting { try native.setIceTransport(transport: transport.rawValue) }
    }

    /// Goes back to the paths with which the phone was made.
    public func resetIceTransport() { native.resetIceTransport() }

    /// Whether calls made from now on offer IPv6 addresses.
    public func getIpv6() -> Bool { native.ipv6() }

    /// Sets whether calls made from now on offer IPv6 addresses.
    ///
    /// - Throws: `PhoneError.refused` with 4831 for `false` in a phone made without IPv4.
    public func setIpv6(_ ipv6: Bool) throws { try lifting { try native.setIpv6(ipv6: ipv6) } }

    /// Goes back to the IPv6 setting with which the phone was made.
    public func resetIpv6() { native.resetIpv6() }

    /// The codec that was chosen, as it was named; `nil`: those with which the phone was made, by preference.
    ///
    /// - Throws: `PhoneError.closed`.
    public func getAudioCodec() throws -> String? { try lifting { try native.audioCodec() } }

    /// Chooses the only audio codec of calls made from now on.
    ///
    /// - Throws: `PhoneError.closed`.
    public func setAudioCodec(_ codec: AudioCodec) throws { try setAudioCodec(named: codec.rawValue) }

    /// Chooses the only audio codec of calls made from now on, by its name in any case.
    ///
    /// - Throws: `PhoneError.config` for a codec that is none; the text names those that are.
    public func setAudioCodec(named codec: String) throws { try lifting { try native.setAudioCodec(codec: codec) } }

    /// Goes back to the codecs with which the phone was made.
    public func resetAudioCodec() { native.resetAudioCodec() }

    // ---- the network ---------------------------------------------------------------------------------------------------

    /// Whether the phone counts as online: what the program said last by `setConnectivity`, else what the operating system says about
    /// the way to the gateway. A gateway on loopback needs no network.
    ///
    /// While a phone is offline, what needs the gateway is refused with 0002, and calls stay.
    public var isOnline: Bool { native.isOnline() }

    /// Tells the phone that the device went offline or came back; events `connectivity:off` and `connectivity:on`. For programs that know
    /// better than the phone's own watching of the network, as apps do (`NWPathMonitor`). Their word counts from now on, until
    /// `followNetwork`.
    public func setConnectivity(_ online: Bool) { native.setConnectivity(online: online) }

    /// Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning.
    public func followNetwork() { native.followNetwork() }
}
