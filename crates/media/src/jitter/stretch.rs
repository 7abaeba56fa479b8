//! Making a piece of sound a little shorter or longer without changing its pitch.
//!
//! Owns: the search for the pitch period and the cross-fade. Lives on a media worker; works in place.

/// Pitch periods that are looked for, in samples at 48 kHz: 2.5 to 10 ms.
const SHORTEST: usize = 120;
pub(super) const LONGEST: usize = 480;
/// Only so much of a long packet is looked at, 20 ms.
const LOOKED_AT: usize = 960;
/// Mean square below which a piece counts as a pause (−45 dB of full scale).
const QUIET: f32 = 3e4;
/// A piece repeats itself if it is this much like itself one period later.
const ALIKE: f32 = 0.85;

/// Whether nobody talks in this piece.
pub(super) fn is_quiet(sound: &[i16]) -> bool {
    let power: f32 = sound.iter().map(|v| f32::from(*v) * f32::from(*v)).sum();
    power < QUIET * sound.len() as f32
}

/// The period with which `sound` repeats itself best, if it does; in a pause any will do.
fn period(sound: &[i16], quiet: bool) -> Option<usize> {
    let longest = LONGEST.min(sound.len() / 2);
    let mut best = (0, -1.0f32);
    for lag in (SHORTEST..=longest).step_by(2) {
        let (mut cross, mut first, mut second) = (0f32, 1f32, 1f32);
        for (a, b) in sound.iter().zip(&sound[lag..]).step_by(3) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            cross += a * b;
            first += a * a;
            second += b * b;
        }
        let likeness = cross / (first * second).sqrt();
        if likeness > best.1 {
            best = (lag, likeness);
        }
    }
    (best.0 > 0 && (quiet || best.1 > ALIKE)).then_some(best.0)
}

fn fade(from: i16, to: i16, step: usize, steps: usize) -> i16 {
    let share = step as f32 / steps as f32;
    (f32::from(from) * (1.0 - share) + f32::from(to) * share) as i16
}

/// Cuts one period out of the first `length` samples; returns the new length.
pub(super) fn shorten(sound: &mut [i16], length: usize, quiet: bool) -> Option<usize> {
    let lag = period(&sound[..length.min(LOOKED_AT)], quiet)?;
    for i in 0..lag {
        sound[lag + i] = fade(sound[i], sound[lag + i], i, lag);
    }
    sound.copy_within(lag..length, 0);
    Some(length - lag)
}

/// Repeats one period of the first `length` samples; returns the new length. There must be room for it.
pub(super) fn lengthen(sound: &mut [i16], length: usize, quiet: bool) -> Option<usize> {
    let lag = period(&sound[..length.min(LOOKED_AT)], quiet)?;
    if length + lag > sound.len() {
        return None;
    }
    // What follows the first period comes a period later; between them the second period fades back into the first.
    sound.copy_within(lag..length, 2 * lag);
    for i in 0..lag {
        sound[lag + i] = fade(sound[2 * lag + i], sound[i], i, lag);
    }
    Some(length + lag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_has_no_click() {
        for hz in [120.0f32, 200.0, 333.0, 440.0, 1_000.0] {
            let tone = |i: usize| ((i as f32 / 48_000.0 * hz * std::f32::consts::TAU).sin() * 8_000.0) as i16;
            let steepest = (hz / 48_000.0 * std::f32::consts::TAU * 8_000.0) as i32 + 1;
            for shorter in [true, false] {
                let mut sound: Vec<i16> = (0..960 + LONGEST).map(tone).collect();
                let length = if shorter { shorten(&mut sound, 960, false) } else { lengthen(&mut sound, 960, false) };
                let length = length.expect("a tone repeats itself");
                assert_eq!(length < 960, shorter);
                let jump = sound[..length].windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max();
                assert!(jump < Some(steepest * 2), "{hz} Hz: a jump of {jump:?}, {steepest} would be natural");
                assert!((sound[0] - tone(0)).abs() < 10 && (sound[length - 1] - tone(959)).abs() < 10);
            }
        }
    }

    #[test]
    fn noise_is_left_alone_unless_it_is_quiet() {
        let mut seed = 1u32;
        let mut noise = |peak: i32| -> Vec<i16> {
            (0..960 + LONGEST)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((seed >> 16) as i32 % (2 * peak) - peak) as i16
                })
                .collect()
        };
        let mut loud = noise(8_000);
        assert!(!is_quiet(&loud));
        assert_eq!(shorten(&mut loud, 960, false), None);
        let mut soft = noise(100);
        assert!(is_quiet(&soft));
        assert!(shorten(&mut soft, 960, true).is_some());
        assert!(lengthen(&mut soft, 200, true).is_none(), "too short to find a period in");
    }
}
