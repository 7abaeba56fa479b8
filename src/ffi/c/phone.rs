//! Phones on the C side: making, commanding, closing and freeing them.
//!
//! Owns: the table of phones. Lives on: the caller's thread. Must not import: `runtime`, `core`, `signal`.

use super::ends::{Programs, gone};
use super::guard::{
    EWEBRTC_ERR_CLOSED, EWEBRTC_ERR_NULL, EWEBRTC_ERR_PANIC, EWEBRTC_ERR_STATE, EWEBRTC_ERR_STRUCT_SIZE,
    EWEBRTC_ERR_TIMEOUT, EWEBRTC_ERR_UNSUPPORTED, EWEBRTC_ERR_WOULD_BLOCK, Fail, argument, clear, ewebrtc_status, give,
    guard, json, optional_text, place, set_last, text,
};
use super::registry::Registry;
use super::sink::{DropFn, EventFn, Feed, Sink, Waited};
use crate::api::{AudioCodec, Error, EventChannel, Phone, PhoneConfig, VideoCodec, ice_from_json};
use crate::ffi::waiting::in_callback;
use libc::{c_char, c_void};
use serde_json::{Value, json};
use std::mem::offset_of;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A phone. 0 is none; a value is never used twice.
pub type ewebrtc_phone = u64;

/// A call or conference, the same number as "call" or "conference" in events. 0 is none; a value is never used twice and is
/// below 2^53.
pub type ewebrtc_call = u64;

/// Receives the events of a phone, on the phone's own thread, one at a time and in order, with nothing locked. name: such as
/// "call:connected". json: one JSON object with "event", "seq", "timestamp", where it applies "call" or "conference" and
/// "tag", and the event's own properties. Both texts live until the function returns. It should return within milliseconds, since the next
/// event waits for it, and may call every function of this header. A C++ function must not let an exception out.
pub type ewebrtc_event_fn = Option<unsafe extern "C" fn(user: *mut c_void, name: *const c_char, json: *const c_char)>;

/// Called exactly once, after the last callback: the user pointer is not used any more. It runs on the thread that frees the
/// phone or on the phone's own, and counts as a callback.
pub type ewebrtc_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// One request after the other waits at the gateway for events: what every gateway offers.
pub const EWEBRTC_EVENTS_LONG_POLL: u32 = 0;
/// One WebSocket, over which events come as they happen. The phone polls where the gateway offers none or none can be opened.
pub const EWEBRTC_EVENTS_WEBSOCKET: u32 = 1;

/// How a phone is made. Fill it with zeros, then set struct_size and gateway; zero (null) means the default in every other
/// member. All texts are copied.
#[repr(C)]
pub struct ewebrtc_phone_config {
    /// sizeof(ewebrtc_phone_config).
    pub struct_size: u32,
    /// Samples per second of program audio, 8000 to 48000. Default 48000.
    pub pcm_rate: u32,
    /// Address of the gateway, "http://host:port" or "https://host". Must not be null.
    pub gateway: *const c_char,
    /// Receives the events. Null: they are read by ewebrtc_phone_next_event. A phone whose events nobody takes closes when about
    /// 65 000 wait.
    pub on_event: ewebrtc_event_fn,
    /// Handed to on_event and drop_user, never looked at.
    pub user: *mut c_void,
    /// Called once when user is not needed any more. Not called when ewebrtc_phone_new fails.
    pub drop_user: ewebrtc_drop_fn,
    /// Domain appended to names and short numbers, at most 253 bytes. Default: that of one's own address as the gateway names it.
    pub domain: *const c_char,
    /// "localMedia" of calls that give none: "silence", "tone:HZ", "wav:PATH" or "pcm", and for video ";video=ivf:PATH" or
    /// ";video=frames" behind it (see ewebrtc_video_write). Default "silence". What a call names
    /// holds for later calls that name none.
    pub local_media: *const c_char,
    /// "remoteMedia" of calls that give none: "discard", "wav:PATH" or "pcm", and ";video=ivf:PATH" or ";video=frames" behind
    /// it. Default "discard". Likewise.
    pub remote_media: *const c_char,
    /// Audio codecs by preference, separated by commas. Default "opus,pcmu,pcma".
    pub audio_codecs: *const c_char,
    /// Certificates in PEM that are trusted beside the operating system's, for the gateway and for "turns:" servers.
    pub root_certificates: *const c_char,
    /// ICE settings as a JSON object: "iceServers" and "iceTransportPolicy" as in a browser's RTCConfiguration, "ipv4" and
    /// "ipv6" (true or false), "ports" (the first and the last UDP port to take). Default: no servers, every address.
    pub ice_json: *const c_char,
    /// Effort of the Opus encoder, 1 to 10. Default 9.
    pub opus_complexity: u32,
    /// How the phone hears of events: EWEBRTC_EVENTS_LONG_POLL (0, the default) or EWEBRTC_EVENTS_WEBSOCKET.
    pub event_channel: u32,
    /// Video codecs by preference, separated by commas. Default "vp8,h264". Since version 1.1 of the interface.
    pub video_codecs: *const c_char,
}

