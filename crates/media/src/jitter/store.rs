//! Packets that wait for their moment, in the order of their time.
//!
//! Owns: the memory of the waiting packets, all of it allocated at construction. Lives on a media worker. Knows neither
//! clocks nor codecs.

use crate::ring::MAX_PAYLOAD;
use crate::transport::AudioCodec;

/// Packets that can wait: 5 s of 20 ms. A burst after a stall of 3 s fits.
pub(super) const MAX_PACKETS: usize = 256;
/// Most Opus and G.711 packets fit into one block; longer ones take several.
const BLOCK: usize = 256;
/// One block for each packet. Packets of the greatest length fill them sooner: 51 of 1275 bytes.
const BLOCKS: usize = MAX_PACKETS;
const NONE: u16 = u16::MAX;

/// One waiting packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Time of its first sample, in samples at 48 kHz, extended beyond 32 bits.
    pub(super) time: i64,
    /// Extended sequence number.
    pub(super) sequence: i64,
    /// Its length in samples at 48 kHz.
    pub(super) samples: i64,
    /// What it is encoded with.
    pub(super) codec: AudioCodec,
    first: u16,
    bytes: u16,
}

/// The waiting packets, sorted by time.
pub(super) struct Store {
    entries: Vec<Entry>,
    blocks: Box<[[u8; BLOCK]]>,
    next: Box<[u16]>,
    free: u16,
    free_blocks: usize,
}

impl Store {
    pub(super) fn new() -> Store {
        let next = (1..=BLOCKS as u16).map(|i| if usize::from(i) == BLOCKS { NONE } else { i }).collect();
        Store {
            entries: Vec::with_capacity(MAX_PACKETS),
            blocks: vec![[0; BLOCK]; BLOCKS].into_boxed_slice(),
            next,
            free: 0,
            free_blocks: BLOCKS,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.first()
    }

    /// Puts a packet in its place; false when there is no room, or a packet of that time is already there.
    pub(super) fn insert(
        &mut self,
        (time, sequence, samples): (i64, i64, i64),
        codec: AudioCodec,
        payload: &[u8],
    ) -> bool {
        let needed = payload.len().div_ceil(BLOCK).max(1);
        let Err(place) = self.entries.binary_search_by_key(&time, |entry| entry.time) else { return false };
        if self.entries.len() == MAX_PACKETS || needed > self.free_blocks || payload.len() > MAX_PAYLOAD {
            return false;
        }
        let first = self.free;
        let mut last = first;
        for index in 0..needed {
            if index > 0 {
                last = self.next[usize::from(last)];
            }
            let piece = &payload[index * BLOCK..payload.len().min((index + 1) * BLOCK)];
            self.blocks[usize::from(last)][..piece.len()].copy_from_slice(piece);
        }
        self.free = self.next[usize::from(last)];
        self.next[usize::from(last)] = NONE;
        self.free_blocks -= needed;
        let bytes = payload.len() as u16;
        self.entries.insert(place, Entry { time, sequence, samples, codec, first, bytes });
        true
    }

    /// Copies the payload of the first packet into `out`; returns its length.
    pub(super) fn copy_front(&self, out: &mut [u8; MAX_PAYLOAD]) -> usize {
        let Some(entry) = self.entries.first() else { return 0 };
        let length = usize::from(entry.bytes);
        let mut block = entry.first;
        for piece in out[..length].chunks_mut(BLOCK) {
            piece.copy_from_slice(&self.blocks[usize::from(block)][..piece.len()]);
            block = self.next[usize::from(block)];
        }
        length
    }

    /// Forgets the first packet.
    pub(super) fn remove_front(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let entry = self.entries.remove(0);
        let mut last = entry.first;
        let mut count = 1;
        while self.next[usize::from(last)] != NONE {
            last = self.next[usize::from(last)];
            count += 1;
        }
        self.next[usize::from(last)] = self.free;
        self.free = entry.first;
        self.free_blocks += count;
    }

    pub(super) fn clear(&mut self) {
        while !self.entries.is_empty() {
            self.remove_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_in_the_order_of_their_time_with_their_bytes() {
        let mut store = Store::new();
        let mut out = [0; MAX_PAYLOAD];
        for round in 0..50usize {
            for i in [3usize, 1, 2, 0, 5, 4] {
                let payload: Vec<u8> = (0..(i * 300 + round) % MAX_PAYLOAD).map(|b| (b + i) as u8).collect();
                assert!(store.insert((i as i64, 0, 960), AudioCodec::Opus, &payload));
                assert!(!store.insert((i as i64, 0, 960), AudioCodec::Opus, &payload), "twice");
            }
            for i in 0..6usize {
                assert_eq!(store.front().map(|e| e.time), Some(i as i64));
                let length = store.copy_front(&mut out);
                assert_eq!(length, (i * 300 + round) % MAX_PAYLOAD);
                assert!(out[..length].iter().enumerate().all(|(b, v)| *v == (b + i) as u8));
                store.remove_front();
            }
        }
        assert_eq!((store.len(), store.free_blocks), (0, BLOCKS));
    }

    #[test]
    fn a_full_store_refuses_and_recovers() {
        let mut store = Store::new();
        let long = vec![1u8; 1_275];
        let taken = (0..200).filter(|i| store.insert((*i, 0, 960), AudioCodec::Opus, &long)).count();
        assert_eq!(taken, 51);
        store.clear();
        let taken = (0..1_000).filter(|i| store.insert((*i, 0, 960), AudioCodec::Pcmu, &[1; 160])).count();
        assert_eq!(taken, MAX_PACKETS);
        store.clear();
        assert_eq!(store.free_blocks, BLOCKS);
    }
}
