//! What stands for a connection outside of the table.

/// A WebSocket: what Zephyr's calls hand around as an `int`.
///
/// It carries a generation, so that an id kept after its connection is an error (`EBADF`) and never
/// somebody else's connection. Slot and generation share 31 bits: the slot takes as many as `N`
/// slots need, the generation the rest. The same id comes again after 2³¹ connections in one slot
/// with `N` = 1, 2³⁰ with `N` = 2, 2²⁹ with `N` = 3 or 4, and so on.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketId {
    raw: u32,
    /// [`UNKNOWN`] where only a table can tell.
    slot: u32,
}

const UNKNOWN: u32 = u32::MAX;

impl WebSocketId {
    /// For a handler that has one connection.
    #[cfg(feature = "async")]
    pub(crate) const ONLY: Self = Self { raw: 0, slot: 0 };

    pub(crate) const fn new(tag: u32, slot: u32) -> Self {
        Self {
            raw: tag | slot,
            slot,
        }
    }

    /// All bits: the slot in the lower ones, the generation above.
    pub(crate) const fn bits(self) -> u32 {
        self.raw
    }

    /// The slot in the table, 0 to N - 1: for an array of the application's beside the table. Of an
    /// id [from a number](Self::from_raw) it is `usize::MAX`: ask the table
    /// ([`Table::slot`](crate::Table::slot)).
    pub const fn slot(self) -> usize {
        match self.slot {
            UNKNOWN => usize::MAX,
            slot => slot as usize,
        }
    }

    /// As one number, never negative, for a place that holds only that: C, an atomic.
    pub const fn to_raw(self) -> i32 {
        self.raw.cast_signed()
    }

    /// What [`to_raw`](Self::to_raw) gave. Any number is harmless: the table checks it.
    pub const fn from_raw(raw: i32) -> Self {
        Self {
            raw: raw.cast_unsigned(),
            slot: UNKNOWN,
        }
    }
}

impl PartialEq for WebSocketId {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for WebSocketId {}

impl core::hash::Hash for WebSocketId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl core::fmt::Display for WebSocketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.to_raw(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_round_trip() {
        let id = WebSocketId::new(0x7FFF_FFFC, 3);
        assert_eq!(id.to_raw(), i32::MAX);
        assert_eq!(WebSocketId::from_raw(id.to_raw()), id);
        assert_eq!(id.slot(), 3);
    }
}
