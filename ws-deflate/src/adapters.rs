//! The codec as an extension of `ws-core` (RFC 7692 section 7.2).

use ws_core::ProtocolError;
use ws_core::extension::{Decode, Encode, Moved};

use crate::{Deflate, Inflate, MemoryError, Side};

/// The bit that the first frame of a compressed message has: RSV1 (RFC 7692 section 6).
pub const RSV1: u8 = 0x40;

/// Inflates the messages that a connection receives: for `Receive::decoding`.
///
/// Where the data is malformed, or ends inside a block, the connection fails with
/// [`ProtocolError::Extension`], close code 1007. So it does if the peer refers to bytes that the
/// window does not hold.
#[derive(Debug)]
pub struct Inflater<'w> {
    inflate: Inflate<'w>,
    takeover: bool,
}

impl<'w> Inflater<'w> {
    /// For the [`Side`] of [`Agreed`](crate::Agreed) that the peer compresses. All of `window` is used.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Window`]: its length is no power of two, or not from 2^[`Side::window_bits`] to
    /// 32,768 bytes.
    pub fn new(window: &'w mut [u8], peer: Side) -> Result<Self, MemoryError> {
        if window.len() >> peer.window_bits.min(15) == 0 {
            return Err(MemoryError::Window);
        }
        Ok(Self {
            inflate: Inflate::new(window)?,
            takeover: peer.takeover,
        })
    }
}

impl Decode for Inflater<'_> {
    fn decode(
        &mut self,
        frames: &[u8],
        last: bool,
        message: &mut [u8],
    ) -> Result<Moved, ProtocolError> {
        let failed = |_| ProtocolError::Extension;
        let progress = self.inflate.inflate(frames, message).map_err(failed)?;
        let mut moved = Moved {
            taken: progress.consumed,
            given: progress.produced,
            more: !progress.done,
        };
        if last && progress.done && moved.taken == frames.len() {
            let room = message.get_mut(moved.given..).unwrap_or_default();
            let ended = self.inflate.end_of_message(room).map_err(failed)?;
            moved.given += ended.produced;
            moved.more = !ended.done;
            if ended.done && !self.takeover {
                self.inflate.reset();
            }
        }
        Ok(moved)
    }
}

/// Compresses the messages that a connection sends: for `SendEncoded`.
#[derive(Debug)]
pub struct Deflater<'w> {
    deflate: Deflate<'w>,
    takeover: bool,
}

impl<'w> Deflater<'w> {
    /// For the [`Side`] of [`Agreed`](crate::Agreed) that is our own. `window` may be shorter than agreed on,
    /// and longer, which gains nothing. Of `window` and `hash` see [`Deflate::new`].
    ///
    /// # Errors
    ///
    /// [`MemoryError`]: one of them has not the length that it can have.
    pub fn new(window: &'w mut [u8], hash: &'w mut [u16], own: Side) -> Result<Self, MemoryError> {
        let mut deflate = Deflate::new(window, hash)?;
        deflate.limit_window(own.window_bits);
        Ok(Self {
            deflate,
            takeover: own.takeover,
        })
    }
}

impl Encode for Deflater<'_> {
    fn bit(&self) -> u8 {
        RSV1
    }

    fn encode(&mut self, message: &[u8], last: bool, frames: &mut [u8]) -> Moved {
        let progress = self.deflate.deflate(message, frames);
        let mut moved = Moved {
            taken: progress.consumed,
            given: progress.produced,
            more: !progress.done,
        };
        if last && progress.done && moved.taken == message.len() {
            let room = frames.get_mut(moved.given..).unwrap_or_default();
            let ended = self.deflate.end_of_message(room);
            moved.given += ended.produced;
            moved.more = !ended.done;
            if ended.done && !self.takeover {
                self.deflate.reset();
            }
        }
        moved
    }
}
