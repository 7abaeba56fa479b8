//! Version, last error, code tables and freeing of texts on the C side.
//!
//! Owns: nothing. Lives on: the caller's thread. Must not import: `runtime`, `core`, `signal`.

use super::guard::{ewebrtc_status, give, guard, last, place};
use crate::api;
use libc::c_char;
use serde_json::{Value, json};
use std::ffi::CString;

/// Version of this interface: the major number times 65536 plus the minor one. The minor number rises when something is
/// added, the major one when something is removed or changed.
pub const EWEBRTC_ABI_VERSION: u32 = 0x0001_0003;

/// The interface version of the loaded library; compare it by ewebrtc_abi_fits.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_abi_version() -> u32 {
    EWEBRTC_ABI_VERSION
}

/// The version of the library, such as "0.1.0". Never null, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What the last refusal on this thread was about; "" when there was none. Never null. It lives until the next refusal on this
/// thread, and must not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_last_error() -> *const c_char {
    last()
}

/// Frees a text that the library gave. Null is fine. A text must be freed once, and by this function only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_string_free(text: *mut c_char) {
    guard(|| {
        if !text.is_null() {
            // SAFETY: by the caller's contract it came from `give` and was not freed.
            drop(unsafe { CString::from_raw(text) });
        }
        Ok(())
    });
}

/// The errors that the phone raises by itself, as a JSON array of objects with ErrorCode, JSObject, JSMethod, ErrorMessage,
/// Cause, Resolution.
///
/// out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_sdk_errors(out_json: *mut *mut c_char) -> ewebrtc_status {
    // SAFETY: as this function's own contract: null or writable.
    unsafe { table(out_json, sdk_errors) }
}

/// The errors that the gateway reports, as ewebrtc_sdk_errors, and with MessageId and HttpStatusCode.
///
/// out_json: must not be null; to be freed with ewebrtc_string_free. Errors: EWEBRTC_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_api_errors(out_json: *mut *mut c_char) -> ewebrtc_status {
    // SAFETY: as this function's own contract: null or writable.
    unsafe { table(out_json, api_errors) }
}

/// # Safety
/// `out_json` is null or writable.
unsafe fn table(out_json: *mut *mut c_char, make: fn() -> Value) -> ewebrtc_status {
    guard(|| {
        // SAFETY: this function's contract.
        let out = unsafe { place(out_json, "out_json") }?;
        *out = give(&make().to_string());
        Ok(())
    })
}

fn sdk_errors() -> Value {
    let entry = |e: &api::SdkError| {
        json!({"ErrorCode": e.code, "JSObject": e.js_object, "JSMethod": e.js_method, "ErrorMessage": e.message,
            "Cause": e.cause, "Resolution": e.resolution})
    };
    api::sdk_errors().iter().map(entry).collect()
}

fn api_errors() -> Value {
    let entry = |e: &api::ApiError| {
        json!({"ErrorCode": e.code, "JSObject": e.js_object, "JSMethod": e.js_method, "ErrorMessage": e.message,
            "Cause": e.cause, "Resolution": e.resolution, "MessageId": e.message_id,
            "HttpStatusCode": e.http_status.map(|status| status.to_string())})
    };
    api::api_errors().iter().map(entry).collect()
}
