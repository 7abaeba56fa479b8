//! Program video of calls on the C side: encoded pictures in and out.
//!
//! Owns: [`Pictures`]. Lives on: the caller's thread; the video itself never waits for it. Must not import: `runtime`, `core`,
//! `signal`.

use super::ends::{end, gone};
use super::guard::{EWEBRTC_ERR_STATE, Fail, argument, bytes, bytes_mut, clear, ewebrtc_status, place, value};
use super::phone::{ewebrtc_call, ewebrtc_phone, with_phone};
use crate::api::{FrameRefused, VideoCodec, VideoFrame, VideoReader};
use std::sync::{Mutex, PoisonError};

/// VP8 (RFC 6386): a picture is a frame.
pub const EWEBRTC_VIDEO_VP8: i32 = 1;
/// H.264: a picture is an access unit, each NAL unit behind a start code (Annex B).
pub const EWEBRTC_VIDEO_H264: i32 = 2;

/// What is known of an encoded picture beside its bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ewebrtc_video_frame {
    /// EWEBRTC_VIDEO_VP8 or EWEBRTC_VIDEO_H264.
    pub codec: i32,
    /// 1 if it can be decoded without the pictures before it, else 0. Ignored by ewebrtc_video_write, which looks into it.
    pub key: i32,
    /// When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around.
    pub timestamp: u32,
    /// Unused; 0.
    pub reserved: u32,
    /// Its size in bytes. Ignored by ewebrtc_video_write.
    pub size: usize,
}

fn codec_number(codec: VideoCodec) -> i32 {
    match codec {
        VideoCodec::Vp8 => EWEBRTC_VIDEO_VP8,
        VideoCodec::H264 => EWEBRTC_VIDEO_H264,
    }
}

/// The reader of a call, and the picture for which there was no room.
pub(super) struct Pictures {
    reader: VideoReader,
    next: Mutex<Option<VideoFrame>>,
}

impl Pictures {
    pub(super) fn new(reader: VideoReader) -> Self {
        Self { reader, next: Mutex::default() }
    }
}

/// Gives the next picture to a call whose "localMedia" has the part ";video=frames". Never waits; about four seconds fit.
/// It is sent as it comes, when the call has video and is connected. Ask ewebrtc_video_key_frame_wanted before each.
///
/// data: size bytes; frame: its codec and timestamp; both must not be null. taken: must not be null; receives 1, or 0 when the
/// picture was not taken because the queue is full or it needs one that was not taken: then only a key frame is taken next.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (codec; a picture that is empty or larger than 2 MiB), _NOT_FOUND (no such phone or live
/// call), _STATE (the call's source is another, or it was not answered yet).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_video_write(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    frame: *const ewebrtc_video_frame,
    data: *const u8,
    size: usize,
    taken: *mut i32,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(taken, 0) };
    with_phone(phone, |held| {
        // SAFETY: the caller's contract: null, or a readable frame, `size` bytes and a writable number.
        let (out, given, data) = unsafe { (place(taken, "taken")?, value(frame, "frame")?, bytes(data, size)?) };
        let codec = match given.codec {
            EWEBRTC_VIDEO_VP8 => VideoCodec::Vp8,
            EWEBRTC_VIDEO_H264 => VideoCodec::H264,
            other => return Err(argument(format!("codec: there is no codec {other}"))),
        };
        let writer = end(held, call, false, |ends| &mut ends.video_writer)?;
        match writer.write(VideoFrame::new(codec, given.timestamp, data.to_vec())) {
            Ok(()) => *out = 1,
            Err(FrameRefused::Full | FrameRefused::AwaitingKeyFrame) => {}
            Err(refused @ FrameRefused::Size) => return Err(argument(refused.to_string())),
            Err(FrameRefused::Closed) => return Err(gone()),
        }
        Ok(())
    })
}

/// Is the next picture to be a key frame? wanted: must not be null; receives 1 once after the other party, or a picture that
/// was not taken, has asked for one, and once at the beginning; else 0.
///
/// Errors: as ewebrtc_video_write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_video_key_frame_wanted(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    wanted: *mut i32,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(wanted, 0) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        let out = unsafe { place(wanted, "wanted") }?;
        *out = end(held, call, false, |ends| &mut ends.video_writer)?.key_frame_wanted().into();
        Ok(())
    })
}

/// How many pictures were written and not sent yet.
///
/// queued: must not be null. Errors: as ewebrtc_video_write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_video_queued(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    queued: *mut usize,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(queued, 0) };
    with_phone(phone, |held| {
        // SAFETY: as above.
        let out = unsafe { place(queued, "queued") }?;
        *out = end(held, call, false, |ends| &mut ends.video_writer)?.queued();
        Ok(())
    })
}

/// Takes the next picture of a call whose "remoteMedia" has the part ";video=frames": complete ones only, beginning with a
/// key frame, also after a loss. Never waits. About four seconds are kept, then what comes is dropped up to the next key frame.
/// What came until the end of a call that was read before may be read after it, until another call is used.
///
/// data: room for capacity bytes; must not be null. frame: must not be null; receives what is known of the picture, size 0 when
/// none is there. A picture for which there is no room is not taken, and frame says how large it is.
/// Errors: EWEBRTC_ERR_NULL, _ARGUMENT (no room), _NOT_FOUND (no such phone or live call), _STATE (the call's sink is another, or
/// it was not answered yet).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ewebrtc_video_read(
    phone: ewebrtc_phone,
    call: ewebrtc_call,
    data: *mut u8,
    capacity: usize,
    frame: *mut ewebrtc_video_frame,
) -> ewebrtc_status {
    // SAFETY: the caller's contract: null or writable.
    unsafe { clear(frame, ewebrtc_video_frame::default()) };
    with_phone(phone, |held| {
        // SAFETY: the caller's contract: null, or room for `capacity` bytes and a writable frame.
        let (out, room) = unsafe { (place(frame, "frame")?, bytes_mut(data, capacity)?) };
        let pictures = end(held, call, true, |ends| &mut ends.video_reader)?;
        let mut next = pictures.next.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(picture) = next.take().or_else(|| pictures.reader.try_read()) else { return Ok(()) };
        *out = ewebrtc_video_frame {
            codec: codec_number(picture.codec),
            key: picture.key.into(),
            timestamp: picture.timestamp,
            reserved: 0,
            size: picture.data.len(),
        };
        match room.get_mut(..picture.data.len()) {
            Some(room) => room.copy_from_slice(&picture.data),
            None => {
                *next = Some(picture);
                return Err(argument(format!("the picture has {} bytes", out.size)));
            }
        }
        Ok(())
    })
}

/// Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks by itself.
///
/// Errors: EWEBRTC_ERR_NOT_FOUND (no such phone or live call), _STATE (the call has no media yet).
#[unsafe(no_mangle)]
pub extern "C" fn ewebrtc_video_request_key_frame(phone: ewebrtc_phone, call: ewebrtc_call) -> ewebrtc_status {
    with_phone(phone, |held| {
        let call = held.phone.call(call);
        match call.request_key_frame() {
            Ok(()) => Ok(()),
            Err(_) if call.state().is_some() => Err(Fail(EWEBRTC_ERR_STATE, "the call has no media yet".into())),
            Err(error) => Err(error.into()),
        }
    })
}
