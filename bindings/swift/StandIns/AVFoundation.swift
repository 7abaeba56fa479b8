// Stands in for what docs/ios.md uses of AVFoundation, by Apple's documentation of it, so that the compiler can check the rest of that page
// where there is no SDK of Apple's. It does nothing.

@_exported import Foundation

public typealias AVAudioFrameCount = UInt32
public typealias AVAudioNodeBus = Int

public enum AVAudioCommonFormat { case pcmFormatInt16 }

public class AVAudioFormat {
    public let sampleRate = 48_000.0
    public init?(commonFormat: AVAudioCommonFormat, sampleRate: Double, channels: UInt32, interleaved: Bool) {}
    public init?(standardFormatWithSampleRate: Double, channels: UInt32) {}
}

public class AVAudioBuffer {}

public class AVAudioPCMBuffer: AVAudioBuffer {
    public init?(pcmFormat: AVAudioFormat, frameCapacity: AVAudioFrameCount) {}
    public var frameLength: AVAudioFrameCount = 0
    public var int16ChannelData: UnsafePointer<UnsafeMutablePointer<Int16>>? { nil }
    public var floatChannelData: UnsafePointer<UnsafeMutablePointer<Float>>? { nil }
}

public class AVAudioTime {}

public enum AVAudioConverterInputStatus { case haveData, noDataNow }
public enum AVAudioConverterOutputStatus { case haveData }
public typealias AVAudioConverterInputBlock =
    (AVAudioFrameCount, UnsafeMutablePointer<AVAudioConverterInputStatus>) -> AVAudioBuffer?

public class AVAudioConverter {
    public init?(from: AVAudioFormat, to: AVAudioFormat) {}
    @discardableResult
    public func convert(
        to: AVAudioBuffer, error: UnsafeMutablePointer<NSError?>?, withInputFrom: AVAudioConverterInputBlock
    ) -> AVAudioConverterOutputStatus { .haveData }
}

public class AVAudioNode {
    public func outputFormat(forBus: AVAudioNodeBus) -> AVAudioFormat { AVAudioFormat(standardFormatWithSampleRate: 1, channels: 1)! }
    public func installTap(
        onBus: AVAudioNodeBus, bufferSize: AVAudioFrameCount, format: AVAudioFormat?,
        block: @escaping (AVAudioPCMBuffer, AVAudioTime) -> Void
    ) {}
    public func removeTap(onBus: AVAudioNodeBus) {}
}

public class AVAudioInputNode: AVAudioNode {
    public func setVoiceProcessingEnabled(_ enabled: Bool) throws {}
}

public class AVAudioMixerNode: AVAudioNode {}

public class AVAudioPlayerNode: AVAudioNode {
    public override init() {}
    public func play() {}
    public func stop() {}
    public func scheduleBuffer(_ buffer: AVAudioPCMBuffer, completionHandler: (() -> Void)?) {}
}

public class AVAudioEngine {
    public init() {}
    public var inputNode: AVAudioInputNode { AVAudioInputNode() }
    public var mainMixerNode: AVAudioMixerNode { AVAudioMixerNode() }
    public func attach(_ node: AVAudioNode) {}
    public func connect(_ node: AVAudioNode, to: AVAudioNode, format: AVAudioFormat?) {}
    public func prepare() {}
    public func start() throws {}
    public func stop() {}
}

public class AVAudioSession {
    public enum Category { case playAndRecord }
    public enum Mode { case voiceChat }
    public struct CategoryOptions: OptionSet {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static var allowBluetooth: CategoryOptions { .init(rawValue: 4) }
    }
    public class func sharedInstance() -> AVAudioSession { AVAudioSession() }
    public func setCategory(_ category: Category, mode: Mode, options: CategoryOptions = []) throws {}
}
