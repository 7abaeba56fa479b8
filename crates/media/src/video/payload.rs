//! Between pictures and RTP payloads, whatever the codec.
//!
//! Owns: the size of a payload, and the choice of the payload format; plain functions, for any thread. Imports nothing of
//! this crate but the formats and types.

use bytes::Bytes;

use super::{VideoFrame, h264, vp8};
use crate::transport::VideoCodec;

/// Bytes of a payload at most: with RTP, SRTP, UDP, IPv6 and a TURN server's framing it stays below the 1280 bytes that
/// every path carries.
pub(crate) const LARGEST_PAYLOAD: usize = 1_100;

/// `bytes` in pieces of nearly the same length, none longer than `most`.
pub(crate) fn pieces(bytes: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let count = bytes.len().div_ceil(most.max(1));
    let (length, longer) = (bytes.len() / count.max(1), bytes.len() % count.max(1));
    let mut rest = bytes;
    (0..count).map(move |number| {
        let (piece, behind) = rest.split_at(length + usize::from(number < longer));
        rest = behind;
        piece
    })
}

/// The payloads of a picture; the last one gets the marker. `number` counts the pictures of a stream.
pub(crate) fn packets(frame: &VideoFrame, number: u16) -> Vec<Bytes> {
    match frame.codec {
        VideoCodec::Vp8 => vp8::packets(&frame.data, number),
        VideoCodec::H264 => h264::packets(&frame.data),
    }
}

/// Whether a payload is certainly the first one of a picture.
pub(crate) fn begins(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => vp8::begins(payload),
        VideoCodec::H264 => h264::begins(payload),
    }
}

/// Puts the payloads of one picture together; none if they are not exactly one.
pub(crate) fn join<'a>(codec: VideoCodec, payloads: impl Iterator<Item = &'a Bytes>) -> Option<Vec<u8>> {
    match codec {
        VideoCodec::Vp8 => vp8::join(payloads),
        VideoCodec::H264 => h264::join(payloads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_payloads_whatsoever_are_a_panic_or_more_than_they_hold(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            like in prop::sample::select(vec![0x10u8, 0x90, 0x78, 0x7c, 0x65]),
        ) {
            let mut payloads = payloads;
            for first in payloads.iter_mut().filter_map(|payload| payload.first_mut()) {
                // Half of them look like something known.
                if *first & 1 == 0 {
                    *first = like;
                }
            }
            let payloads: Vec<Bytes> = payloads.into_iter().map(Bytes::from).collect();
            let bytes: usize = payloads.iter().map(Bytes::len).sum();
            for codec in [VideoCodec::Vp8, VideoCodec::H264] {
                if let Some(joined) = join(codec, payloads.iter()) {
                    // An aggregate has three bytes for a unit at least, whose start code takes four.
                    prop_assert!(!joined.is_empty() && joined.len() <= bytes * 5);
                }
                for payload in &payloads {
                    begins(codec, payload);
                }
            }
        }

        #[test]
        fn what_is_cut_is_joined_to_the_same(data in prop::collection::vec(any::<u8>(), 1..6_000), number: u16) {
            let frame = VideoFrame::new(VideoCodec::Vp8, 0, data);
            let payloads = packets(&frame, number);
            prop_assert!(payloads.iter().all(|payload| payload.len() <= LARGEST_PAYLOAD));
            prop_assert_eq!(join(VideoCodec::Vp8, payloads.iter()), Some(frame.data.to_vec()));

            // For H.264 the same holds of its units.
            let units: Vec<Vec<u8>> = frame.data.chunks(1_700).map(|body| {
                let mut unit = vec![0x61];
                unit.extend(body.iter().map(|byte| byte | 4));
                unit
            }).collect();
            let stream: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect();
            let frame = VideoFrame::new(VideoCodec::H264, 0, stream);
            let payloads = packets(&frame, number);
            prop_assert!(payloads.iter().all(|payload| payload.len() <= LARGEST_PAYLOAD));
            prop_assert_eq!(join(VideoCodec::H264, payloads.iter()), Some(frame.data.to_vec()));
        }
    }
}
