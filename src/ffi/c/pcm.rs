//! Program audio and statistics of calls on the C side.
//!
//! Owns: nothing. Lives on: the caller's thread; the audio itself never waits for it. Must not import: `runtime`, `core`,
//! `signal`.

use super::ends::{end, gone};
use super::guard::{EWEBRTC_ERR_STATE, Fail, clear, ewebrtc_status, give, place, samples, samples_mut};
use super::phone::{ewebrtc_call, ewebrtc_phone, with_phone};
use libc::c_char;
use serde_json::json;

/// Appends samples to what a call with "localMedia" "pcm" sends: 16-bit, mono, pcm_rate of the phone. Never waits for
/// the call; about 30 seconds fit. When nothing is there silence is sent.
///
/// samples: count of them; must not be null. accepted: must not be null; receives how many fitted, the rest was not taken.
/// Errors: EWEBRTC_ERR_NULL, _NOT_FOUND (no such phone or live call), _STATE (the call's source is another, or it was not
/// answered yet).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_pcm_write(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    samples: *const i16,
    count: usize,
    accepted: *mut usize,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(accepted, 0) };
    with_phone(phone, |held| {
        // SAFETY: the caller's contract: null, or `count` samples and a writable number.
        let (out, given) = unsafe { (place(accepted, "accepted")?, self::samples(samples, count)?) };
        *out = end(held, call, false, |ends| &mut ends.writer)?.write(given);
        Ok(())
    })
}

/// Drops everything that was written and not sent yet, as when the other party begins to talk.
///
/// Errors: as ewebrtc_pcm_write.
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_pcm_clear(phone: ewebrtc_phone, call: ewebrtc_call) -> ewebrtc_status {
    with_phone(phone, |held| {
        end(held, call, false, |ends| &mut ends.writer)?.clear();
        Ok(())
    })
}

/// How much was written and not sent yet, in milliseconds, rounded up: 0 means that the queue is empty.
///
/// queued_ms: must not be null. Errors: as ewebrtc_pcm_write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_pcm_queued(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    queued_ms: *mut u32,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(queued_ms, 0) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        let out = unsafe { place(queued_ms, "queued_ms") }?;
        *out = end(held, call, false, |ends| &mut ends.writer)?.queued_ms();
        Ok(())
    })
}

/// Takes samples that were heard in a call with "remoteMedia" "pcm": 16-bit, mono, pcm_rate of the phone, from the
/// connection on, silence included. Never waits. About 30 seconds are kept, then the oldest are dropped. What was heard until
/// the end of a call that was read before may be read after it, until another call's audio is used.
///
/// samples: room for capacity of them; must not be null. read: must not be null; receives how many there were, 0 for none.
/// Errors: as ewebrtc_pcm_write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_pcm_read(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    samples: *mut i16,
    capacity: usize,
    read: *mut usize,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(read, 0) };
    with_phone(phone, |held| {
        // SAFETY: the caller's contract: null, or room for `capacity` samples and a writable number.
        let (out, room) = unsafe { (place(read, "read")?, samples_mut(samples, capacity)?) };
        *out = end(held, call, true, |ends| &mut ends.reader)?.read(room);
        Ok(())
    })
}

/// Statistics of a call's audio as a JSON object: packets_sent, packets_received, packets_lost, jitter_ms, round_trip_ms
/// (null while unknown), level_in_dbfs, level_out_dbfs (root mean square over about 200 ms; -127 is silence); and of its video:
/// frames_sent, frames_received, frames_dropped (complete, but of no use after a loss), video_packets_lost,
/// video_packets_recovered (that came after they were asked for again).
///
/// out_json: must not be null; to be freed with ewebrtc_string_free, null on failure.
/// Errors: EWEBRTC_ERR_NULL, _NOT_FOUND (no such phone or live call), _STATE (the call has no media yet).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_call_stats(
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
        if call.state().is_none() {
            return Err(gone());
        }
        let stats = call.stats().ok_or_else(|| Fail(EWEBRTC_ERR_STATE, "the call has no media yet".into()))?;
        let numbers = json!({
            "packets_sent": stats.packets_sent,
            "packets_received": stats.packets_received,
            "packets_lost": stats.packets_lost,
            "jitter_ms": stats.jitter.as_secs_f64() * 1_000.0,
            "round_trip_ms": stats.round_trip.map(|time| time.as_secs_f64() * 1_000.0),
            "level_in_dbfs": stats.level_in_dbfs,
            "level_out_dbfs": stats.level_out_dbfs,
            "frames_sent": stats.video.frames_sent,
            "frames_received": stats.video.frames_received,
            "frames_dropped": stats.video.frames_dropped,
            "video_packets_lost": stats.video.packets_lost,
            "video_packets_recovered": stats.video.packets_recovered,
        });
        *out = give(&numbers.to_string());
        Ok(())
    })
}
