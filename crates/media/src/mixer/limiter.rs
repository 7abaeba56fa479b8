//! A look-ahead limiter: keeps a sum of voices below full scale without cutting its peaks off.
//!
//! Owns: the gain of one mix and the samples it is behind. Lives on a media worker; nothing allocates. Must not import
//! anything but sizes.

use crate::codec::TICK_SAMPLES;

/// How far the limiter looks ahead, and so how much later its output is: 2.5 ms at 48 kHz. Within this time it turns the volume
/// down before a peak, which is slow enough to be no click and fast enough to be no pause.
pub const LOOK_AHEAD: usize = 120;
/// The largest sample that comes out, −1 dB of full scale: codecs overshoot what they are given.
pub const CEILING: i32 = 29_204;
/// Share of what is missing to full volume that comes back in each piece of 2.5 ms: a time constant of 0.2 s.
const RELEASE: f32 = 1.0 / 80.0;
/// Pieces of a tick.
const PIECES: usize = TICK_SAMPLES / LOOK_AHEAD;

/// See the head of the file.
///
/// The gain is a line from piece to piece whose ends lie below what both neighbouring pieces can bear, so no sample
/// exceeds [`CEILING`], whatever comes in.
#[derive(Debug, Clone)]
pub struct Limiter {
    gain: f32,
    held: [i32; LOOK_AHEAD],
    /// What the held samples can bear.
    bearable: f32,
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter { gain: 1.0, held: [0; LOOK_AHEAD], bearable: 1.0 }
    }
}

fn bearable(piece: &[i32]) -> f32 {
    let peak = piece.iter().fold(0u32, |peak, value| peak.max(value.unsigned_abs()));
    if peak <= CEILING as u32 { 1.0 } else { CEILING as f32 / peak as f32 }
}

impl Limiter {
    /// The volume at present, 1.0 while nothing is too loud.
    #[must_use]
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Takes 10 ms and gives 10 ms, [`LOOK_AHEAD`] samples later.
    pub fn process(&mut self, input: &[i32; TICK_SAMPLES], out: &mut [i16; TICK_SAMPLES]) {
        let mut line = [0i32; LOOK_AHEAD + TICK_SAMPLES];
        line[..LOOK_AHEAD].copy_from_slice(&self.held);
        line[LOOK_AHEAD..].copy_from_slice(input);
        let mut bears = [self.bearable; PIECES + 1];
        for (bear, piece) in bears[1..].iter_mut().zip(input.chunks_exact(LOOK_AHEAD)) {
            *bear = bearable(piece);
        }
        for (index, (piece, place)) in line.chunks_exact(LOOK_AHEAD).zip(out.chunks_exact_mut(LOOK_AHEAD)).enumerate() {
            let released = if self.gain > 0.999 { 1.0 } else { self.gain + (1.0 - self.gain) * RELEASE };
            let end = released.min(bears[index]).min(bears[index + 1]);
            if self.gain == 1.0 && end == 1.0 {
                for (value, sample) in piece.iter().zip(place) {
                    *sample = *value as i16;
                }
            } else {
                let step = (end - self.gain) / LOOK_AHEAD as f32;
                for (i, (value, sample)) in piece.iter().zip(place).enumerate() {
                    // The cast saturates; only rounding could bring it there.
                    *sample = (*value as f32 * (self.gain + step * (i + 1) as f32)) as i16;
                }
                self.gain = end;
            }
        }
        self.held.copy_from_slice(&line[TICK_SAMPLES..]);
        self.bearable = bears[PIECES];
    }
}
