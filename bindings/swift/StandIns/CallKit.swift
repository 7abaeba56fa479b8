// Stands in for what docs/ios.md uses of CallKit; see AVFoundation.swift beside it.

import AVFoundation
@_exported import Foundation

public class CXAction: NSObject {
    public func fulfill() {}
    public func fail() {}
}

public class CXCallAction: CXAction {
    public var callUUID: UUID { UUID() }
}

public class CXAnswerCallAction: CXCallAction {}
public class CXEndCallAction: CXCallAction {}
public class CXSetHeldCallAction: CXCallAction { public var isOnHold: Bool { false } }
public class CXSetMutedCallAction: CXCallAction { public var isMuted: Bool { false } }
public class CXPlayDTMFCallAction: CXCallAction { public var digits: String { "" } }

public class CXHandle: NSObject {
    public enum HandleType { case generic, phoneNumber }
    public init(type: HandleType, value: String) {}
}

public class CXCallUpdate: NSObject {
    public override init() {}
    public var remoteHandle: CXHandle?
}

public class CXProviderConfiguration: NSObject {
    public override init() {}
    public var supportedHandleTypes: Set<CXHandle.HandleType> = []
    public var maximumCallsPerCallGroup = 5
}

public enum CXCallEndedReason { case remoteEnded }

public protocol CXProviderDelegate: NSObjectProtocol {
    func providerDidReset(_ provider: CXProvider)
    func provider(_ provider: CXProvider, perform action: CXAnswerCallAction)
    func provider(_ provider: CXProvider, perform action: CXEndCallAction)
    func provider(_ provider: CXProvider, perform action: CXSetHeldCallAction)
    func provider(_ provider: CXProvider, perform action: CXSetMutedCallAction)
    func provider(_ provider: CXProvider, perform action: CXPlayDTMFCallAction)
    func provider(_ provider: CXProvider, didActivate audioSession: AVAudioSession)
    func provider(_ provider: CXProvider, didDeactivate audioSession: AVAudioSession)
}

public class CXProvider: NSObject {
    public init(configuration: CXProviderConfiguration) {}
    public func setDelegate(_ delegate: (any CXProviderDelegate)?, queue: DispatchQueue?) {}
    public func reportNewIncomingCall(with: UUID, update: CXCallUpdate) async throws {}
    public func reportCall(with: UUID, endedAt: Date?, reason: CXCallEndedReason) {}
}
