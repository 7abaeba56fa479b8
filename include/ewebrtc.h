/* ewebrtc: a telephone for programs. Generated from src/ffi/c; do not edit
   (EWEBRTC_UPDATE_HEADER=1 cargo build makes it anew).

   Threads. Any function may be called from any thread, also inside a callback; no thread must be registered. The events of a
   phone are delivered one at a time, in order, on a thread of that phone, with nothing locked. Only ewebrtc_phone_wait_closed,
   ewebrtc_phone_next_event, ewebrtc_phone_free and ewebrtc_gateway_stop wait for something that may take seconds; inside a
   callback of any phone they refuse or do not wait. ewebrtc_gateway_start and ewebrtc_dev_token wait for an answer.

   Handles. Phones, gateways and calls are 64-bit numbers that are never used twice. A wrong or stale one gives
   EWEBRTC_ERR_NOT_FOUND.

   Processes. After fork() every function that can fail answers EWEBRTC_ERR_FORKED in the child; exec() as usual. The library keeps SIGPIPE from
   its own threads and changes nothing else about signals. On Linux its audio threads ask for nice -10 and go on without it. A callback must return: no pthread_exit, no longjmp, no exception.

   Errors. 0 is success, negative numbers are faults of the call itself: nothing has happened, no event follows, and
   ewebrtc_last_error says why. What a phone refuses or what fails later is an event with the codes of the Phone API.

   Text. What goes in is UTF-8, ends with a zero byte and is copied. Where the library gives a char * it is freed by
   ewebrtc_string_free; a const char * belongs to the library. A pointer may be null only where it says so; a null elsewhere
   gives EWEBRTC_ERR_NULL. */


#ifndef EWEBRTC_H
#define EWEBRTC_H

#include <stddef.h>
#include <stdint.h>

/*
 Done; or, for the functions that take a method, done or refused with a code (see ewebrtc_phone_call).
 */
#define EWEBRTC_OK 0

/*
 A pointer that must not be null is null.
 */
#define EWEBRTC_ERR_NULL -1

/*
 A text is not UTF-8, options are no JSON object, a number or a setting cannot be used.
 */
#define EWEBRTC_ERR_ARGUMENT -2

/*
 struct_size is smaller than the first version of the struct, or larger than any.
 */
#define EWEBRTC_ERR_STRUCT_SIZE -3

/*
 No such phone, gateway or live call: the handle is wrong, or what it named is freed or has ended.
 */
#define EWEBRTC_ERR_NOT_FOUND -4

/*
 Not possible in this state: the call has no program audio or video, or the phone has a callback.
 */
#define EWEBRTC_ERR_STATE -5

/*
 Too many commands are under way; this one was not given.
 */
#define EWEBRTC_ERR_BUSY -6

/*
 The phone is closed.
 */
#define EWEBRTC_ERR_CLOSED -7

/*
 The time is over.
 */
#define EWEBRTC_ERR_TIMEOUT -8

/*
 The function would wait, and was called inside a callback, where it must not.
 */
#define EWEBRTC_ERR_WOULD_BLOCK -9

/*
 The library was built without this, or the caller set an option that this version does not know.
 */
#define EWEBRTC_ERR_UNSUPPORTED -10

/*
 The operating system or the gateway refused; the last-error text says what.
 */
#define EWEBRTC_ERR_SYSTEM -11

/*
 The library failed inside; the phone concerned is closed, everything else goes on.
 */
#define EWEBRTC_ERR_PANIC -12

/*
 The phone has no method of this name.
 */
#define EWEBRTC_ERR_UNKNOWN_METHOD -13

/*
 The process is a fork of one that has used the library, which does not survive that: the threads are gone.
 */
#define EWEBRTC_ERR_FORKED -14

/*
 Version of this interface: the major number times 65536 plus the minor one. The minor number rises when something is
 added, the major one when something is removed or changed.
 */
#define EWEBRTC_ABI_VERSION 65539

/*
 One request after the other waits at the gateway for events: what every gateway offers.
 */
