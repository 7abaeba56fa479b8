//! VP8 in RTP packets (RFC 7741): a payload descriptor and a piece of the frame in each.
//!
//! Owns: the payload format both ways; plain functions, for any thread. Imports nothing of this crate but the size limit.
//! The crate beneath has this format too, but its reader refuses the short packets that small pictures are made of.

use bytes::Bytes;

use super::payload::{LARGEST_PAYLOAD, pieces};

/// Descriptor with extension and a picture ID of 15 bits.
const DESCRIPTOR: usize = 4;

const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION: u8 = 0x07;

/// Cuts a frame into payloads. `picture` is the frame's number; 15 bits of it are sent.
pub(crate) fn packets(frame: &[u8], picture: u16) -> Vec<Bytes> {
    let number = picture & 0x7fff;
    let mut first = START;
    pieces(frame, LARGEST_PAYLOAD - DESCRIPTOR)
        .map(|piece| {
            let mut payload = Vec::with_capacity(DESCRIPTOR + piece.len());
            payload.extend_from_slice(&[EXTENDED | first, 0x80, 0x80 | (number >> 8) as u8, number as u8]);
            payload.extend_from_slice(piece);
            first = 0;
            payload.into()
        })
        .collect()
}

/// What a payload says about its place in a frame (RFC 7741 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Descriptor {
    /// The first payload of a frame.
    begins: bool,
    picture: Option<u16>,
    /// Bytes of the descriptor.
    length: usize,
}

fn descriptor(payload: &[u8]) -> Option<Descriptor> {
    let head = *payload.first()?;
    let begins = head & START != 0 && head & PARTITION == 0;
    let (mut length, mut picture) = (1, None);
    if head & EXTENDED != 0 {
        let extensions = *payload.get(1)?;
        length = 2;
        if extensions & 0x80 != 0 {
            let high = *payload.get(2)?;
            if high & 0x80 == 0 {
                picture = Some(u16::from(high));
                length += 1;
            } else {
                picture = Some(u16::from_be_bytes([high & 0x7f, *payload.get(3)?]));
                length += 2;
            }
        }
        // TL0PICIDX, and the byte that temporal layer and key frame index share.
        length += usize::from(extensions & 0x40 != 0) + usize::from(extensions & 0x30 != 0);
    }
    Some(Descriptor { begins, picture, length })
}

/// Whether a payload is the first one of a frame.
pub(crate) fn begins(payload: &[u8]) -> bool {
    descriptor(payload).is_some_and(|descriptor| descriptor.begins)
}

/// Puts the payloads of a frame together; none if they are not exactly one frame.
pub(crate) fn join<'a>(payloads: impl Iterator<Item = &'a Bytes>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let mut first: Option<Descriptor> = None;
    for payload in payloads {
        let descriptor = descriptor(payload)?;
        match first {
            None if descriptor.begins => first = Some(descriptor),
            Some(first) if !descriptor.begins && descriptor.picture == first.picture => {}
            _ => return None,
        }
        let piece = payload.get(descriptor.length..).filter(|piece| !piece.is_empty())?;
        frame.extend_from_slice(piece);
    }
    first.is_some().then_some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_into_even_pieces_that_name_its_picture() {
        let frame: Vec<u8> = (0..2_500u32).map(|n| n as u8).collect();
        let packets = packets(&frame, 0x8123);
        assert_eq!(packets.iter().map(Bytes::len).collect::<Vec<_>>(), [838, 837, 837]);
        assert_eq!(packets[0][..4], [0x90, 0x80, 0x81, 0x23]);
        assert_eq!(packets[1][..4], [0x80, 0x80, 0x81, 0x23]);
        assert_eq!(packets.iter().map(|packet| begins(packet)).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(join(packets.iter()), Some(frame));
    }

    #[test]
    fn every_form_of_the_descriptor_is_read() {
        let forms: [&[u8]; 6] = [
            &[0x10],
            &[0x90, 0x00],
            &[0x90, 0x80, 0x11],
            &[0x90, 0x80, 0x91, 0x22],
            &[0x90, 0xf0, 0x91, 0x22, 7, 0x20],
            &[0x90, 0x60, 7, 0x20],
        ];
        for form in forms {
            let payload = Bytes::from([form, &[0xaa]].concat());
            assert_eq!(join([&payload].into_iter()), Some(vec![0xaa]), "{form:x?}");
            assert_eq!(join([&Bytes::copy_from_slice(form)].into_iter()), None, "nothing behind {form:x?}");
        }
    }

    #[test]
    fn payloads_that_are_no_single_frame_are_refused() {
        let one = packets(&[1; 1_500], 1);
        let other = packets(&[2; 1_500], 2);
        assert_eq!(join(one[1..].iter()), None, "the beginning is missing");
        assert_eq!(join(one.iter().chain(&other)), None, "two frames");
        assert_eq!(join([&one[0], &other[1]].into_iter()), None, "pieces of two pictures");
        assert_eq!(join(std::iter::empty()), None);
    }
}
