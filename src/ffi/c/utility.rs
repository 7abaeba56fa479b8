//! What needs no phone on the C side: the report of what works here, methods by name, the lines of the log.
//!
//! Owns: the program's log function and the promise that its drop function runs once, after the last line. Lives on: the
//! caller's thread; the log function runs on whatever thread writes a line. Must not import: `runtime`, `core`, `signal`.

use super::guard::{clear, ewebrtc_status, give, guard, json, place, text};
use super::phone::ewebrtc_drop_fn;
use super::sink::DropFn;
use crate::api::{self, Capabilities, LogLine, LogManager};
use crate::ffi::waiting::Inside;
use libc::{c_char, c_void};
use serde_json::json;
use std::ffi::CString;

/// Receives the lines of the log. level: "error", "warn", "info", "debug" or "trace". module: the logger that wrote it. file:
/// null where it is not known, else the source file, with its line. All texts live until the function returns.
///
/// It runs on the thread that writes the line, possibly on several at a time, also on those that carry audio: it should be
/// quick. It counts as a callback; what is logged inside it, on the same thread, is left out. ewebrtc_phone_call and
/// ewebrtc_phone_call_on answer EWEBRTC_ERR_WOULD_BLOCK inside it.
pub type ewebrtc_log_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        level: *const c_char,
        module: *const c_char,
        message: *const c_char,
        file: *const c_char,
        line: u32,
    ),
>;

type LogFn = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, *const c_char, u32);

/// What this library can do on this machine, at this moment, as a JSON object: "version", "target" ("os", "arch"), "hasWebRTC"
/// ("Supported" or "Not Certified"), "supported" (a list of targets), "audioCodecs", "videoCodecs", "sources", "sinks",
/// "iceServers", "features", "ipv4", "ipv6", "isNetworkConnected".
///
/// out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_capabilities(out_json: *mut *mut c_char) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_json, std::ptr::null_mut()) };
    guard(|| {
        // SAFETY: as above.
        let out = unsafe { place(out_json, "out_json") }?;
        *out = give(&Capabilities::now().to_json().to_string());
        Ok(())
    })
}

/// Calls a method that needs no phone by its name, with its arguments as a JSON object: those of logManager ("getLogLevels",
/// "getGlobalLogLevel", "setGlobalLogLevel" with "level", "getDefaultLogLevel", "getLoggers", "getCurrentModuleLogLevels",
/// "getModuleDefaults", "resetLogLevels", "getLogger", "createCustomLogger", "deleteCustomLogger" with "module"), of Logger, with
/// its name as "module" ("getLogLevel", "setLogLevel" with "level", "isCustomType", "logError", "logWarning", "logInfo",
/// "logDebug", "logTrace" with "message"), and of browser ("hasWebRTC", "getBrowserSupport", "isNetworkConnected").
///
/// options_json: null or empty for none. out_result: null, or receives {"value": ...}, to be freed with ewebrtc_string_free; null
/// on failure. A phone answers the same names by ewebrtc_phone_call.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (an argument cannot be used, or there is no such logger), _UNKNOWN_METHOD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_utility(
    method: *const c_char,
    options_json: *const c_char,
    out_result: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_result, std::ptr::null_mut()) };
    guard(|| {
        // SAFETY: the caller's contract: texts are null or terminated, the result pointer is null or writable.
        let (out, method, options) =
            unsafe { (out_result.as_mut(), text(method, "method")?, json(options_json, "options_json")?) };
        let value = api::utility(&method, &options)?;
        if let Some(out) = out {
            *out = give(&json!({"value": value}).to_string());
        }
        Ok(())
    })
}

/// The program's log function with its pointer; the drop function runs when nobody can call it any more.
struct Receiver {
    on_line: LogFn,
    user: *mut c_void,
    drop_user: Option<DropFn>,
}

// SAFETY: the pointer is never looked at here; the header says that the function gets it on any thread, on several at a time.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

impl Receiver {
    fn write(&self, line: &LogLine<'_>) {
        let c = |text: &str| CString::new(text.replace('\0', " ")).unwrap_or_default();
        let (level, module, message) = (c(line.level.name()), c(line.module), c(line.message));
        let file = line.file.map(c);
        let file = file.as_ref().map_or(std::ptr::null(), |file| file.as_ptr());
        let _inside = Inside::enter();
        // SAFETY: the program gave this function for this pointer; its drop function has not run, since we are still here.
        unsafe {
            (self.on_line)(
                self.user,
                level.as_ptr(),
                module.as_ptr(),
                message.as_ptr(),
                file,
                line.line.unwrap_or_default(),
            );
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(drop_user) = self.drop_user {
            let _inside = Inside::enter();
            // SAFETY: the program gave this function for this pointer; this is the end of the only object that has both.
            unsafe { drop_user(self.user) };
        }
    }
}

/// Sets the function that gets the lines of the log of the whole process, in place of the one before; null removes it, and lines
/// go nowhere, as at first. Which lines there are is set by module: see "setLogLevel" of ewebrtc_utility. No token is ever
/// written, and no address, number or IP address at "info" and above; "webrtc", off at first, is the exception.
///
/// user: handed to both functions, never looked at. drop_user: null, or called once when the function before it cannot be called
/// any more: at another ewebrtc_log_set_callback, or, where a line is just being written on another thread, soon afterwards. Not
/// called when this function fails.
/// Errors: EWEBRTC_ERR_SYSTEM (a part of the program in Rust has a logger of its own).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_log_set_callback(
    on_line: ewebrtc_log_fn,
    user: *mut c_void,
    drop_user: ewebrtc_drop_fn,
) -> ewebrtc_status {
    guard(|| {
        LogManager::install()?;
        match on_line {
            Some(on_line) => {
                let receiver = Receiver { on_line, user, drop_user };
                LogManager::set_callback(move |line| receiver.write(line));
            }
            None => LogManager::remove_callback(),
        }
        Ok(())
    })
}
