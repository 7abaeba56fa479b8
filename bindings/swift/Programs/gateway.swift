// A gateway for the programs that use one of another process: prints its address, and ends with its input.

import Ewebrtc
import Foundation

let gateway = try Gateway()
print(gateway.url)
fflush(nil)
while readLine() != nil {}
await gateway.stop()