/// No version will have a larger struct; a greater size is memory that nobody has filled in.
const MOST_SIZE: usize = 4096;

/// Size of the struct in the first version of the interface, up to its last member: what a program has at least.
const FIRST_SIZE: usize = offset_of!(ewebrtc_phone_config, event_channel) + size_of::<u32>();

/// A phone and what belongs to it on this side.
pub(super) struct Held {
    pub(super) phone: Phone,
    pub(super) programs: Mutex<Programs>,
    sink: Arc<Sink>,
}

static PHONES: Registry<Held> = Registry::new("phone");

/// Runs the body of a function of one phone. A panic closes this phone and nothing else.
pub(super) fn with_phone(handle: ewebrtc_phone, body: impl FnOnce(&Held) -> Result<(), Fail>) -> ewebrtc_status {
    let mut found = None;
    let status = guard(|| body(found.insert(PHONES.get(handle)?)));
    if let (EWEBRTC_ERR_PANIC, Some(held)) = (status, found) {
        guard(|| {
            held.phone.close();
            Ok(())
        });
    }
    status
}

/// Copies the program's struct: what it has of it, zeros for the rest.
///
/// # Safety
/// `config` points to as many bytes as its first member says.
unsafe fn read_config(config: *const ewebrtc_phone_config) -> Result<ewebrtc_phone_config, Fail> {
    if config.is_null() {
        return Err(Fail(EWEBRTC_ERR_NULL, "config is null".into()));
    }
    if !config.is_aligned() {
        return Err(argument("config is not aligned"));
    }
    // SAFETY: not null, and at least the first member is there.
    let size = unsafe { (*config).struct_size } as usize;
    if !(FIRST_SIZE..=MOST_SIZE).contains(&size) {
        return Err(Fail(EWEBRTC_ERR_STRUCT_SIZE, "struct_size is not the size of an ewebrtc_phone_config".into()));
    }
    let known = size_of::<ewebrtc_phone_config>();
    let mut copy = std::mem::MaybeUninit::<ewebrtc_phone_config>::zeroed();
    // SAFETY: `size` bytes may be read by contract, `known` may be written; zeros are valid in every member.
    let copy = unsafe {
        std::ptr::copy_nonoverlapping(config.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), size.min(known));
        copy.assume_init()
    };
    for at in known..size {
        // SAFETY: within the `size` bytes of the contract.
        if unsafe { config.cast::<u8>().add(at).read() } != 0 {
            return Err(unknown_member());
        }
    }
    Ok(copy)
}

fn unknown_member() -> Fail {
    Fail(EWEBRTC_ERR_UNSUPPORTED, "the struct has a member that this version does not know".into())
}

/// Codecs by their names, separated by commas.
fn codecs<C: Copy>(text: &str, what: &str, known: &[(&str, C)]) -> Result<Vec<C>, Fail> {
    let of = |name: &str| {
        let found = known.iter().find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        found.map(|(_, codec)| *codec).ok_or_else(|| argument(format!("{what}: there is no codec {name:?}")))
    };
    text.split(',').map(of).collect()
}

const AUDIO_CODECS: [(&str, AudioCodec); 3] =
    [("opus", AudioCodec::Opus), ("pcmu", AudioCodec::Pcmu), ("pcma", AudioCodec::Pcma)];

const VIDEO_CODECS: [(&str, VideoCodec); 2] = [("vp8", VideoCodec::Vp8), ("h264", VideoCodec::H264)];

