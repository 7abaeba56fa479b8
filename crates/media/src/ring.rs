//! Bounded rings between one writer and one reader, without locks, made of atomics and safe code only.
//!
//! Owns: [`SampleRing`] for audio and [`PacketRing`] for RTP packets. Written and read on different threads; neither
//! side ever waits. Imports nothing of this crate.
//!
//! Positions count everything ever written or read; a position modulo the storage is a place in it.

use std::sync::atomic::{AtomicI16, AtomicU64, AtomicUsize, Ordering, fence};

/// Samples. One thread writes, one reads.
pub(crate) struct SampleRing {
    store: Box<[AtomicI16]>,
    /// What the reader may find at most; the rest of the store is room for a write in progress.
    capacity: usize,
    written: AtomicUsize,
    read: AtomicUsize,
    /// Everything before this position is void; see [`SampleRing::clear`].
    void: AtomicUsize,
}

/// The longest single write that [`SampleRing::write_over`] takes: 10 ms at 192 kHz.
pub(crate) const LONGEST_WRITE: usize = 1_920;

impl SampleRing {
    /// A ring for `capacity` samples.
    pub(crate) fn new(capacity: usize) -> SampleRing {
        let capacity = capacity.max(1);
        let size = (capacity + LONGEST_WRITE).next_power_of_two();
        SampleRing {
            store: (0..size).map(|_| AtomicI16::new(0)).collect(),
            capacity,
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            void: AtomicUsize::new(0),
        }
    }

    fn put(&self, from: usize, samples: &[i16]) {
        let mask = self.store.len() - 1;
        // A reader that sees one of these samples also sees the position from which this write began.
        fence(Ordering::Release);
        for (i, sample) in samples.iter().enumerate() {
            self.store[from.wrapping_add(i) & mask].store(*sample, Ordering::Relaxed);
        }
        self.written.store(from.wrapping_add(samples.len()), Ordering::Release);
    }

    /// Writer: appends what fits and returns how much that was.
    pub(crate) fn write(&self, samples: &[i16]) -> usize {
        let written = self.written.load(Ordering::Relaxed);
        let taken = samples.len().min(self.capacity.saturating_sub(self.waiting()));
        self.put(written, &samples[..taken]);
        taken
    }

    /// Writer: appends everything (at most [`LONGEST_WRITE`]); when the ring is full the oldest samples give way.
    pub(crate) fn write_over(&self, samples: &[i16]) {
        let samples = &samples[..samples.len().min(LONGEST_WRITE)];
        self.put(self.written.load(Ordering::Relaxed), samples);
    }

    /// Where the reader stands, given what is void.
    fn position(&self) -> usize {
        let (read, void) = (self.read.load(Ordering::Acquire), self.void.load(Ordering::Acquire));
        if (void.wrapping_sub(read) as isize) > 0 { void } else { read }
    }

    /// Samples that wait for the reader; never more than the capacity.
    pub(crate) fn waiting(&self) -> usize {
        let position = self.position();
        self.written.load(Ordering::Acquire).wrapping_sub(position).min(self.capacity)
    }

    /// Either side: everything written so far is void.
    pub(crate) fn clear(&self) {
        self.void.store(self.written.load(Ordering::Acquire), Ordering::Release);
    }

    /// Reader: takes up to `out.len()` samples; returns how many were taken and how many had given way before.
    pub(crate) fn read(&self, out: &mut [i16]) -> (usize, usize) {
        let mask = self.store.len() - 1;
        let mut lost = 0;
        let mut position = self.position();
        loop {
            let written = self.written.load(Ordering::Acquire);
            let waiting = written.wrapping_sub(position);
            if waiting > self.capacity {
                lost += waiting - self.capacity;
                position = written.wrapping_sub(self.capacity);
            }
            let taken = out.len().min(written.wrapping_sub(position));
            for (i, place) in out[..taken].iter_mut().enumerate() {
                *place = self.store[position.wrapping_add(i) & mask].load(Ordering::Relaxed);
            }
            // If the writer has come round meanwhile, what was copied may be a mixture: take the newer samples.
            // A write in progress is not yet in `written`, which is why the store is larger than the capacity.
            fence(Ordering::Acquire);
            let now = self.written.load(Ordering::Relaxed);
            if now.wrapping_sub(position) <= self.store.len() - LONGEST_WRITE {
                self.read.store(position.wrapping_add(taken), Ordering::Release);
                return (taken, lost);
            }
        }
    }
}

/// Head of a packet in a [`PacketRing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PacketHead {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Microseconds since the leg began.
    pub(crate) arrival_us: i64,
}

/// Packets by value: the reader frees no memory. One thread writes at a time, one reads.
pub(crate) struct PacketRing {
    store: Box<[AtomicU64]>,
    written: AtomicUsize,
    read: AtomicUsize,
}

/// Longest payload that is taken. An RTP packet over Ethernet has no more.
pub(crate) const MAX_PAYLOAD: usize = 1_500;
const HEAD_WORDS: usize = 3;

