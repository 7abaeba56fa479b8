// swift-tools-version:6.0
import Foundation
import PackageDescription

// Two ways to the native library: EWEBRTC_LIB_DIR is the folder of a built libewebrtc (Linux, and tests); without it, the XCFramework
// that build-xcframework.sh has made (iOS, macOS). The sources of EwebrtcNative are made from that library by package.sh.
let folder = ProcessInfo.processInfo.environment["EWEBRTC_LIB_DIR"]

let native: Target
var linker: [LinkerSetting] = []
if let folder {
    native = .systemLibrary(name: "EwebrtcFFI", path: "Sources/EwebrtcFFI")
    linker = [.unsafeFlags(["-L\(folder)", "-Xlinker", "-rpath", "-Xlinker", folder]), .linkedLibrary("ewebrtc")]
} else {
    native = .binaryTarget(name: "EwebrtcFFI", path: "EwebrtcFFI.xcframework")
    // What the static library of the framework needs of the system.
    linker = ["Security", "SystemConfiguration", "CoreFoundation"].map { .linkedFramework($0) }
}

let package = Package(
    name: "Ewebrtc",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Ewebrtc", targets: ["Ewebrtc"])],
    targets: [
        native,
        .target(name: "EwebrtcNative", dependencies: ["EwebrtcFFI"], linkerSettings: linker),
        .target(name: "Ewebrtc", dependencies: ["EwebrtcNative"]),
        .testTarget(name: "EwebrtcTests", dependencies: ["Ewebrtc", "EwebrtcNative"]),
    ]
)