#define EWEBRTC_EVENTS_LONG_POLL 0

/*
 One WebSocket, over which events come as they happen. The phone polls where the gateway offers none or none can be opened.
 */
#define EWEBRTC_EVENTS_WEBSOCKET 1

/*
 VP8 (RFC 6386): a picture is a frame.
 */
#define EWEBRTC_VIDEO_VP8 1

/*
 H.264: a picture is an access unit, each NAL unit behind a start code (Annex B).
 */
#define EWEBRTC_VIDEO_H264 2

/*
 What a function answers: EWEBRTC_OK or one of the negative EWEBRTC_ERR_ numbers. Numbers are never renumbered; a program
 treats a number that it does not know as a failure.
 */
typedef int32_t ewebrtc_status;

/*
 Receives the events of a phone, on the phone's own thread, one at a time and in order, with nothing locked. name: such as
 "call:connected". json: one JSON object with "event", "seq", "timestamp", where it applies "call" or "conference" and
 "tag", and the event's own properties. Both texts live until the function returns. It should return within milliseconds, since the next
 event waits for it, and may call every function of this header. A C++ function must not let an exception out.
 */
typedef void (*ewebrtc_event_fn)(void *user, const char *name, const char *json);

/*
 Called exactly once, after the last callback: the user pointer is not used any more. It runs on the thread that frees the
 phone or on the phone's own, and counts as a callback.
 */
typedef void (*ewebrtc_drop_fn)(void *user);

/*
 How a phone is made. Fill it with zeros, then set struct_size and gateway; zero (null) means the default in every other
 member. All texts are copied.
 */
typedef struct {
    /*
     sizeof(ewebrtc_phone_config).
     */
    uint32_t struct_size;
    /*
     Samples per second of program audio, 8000 to 48000. Default 48000.
     */
    uint32_t pcm_rate;
    /*
     Address of the gateway, "http://host:port" or "https://host". Must not be null.
     */
    const char *gateway;
    /*
     Receives the events. Null: they are read by ewebrtc_phone_next_event. A phone whose events nobody takes closes when about
     65 000 wait.
     */
    ewebrtc_event_fn on_event;
    /*
     Handed to on_event and drop_user, never looked at.
     */
    void *user;
    /*
     Called once when user is not needed any more. Not called when ewebrtc_phone_new fails.
     */
    ewebrtc_drop_fn drop_user;
    /*
     Domain appended to names and short numbers, at most 253 bytes. Default: that of one's own address as the gateway names it.
     */
    const char *domain;
    /*
     "localMedia" of calls that give none: "silence", "tone:HZ", "wav:PATH" or "pcm", and for video ";video=ivf:PATH" or
     ";video=frames" behind it (see ewebrtc_video_write). Default "silence". What a call names
     holds for later calls that name none.
     */
    const char *local_media;
    /*
     "remoteMedia" of calls that give none: "discard", "wav:PATH" or "pcm", and ";video=ivf:PATH" or ";video=frames" behind
     it. Default "discard". Likewise.
     */
    const char *remote_media;
    /*
     Audio codecs by preference, separated by commas. Default "opus,pcmu,pcma".
     */
    const char *audio_codecs;
    /*
     Certificates in PEM that are trusted beside the operating system's, for the gateway and for "turns:" servers.
     */
    const char *root_certificates;
    /*
     ICE settings as a JSON object: "iceServers" and "iceTransportPolicy" as in a browser's RTCConfiguration, "ipv4" and
     "ipv6" (true or false), "ports" (the first and the last UDP port to take). Default: no servers, every address.
     */
    const char *ice_json;
    /*
     Effort of the Opus encoder, 1 to 10. Default 9.
     */
    uint32_t opus_complexity;
    /*
     How the phone hears of events: EWEBRTC_EVENTS_LONG_POLL (0, the default) or EWEBRTC_EVENTS_WEBSOCKET.
     */
    uint32_t event_channel;
    /*
     Video codecs by preference, separated by commas. Default "vp8,h264". Since version 1.1 of the interface.
     */
    const char *video_codecs;
} ewebrtc_phone_config;

