//! Receiving through an extension: frames become payload of messages.

use super::{Endpoint, Lent};
use crate::error::ProtocolError;
use crate::extension::Decode;

/// How far the frames in the borrowed buffer have come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decoding {
    /// Bytes at the front of what was read that are unmasked payload, and not decoded yet.
    unmasked: usize,
    /// The decoder has more to give.
    more: bool,
}

impl Endpoint {
    /// Is there something to decode that needs no read?
    pub(super) const fn is_decoding(&self) -> bool {
        self.decoding.unmasked > 0 || self.decoding.more
    }

    /// What the frame in hand has still to come, decoded: 0 only where it has ended.
    pub(super) const fn left_of_frame(&self) -> usize {
        let rx = &self.connection.rx;
        let left = rx.remaining() + self.decoding.unmasked;
        if left == 0 && rx.in_payload() && rx.is_extended() {
            return 1;
        }
        left
    }

    /// An extension was agreed on: the first frame of a message may have these reserved bits set (0x40
    /// is RSV1). Such a message is for a [`Receive`](super::Receive) with a [`Decode`].
    pub const fn agree(&mut self, bits: u8) {
        self.connection.rx.agree(bits);
    }

    /// [`take`](Self::take) of a message that an extension stands for.
    pub(super) fn take_decoded(
        &mut self,
        lent: &mut Lent<'_>,
        decoder: Option<&mut (dyn Decode + Send)>,
        out: &mut [u8],
    ) -> Option<usize> {
        let decoded = match decoder {
            Some(decoder) => self.decode(lent, decoder, out),
            None => Err(ProtocolError::ReservedBits),
        };
        decoded
            .inspect_err(|error| {
                self.connection.rx.end();
                self.fail(*error);
            })
            .ok()
    }

    fn decode(
        &mut self,
        lent: &mut Lent<'_>,
        decoder: &mut (dyn Decode + Send),
        out: &mut [u8],
    ) -> Result<usize, ProtocolError> {
        let mut given = 0;
        loop {
            let read = lent.read.get_mut(self.start..self.end).unwrap_or_default();
            if self.decoding.unmasked == 0 {
                self.decoding.unmasked = self.connection.rx.payload(None, read)?.len();
            }
            let rx = &mut self.connection.rx;
            let all = rx.remaining() == 0;
            let last = all && rx.last_frame().fin;
            let frames = read.get(..self.decoding.unmasked).unwrap_or_default();
            let room = out.get_mut(given..).unwrap_or_default();
            let moved = decoder.decode(frames, last, room)?;
            self.start += moved.taken;
            self.decoding.unmasked -= moved.taken.min(self.decoding.unmasked);
            self.decoding.more = moved.more;
            let used_up = self.decoding.unmasked == 0 && !moved.more;
            rx.judge(room.get(..moved.given).unwrap_or_default(), last && used_up)?;
            given += moved.given;
            if all && used_up {
                rx.end_frame();
                return Ok(given);
            }
            let stuck = moved.taken == 0 && moved.given == 0;
            if given == out.len() || stuck || used_up && self.start == self.end {
                return Ok(given);
            }
        }
    }

    /// What is unmasked is for nobody any more.
    pub(super) const fn discard_decoding(&mut self) -> usize {
        let unmasked = self.decoding.unmasked;
        self.decoding.unmasked = 0;
        self.decoding.more = false;
        unmasked
    }
}
