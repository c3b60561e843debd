//! What stands for a connection outside of the table.

/// A WebSocket: what Zephyr's calls hand around as an `int`.
///
/// It carries a generation, so that an id kept beyond its connection is an error (`EBADF`) and
/// never somebody else's connection. A generation comes round after 65,536 connections in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WebSocketId {
    pub(crate) slot: u16,
    pub(crate) generation: u16,
}

impl WebSocketId {
    /// The slot in the table, 0 to N - 1: for an array of the application's beside the table.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// As one number, for a place that holds only that.
    pub const fn to_raw(self) -> u32 {
        (self.generation as u32) << 16 | self.slot as u32
    }

    /// What [`to_raw`](Self::to_raw) gave. Any number is harmless: the table checks it.
    #[allow(clippy::cast_possible_truncation)] // the two halves
    pub const fn from_raw(raw: u32) -> Self {
        Self {
            slot: raw as u16,
            generation: (raw >> 16) as u16,
        }
    }
}

impl core::fmt::Display for WebSocketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_round_trip() {
        let id = WebSocketId {
            slot: 3,
            generation: 0xFFFE,
        };
        assert_eq!(WebSocketId::from_raw(id.to_raw()), id);
        assert_eq!(id.slot(), 3);
    }
}