/*
 A phone. 0 is none; a value is never used twice.
 */
typedef uint64_t ewebrtc_phone;

/*
 A call or conference, the same number as "call" or "conference" in events. 0 is none; a value is never used twice and is
 below 2^53.
 */
typedef uint64_t ewebrtc_call;

/*
 Receives the lines of the log. level: "error", "warn", "info", "debug" or "trace". module: the logger that wrote it. file:
 null where it is not known, else the source file, with its line. All texts live until the function returns.

 It runs on the thread that writes the line, possibly on several at a time, also on those that carry audio: it should be
 quick. It counts as a callback; what is logged inside it, on the same thread, is left out. ewebrtc_phone_call and
 ewebrtc_phone_call_on answer EWEBRTC_ERR_WOULD_BLOCK inside it.
 */
typedef void (*ewebrtc_log_fn)(void *user,
                               const char *level,
                               const char *module,
                               const char *message,
                               const char *file,
                               uint32_t line);

/*
 What is known of an encoded picture beside its bytes.
 */
typedef struct {
    /*
     EWEBRTC_VIDEO_VP8 or EWEBRTC_VIDEO_H264.
     */
    int32_t codec;
    /*
     1 if it can be decoded without the pictures before it, else 0. Ignored by ewebrtc_video_write, which looks into it.
     */
    int32_t key;
    /*
     When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around.
     */
    uint32_t timestamp;
    /*
     Unused; 0.
     */
    uint32_t reserved;
    /*
     Its size in bytes. Ignored by ewebrtc_video_write.
     */
    size_t size;
} ewebrtc_video_frame;

/*
 A gateway in this process. 0 is none; a value is never used twice.
 */
typedef uint64_t ewebrtc_gateway;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The interface version of the loaded library; compare it by ewebrtc_abi_fits.
 */
uint32_t ewebrtc_abi_version(void);

/*
 The version of the library, such as "0.1.0". Never null, never freed.
 */
const char *ewebrtc_version(void);

/*
 What the last refusal on this thread was about; "" when there was none. Never null. It lives until the next refusal on this
 thread, and must not be freed.
 */
const char *ewebrtc_last_error(void);

/*
 Frees a text that the library gave. Null is fine. A text must be freed once, and by this function only.
 */
void ewebrtc_string_free(char *text);

/*
 The errors that the phone raises by itself, as a JSON array of objects with ErrorCode, JSObject, JSMethod, ErrorMessage,
 Cause, Resolution.

 out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
 */
ewebrtc_status ewebrtc_sdk_errors(char **out_json);

/*
 The errors that the gateway reports, as ewebrtc_sdk_errors, and with MessageId and HttpStatusCode.

 out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
 */
ewebrtc_status ewebrtc_api_errors(char **out_json);

/*
 Makes a phone that is not logged in. No request is sent and no event is delivered before the first command.

 config: must not be null. out: receives the handle, 0 on failure; must not be null.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (a setting cannot be used), _STRUCT_SIZE, _UNSUPPORTED, _SYSTEM (no threads).
 */
ewebrtc_status ewebrtc_phone_new(const ewebrtc_phone_config *config,
                                 ewebrtc_phone *out);

/*
 Calls a method of the phone by its name: "login", "dial", "answer", "hangup", "mute", "getCalls" and so on, with its
 options as a JSON object, such as {"destination":"bob"}; an argument that has no name there has that of the method's
 table, such as {"participant":"bob"} for "addParticipant". Returns when the command is accepted or refused; that it is
 finished says the event "command:finished" with the same tag.

 options_json: null or empty for none. tag: null for none; comes back as "tag" in the events that the command causes.
 out_call: null, or receives the handle of the call that "dial" or "addCall" made or of the conference that "startConference"
 made, else 0. No event of it comes before.
 out_result: null, or receives {"value": ...}, or {"error": {"ErrorCode": "2211", ...}} when the command was refused with a
 code. To be freed with ewebrtc_string_free; null on failure.

 A refusal with a code is not a failure of this function: it answers EWEBRTC_OK, causes exactly one event "error" with the
 tag, and no "command:finished". The last-error text is set as well.
 Errors (no event follows): EWEBRTC_ERR_NULL, _ARGUMENT, _NOT_FOUND (no such phone), _UNKNOWN_METHOD, _CLOSED, _BUSY.
 */
