//! Waiting for several at once: Zephyr's `zsock_poll` on WebSockets.

use embedded_nal::{TcpClientStack, nb};
use ws_core::Face;

use super::Table;
use crate::error::HandleError;
use crate::slots::SlotStore;
use crate::timeout::Deadline;
use crate::{Platform, Timeout, WebSocketId};

/// What is waited for, and what is the case: the bits of Zephyr's `ZSOCK_POLL*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Events(pub u16);

impl Events {
    /// `recv_msg` would return something now: a piece, the end, an error. Also when it lies in the
    /// lent buffer already.
    pub const IN: Self = Self(0x01);
    /// A send may go out now: the connection is open and no control frame is in the way. Whether
    /// the stack takes it shows when it is sent. Where it did not take all of the last one, this is
    /// not the case for the next millisecond, so that a loop of poll and send does not spin.
    pub const OUT: Self = Self(0x04);
    /// The connection is over (always looked for).
    pub const HUP: Self = Self(0x10);
    /// The id is invalid (always looked for).
    pub const NVAL: Self = Self(0x20);

    /// Are all of `other`'s bits set?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One WebSocket to wait for: Zephyr's `struct zsock_pollfd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollItem {
    /// Which.
    pub ws: WebSocketId,
    /// What to wait for: [`Events::IN`], [`Events::OUT`].
    pub events: Events,
    /// What is the case, filled in by [`Table::poll`].
    pub revents: Events,
}

impl PollItem {
    /// An item with nothing found yet.
    pub const fn new(ws: WebSocketId, events: Events) -> Self {
        Self {
            ws,
            events,
            revents: Events(0),
        }
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Waits until something that is waited for is the case for at least one of `items`, at most
    /// for `timeout`, and returns for how many. On the way Pings are answered and Pongs taken.
    ///
    /// A server that waits for new connections too calls
    /// [`poll_accept`](Self::poll_accept) instead.
    pub fn poll(&mut self, items: &mut [PollItem], timeout: impl Into<Timeout>) -> usize {
        let mut deadline = Deadline::new(timeout.into());
        let ready = self.wait_for(&mut deadline, |table| match table.look_at(items) {
            0 => Err(nb::Error::<HandleError>::WouldBlock),
            ready => Ok(ready),
        });
        ready.ok().flatten().unwrap_or(0)
    }

    /// Fills in what is the case, and says for how many something is.
    pub(super) fn look_at(&mut self, items: &mut [PollItem]) -> usize {
        let mut ready = 0;
        for item in items {
            item.revents = self.events(item.ws, item.events);
            ready += usize::from(item.revents != Events(0));
        }
        ready
    }

    fn events(&mut self, ws: WebSocketId, wanted: Events) -> Events {
        let found = self.step(ws, |entry, context| {
            let readable = entry.is_readable(context, Face::Messages);
            let mut events = Events(0);
            if readable && wanted.contains(Events::IN) {
                events = events | Events::IN;
            }
            match entry.endpoint() {
                Some(endpoint) if endpoint.is_over() => events = events | Events::HUP,
                Some(endpoint) if endpoint.is_writable() && wanted.contains(Events::OUT) => {
                    if entry.is_full(context.platform.now_ms()) {
                        context.wait_at_most(1);
                    } else {
                        events = events | Events::OUT;
                    }
                }
                Some(_) => {}
                None => events = events | Events::NVAL,
            }
            Ok(events)
        });
        match found {
            Ok(events) => events,
            Err(nb::Error::WouldBlock) => Events(0),
            Err(nb::Error::Other::<HandleError>(_)) => Events::NVAL,
        }
    }
}
