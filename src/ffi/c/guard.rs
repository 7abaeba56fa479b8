//! What every function of the C boundary passes through: status numbers, the thread's last error, the panic guard and the
//! checks of what a C program hands in.
//!
//! Owns: the status numbers and the thread's last-error text. Lives on: the caller's thread. Must not import: `runtime`,
//! `core`, `signal`.

use crate::api::Error;
use crate::ffi::json::object;
use libc::c_char;
use serde_json::Value;
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a function answers: EWEBRTC_OK or one of the negative EWEBRTC_ERR_ numbers. Numbers are never renumbered; a program
/// treats a number that it does not know as a failure.
pub type ewebrtc_status = i32;

/// Done; or, for the functions that take a method, done or refused with a code (see ewebrtc_phone_call).
pub const EWEBRTC_OK: i32 = 0;
/// A pointer that must not be null is null.
pub const EWEBRTC_ERR_NULL: i32 = -1;
/// A text is not UTF-8, options are no JSON object, a number or a setting cannot be used.
pub const EWEBRTC_ERR_ARGUMENT: i32 = -2;
/// struct_size is smaller than the first version of the struct, or larger than any.
pub const EWEBRTC_ERR_STRUCT_SIZE: i32 = -3;
/// No such phone, gateway or live call: the handle is wrong, or what it named is freed or has ended.
pub const EWEBRTC_ERR_NOT_FOUND: i32 = -4;
/// Not possible in this state: the call has no program audio or video, or the phone has a callback.
pub const EWEBRTC_ERR_STATE: i32 = -5;
/// Too many commands are under way; this one was not given.
pub const EWEBRTC_ERR_BUSY: i32 = -6;
/// The phone is closed.
pub const EWEBRTC_ERR_CLOSED: i32 = -7;
/// The time is over.
pub const EWEBRTC_ERR_TIMEOUT: i32 = -8;
/// The function would wait, and was called inside a callback, where it must not.
pub const EWEBRTC_ERR_WOULD_BLOCK: i32 = -9;
/// The library was built without this, or the caller set an option that this version does not know.
pub const EWEBRTC_ERR_UNSUPPORTED: i32 = -10;
/// The operating system or the gateway refused; the last-error text says what.
pub const EWEBRTC_ERR_SYSTEM: i32 = -11;
/// The library failed inside; the phone concerned is closed, everything else goes on.
pub const EWEBRTC_ERR_PANIC: i32 = -12;
/// The phone has no method of this name.
pub const EWEBRTC_ERR_UNKNOWN_METHOD: i32 = -13;
/// The process is a fork of one that has used the library, which does not survive that: the threads are gone.
pub const EWEBRTC_ERR_FORKED: i32 = -14;

thread_local! {
    static LAST: RefCell<CString> = RefCell::new(CString::default());
}

/// Why a function refuses: the status and the text.
pub(super) struct Fail(pub(super) ewebrtc_status, pub(super) String);

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        let status = match &error {
            // Only functions without an event channel of their own come here with a code.
            Error::Phone(_) | Error::System(_) => EWEBRTC_ERR_SYSTEM,
            Error::NotFound => EWEBRTC_ERR_NOT_FOUND,
            Error::UnknownMethod(_) => EWEBRTC_ERR_UNKNOWN_METHOD,
            Error::Closed => EWEBRTC_ERR_CLOSED,
            Error::Busy => EWEBRTC_ERR_BUSY,
            Error::InHandler => EWEBRTC_ERR_WOULD_BLOCK,
            Error::Config(_) => EWEBRTC_ERR_ARGUMENT,
        };
        Fail(status, error.to_string())
    }
}

/// Keeps `text` as this thread's last error.
pub(super) fn set_last(text: &str) {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    let _ = LAST.try_with(|last| *last.borrow_mut() = text);
}