ewebrtc_status ewebrtc_phone_call(ewebrtc_phone phone,
                                  const char *method,
                                  const char *options_json,
                                  const char *tag,
                                  ewebrtc_call *out_call,
                                  char **out_result);

/*
 Calls a method on one call or conference by its handle. "hangup" does what its state demands (cancels, rejects or ends it),
 "mute", "unmute" and "sendDTMFTone" act on it, everything else requires it in the foreground.

 Parameters, result and errors are those of ewebrtc_phone_call; EWEBRTC_ERR_NOT_FOUND also when the call has ended.
 */
ewebrtc_status ewebrtc_phone_call_on(ewebrtc_phone phone,
                                     ewebrtc_call call,
                                     const char *method,
                                     const char *options_json,
                                     const char *tag,
                                     char **out_result);

/*
 Looks whether there are events of this name, for programs that take events by their names: a misspelt one would never come.

 name: must not be null. out_result: null, or receives {"value": null}, or {"error": {"ErrorCode": "4902", ...}} for a name of
 no event, 4901 for the empty one. To be freed with ewebrtc_string_free; null on failure. Since version 1.3 of the interface.

 As of every method, a refusal with a code is not a failure of this function: it answers EWEBRTC_OK and causes one event "error".
 Errors (no event follows): EWEBRTC_ERR_NULL, _ARGUMENT, _NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_check_event(ewebrtc_phone phone,
                                         const char *name,
                                         char **out_result);

/*
 How a call or conference has ended, as a JSON object: "event" is the event that ended it, whole, and "error", where there was
 one, what its last event "error" said. It is known from the moment on at which other functions answer EWEBRTC_ERR_NOT_FOUND
 because the call has ended, also while that event is still on its way. A phone remembers the latest 64.

 out_json: must not be null; to be freed with ewebrtc_string_free, null on failure. Since version 1.3 of the interface.
 Errors: EWEBRTC_ERR_NULL, _STATE (it lives), _NOT_FOUND (no such phone; there never was such a call, as far as is known).
 */
ewebrtc_status ewebrtc_call_ended(ewebrtc_phone phone,
                                  ewebrtc_call call,
                                  char **out_json);

/*
 Whether the phone counts as online: what the program said last by ewebrtc_phone_set_connectivity, else what the operating
 system says about the way to the gateway. A gateway on loopback needs no network.

 out_online: receives 1 or 0; must not be null. Errors: EWEBRTC_ERR_NULL, _NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_is_online(ewebrtc_phone phone,
                                       int32_t *out_online);

/*
 Tells the phone that the device went offline (0) or came back; events "connectivity:off" and "connectivity:on". For
 programs that know better than the phone's own watching of the network. Their word counts from now on, until
 ewebrtc_phone_follow_network.

 Errors: EWEBRTC_ERR_NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_set_connectivity(ewebrtc_phone phone,
                                              int32_t online);

/*
 Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning.

 Errors: EWEBRTC_ERR_NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_follow_network(ewebrtc_phone phone);

/*
 Takes the next event of a phone that was made without a callback, and waits for it at most timeout_ms milliseconds.

 out_json: receives the event as one JSON object (with its name as "event"), to be freed with ewebrtc_string_free; null on
 failure. Must not be null.
 Errors: EWEBRTC_ERR_TIMEOUT, _CLOSED (the last event was taken, or the phone is being freed), _STATE (the phone has a
 callback), _WOULD_BLOCK (inside a callback), _NULL, _NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_next_event(ewebrtc_phone phone,
                                        uint32_t timeout_ms,
                                        char **out_json);

/*
 Begins to close a phone and never waits: calls end, the session is deleted, "phone:closed" is the last event. Closing
 twice does nothing more.

 Errors: EWEBRTC_ERR_NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_close(ewebrtc_phone phone);

/*
 Waits until a phone is closed and its last event was delivered, at most timeout_ms milliseconds; recordings are
 complete then. It does not close the phone. Events of a phone without a callback must be read meanwhile.

 Errors: EWEBRTC_ERR_TIMEOUT, _WOULD_BLOCK (inside a callback of any phone), _NOT_FOUND, _CLOSED (it was freed meanwhile).
 */