/// Makes a phone that is not logged in. No request is sent and no event is delivered before the first command.
///
/// config: must not be null. out: receives the handle, 0 on failure; must not be null.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (a setting cannot be used), _STRUCT_SIZE, _UNSUPPORTED, _SYSTEM (no threads).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_new(
    config: *const ewebrtc_phone_config,
    out: *mut ewebrtc_phone,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out, 0) };
    guard(|| {
        // SAFETY: the caller's contract: each pointer is null or points to what its type says, for this call.
        let (out, given) = unsafe { (place(out, "out")?, read_config(config)?) };
        // SAFETY: as above, for the texts of the struct.
        let (gateway, domain, local, remote, audio_names, video_names, certificates, ice) = unsafe {
            (
                text(given.gateway, "gateway")?,
                optional_text(given.domain, "domain")?,
                optional_text(given.local_media, "local_media")?,
                optional_text(given.remote_media, "remote_media")?,
                optional_text(given.audio_codecs, "audio_codecs")?,
                optional_text(given.video_codecs, "video_codecs")?,
                optional_text(given.root_certificates, "root_certificates")?,
                json(given.ice_json, "ice_json")?,
            )
        };
        let mut config = PhoneConfig::new(gateway);
        config.event_channel = match given.event_channel {
            EWEBRTC_EVENTS_LONG_POLL => EventChannel::LongPoll,
            EWEBRTC_EVENTS_WEBSOCKET => EventChannel::WebSocket,
            other => return Err(Fail(EWEBRTC_ERR_UNSUPPORTED, format!("event_channel {other} is not known"))),
        };
        config.domain = domain;
        config.local_media = local.unwrap_or(config.local_media);
        config.remote_media = remote.unwrap_or(config.remote_media);
        config.root_certificates = certificates.into_iter().collect();
        if let Some(names) = audio_names {
            config.audio_codecs = codecs(&names, "audio_codecs", &AUDIO_CODECS)?;
        }
        if let Some(names) = video_names {
            config.video_codecs = codecs(&names, "video_codecs", &VIDEO_CODECS)?;
        }
        if !ice.is_null() {
            config.ice = ice_from_json(&ice)?;
        }
        if given.pcm_rate != 0 {
            config.pcm_rate = given.pcm_rate;
        }
        if given.opus_complexity != 0 {
            config.opus_complexity = u8::try_from(given.opus_complexity)
                .map_err(|_| argument(format!("opus_complexity {} is not within 0 to 10", given.opus_complexity)))?;
        }
        let on_event: Option<EventFn> = given.on_event;
        let drop_user: Option<DropFn> = given.drop_user;
        let phone = Phone::new(config)?;
        let sink = Sink::new(on_event, given.user, drop_user);
        let feed = Feed(sink.clone());
        phone.on_any(move |event| feed.0.deliver(event));
        *out = PHONES.add(Arc::new(Held { phone, programs: Mutex::default(), sink }));
        Ok(())
    })
}

/// Calls a method of the phone by its name: "login", "dial", "answer", "hangup", "mute", "getCalls" and so on, with its
/// options as a JSON object, such as {"destination":"bob"}; an argument that has no name there has that of the method's
/// table, such as {"participant":"bob"} for "addParticipant". Returns when the command is accepted or refused; that it is
/// finished says the event "command:finished" with the same tag.
///
/// options_json: null or empty for none. tag: null for none; comes back as "tag" in the events that the command causes.
/// out_call: null, or receives the handle of the call that "dial" or "addCall" made or of the conference that "startConference"
/// made, else 0. No event of it comes before.
/// out_result: null, or receives {"value": ...}, or {"error": {"ErrorCode": "2211", ...}} when the command was refused with a
/// code. To be freed with ewebrtc_string_free; null on failure.
///
/// A refusal with a code is not a failure of this function: it answers EWEBRTC_OK, causes exactly one event "error" with the
/// tag, and no "command:finished". The last-error text is set as well.
/// Errors (no event follows): EWEBRTC_ERR_NULL, _ARGUMENT, _NOT_FOUND (no such phone), _UNKNOWN_METHOD, _CLOSED, _BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_call(
    phone: ewebrtc_phone,
    method: *const c_char,
    options_json: *const c_char,
    tag: *const c_char,
    out_call: *mut ewebrtc_call,
    out_result: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract, see `invoke`.
    unsafe { invoke(phone, None, method, options_json, tag, out_call, out_result) }
}

/// Calls a method on one call or conference by its handle. "hangup" does what its state demands (cancels, rejects or ends it),
/// "mute", "unmute" and "sendDTMFTone" act on it, everything else requires it in the foreground.
///
/// Parameters, result and errors are those of ewebrtc_phone_call; EWEBRTC_ERR_NOT_FOUND also when the call has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_call_on(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    method: *const c_char,
    options_json: *const c_char,
    tag: *const c_char,
    out_result: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract, see `invoke`.
    unsafe { invoke(phone, Some(call), method, options_json, tag, std::ptr::null_mut(), out_result) }
}

