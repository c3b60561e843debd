//! Waiting for several at once: Zephyr's `zsock_poll` on WebSockets.

use core::future::{pending, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;

use embassy_futures::select::{select, select_array};
use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use ws_core::Face;

use super::drive::key;
use super::link::Link;
use super::table::AsyncWebSockets;
use super::wait::{at_most, within};
use super::{AsyncPlatform, Clock};
use crate::slots::Slots;
use crate::table::{Events, PollItem};
use crate::{RandomError, Timeout};

/// The one mask key that a connection may need while it waits beside others, all of which cannot
/// borrow the platform.
struct OneKey<'u, C> {
    clock: C,
    key: Option<Option<[u8; 4]>>,
    /// Set where a connection needs another.
    used_up: &'u AtomicBool,
}

impl<C: Clock + Copy> AsyncPlatform for OneKey<'_, C> {
    type Clock = C;

    fn clock(&self) -> C {
        self.clock
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        match self.key.take() {
            Some(Some(key)) => {
                bytes.copy_from_slice(&key);
                return Ok(());
            }
            // The platform had none to give.
            Some(None) => {}
            None => self.used_up.store(true, Ordering::Relaxed),
        }
        Err(RandomError)
    }

    // No handshake is polled.
    fn sha1(&mut self, _: &[u8; 24]) -> [u8; 20] {
        [0; 20]
    }
}

impl<T: Read + Write, P: AsyncPlatform, const N: usize> AsyncWebSockets<'_, T, P, N>
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
                if let (Some(readable), Ok(mut link)) = (
                    readable.get_mut(Slots::<T, N>::index(item.ws)),
                    self.link(item.ws),
                ) {
                    readable.get_or_insert_with(|| link.is_readable(Face::Messages));
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
        let used_up = &AtomicBool::new(false);
        let mut keys = readable.map(|_| OneKey {
            clock,
            key: Some(key(&mut self.platform)),
            used_up,
        });
        let config = &self.config;
        let mut platforms = keys.iter_mut();
        let mut readable = readable.into_iter();
        let moves = self.slots.each_entry().map(|entry| {
            let beside = (platforms.next(), readable.next());
            async move {
                if let (Some(entry), (Some(platform), Some(Some(false)))) = (entry, beside) {
                    let mut link = Link {
                        entry,
                        platform,
                        config,
                    };
                    link.readable(Face::Messages).await;
                } else {
                    pending().await
                }
            }
        });
        // Polled after them, and so with them whenever one has moved.
        let more_keys = poll_fn(|_| match used_up.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        select(select_array(moves), more_keys).await;
    }

    /// Fills in what is the case, and says for how many something is; and whether a stream that did
    /// not take all of what was sent is to be tried again in a millisecond.
    fn look_at(&mut self, items: &mut [PollItem], readable: &[Option<bool>; N]) -> (usize, bool) {
        let now = self.platform.clock().now_ms();
        let (mut ready, mut full) = (0, false);
        for item in items {
            let readable = readable.get(Slots::<T, N>::index(item.ws)) == Some(&Some(true));
            item.revents = match self.link(item.ws) {
                Ok(link) => {
                    let mut found = events(&link, item.events, readable);
                    if found.contains(Events::OUT) && link.entry.is_full(now) {
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
