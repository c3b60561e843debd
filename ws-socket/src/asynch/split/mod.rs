//! One WebSocket in two tasks: a receiving and a sending half.

mod common;
mod receiver;
mod sender;

pub use receiver::Receiver;
pub use sender::Sender;

use core::cell::RefCell;

use embassy_sync::blocking_mutex::Mutex as Cell;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::waitqueue::WakerRegistration;
use embedded_io_async::{Read, Write};

use super::drive::State;
use super::{AsyncPlatform, WebSocket};
use crate::session::Open;
use common::{Common, Shared};

/// A WebSocket whose stream is split, so that one task can receive while another sends:
/// [`WebSocket::halves`].
///
/// `M` is a mutex of embassy-sync: `NoopRawMutex` for two tasks of one executor,
/// `CriticalSectionRawMutex` for tasks that interrupt each other or run in different threads.
///
/// While these halves exist, the WebSocket itself is borrowed. Afterwards it goes on as one, to
/// [`disconnect`](WebSocket::disconnect) for example.
pub struct Halves<'s, M: RawMutex, R, W, P> {
    reader: R,
    /// What is read into.
    lent: &'s mut [u8],
    common: Common<'s, M, W, P>,
}

impl<T: Read + Write, P: AsyncPlatform> WebSocket<'_, T, P> {
    /// Splits the stream by `split` (a TCP socket has a method for it) for two tasks. `None` where
    /// the WebSocket is not open.
    pub fn halves<'s, M: RawMutex, R, W>(
        &'s mut self,
        split: impl FnOnce(&'s mut T) -> (R, W),
    ) -> Option<Halves<'s, M, R, W, P>> {
        let Open {
            socket,
            endpoint,
            lent,
            ..
        } = self.entry.open()?;
        let (lent, reserve) = lent.into_parts();
        let (reader, writer) = split(socket);
        let shared = Shared {
            state: State {
                endpoint,
                reserve,
                platform: &mut self.platform,
            },
            blocked: false,
            answerer: WakerRegistration::new(),
        };
        Some(Halves {
            reader,
            lent,
            common: Common {
                shared: Cell::new(RefCell::new(shared)),
                wire: Mutex::new(writer),
                config: &self.config,
            },
        })
    }
}

impl<'s, M: RawMutex, R, W, P> Halves<'s, M, R, W, P> {
    /// The two halves.
    #[allow(clippy::type_complexity)] // two types of this module
    pub fn split(&mut self) -> (Receiver<'_, 's, M, R, W, P>, Sender<'_, 's, M, W, P>) {
        let common = &self.common;
        let receiver = Receiver {
            reader: &mut self.reader,
            lent: self.lent,
            common,
        };
        (receiver, Sender { common })
    }
}

impl<M: RawMutex, R, W, P> core::fmt::Debug for Halves<'_, M, R, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Halves").finish_non_exhaustive()
    }
}