/// # Safety
/// Texts are null or terminated, result pointers null or writable.
unsafe fn invoke(
    phone: ewebrtc_phone,
    call: Option<ewebrtc_call>,
    method: *const c_char,
    options_json: *const c_char,
    tag: *const c_char,
    out_call: *mut ewebrtc_call,
    out_result: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: this function's contract.
    unsafe {
        clear(out_call, 0);
        clear(out_result, std::ptr::null_mut());
    }
    with_phone(phone, |held| {
        // SAFETY: this function's contract.
        let (out_call, out_result) = unsafe { (out_call.as_mut(), out_result.as_mut()) };
        // SAFETY: this function's contract.
        let (method, options, tag) =
            unsafe { (text(method, "method")?, json(options_json, "options_json")?, optional_text(tag, "tag")?) };
        let answer = match call {
            None => held.phone.invoke(&method, options, tag.as_deref()),
            Some(call) => held.phone.invoke_on(call, &method, options, tag.as_deref()),
        };
        let result = match answer {
            Ok(value) => {
                let made = value.get("call").or(value.get("conference")).and_then(Value::as_u64);
                if let (Some(out), Some(handle)) = (out_call, made) {
                    *out = handle;
                }
                json!({"value": value})
            }
            Err(error) => refused(error)?,
        };
        if let Some(out) = out_result {
            *out = give(&result.to_string());
        }
        Ok(())
    })
}

/// The result of a refusal with a code; every other error is a failure of the function.
fn refused(error: Error) -> Result<Value, Fail> {
    let Error::Phone(object) = &error else { return Err(error.into()) };
    set_last(&error.to_string());
    Ok(json!({"error": object}))
}

/// Looks whether there are events of this name, for programs that take events by their names: a misspelt one would never come.
///
/// name: must not be null. out_result: null, or receives {"value": null}, or {"error": {"ErrorCode": "4902", ...}} for a name of
/// no event, 4901 for the empty one. To be freed with ewebrtc_string_free; null on failure. Since version 1.3 of the interface.
///
/// As of every method, a refusal with a code is not a failure of this function: it answers EWEBRTC_OK and causes one event "error".
/// Errors (no event follows): EWEBRTC_ERR_NULL, _ARGUMENT, _NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_check_event(
    phone: ewebrtc_phone,
    name: *const c_char,
    out_result: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_result, std::ptr::null_mut()) };
    with_phone(phone, |held| {
        // SAFETY: the caller's contract: the name is null or terminated, the result pointer is null or writable.
        let (out, name) = unsafe { (out_result.as_mut(), text(name, "name")?) };
        let result = match held.phone.check_event_name(&name) {
            Ok(()) => json!({"value": null}),
            Err(error) => refused(error)?,
        };
        if let Some(out) = out {
            *out = give(&result.to_string());
        }
        Ok(())
    })
}

/// How a call or conference has ended, as a JSON object: "event" is the event that ended it, whole, and "error", where there was
/// one, what its last event "error" said. It is known from the moment on at which other functions answer EWEBRTC_ERR_NOT_FOUND
/// because the call has ended, also while that event is still on its way. A phone remembers the latest 64.
///
/// out_json: must not be null; to be freed with ewebrtc_string_free, null on failure. Since version 1.3 of the interface.
/// Errors: EWEBRTC_ERR_NULL, _STATE (it lives), _NOT_FOUND (no such phone; there never was such a call, as far as is known).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_call_ended(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    out_json: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_json, std::ptr::null_mut()) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        let out = unsafe { place(out_json, "out_json") }?;
        let call = held.phone.call(call);
        // In this order: a call that lives may end in between, not the other way round.
        let lives = call.state().is_some();
        let Some(end) = call.end() else {
            return Err(if lives { Fail(EWEBRTC_ERR_STATE, "the call lives".into()) } else { gone() });
        };
        let mut result = json!({"event": end.event().to_json()});
        if let Some(error) = end.error() {
            result["error"] = json!(error);
        }
        *out = give(&result.to_string());
        Ok(())
    })
}

/// Whether the phone counts as online: what the program said last by ewebrtc_phone_set_connectivity, else what the operating
/// system says about the way to the gateway. A gateway on loopback needs no network.
///
/// out_online: receives 1 or 0; must not be null. Errors: EWEBRTC_ERR_NULL, _NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_is_online(phone: ewebrtc_phone, out_online: *mut i32) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_online, 0) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        *unsafe { place(out_online, "out_online") }? = held.phone.is_online().into();
        Ok(())
    })
}

