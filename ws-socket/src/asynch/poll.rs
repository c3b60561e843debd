//! Waiting for several at once: Zephyr's `zsock_poll` on WebSockets.

use core::future::pending;
use core::pin::pin;

use embassy_futures::select::select_array;
use embassy_futures::{poll_once, yield_now};
use embedded_io_async::{Read, Write};
use ws_core::Face;

use super::link::{Link, key};
use super::table::WebSockets;
use super::wait::{MAX_READS, at_most, within};
use super::{Clock, Platform};
use crate::Timeout;
use crate::table::{Events, PollItem};

/// The one mask key that a connection needs while it is polled beside others.
struct OneKey<C>(C, [u8; 4]);

impl<C: Clock + Copy> Platform for OneKey<C> {
    type Clock = C;

    fn clock(&self) -> C {
        self.0
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for (byte, random) in bytes.iter_mut().zip(self.1) {
            *byte = random;
        }
    }

    // No handshake is polled.
    fn sha1(&mut self, _: &[&[u8]]) -> [u8; 20] {
        [0; 20]
    }
}

impl<T: Read + Write, P: Platform, const N: usize> WebSockets<'_, T, P, N>
where
    P::Clock: Copy,
{
    /// Waits until something that is waited for is the case for at least one of `items`, at most
    /// for `timeout`, and returns for how many: see [`Table::poll`](crate::Table::poll). On the way
    /// Pings are answered on all of them, and [keepalive](crate::Config::keepalive) watches all of
    /// them.
    ///
    /// # Cancellation
    /// Dropped, it has taken nothing away, where the streams' own reads keep to that.
    pub async fn poll(&mut self, items: &mut [PollItem], timeout: impl Into<Timeout>) -> usize {
        let clock = self.platform.clock();
        let polled = within(&clock, timeout.into(), pin!(self.wait_for(items))).await;
        polled.unwrap_or(0)
    }

    async fn wait_for(&mut self, items: &mut [PollItem]) -> usize {
        loop {
            // Each has its turn before any is reported, so that a busy one does not hide others.
            let mut readable = [None; N];
            for item in items.iter() {
                if let (Some(readable), Ok(mut link)) =
                    (readable.get_mut(item.ws.slot()), self.link(item.ws))
                {
                    let look = || {
                        link.alive.restart(MAX_READS);
                        poll_once(link.readable(Face::Messages)).is_ready()
                    };
                    readable.get_or_insert_with(look);
                }
            }
            let (ready, full) = self.look_at(items, &readable);
            if ready > 0 {
                return ready;
            }
            let clock = self.platform.clock();
            at_most(&clock, full.then_some(1), pin!(self.any_moves(readable))).await;
            // Somebody may go on without end.
            yield_now().await;
        }
    }

    /// Waits until something came for one that is not readable yet, or a mask key was used up. One
    /// that is readable can go no further.
    async fn any_moves(&mut self, readable: [Option<bool>; N]) {
        let clock = self.platform.clock();
        let mut keys = readable.map(|_| OneKey(clock, key(&mut self.platform)));
        let config = &self.config;
        let mut alive = self.alive.iter_mut();
        let mut platforms = keys.iter_mut();
        let mut readable = readable.into_iter();
        let moves = self.slots.each_entry().map(|entry| {
            let beside = (alive.next(), platforms.next(), readable.next());
            async move {
                if let (Some(entry), (Some(alive), Some(platform), Some(Some(false)))) =
                    (entry, beside)
                {
                    let mut link = Link {
                        entry,
                        alive,
                        platform,
                        config,
                        one_key: true,
                    };
                    link.readable(Face::Messages).await;
                } else {
                    pending().await
                }
            }
        });
        select_array(moves).await;
    }

    /// Fills in what is the case, and says for how many something is; and whether a stream that did
    /// not take all of what was sent is to be tried again in a millisecond.
    fn look_at(&mut self, items: &mut [PollItem], readable: &[Option<bool>; N]) -> (usize, bool) {
        let now = self.platform.clock().now_ms();
        let (mut ready, mut full) = (0, false);
        for item in items {
            let readable = readable.get(item.ws.slot()) == Some(&Some(true));
            item.revents = match self.link(item.ws) {
                Ok(link) => {
                    let mut found = events(&link, item.events, readable);
                    if found.contains(Events::OUT) && link.alive.full_at == Some(now) {
                        found.0 &= !Events::OUT.0;
                        full = true;
                    }
                    found
                }
                Err(_) => Events::NVAL,
            };
            ready += usize::from(item.revents != Events(0));
        }
        (ready, full)
    }
}

fn events<T, P>(link: &Link<'_, '_, T, P>, wanted: Events, readable: bool) -> Events {
    let Some(endpoint) = link.entry.endpoint() else {
        return Events::NVAL;
    };
    let mut events = Events(0);
    if readable && wanted.contains(Events::IN) {
        events = events | Events::IN;
    }
    if endpoint.is_over() {
        events = events | Events::HUP;
    } else if endpoint.is_writable() && wanted.contains(Events::OUT) {
        events = events | Events::OUT;
    }
    events
}
