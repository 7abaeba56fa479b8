//! H.264 in RTP packets (RFC 6184, packetization mode 1): NAL units alone, together or in pieces.
//!
//! Owns: the payload format both ways, and the cutting of Annex B streams; plain functions, for any thread. Imports nothing
//! of this crate but the size limit. The crate beneath has this format too, but its reader panics on some aggregates, and
//! its writer leaves out units.

use bytes::Bytes;

use super::payload::{LARGEST_PAYLOAD, pieces};

/// Units in one packet (STAP-A), and a piece of one (FU-A).
const AGGREGATE: u8 = 24;
const PIECE: u8 = 28;
/// A sequence parameter set, and an access unit delimiter: what a picture can begin with and not go on with.
pub(crate) const SEQUENCE: u8 = 7;
const DELIMITER: u8 = 9;

const BEGIN: u8 = 0x80;
const END: u8 = 0x40;

/// The type of a NAL unit.
pub(crate) fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head & 0x1f)
}

/// The NAL units of an Annex B stream, without start codes and zeros behind them; bytes before the first start code are
/// left out.
pub(crate) fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start(stream);
    std::iter::from_fn(move || {
        loop {
            let begin = rest?;
            let end = start(begin).unwrap_or(begin.len());
            rest = after_start(&begin[end..]);
            let unit = &begin[..end];
            // A unit never ends with a zero: those belong to the next start code.
            let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return Some(&unit[..length]);
            }
        }
    })
}

/// Where the next start code begins.
fn start(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|bytes| bytes == [0, 0, 1])
}

fn after_start(stream: &[u8]) -> Option<&[u8]> {
    start(stream).map(|at| &stream[at + 3..])
}

/// Cuts an access unit into payloads.
pub(crate) fn packets(access_unit: &[u8]) -> Vec<Bytes> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for unit in units(access_unit) {
        if unit.len() <= LARGEST_PAYLOAD {
            payloads.push(unit.to_vec());
            continue;
        }
        let body = &unit[1..];
        let begin = payloads.len();
        for piece in pieces(body, LARGEST_PAYLOAD - 2) {
            let mut payload = Vec::with_capacity(2 + piece.len());
            payload.extend_from_slice(&[unit[0] & 0x60 | PIECE, kind(unit)]);
            payload.extend_from_slice(piece);
            payloads.push(payload);
        }
        let end = payloads.len() - 1;
        payloads[begin][1] |= BEGIN;
        payloads[end][1] |= END;
    }
    payloads.into_iter().map(Bytes::from).collect()
}

/// Whether a payload can only be the first one of an access unit.
pub(crate) fn begins(payload: &[u8]) -> bool {
    let first = match kind(payload) {
        AGGREGATE => payload.get(3..).unwrap_or_default(),
        _ => payload,
    };
    matches!(kind(first), SEQUENCE | DELIMITER)
}

/// Puts the payloads of an access unit together, each NAL unit behind a start code of four bytes; none if something is
/// missing or of another packetization mode.
pub(crate) fn join<'a>(payloads: impl Iterator<Item = &'a Bytes>) -> Option<Vec<u8>> {
    let mut stream = Vec::new();
    // The type of the unit whose pieces are coming.
    let mut open: Option<u8> = None;
    for payload in payloads {
        match kind(payload) {
            1..=23 if open.is_none() => unit(&mut stream, payload),
            AGGREGATE if open.is_none() => {
                let mut rest = &payload[1..];
                if rest.is_empty() {
                    return None;
                }
                while !rest.is_empty() {
                    let size = usize::from(u16::from_be_bytes([rest[0], *rest.get(1)?]));
                    let inner = rest.get(2..2 + size)?;
                    if !(1..=23).contains(&kind(inner)) {
                        return None;
                    }
                    unit(&mut stream, inner);
                    rest = &rest[2 + size..];
                }
            }
            PIECE => {
                let flags = *payload.get(1)?;
                let (begins, ends, kind) = (flags & BEGIN != 0, flags & END != 0, flags & 0x1f);
                match open {
                    None if begins && !ends && (1..=23).contains(&kind) => {
                        unit(&mut stream, &[payload[0] & 0xe0 | kind]);
                    }
                    Some(known) if !begins && known == kind => {}
                    _ => return None,
                }
                stream.extend_from_slice(&payload[2..]);
                open = (!ends).then_some(kind);
            }
            _ => return None,
        }
    }
    (open.is_none() && !stream.is_empty()).then_some(stream)
}

fn unit(stream: &mut Vec<u8>, bytes: &[u8]) {
    stream.extend_from_slice(&[0, 0, 0, 1]);
    stream.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        let mut stream = Vec::new();
        for bytes in units {
            unit(&mut stream, bytes);
        }
        stream
    }

    #[test]
    fn units_are_found_behind_short_and_long_start_codes() {
        let bytes = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0, 0, 1, 0x65, 3];
        let found: Vec<&[u8]> = units(&bytes).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
    }

    #[test]
    fn an_access_unit_goes_through_packets_unchanged() {
        let slice: Vec<u8> = std::iter::once(0x65).chain((0..3_000u32).map(|n| (n % 250 + 1) as u8)).collect();
        let access_unit = stream(&[&[0x09, 0x10], &[0x67, 1, 2], &[0x68, 3], &slice]);
        let packets = packets(&access_unit);
        assert_eq!(packets.len(), 6);
        assert!(packets.iter().all(|packet| packet.len() <= LARGEST_PAYLOAD));
        assert_eq!([packets[3][1], packets[4][1], packets[5][1]], [0x85, 0x05, 0x45]);
        assert!(begins(&packets[0]) && begins(&packets[1]) && !begins(&packets[3]));
        assert_eq!(join(packets.iter()), Some(access_unit));
        assert_eq!(join(packets[..5].iter()), None, "the last piece is missing");
        assert_eq!(join(packets[4..].iter()), None, "the first piece is missing");
    }

    #[test]
    fn aggregates_are_taken_apart_and_broken_ones_refused() {
        let good = Bytes::from_static(&[0x78, 0, 2, 0x67, 1, 0, 3, 0x68, 2, 3]);
        assert_eq!(join([&good].into_iter()), Some(stream(&[&[0x67, 1], &[0x68, 2, 3]])));
        assert!(begins(&good));
        for broken in [&[0x78][..], &[0x78, 0], &[0x78, 0, 0], &[0x78, 0, 3, 0x67, 1], &[0x78, 0, 1, 0x78], &[0x7a, 1]]
        {
            assert_eq!(join([&Bytes::copy_from_slice(broken)].into_iter()), None, "{broken:x?}");
        }
    }
}