impl PacketRing {
    /// A ring of `words` times eight bytes (a power of two).
    pub(crate) fn new(words: usize) -> PacketRing {
        PacketRing {
            store: (0..words.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
        }
    }

    /// Writer: false when the packet is too long or there is no room.
    pub(crate) fn push(&self, head: &PacketHead, payload: &[u8]) -> bool {
        let words = HEAD_WORDS + payload.len().div_ceil(8);
        let written = self.written.load(Ordering::Relaxed);
        let waiting = written.wrapping_sub(self.read.load(Ordering::Acquire));
        if payload.len() > MAX_PAYLOAD || waiting + words > self.store.len() {
            return false;
        }
        let mask = self.store.len() - 1;
        let put = |i: usize, word: u64| self.store[written.wrapping_add(i) & mask].store(word, Ordering::Relaxed);
        let marker = u64::from(head.marker) << 24;
        put(0, payload.len() as u64 | u64::from(head.payload_type) << 16 | marker | u64::from(head.sequence) << 32);
        put(1, u64::from(head.timestamp) | u64::from(head.ssrc) << 32);
        put(2, head.arrival_us as u64);
        for (i, piece) in payload.chunks(8).enumerate() {
            let mut bytes = [0u8; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            put(HEAD_WORDS + i, u64::from_le_bytes(bytes));
        }
        self.written.store(written.wrapping_add(words), Ordering::Release);
        true
    }

    /// Reader: the next packet, its payload copied into `out`.
    pub(crate) fn pop(&self, out: &mut [u8; MAX_PAYLOAD]) -> Option<(PacketHead, usize)> {
        let read = self.read.load(Ordering::Relaxed);
        if self.written.load(Ordering::Acquire) == read {
            return None;
        }
        let mask = self.store.len() - 1;
        let get = |i: usize| self.store[read.wrapping_add(i) & mask].load(Ordering::Relaxed);
        let (first, second) = (get(0), get(1));
        let length = (first as usize & 0xffff).min(MAX_PAYLOAD);
        let head = PacketHead {
            payload_type: (first >> 16) as u8,
            marker: first >> 24 & 1 != 0,
            sequence: (first >> 32) as u16,
            timestamp: second as u32,
            ssrc: (second >> 32) as u32,
            arrival_us: get(2) as i64,
        };
        for (i, piece) in out[..length].chunks_mut(8).enumerate() {
            piece.copy_from_slice(&get(HEAD_WORDS + i).to_le_bytes()[..piece.len()]);
        }
        self.read.store(read.wrapping_add(HEAD_WORDS + length.div_ceil(8)), Ordering::Release);
        Some((head, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_full_ring_takes_no_more_and_clear_empties_it() {
        let ring = SampleRing::new(100);
        assert_eq!(ring.write(&[1; 70]), 70);
        assert_eq!(ring.write(&[2; 70]), 30);
        assert_eq!(ring.waiting(), 100);
        ring.clear();
        assert_eq!((ring.waiting(), ring.write(&[3; 10])), (0, 10));
        let mut out = [0; 20];
        assert_eq!(ring.read(&mut out), (10, 0));
        assert_eq!(out[..10], [3; 10]);
    }

    #[test]
    fn the_oldest_samples_give_way() {
        let ring = SampleRing::new(1_000);
        for i in 0..500i16 {
            ring.write_over(&[i; 10]);
        }
        let mut out = [0; 2_000];
        assert_eq!(ring.read(&mut out), (1_000, 4_000));
        assert_eq!((out[0], out[999]), (400, 499));
    }

    #[test]
    fn threads_see_every_sample_and_packet_in_order() {
        let samples = Arc::new(SampleRing::new(500));
        let packets = Arc::new(PacketRing::new(1 << 10));
        let writer = {
            let (samples, packets) = (samples.clone(), packets.clone());
            std::thread::spawn(move || {
                let (mut sample, mut packet) = (0u32, 0u32);
                while sample < 100_000 || packet < 20_000 {
                    sample += samples.write(&[sample as i16]) as u32;
                    let head = PacketHead { sequence: packet as u16, timestamp: packet, ..PacketHead::default() };
                    let payload = vec![packet as u8; packet as usize % 200];
                    packet += u32::from(packets.push(&head, &payload));
                    std::thread::yield_now();
                }
            })
        };
        let (mut sample, mut packet) = (0u32, 0u32);
        let mut out = [0i16; 64];
        let mut payload = [0u8; MAX_PAYLOAD];
        while sample < 100_000 || packet < 20_000 {
            let (taken, _) = samples.read(&mut out);
            for value in &out[..taken] {
                assert_eq!(*value, sample as i16);
                sample += 1;
            }
            while let Some((head, length)) = packets.pop(&mut payload) {
                assert_eq!((head.timestamp, length), (packet, packet as usize % 200));
                assert!(payload[..length].iter().all(|b| *b == packet as u8));
                packet += 1;
            }
            std::thread::yield_now();
        }
        writer.join().unwrap();
    }

    #[test]
    fn packets_that_do_not_fit_are_refused() {
        let ring = PacketRing::new(64);
        let head = PacketHead {
            payload_type: 127,
            marker: true,
            sequence: 65_535,
            timestamp: 7,
            ssrc: u32::MAX,
            arrival_us: -5,
        };
        assert!(!ring.push(&head, &[0; MAX_PAYLOAD + 1]));
        assert!(ring.push(&head, &[9; 333]));
        assert!(!ring.push(&head, &[9; 333]));
        let mut out = [0; MAX_PAYLOAD];
        assert_eq!(ring.pop(&mut out), Some((head, 333)));
        assert_eq!(out[..333], [9; 333]);
        assert_eq!(ring.pop(&mut out), None);
    }
}