ewebrtc_status ewebrtc_phone_wait_closed(ewebrtc_phone phone,
                                         uint32_t timeout_ms);

/*
 Frees a phone, closing it first if need be. Events that were not delivered yet are dropped; the goodbye to the gateway
 goes on in the background (call ewebrtc_phone_close and ewebrtc_phone_wait_closed before, to see its end).

 After it has returned outside a callback, no callback of this phone runs or will run, and drop_user has run. Inside a
 callback of any phone it does not wait: no callback of this phone begins any more, and drop_user runs after the one that
 may be running. Any thread may call it; of several, one frees and the others get EWEBRTC_ERR_NOT_FOUND. 0 is fine.

 Errors: EWEBRTC_ERR_NOT_FOUND.
 */
ewebrtc_status ewebrtc_phone_free(ewebrtc_phone phone);

/*
 What this library can do on this machine, at this moment, as a JSON object: "version", "target" ("os", "arch"), "hasWebRTC"
 ("Supported" or "Not Certified"), "supported" (a list of targets), "audioCodecs", "videoCodecs", "sources", "sinks",
 "iceServers", "features", "ipv4", "ipv6", "isNetworkConnected".

 out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
 */
ewebrtc_status ewebrtc_capabilities(char **out_json);

/*
 Calls a method that needs no phone by its name, with its arguments as a JSON object: those of logManager ("getLogLevels",
 "getGlobalLogLevel", "setGlobalLogLevel" with "level", "getDefaultLogLevel", "getLoggers", "getCurrentModuleLogLevels",
 "getModuleDefaults", "resetLogLevels", "getLogger", "createCustomLogger", "deleteCustomLogger" with "module"), of Logger, with
 its name as "module" ("getLogLevel", "setLogLevel" with "level", "isCustomType", "logError", "logWarning", "logInfo",
 "logDebug", "logTrace" with "message"), and of browser ("hasWebRTC", "getBrowserSupport", "isNetworkConnected").

 options_json: null or empty for none. out_result: null, or receives {"value": ...}, to be freed with ewebrtc_string_free; null
 on failure. A phone answers the same names by ewebrtc_phone_call.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (an argument cannot be used, or there is no such logger), _UNKNOWN_METHOD.
 */
ewebrtc_status ewebrtc_utility(const char *method,
                               const char *options_json,
                               char **out_result);

/*
 Sets the function that gets the lines of the log of the whole process, in place of the one before; null removes it, and lines
 go nowhere, as at first. Which lines there are is set by module: see "setLogLevel" of ewebrtc_utility. No token is ever
 written, and no address, number or IP address at "info" and above; "webrtc", off at first, is the exception.

 user: handed to both functions, never looked at. drop_user: null, or called once when the function before it cannot be called
 any more: at another ewebrtc_log_set_callback, or, where a line is just being written on another thread, soon afterwards. Not
 called when this function fails.
 Errors: EWEBRTC_ERR_SYSTEM (a part of the program in Rust has a logger of its own).
 */
ewebrtc_status ewebrtc_log_set_callback(ewebrtc_log_fn on_line,
                                        void *user,
                                        ewebrtc_drop_fn drop_user);

