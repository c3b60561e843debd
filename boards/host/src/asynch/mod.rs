//! The async calls over the operating system: sockets, a clock and randomness on async-io's reactor,
//! and a [`Wire`](crate::echo::Wire) of one connection.

mod dialing;
mod platform;
mod stream;
mod wire;

pub(crate) use dialing::Dialing;
pub(crate) use platform::Host;
pub(crate) use stream::Stream;
pub(crate) use wire::Polled;

use async_channel::{Receiver, bounded};
use std::sync::Arc;

use crate::wire::Wake;

/// What wakes a task from another thread, and what the task waits for.
pub(crate) fn waker() -> (Wake, Receiver<()>) {
    let (sender, receiver) = bounded(1);
    let wake = move || {
        // One that is there already is enough.
        let _ = sender.try_send(());
    };
    (Arc::new(wake), receiver)
}