/// The pointer that `ewebrtc_last_error` answers.
pub(super) fn last() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The process in which the library was used first; 0 before.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// A forked child has the library's memory but none of its threads: whatever waits would wait for ever there.
fn refuse_after_fork() -> Result<(), Fail> {
    let own = std::process::id();
    match OWNER.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != own => {
            Err(Fail(EWEBRTC_ERR_FORKED, "the library was used before fork(): a child must exec() first".into()))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Runs the body of a function: a failure becomes its status and the last-error text, a panic goes no further.
pub(super) fn guard(body: impl FnOnce() -> Result<(), Fail>) -> ewebrtc_status {
    match catch_unwind(AssertUnwindSafe(|| refuse_after_fork().and_then(|()| body()))) {
        Ok(Ok(())) => EWEBRTC_OK,
        Ok(Err(Fail(status, text))) => {
            set_last(&text);
            status
        }
        Err(payload) => {
            set_last("the library failed inside");
            // The payload's own drop may panic again; what remains then is lost rather than thrown.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            EWEBRTC_ERR_PANIC
        }
    }
}

fn null(what: &str) -> Fail {
    Fail(EWEBRTC_ERR_NULL, format!("{what} is null"))
}

/// A refusal of an argument.
pub(super) fn argument(text: impl Into<String>) -> Fail {
    Fail(EWEBRTC_ERR_ARGUMENT, text.into())
}

/// A text that must be there.
///
/// # Safety
/// `text` is null or a text that ends with a zero byte and lives for this call.
pub(super) unsafe fn text(text: *const c_char, what: &str) -> Result<String, Fail> {
    // SAFETY: as this function's own contract.
    unsafe { optional_text(text, what) }?.ok_or_else(|| null(what))
}

/// A text that may be absent (null).
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn optional_text(text: *const c_char, what: &str) -> Result<Option<String>, Fail> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and terminated by the caller's contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(|text| Some(text.to_owned())).map_err(|_| argument(format!("{what} is not UTF-8")))
}

/// A JSON object; null and the empty text stand for one without members.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn json(text: *const c_char, what: &str) -> Result<Value, Fail> {
    // SAFETY: as this function's own contract.
    let text = unsafe { optional_text(text, what) }?.unwrap_or_default();
    object(&text, what).map_err(argument)
}

/// Where a result goes that must be taken.
///
/// # Safety
/// `out` is null or may be written.
pub(super) unsafe fn place<'a, T>(out: *mut T, what: &str) -> Result<&'a mut T, Fail> {
    // SAFETY: null is checked; the rest is the caller's contract.
    unsafe { out.as_mut() }.ok_or_else(|| null(what))
}

/// A value of the program that must be there.
///
/// # Safety
/// `value` is null or may be read, and nobody writes it during this call.
pub(super) unsafe fn value<'a, T>(value: *const T, what: &str) -> Result<&'a T, Fail> {
    // SAFETY: null is checked; the rest is the caller's contract.
    unsafe { value.as_ref() }.ok_or_else(|| null(what))
}

/// Gives a result its value for a failure, before anything can fail: a program may free or use it without looking first.
///
/// # Safety
/// `out` is null or may be written.
pub(super) unsafe fn clear<T>(out: *mut T, value: T) {
    // SAFETY: as this function's own contract.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = value;
    }
}

/// A text that the program frees with `ewebrtc_string_free`.
pub(super) fn give(text: &str) -> *mut c_char {
    // JSON escapes zero bytes, addresses have none; a text that has one all the same ends before it.
    let whole = text.split('\0').next().unwrap_or_default();
    CString::new(whole).unwrap_or_default().into_raw()
}

/// Takes samples as a slice.
///
/// # Safety
/// `samples` is null or points to `count` samples that live for this call.
pub(super) unsafe fn samples<'a>(samples: *const i16, count: usize) -> Result<&'a [i16], Fail> {
    check(samples, count, "samples")?;
    // SAFETY: not null, aligned, of a length that an object can have; the rest is the caller's contract.
    Ok(unsafe { std::slice::from_raw_parts(samples, count) })
}

/// Takes room for samples as a slice.
///
/// # Safety
/// `samples` is null or points to `count` samples that may be written and that nobody else uses during this call.
pub(super) unsafe fn samples_mut<'a>(samples: *mut i16, count: usize) -> Result<&'a mut [i16], Fail> {
    check(samples, count, "samples")?;
    // SAFETY: not null, aligned, of a length that an object can have; the rest is the caller's contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(samples, count) })
}

/// Takes bytes as a slice.
///
/// # Safety
/// `data` is null or points to `size` bytes that live for this call.
pub(super) unsafe fn bytes<'a>(data: *const u8, size: usize) -> Result<&'a [u8], Fail> {
    check(data, size, "data")?;
    // SAFETY: not null, of a length that an object can have; the rest is the caller's contract.
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

/// Takes room for bytes as a slice.
///
/// # Safety
/// `data` is null or points to `size` bytes that may be written and that nobody else uses during this call.
pub(super) unsafe fn bytes_mut<'a>(data: *mut u8, size: usize) -> Result<&'a mut [u8], Fail> {
    check(data, size, "data")?;
    // SAFETY: not null, of a length that an object can have; the rest is the caller's contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, size) })
}

fn check<T>(list: *const T, count: usize, what: &str) -> Result<(), Fail> {
    if list.is_null() {
        return Err(null(what));
    }
    if !list.is_aligned() || count > isize::MAX as usize / size_of::<T>() {
        return Err(argument(format!("{what}: not aligned, or more than memory can hold")));
    }
    Ok(())
}
