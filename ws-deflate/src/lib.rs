//! permessage-deflate (RFC 7692) without a heap: no I/O, no `unsafe`, no panic.
//!
//! - [`Inflate`] reads what a peer compressed, [`Deflate`] compresses. Both stream: input and output
//!   may be cut anywhere. The memory that grows with the window is lent by the caller.
//! - [`Offer`], [`OfferReader`], [`ServerRules`] and [`ResponseReader`] negotiate.
//!
//! A message goes through by calls of [`Deflate::deflate`] and then [`Deflate::end_of_message`],
//! and on the other side of [`Inflate::inflate`] and then [`Inflate::end_of_message`]. The four bytes
//! `00 00 FF FF` that RFC 7692 cuts from a message never show up: `Deflate` does not write them,
//! `Inflate` adds them.
//!
//! With the feature `ws-core` there are `Inflater` and `Deflater`: the two as extensions of a connection
//! of the crate `ws-core`.
//!
//! ```
//! use ws_deflate::{Deflate, Inflate};
//!
//! let (mut window, mut hash) = ([0; 512], [0; 256]);
//! let mut sender = Deflate::new(&mut window, &mut hash)?;
//! let mut window = [0; 512];
//! let mut receiver = Inflate::new(&mut window)?;
//!
//! let message = br#"{"id":"pump-7","rpm":1450}"#;
//! for round in 0..2 {
//!     let mut wire = [0; 64];
//!     let fed = sender.deflate(message, &mut wire);
//!     assert_eq!(fed.consumed, message.len());
//!     let ended = sender.end_of_message(&mut wire[fed.produced..]);
//!     assert!(ended.done);
//!     let length = fed.produced + ended.produced;
//!     // The second time it is known already.
//!     assert!(length <= [32, 7][round]);
//!
//!     let mut text = [0; 64];
//!     let read = receiver.inflate(&wire[..length], &mut text)?;
//!     assert_eq!(read.consumed, length);
//!     let ended = receiver.end_of_message(&mut text[read.produced..])?;
//!     assert!(ended.done);
//!     assert_eq!(&text[..read.produced + ended.produced], message);
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "ws-core")]
mod adapters;
mod deflate;
mod extension;
mod inflate;
mod negotiate;

#[cfg(feature = "ws-core")]
pub use adapters::{Deflater, Inflater, RSV1};
pub use deflate::Deflate;
pub use inflate::{Inflate, InflateError};
pub use negotiate::{
    Agreed, MAX_OFFER, NegotiationError, Offer, OfferReader, ResponseReader, ServerRules, Side,
};

/// The memory that was lent is none that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The window is not 256 to 32,768 bytes long, or its length is no power of two.
    #[error("the window must have 256 to 32768 bytes, a power of two")]
    Window,
    /// The hash is not 16 to 65,536 entries long, or its length is no power of two.
    #[error("the hash must have 16 to 65536 entries, a power of two")]
    Hash,
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of the input that were taken. Do not offer them again.
    pub consumed: usize,
    /// Bytes that were written to the output.
    pub produced: usize,
    /// Nothing is left to be written before there is new input, or before the message ends.
    /// While it is false, call again with room in the output.
    pub done: bool,
}

const fn is_window(length: usize) -> bool {
    length.is_power_of_two() && length >= 256 && length <= 32 * 1024
}

/// Copies what is in both. `copy_from_slice` has a panic that is not always seen to be impossible.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
