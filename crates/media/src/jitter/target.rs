//! How long packets are held back: learns from their arrival when the next ones can be counted on.
//!
//! Owns: the statistics of arrival. Lives on a media worker. Knows no clock: all times are microseconds given from
//! outside. The *lag* of a packet is its arrival minus its own time; lags have an arbitrary but fixed origin, so only
//! their differences mean something.

/// Width of a class of lags.
const CLASS_US: i64 = 5_000;
/// Number of classes: lags are told apart up to 500 ms above the smallest.
const CLASSES: usize = 100;
/// What a packet leaves of the weight of the older ones: about 250 packets count, 5 s.
const FADE: f32 = 0.996;
/// Share of the packets that shall be in time.
const QUANTILE: f32 = 0.97;
/// Packets are taken every 10 ms, so that one which comes in time may still wait that long.
const MARGIN_US: i64 = 10_000;
/// With loss, room for the packet that carries the redundancy.
const REDUNDANCY_US: i64 = 20_000;
/// Above this share of lost packets that room is made.
const LOSSY: f32 = 0.01;
/// What is held back at first, and bounds for later. Ticks of 10 ms could keep 15 ms; the rest covers the threads of a
/// busy machine, whose delays are too rare for the statistics and too frequent for the ear.
const FIRST_US: i64 = 40_000;
const LEAST_US: i64 = 30_000;
/// What the first packet of a leg is held back before playing begins: enough for the ticks. The rest of [`FIRST_US`] is
/// gained within a quarter of a second by repeating pitch periods, mostly in silence, so that a call is heard 20 ms sooner.
const START_US: i64 = 20_000;
const MOST_US: i64 = 500_000;
/// The smallest lag is that of the last 8 s, in pieces of half a second, so that a slow clock on the other side or a
/// longer path is noticed.
const PIECES: usize = 16;
const PIECE_US: i64 = 500_000;
/// A lag this far from the smallest means that the other side has begun to count anew, or a path has been down.
const JUMP_US: i64 = 1_000_000;

/// What the buffer aims at.
pub(super) struct Target {
    /// Weight of each class of lags above `origin * CLASS_US`.
    classes: [f32; CLASSES],
    origin: i64,
    /// Smallest lag in each half second: number of the half second and lag.
    pieces: [(i64, i64); PIECES],
    base: i64,
    known: bool,
    /// What was held back when the time line was lost.
    kept: i64,
    aim: i64,
    /// Nothing has been played yet.
    fresh: bool,
    last_arrival: i64,
    loss: f32,
}

impl Target {
    pub(super) fn new() -> Target {
        Target {
            classes: [0.0; CLASSES],
            origin: 0,
            pieces: [(i64::MIN, 0); PIECES],
            base: 0,
            known: false,
            kept: FIRST_US,
            aim: FIRST_US,
            fresh: true,
            last_arrival: 0,
            loss: 0.0,
        }
    }

    /// The lag at which a sample shall be played.
    pub(super) fn aim(&self) -> i64 {
        self.aim
    }

    /// The lag at which playing begins.
    pub(super) fn start(&self) -> i64 {
        if self.fresh { self.aim.min(self.base + START_US) } else { self.aim }
    }

    /// Playing has begun; after an interruption as much is held back as was learnt to be needed.
    pub(super) fn has_begun(&mut self) {
        self.fresh = false;
    }

    /// What is held back beyond the fastest packet.
    pub(super) fn hold_us(&self) -> i64 {
        if self.known { self.aim - self.base } else { 0 }
    }

    /// How far `lag` is above the fastest packet.
    pub(super) fn above_base(&self, lag: i64) -> i64 {
        lag - self.base
    }

    /// Whether a new packet with this lag does not belong to the time line known so far.
    pub(super) fn is_jump(&self, lag: i64) -> bool {
        self.known && (lag - self.base).abs() > JUMP_US
    }

    /// Begins anew at `lag`, keeping what was learnt about how long to hold back.
    pub(super) fn anchor(&mut self, lag: i64, arrival: i64) {
        let hold = if self.known { self.hold_us().clamp(LEAST_US, MOST_US) } else { self.kept };
        self.classes = [0.0; CLASSES];
        self.pieces = [(i64::MIN, 0); PIECES];
        self.origin = lag.div_euclid(CLASS_US);
        self.base = lag;
        self.aim = lag + hold;
        self.known = true;
        self.last_arrival = arrival;
    }

    /// The time line has ended; the next packet begins another one, with as much held back as in this one.
    pub(super) fn lose_time(&mut self) {
        if self.known {
            self.kept = self.hold_us().clamp(LEAST_US, MOST_US);
        }
        self.known = false;
    }

    /// A packet counted as lost or not.
    pub(super) fn note_loss(&mut self, lost: bool) {
        self.loss += 0.005 * (f32::from(u8::from(lost)) - self.loss);
    }

    /// A packet of `length` microseconds has arrived; `in_order` when it directly follows the newest one.
    pub(super) fn note_arrival(&mut self, lag: i64, arrival: i64, length: i64, in_order: bool) {
        if !self.known {
            self.anchor(lag, arrival);
        }
        self.note_base(lag, arrival);
        // Packets that were held up together say the same thing once, not once each: a stall of a second must not
        // look like fifty late packets.
        let together = in_order && arrival - self.last_arrival < length / 4;
        self.last_arrival = arrival;
        if !together {
            let class = (lag.div_euclid(CLASS_US) - self.origin).clamp(0, CLASSES as i64 - 1);
            for weight in &mut self.classes {
                *weight *= FADE;
            }
            self.classes[class as usize] += 1.0 - FADE;
        }
        self.update();
    }

    fn note_base(&mut self, lag: i64, arrival: i64) {
        let number = arrival.div_euclid(PIECE_US);
        let piece = &mut self.pieces[number.rem_euclid(PIECES as i64) as usize];
        *piece = if piece.0 == number { (number, piece.1.min(lag)) } else { (number, lag) };
        let oldest = number - PIECES as i64;
        self.base = self.pieces.iter().filter(|p| p.0 > oldest).map(|p| p.1).min().unwrap_or(lag);
        self.shift(self.base.div_euclid(CLASS_US));
    }

    /// Moves the classes so that they begin at `origin`.
    fn shift(&mut self, origin: i64) {
        let by = origin - self.origin;
        self.origin = origin;
        if by == 0 {
            return;
        }
        let old = self.classes;
        self.classes = [0.0; CLASSES];
        for (i, weight) in old.iter().enumerate() {
            let place = (i as i64).saturating_sub(by).clamp(0, CLASSES as i64 - 1);
            self.classes[place as usize] += weight;
        }
    }

    fn update(&mut self) {
        let wanted = QUANTILE * self.classes.iter().sum::<f32>();
        let mut sum = 0.0;
        let class = self
            .classes
            .iter()
            .position(|weight| {
                sum += weight;
                sum >= wanted
            })
            .unwrap_or(0);
        let room = if self.loss > LOSSY { REDUNDANCY_US } else { 0 };
        let wanted = (self.origin + class as i64 + 1) * CLASS_US + MARGIN_US + room;
        // Up at once, since late packets are heard; down slowly.
        let aim = if wanted > self.aim { wanted } else { self.aim + (wanted - self.aim) / 100 };
        self.aim = aim.clamp(self.base + LEAST_US, self.base + MOST_US);
    }
}
