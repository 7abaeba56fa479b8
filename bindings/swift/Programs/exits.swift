// Ends in the middle of a call, without closing anything, in the way that its argument names; the status says that it came so far.

import Ewebrtc
import Foundation

let way = CommandLine.arguments.dropFirst().first ?? "main"
let gateway = try Gateway()
let phone = try Phone(gateway.url, localMedia: .tone(440), remoteMedia: .wav("exits.wav"))
let unread = phone.events()
if way == "log" {
    try LogManager.setCallback { line in
        // On the library's own thread.
        if line.message == "now" { exit(7) }
    }
}
if way == "handler" { try phone.on("media:established") { _ in exit(7) } }
if let milliseconds = Int(way) {
    // Wherever it is then.
    Thread.detachNewThread {
        usleep(UInt32(milliseconds) * 1000)
        exit(7)
    }
}
let established = try phone.events("media:established")
try await phone.login(try await gateway.devToken("alice"))
let call = try await phone.dial("echo")
try await call.connected(timeout: .seconds(30))
_ = await established.next()
// Commands are under way, and somebody waits for what does not come.
let waiting = Task { try await call.ended() }
let commands = (0..<8).map { _ in Task { try await call.sendDTMFTone("1,2,3") } }
try await Task.sleep(for: .milliseconds(300))
switch way {
case "main": break
case "log": try LogManager.createCustomLogger("end").logError("now")
case "thread": Thread.detachNewThread { exit(7) }
default: break
}
if way != "main" { try await Task.sleep(for: .seconds(20)) }