/*
 Appends samples to what a call with "localMedia" "pcm" sends: 16-bit, mono, pcm_rate of the phone. Never waits for
 the call; about 30 seconds fit. When nothing is there silence is sent.

 samples: count of them; must not be null. accepted: must not be null; receives how many fitted, the rest was not taken.
 Errors: EWEBRTC_ERR_NULL, _NOT_FOUND (no such phone or live call), _STATE (the call's source is another, or it was not
 answered yet).
 */
ewebrtc_status ewebrtc_pcm_write(ewebrtc_phone phone,
                                 ewebrtc_call call,
                                 const int16_t *samples,
                                 size_t count,
                                 size_t *accepted);

/*
 Drops everything that was written and not sent yet, as when the other party begins to talk.

 Errors: as ewebrtc_pcm_write.
 */
ewebrtc_status ewebrtc_pcm_clear(ewebrtc_phone phone, ewebrtc_call call);

/*
 How much was written and not sent yet, in milliseconds, rounded up: 0 means that the queue is empty.

 queued_ms: must not be null. Errors: as ewebrtc_pcm_write.
 */
ewebrtc_status ewebrtc_pcm_queued(ewebrtc_phone phone,
                                  ewebrtc_call call,
                                  uint32_t *queued_ms);

/*
 Takes samples that were heard in a call with "remoteMedia" "pcm": 16-bit, mono, pcm_rate of the phone, from the
 connection on, silence included. Never waits. About 30 seconds are kept, then the oldest are dropped. What was heard until
 the end of a call that was read before may be read after it, until another call's audio is used.

 samples: room for capacity of them; must not be null. read: must not be null; receives how many there were, 0 for none.
 Errors: as ewebrtc_pcm_write.
 */
ewebrtc_status ewebrtc_pcm_read(ewebrtc_phone phone,
                                ewebrtc_call call,
                                int16_t *samples,
                                size_t capacity,
                                size_t *read);

/*
 Statistics of a call's audio as a JSON object: packets_sent, packets_received, packets_lost, jitter_ms, round_trip_ms
 (null while unknown), level_in_dbfs, level_out_dbfs (root mean square over about 200 ms; -127 is silence); and of its video:
 frames_sent, frames_received, frames_dropped (complete, but of no use after a loss), video_packets_lost,
 video_packets_recovered (that came after they were asked for again).

 out_json: must not be null; to be freed with ewebrtc_string_free, null on failure.
 Errors: EWEBRTC_ERR_NULL, _NOT_FOUND (no such phone or live call), _STATE (the call has no media yet).
 */
ewebrtc_status ewebrtc_call_stats(ewebrtc_phone phone,
                                  ewebrtc_call call,
                                  char **out_json);

/*
 Gives the next picture to a call whose "localMedia" has the part ";video=frames". Never waits; about four seconds fit.
 It is sent as it comes, when the call has video and is connected. Ask ewebrtc_video_key_frame_wanted before each.

 data: size bytes; frame: its codec and timestamp; both must not be null. taken: must not be null; receives 1, or 0 when the
 picture was not taken because the queue is full or it needs one that was not taken: then only a key frame is taken next.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (codec; a picture that is empty or larger than 2 MiB), _NOT_FOUND (no such phone or live
 call), _STATE (the call's source is another, or it was not answered yet).
 */
ewebrtc_status ewebrtc_video_write(ewebrtc_phone phone,
                                   ewebrtc_call call,
                                   const ewebrtc_video_frame *frame,
                                   const uint8_t *data,
                                   size_t size,
                                   int32_t *taken);

/*
 Is the next picture to be a key frame? wanted: must not be null; receives 1 once after the other party, or a picture that
 was not taken, has asked for one, and once at the beginning; else 0.

 Errors: as ewebrtc_video_write.
 */
ewebrtc_status ewebrtc_video_key_frame_wanted(ewebrtc_phone phone,
                                              ewebrtc_call call,
                                              int32_t *wanted);

/*
 How many pictures were written and not sent yet.

 queued: must not be null. Errors: as ewebrtc_video_write.
 */
ewebrtc_status ewebrtc_video_queued(ewebrtc_phone phone, ewebrtc_call call, size_t *queued);

