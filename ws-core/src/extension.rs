//! A place for extensions between frames and messages (RFC 6455 section 9). None is here: one is a
//! [`Decode`] that a [`Receive`](crate::Receive) is given, and an [`Encode`] for a
//! [`SendEncoded`](crate::SendEncoded).
//!
//! A message that an extension stands for has one of the agreed reserved bits set in its first frame
//! ([`Endpoint::agree`](crate::Endpoint::agree)). Control frames are not touched, nor are messages
//! without the bit. The frames are taken as they come; whether the message is within the limit,
//! whether it is UTF-8, and where its pieces end is judged by what the extension makes of them.

use crate::error::ProtocolError;

/// What a [`Decode`] or an [`Encode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// So many bytes of the input are used up.
    pub taken: usize,
    /// So many bytes of the output are filled.
    pub given: usize,
    /// There is more to give than the output has room for.
    pub more: bool,
}

/// Makes the payload of a message out of the payload of its frames.
pub trait Decode {
    /// Goes on with the message that comes: takes of `frames`, and puts into `message`. `last` says
    /// that the message has no more than `frames`. With an empty `message` nothing is given. Where
    /// there is room it takes something or gives something, unless `frames` is empty.
    ///
    /// # Errors
    /// What the peer did wrong.
    fn decode(
        &mut self,
        frames: &[u8],
        last: bool,
        message: &mut [u8],
    ) -> Result<Moved, ProtocolError>;
}

/// Makes the payload of frames out of the payload of a message.
pub trait Encode {
    /// The reserved bit that the first frame of a message has then: 0x40 is RSV1.
    fn bit(&self) -> u8;

    /// Goes on with the message that is sent: takes of `message`, and puts into `frames`. `last` says
    /// that the message has no more than `message`. It may keep what it has taken until it has more, but
    /// not after the last. What it has taken cannot be taken back. With an empty `frames` nothing is given.
    /// Where there is room it takes something or gives something, unless it has nothing more to give.
    fn encode(&mut self, message: &[u8], last: bool, frames: &mut [u8]) -> Moved;
}
