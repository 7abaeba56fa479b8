//! The gateway in the same process, and tokens from a gateway in development mode, on the C side.
//!
//! Owns: the table of gateways. Lives on: the caller's thread. Must not import: `runtime`, `core`, `signal`.

use super::guard::{clear, ewebrtc_status, give, guard, json, optional_text, place, text};
use crate::api::dev_token;
use crate::ffi::waiting::wait_for;
use libc::c_char;
use serde_json::{Map, Value};

/// A gateway in this process. 0 is none; a value is never used twice.
pub type ewebrtc_gateway = u64;

#[cfg(feature = "gateway")]
mod running {
    //! The real thing.
    use super::super::guard::Fail;
    use super::super::registry::Registry;
    use crate::api::{Gateway, gateway_config};
    use crate::ffi::waiting::{in_callback, wait_for};
    use serde_json::{Map, Value};
    use std::sync::{Arc, Mutex, PoisonError};

    struct Held {
        url: String,
        gateway: Mutex<Option<Gateway>>,
    }

    static GATEWAYS: Registry<Held> = Registry::new("gateway");

    pub fn start(options: &Map<String, Value>) -> Result<u64, Fail> {
        let gateway = wait_for(Gateway::start(gateway_config(options)?))?;
        let url = gateway.url().to_owned();
        Ok(GATEWAYS.add(Arc::new(Held { url, gateway: Mutex::new(Some(gateway)) })))
    }

    pub fn url(handle: u64) -> Result<String, Fail> {
        Ok(GATEWAYS.get(handle)?.url.clone())
    }

    pub fn stop(handle: u64) -> Result<(), Fail> {
        let held = GATEWAYS.take(handle)?;
        let gateway = held.gateway.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Inside a callback it ends in the background.
        if let Some(gateway) = gateway.filter(|_| !in_callback()) {
            wait_for(gateway.stop());
        }
        Ok(())
    }
}

#[cfg(not(feature = "gateway"))]
mod running {
    //! A library that was built without the gateway.
    use super::super::guard::{EWEBRTC_ERR_UNSUPPORTED, Fail};
    use serde_json::{Map, Value};

    fn absent<T>() -> Result<T, Fail> {
        Err(Fail(EWEBRTC_ERR_UNSUPPORTED, "this library was built without the gateway".into()))
    }

    pub fn start(_: &Map<String, Value>) -> Result<u64, Fail> {
        absent()
    }

    pub fn url(_: u64) -> Result<String, Fail> {
        absent()
    }

    pub fn stop(_: u64) -> Result<(), Fail> {
        absent()
    }
}

/// Starts a gateway in this process, in development mode: every name may log in. It waits until the gateway listens, also
/// inside a callback.
///
/// listen: "address:port"; null for a free port on 127.0.0.1. out: receives the handle, 0 on failure; must not be null.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no address and port), _SYSTEM (the address cannot be listened on), _UNSUPPORTED (built without a gateway).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_gateway_start(listen: *const c_char, out: *mut ewebrtc_gateway) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out, 0) };
    guard(|| {
        // SAFETY: as above, and null or a terminated text.
        let (out, listen) = unsafe { (place(out, "out")?, optional_text(listen, "listen")?) };
        let listen = listen.map(|listen| ("listen".to_owned(), Value::from(listen)));
        *out = running::start(&listen.into_iter().collect())?;
        Ok(())
    })
}

/// As ewebrtc_gateway_start, with more options, as a JSON object: "listen" and "domain" (of the accounts) are texts, "ringback"
/// (callers hear it ring; early media) is true or false, "sessionSeconds" (lifetime without a refresh), "ringSeconds", "pollSeconds" (1 to 35),
/// "pingSeconds" (of WebSockets) and "lostSeconds" (a phone that has not asked for events so long is gone) are whole numbers.
///
/// options_json: null or empty for none. Errors: as ewebrtc_gateway_start, and EWEBRTC_ERR_ARGUMENT for an option that is unknown
/// or whose value cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_gateway_start_with(
    options_json: *const c_char,
    out: *mut ewebrtc_gateway,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out, 0) };
    guard(|| {
        // SAFETY: as above, and null or a terminated text.
        let (out, options) = unsafe { (place(out, "out")?, json(options_json, "options_json")?) };
        *out = running::start(options.as_object().unwrap_or(&Map::new()))?;
        Ok(())
    })
}

/// The address of a gateway, for the configuration of a phone.
///
/// out_url: must not be null; to be freed with ewebrtc_string_free, null on failure.
/// Errors: EWEBRTC_ERR_NULL, _NOT_FOUND, _UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_gateway_url(gateway: ewebrtc_gateway, out_url: *mut *mut c_char) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_url, std::ptr::null_mut()) };
    guard(|| {
        // SAFETY: as above.
        let out = unsafe { place(out_url, "out_url") }?;
        *out = give(&running::url(gateway)?);
        Ok(())
    })
}

/// Ends a gateway with all its sessions and frees its handle. It waits at most five seconds until the port is free again;
/// inside a callback it does not wait. 0 is fine.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND, _UNSUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_gateway_stop(gateway: ewebrtc_gateway) -> ewebrtc_status {
    guard(|| if gateway == 0 { Ok(()) } else { running::stop(gateway) })
}

/// Asks a gateway in development mode for a token of a user, who exists from then on. Waits for the answer, at most ten
/// seconds, also inside a callback. A name is an account id; 10 or 11 digits are a number.
///
/// gateway_url, user: must not be null. out_token: must not be null; receives the access token for "login", to be freed with
/// ewebrtc_string_free, null on failure.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no address), _SYSTEM (no answer, not in development mode, or the name is refused).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_dev_token(
    gateway_url: *const c_char,
    user: *const c_char,
    out_token: *mut *mut c_char,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(out_token, std::ptr::null_mut()) };
    guard(|| {
        // SAFETY: as above, and null or terminated.
        let (out, gateway, user) =
            unsafe { (place(out_token, "out_token")?, text(gateway_url, "gateway_url")?, text(user, "user")?) };
        *out = give(wait_for(dev_token(&gateway, &user, &[]))?.access_token.expose());
        Ok(())
    })
}
