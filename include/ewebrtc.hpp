/* ewebrtc for C++17: a layer of headers above ewebrtc.h, with no ABI of its own. Link the library as a C program does.

   Ownership. Phone and Gateway own what they stand for and can be moved only; their destructors give it back. Call, Command,
   Event and Events are values that may be copied, or moved for Events, kept as long as one likes, and used after their phone is
   gone: methods throw then.

   Threads. Every function may be called on any thread, also inside handlers; as ever in C++, one object is not used on one thread
   while another assigns or destroys it. Handlers of a phone run one at a time, in order, on a thread of that phone, with nothing
   locked. What waits refuses to do so inside a handler (EWEBRTC_ERR_WOULD_BLOCK) and says so in its comment.

   Errors. What fails throws ewebrtc::Error. What a handler throws goes no further than the handler: see
   set_exception_handler.

   Texts are UTF-8. */
#ifndef EWEBRTC_HPP
#define EWEBRTC_HPP

#include "ewebrtc/error.hpp"
#include "ewebrtc/json.hpp"
#include "ewebrtc/event.hpp"
#include "ewebrtc/hub.hpp"
#include "ewebrtc/call.hpp"
#include "ewebrtc/gateway.hpp"
#include "ewebrtc/phone.hpp"
#include "ewebrtc/info.hpp"
#include "ewebrtc/log.hpp"

#endif