/// Tells the phone that the device went offline (0) or came back; events "connectivity:off" and "connectivity:on". For
/// programs that know better than the phone's own watching of the network. Their word counts from now on, until
/// ewebrtc_phone_follow_network.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_phone_set_connectivity(phone: ewebrtc_phone, online: i32) -> ewebrtc_status {
    with_phone(phone, |held| {
        held.phone.set_connectivity(online != 0);
        Ok(())
    })
}

/// Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_phone_follow_network(phone: ewebrtc_phone) -> ewebrtc_status {
    with_phone(phone, |held| {
        held.phone.follow_network();
        Ok(())
    })
}

/// Takes the next event of a phone that was made without a callback, and waits for it at most timeout_ms milliseconds.
///
/// out_json: receives the event as one JSON object (with its name as "event"), to be freed with ewebrtc_string_free; null on
/// failure. Must not be null.
/// Errors: EWEBRTC_ERR_TIMEOUT, _CLOSED (the last event was taken, or the phone is being freed), _STATE (the phone has a
/// callback), _WOULD_BLOCK (inside a callback), _NULL, _NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_phone_next_event(
    phone: ewebrtc_phone,
    timeout_ms: u32,
    out_json: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_json, std::ptr::null_mut()) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        let out = unsafe { place(out_json, "out_json") }?;
        if held.sink.has_callback() {
            return Err(Fail(EWEBRTC_ERR_STATE, "the events of this phone go to its callback".into()));
        }
        refuse_in_callback()?;
        *out = give(&arrived(held.sink.next(Duration::from_millis(timeout_ms.into())), true)?);
        Ok(())
    })
}

/// Begins to close a phone and never waits: calls end, the session is deleted, "phone:closed" is the last event. Closing
/// twice does nothing more.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_phone_close(phone: ewebrtc_phone) -> ewebrtc_status {
    with_phone(phone, |held| {
        held.phone.close();
        Ok(())
    })
}

/// Waits until a phone is closed and its last event was delivered, at most timeout_ms milliseconds; recordings are
/// complete then. It does not close the phone. Events of a phone without a callback must be read meanwhile.
///
/// Errors: EWEBRTC_ERR_TIMEOUT, _WOULD_BLOCK (inside a callback of any phone), _NOT_FOUND, _CLOSED (it was freed meanwhile).
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_phone_wait_closed(phone: ewebrtc_phone, timeout_ms: u32) -> ewebrtc_status {
    with_phone(phone, |held| {
        refuse_in_callback()?;
        arrived(held.sink.wait_ended(Duration::from_millis(timeout_ms.into())), PHONES.get(phone).is_err())
    })
}

/// Frees a phone, closing it first if need be. Events that were not delivered yet are dropped; the goodbye to the gateway
/// goes on in the background (call ewebrtc_phone_close and ewebrtc_phone_wait_closed before, to see its end).
///
/// After it has returned outside a callback, no callback of this phone runs or will run, and drop_user has run. Inside a
/// callback of any phone it does not wait: no callback of this phone begins any more, and drop_user runs after the one that
/// may be running. Any thread may call it; of several, one frees and the others get EWEBRTC_ERR_NOT_FOUND. 0 is fine.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_phone_free(phone: ewebrtc_phone) -> ewebrtc_status {
    guard(|| {
        if phone == 0 {
            return Ok(());
        }
        let held = PHONES.take(phone)?;
        // In this order, so that not even "phone:closed" comes in between.
        held.sink.silence();
        held.phone.close();
        held.sink.free();
        Ok(())
    })
}

fn refuse_in_callback() -> Result<(), Fail> {
    if in_callback() {
        return Err(Fail(EWEBRTC_ERR_WOULD_BLOCK, "a callback must not wait".into()));
    }
    Ok(())
}

/// The outcome of a wait as a result; `end_is_failure` says what the end of the phone means to the caller.
fn arrived<T: Default>(waited: Waited<T>, end_is_failure: bool) -> Result<T, Fail> {
    match waited {
        Waited::Done(value) => Ok(value),
        Waited::Ended if end_is_failure => Err(Fail(EWEBRTC_ERR_CLOSED, "the phone is closed".into())),
        Waited::Ended => Ok(T::default()),
        Waited::Timeout => Err(Fail(EWEBRTC_ERR_TIMEOUT, "the time is over".into())),
    }
}