/*
 Takes the next picture of a call whose "remoteMedia" has the part ";video=frames": complete ones only, beginning with a
 key frame, also after a loss. Never waits. About four seconds are kept, then what comes is dropped up to the next key frame.
 What came until the end of a call that was read before may be read after it, until another call is used.

 data: room for capacity bytes; must not be null. frame: must not be null; receives what is known of the picture, size 0 when
 none is there. A picture for which there is no room is not taken, and frame says how large it is.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no room), _NOT_FOUND (no such phone or live call), _STATE (the call's sink is another, or
 it was not answered yet).
 */
ewebrtc_status ewebrtc_video_read(ewebrtc_phone phone,
                                  ewebrtc_call call,
                                  uint8_t *data,
                                  size_t capacity,
                                  ewebrtc_video_frame *frame);

/*
 Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks by itself.

 Errors: EWEBRTC_ERR_NOT_FOUND (no such phone or live call), _STATE (the call has no media yet).
 */
ewebrtc_status ewebrtc_video_request_key_frame(ewebrtc_phone phone,
                                               ewebrtc_call call);

/*
 Starts a gateway in this process, in development mode: every name may log in. It waits until the gateway listens, also
 inside a callback.

 listen: "address:port"; null for a free port on 127.0.0.1. out: receives the handle, 0 on failure; must not be null.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no address and port), _SYSTEM (the address cannot be listened on), _UNSUPPORTED (built without a gateway).
 */
ewebrtc_status ewebrtc_gateway_start(const char *listen,
                                     ewebrtc_gateway *out);

/*
 As ewebrtc_gateway_start, with more options, as a JSON object: "listen" and "domain" (of the accounts) are texts, "ringback"
 (callers hear it ring; early media) is true or false, "sessionSeconds" (lifetime without a refresh), "ringSeconds", "pollSeconds" (1 to 35),
 "pingSeconds" (of WebSockets) and "lostSeconds" (a phone that has not asked for events so long is gone) are whole numbers.

 options_json: null or empty for none. Errors: as ewebrtc_gateway_start, and EWEBRTC_ERR_ARGUMENT for an option that is unknown
 or whose value cannot be used.
 */
ewebrtc_status ewebrtc_gateway_start_with(const char *options_json,
                                          ewebrtc_gateway *out);

/*
 The address of a gateway, for the configuration of a phone.

 out_url: must not be null; to be freed with ewebrtc_string_free, null on failure.
 Errors: EWEBRTC_ERR_NULL, _NOT_FOUND, _UNSUPPORTED.
 */
ewebrtc_status ewebrtc_gateway_url(ewebrtc_gateway gateway, char **out_url);

/*
 Ends a gateway with all its sessions and frees its handle. It waits at most five seconds until the port is free again;
 inside a callback it does not wait. 0 is fine.

 Errors: EWEBRTC_ERR_NOT_FOUND, _UNSUPPORTED.
 */
ewebrtc_status ewebrtc_gateway_stop(ewebrtc_gateway gateway);

/*
 Asks a gateway in development mode for a token of a user, who exists from then on. Waits for the answer, at most ten
 seconds, also inside a callback. A name is an account id; 10 or 11 digits are a number.

 gateway_url, user: must not be null. out_token: must not be null; receives the access token for "login", to be freed with
 ewebrtc_string_free, null on failure.
 Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no address), _SYSTEM (no answer, not in development mode, or the name is refused).
 */
ewebrtc_status ewebrtc_dev_token(const char *gateway_url,
                                 const char *user,
                                 char **out_token);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EWEBRTC_H */

#ifndef EWEBRTC_H_INLINE
#define EWEBRTC_H_INLINE
/* Whether the loaded library fits this header: 0 means that the program must not go on. */
static inline int ewebrtc_abi_fits(void)
{
    const uint32_t loaded = ewebrtc_abi_version(), wanted = EWEBRTC_ABI_VERSION;
    return (loaded >> 16) == (wanted >> 16) && loaded >= wanted;
}
#endif
