//! The places for items: one pending, one in the foreground, one in the background (phone-behaviour.md sections 1, 8, 11).
//!
//! Owns: [`Slots`]. Lives on: the phone's actor. Must not import: anything but `call`.
//! What brings the second item there, and what follows when one goes, stands in `second`.

use super::call::Call;
use super::io::Handle;

/// The live items of a phone.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The item that is not connected yet.
    pending: Option<Call>,
    /// Connected items in the order of establishment: foreground and background, at most two.
    established: Vec<Call>,
    foreground: Option<Handle>,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Pending,
    Foreground,
    Background,
}

/// Most established items at a time.
pub(super) const MAX_ESTABLISHED: usize = 2;

impl Slots {
    pub(super) fn pending(&self) -> Option<&Call> {
        self.pending.as_ref()
    }

    pub(super) fn foreground(&self) -> Option<&Call> {
        self.foreground.and_then(|handle| self.established.iter().find(|call| call.handle == handle))
    }

    /// The established item that is not in the foreground.
    pub(super) fn background(&self) -> Option<&Call> {
        self.established.iter().find(|call| self.foreground != Some(call.handle))
    }

    /// The background item and the foreground item change places.
    pub(super) fn bring_forward(&mut self, handle: Handle) {
        if self.established.iter().any(|call| call.handle == handle) {
            self.foreground = Some(handle);
        }
    }

    pub(super) fn place(&self, handle: Handle) -> Place {
        if self.foreground == Some(handle) {
            Place::Foreground
        } else if self.pending.as_ref().is_some_and(|call| call.handle == handle) {
            Place::Pending
        } else {
            Place::Background
        }
    }

    pub(super) fn established(&self) -> &[Call] {
        &self.established
    }

    /// Every live item, established ones first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.established.iter().chain(self.pending.iter())
    }

    pub(super) fn get(&self, handle: Handle) -> Option<&Call> {
        self.iter().find(|call| call.handle == handle)
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut Call> {
        self.established.iter_mut().chain(self.pending.iter_mut()).find(|call| call.handle == handle)
    }

    /// The live item with this id at the gateway.
    pub(super) fn by_id(&self, id: &str) -> Option<Handle> {
        self.iter().find(|call| call.id.as_deref() == Some(id)).map(|call| call.handle)
    }

    /// Index of the next item: 1 above the highest live one, pending included (section 11).
    pub(super) fn next_index(&self) -> u64 {
        self.iter().map(|call| call.index).max().unwrap_or(0) + 1
    }

    /// Puts a new item into the pending slot, which the caller has found empty.
    pub(super) fn insert_pending(&mut self, call: Call) {
        self.pending = Some(call);
    }

    /// The pending item is connected: it becomes the foreground item, the former one stays in the background.
    pub(super) fn promote(&mut self, handle: Handle) {
        if self.pending.as_ref().is_some_and(|call| call.handle == handle)
            && let Some(call) = self.pending.take()
        {
            self.established.push(call);
            self.foreground = Some(handle);
        }
    }

    /// Is another item in the foreground? So it is for a second item until it is connected (section 21).
    pub(super) fn is_background(&self, handle: Handle) -> bool {
        self.foreground.is_some_and(|foreground| foreground != handle)
    }

    /// Removes an item; when it was the foreground item, a remaining established one takes its place.
    pub(super) fn remove(&mut self, handle: Handle) -> Option<Call> {
        if self.pending.as_ref().is_some_and(|call| call.handle == handle) {
            return self.pending.take();
        }
        let at = self.established.iter().position(|call| call.handle == handle)?;
        let call = self.established.remove(at);
        if self.foreground == Some(handle) {
            self.foreground = self.established.last().map(|call| call.handle);
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(slots: &Slots, handle: Handle) -> Call {
        Call::outgoing(handle, slots.next_index(), format!("peer{handle}"), String::new())
    }

    fn connect(slots: &mut Slots, handle: Handle) {
        let item = call(slots, handle);
        slots.insert_pending(item);
        slots.promote(handle);
    }

    #[test]
    fn numbers_are_one_above_the_highest_live_one() {
        let mut slots = Slots::default();
        connect(&mut slots, 10);
        connect(&mut slots, 11);
        let indexes: Vec<u64> = slots.iter().map(|c| c.index).collect();
        assert_eq!(indexes, [1, 2]);
        slots.remove(11);
        assert_eq!(slots.next_index(), 2);
        connect(&mut slots, 12);
        slots.remove(10);
        assert_eq!(slots.next_index(), 3);
        slots.remove(12);
        assert_eq!(slots.next_index(), 1);
    }

    #[test]
    fn the_second_connected_item_is_in_front_and_leaves_the_place_to_the_first() {
        let mut slots = Slots::default();
        connect(&mut slots, 1);
        connect(&mut slots, 2);
        assert_eq!(slots.foreground().map(|c| c.handle), Some(2));
        assert!(slots.is_background(1) && !slots.is_background(2));
        assert_eq!(slots.background().map(|c| c.handle), Some(1));
        slots.bring_forward(1);
        assert_eq!((slots.place(1), slots.place(2)), (Place::Foreground, Place::Background));
        slots.bring_forward(2);
        assert!(slots.remove(2).is_some());
        assert_eq!(slots.foreground().map(|c| c.handle), Some(1));
        assert!(slots.remove(2).is_none());
        let pending = call(&slots, 3);
        slots.insert_pending(pending);
        assert!(slots.is_background(3), "the second item, as long as it is not connected");
        assert_eq!([1, 3].map(|n| slots.place(n)), [Place::Foreground, Place::Pending]);
        assert!(slots.remove(3).is_some() && slots.pending().is_none());
        assert!(slots.established().len() <= MAX_ESTABLISHED);
    }
}
