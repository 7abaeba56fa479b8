//! Width and height of an H.264 stream, for the header of a recording.
//!
//! Owns: the reading of a sequence parameter set (ITU-T H.264 section 7.3.2.1.1) as far as the size. A plain function, for
//! any thread; imports nothing of this crate.

/// Profiles whose parameter sets tell about colour as well.
const WITH_COLOUR: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Bits of a NAL unit, without the bytes that only prevent start codes (section 7.4.1).
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn of(unit: &[u8]) -> Bits {
        let mut bytes: Vec<u8> = Vec::with_capacity(unit.len());
        for byte in unit {
            if *byte == 3 && bytes.ends_with(&[0, 0]) {
                continue;
            }
            bytes.push(*byte);
        }
        Bits { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// An unsigned number in Exp-Golomb code (section 9.1); those of a usual stream have less than 17 bits.
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

/// Width and height that a sequence parameter set says; none if it is broken or of a rare kind.
pub(crate) fn size(unit: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::of(unit.get(1..)?);
    let profile = u8::try_from(bits.bits(8)?).ok()?;
    // Constraints, level, and the set's own number.
    bits.bits(16)?;
    bits.number()?;
    let mut colour = 1;
    if WITH_COLOUR.contains(&profile) {
        colour = bits.number()?;
        // Three separate planes, or scaling lists: not written by encoders for calls.
        if colour > 2 {
            return None;
        }
        bits.number()?;
        bits.number()?;
        bits.bit()?;
        if bits.bit()? == 1 {
            return None;
        }
    }
    bits.number()?;
    match bits.number()? {
        0 => {
            bits.number()?;
        }
        1 => {
            bits.bit()?;
            bits.number()?;
            bits.number()?;
            for _ in 0..bits.number()?.min(255) {
                bits.number()?;
            }
        }
        _ => {}
    }
    bits.number()?;
    bits.bit()?;
    let (across, down) = (bits.number()? + 1, bits.number()? + 1);
    // Fields come in pairs.
    let fields = 2 - bits.bit()?;
    if fields == 2 {
        bits.bit()?;
    }
    bits.bit()?;
    let (mut width, mut height) = (across * 16, down * 16 * fields);
    if bits.bit()? == 1 {
        let (step_across, step_down) = match colour {
            1 => (2, 2 * fields),
            2 => (2, fields),
            _ => (1, fields),
        };
        width = width.checked_sub((bits.number()? + bits.number()?) * step_across)?;
        height = height.checked_sub((bits.number()? + bits.number()?) * step_down)?;
    }
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_size_is_read_with_what_is_cut_off() {
        // 160x120 as x264 writes it for `counter-h264.ivf`: 8 rows of 16, of which 8 lines are cut off.
        let set =
            [0x67, 0x42, 0xc0, 0x0c, 0xda, 0x0a, 0x11, 0xf9, 0x70, 0x11, 0, 0, 3, 0, 1, 0, 0, 3, 0, 0x1e, 0x0f, 0x14];
        assert_eq!(size(&set), Some((160, 120)));
        for length in 0..8 {
            assert_eq!(size(&set[..length]), None);
        }
    }

    proptest! {
        #[test]
        fn no_unit_whatsoever_is_a_panic(unit in prop::collection::vec(any::<u8>(), 0..60), high: bool) {
            let mut unit = unit;
            if let (true, Some(profile)) = (high, unit.get_mut(1)) {
                *profile = 100;
            }
            size(&unit);
        }
    }
}
