//! A TCP connection to one of several addresses: RFC 8305 in small.

use core::net::{IpAddr, SocketAddr, SocketAddrV6};

use embedded_nal::{AddrType, Dns, TcpClientStack, nb};
use ws_core::elapsed;

use super::Table;
use crate::Platform;
use crate::error::ConnectError;
use crate::slots::SlotStore;
use crate::stack::{AddressList, Addresses};
use crate::timeout::Deadline;

/// For how many milliseconds an address is dialed alone (RFC 8305 section 5).
pub(crate) const HEAD_START: u32 = 250;

/// Of how much time a silent address that holds the only socket has its share, where there is no
/// end of it.
pub(crate) const LONG: u32 = 30_000;

/// The addresses of a host, one by one, as they are needed.
pub(super) trait Source<S: TcpClientStack> {
    /// The next one; `None` after the last.
    fn next(&mut self, stack: &mut S) -> nb::Result<Option<IpAddr>, ()>;
}

/// There is one.
impl<S: TcpClientStack> Source<S> for Option<IpAddr> {
    fn next(&mut self, _: &mut S) -> nb::Result<Option<IpAddr>, ()> {
        Ok(self.take())
    }
}

/// One of each family, by [`Dns`].
pub(super) struct ByFamily<'n> {
    name: &'n str,
    first: Option<IpAddr>,
    /// The question that comes next.
    ask: Ask,
}

#[derive(Clone, Copy)]
enum Ask {
    Either,
    Ipv6,
    Ipv4,
    Nothing,
}

impl<'n> ByFamily<'n> {
    pub(super) const fn new(name: &'n str) -> Self {
        Self {
            name,
            first: None,
            ask: Ask::Either,
        }
    }
}

impl<S: TcpClientStack + Dns> Source<S> for ByFamily<'_> {
    fn next(&mut self, stack: &mut S) -> nb::Result<Option<IpAddr>, ()> {
        loop {
            let family = match self.ask {
                Ask::Either => AddrType::Either,
                Ask::Ipv6 => AddrType::IPv6,
                Ask::Ipv4 => AddrType::IPv4,
                Ask::Nothing => return Ok(None),
            };
            let found = match stack.get_host_by_name(self.name, family) {
                Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
                // The resolver's error has a type of its own, which says no more.
                Err(nb::Error::Other(_)) => None,
                Ok(address) => Some(address),
            };
            self.ask = match (self.ask, found) {
                // Whatever failed may have failed for one family.
                (Ask::Either, None | Some(IpAddr::V4(_))) => Ask::Ipv6,
                (Ask::Either, Some(IpAddr::V6(_))) => Ask::Ipv4,
                (Ask::Ipv6, _) if self.first.is_none() => Ask::Ipv4,
                _ => Ask::Nothing,
            };
            if found.is_some() && found != self.first {
                self.first = self.first.or(found);
                return Ok(found);
            }
        }
    }
}

/// All that the stack tells.
pub(super) struct All<'n> {
    name: &'n str,
    list: AddressList,
    given: usize,
    done: bool,
}

impl<'n> All<'n> {
    pub(super) const fn new(name: &'n str) -> Self {
        Self {
            name,
            list: AddressList::new(),
            given: 0,
            done: false,
        }
    }
}

impl<S: Addresses> Source<S> for All<'_> {
    fn next(&mut self, stack: &mut S) -> nb::Result<Option<IpAddr>, ()> {
        loop {
            if let Some(address) = self.list.as_slice().get(self.given) {
                self.given += 1;
                return Ok(Some(*address));
            }
            if self.done {
                return Ok(None);
            }
            let before = self.list.as_slice().len();
            match stack.get_addresses(self.name, &mut self.list) {
                Err(nb::Error::WouldBlock) if self.list.as_slice().len() == before => {
                    return Err(nb::Error::WouldBlock);
                }
                Err(nb::Error::WouldBlock) => {}
                Ok(()) | Err(nb::Error::Other(_)) => self.done = true,
            }
        }
    }
}

/// An address that is being dialed.
struct Attempt<T> {
    socket: T,
    to: SocketAddr,
    /// For so many milliseconds.
    ran: u32,
}

/// A dial under way, to at most `M` addresses at once.
struct Race<T, E, const M: usize> {
    attempts: [Option<Attempt<T>>; M],
    /// Has no socket yet.
    next: Option<IpAddr>,
    exhausted: bool,
    /// What went wrong first.
    error: Option<E>,
    /// Why there was no socket at all.
    starved: Option<E>,
    /// When the clock was read last.
    seen: u32,
    /// Since the last attempt began, in milliseconds.
    since: u32,
}

impl<T, E, const M: usize> Race<T, E, M> {
    fn running(&self) -> bool {
        self.attempts.iter().any(Option::is_some)
    }

    /// Goes on with what is dialed; the first that is through.
    fn through<S>(&mut self, stack: &mut S) -> Option<T>
    where
        S: TcpClientStack<TcpSocket = T, Error = E>,
    {
        for place in &mut self.attempts {
            let Some(attempt) = place else { continue };
            match stack.connect(&mut attempt.socket, attempt.to) {
                Ok(()) => return place.take().map(|attempt| attempt.socket),
                Err(nb::Error::WouldBlock) => {}
                Err(nb::Error::Other(error)) => {
                    self.error.get_or_insert(error);
                    if let Some(attempt) = place.take() {
                        let _ = stack.close(attempt.socket);
                    }
                }
            }
        }
        None
    }

    /// Lets time pass, and says how much did.
    fn tick(&mut self, now: u32) {
        let passed = elapsed(&mut self.seen, now);
        self.seen = now;
        self.since = self.since.saturating_add(passed);
        for attempt in self.attempts.iter_mut().flatten() {
            attempt.ran = attempt.ran.saturating_add(passed);
        }
    }

    /// There is no socket for an address: the one that was dialed longest gives its own, once it has
    /// had half of the time.
    fn give_up_one<S>(&mut self, stack: &mut S, left: u32)
    where
        S: TcpClientStack<TcpSocket = T, Error = E>,
    {
        let oldest = self.attempts.iter_mut();
        let oldest = oldest.max_by_key(|place| place.as_ref().map_or(0, |attempt| attempt.ran));
        if let Some(place) = oldest
            && place
                .as_ref()
                .is_some_and(|attempt| attempt.ran >= HEAD_START && attempt.ran >= left.min(LONG))
            && let Some(attempt) = place.take()
        {
            let _ = stack.close(attempt.socket);
        }
    }

    /// Begins with the next address, if it is its turn and there is a socket: true where one was
    /// begun with.
    fn begin<S>(
        &mut self,
        stack: &mut S,
        source: &mut impl Source<S>,
        port: u16,
        scope: u32,
        left: u32,
    ) -> bool
    where
        S: TcpClientStack<TcpSocket = T, Error = E>,
    {
        if self.running() && self.since < HEAD_START {
            return false;
        }
        if self.next.is_none() && !self.exhausted {
            match source.next(stack) {
                Ok(Some(address)) => self.next = Some(address),
                Ok(None) | Err(nb::Error::Other(())) => self.exhausted = true,
                Err(nb::Error::WouldBlock) => return false,
            }
        }
        let Some(address) = self.next else {
            return false;
        };
        let running = self.running();
        let free = self.attempts.iter_mut().find(|place| place.is_none());
        let opened = free.map(|place| (place, stack.socket()));
        match opened {
            Some((place, Ok(socket))) => {
                *place = Some(Attempt {
                    socket,
                    to: with_port(address, port, scope),
                    ran: 0,
                });
                (self.next, self.since, self.starved) = (None, 0, None);
                true
            }
            Some((_, Err(error))) if !running => {
                self.starved = Some(error);
                false
            }
            _ => {
                self.give_up_one(stack, left);
                false
            }
        }
    }
}

fn with_port(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port),
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope).into(),
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// A TCP connection to the first address that takes one, of at most `M` at once.
    pub(super) fn race<const M: usize>(
        &mut self,
        mut source: impl Source<S>,
        port: u16,
        scope: u32,
        deadline: &mut Deadline,
    ) -> Result<S::TcpSocket, ConnectError<S::Error>> {
        let mut race = Race::<_, _, M> {
            attempts: [const { None }; M],
            next: None,
            exhausted: false,
            error: None,
            starved: None,
            seen: self.context.platform.now_ms(),
            since: 0,
        };
        // What is left is looked at here, too, to know when to give an address up.
        let mut until = *deadline;
        let through = self.wait_for(deadline, |table| {
            let context = &mut table.context;
            context.wait_to_write();
            let now = context.platform.now_ms();
            let left = until.left(now);
            race.tick(now);
            loop {
                if let Some(socket) = race.through(&mut context.stack) {
                    return Ok(socket);
                }
                if !race.begin(&mut context.stack, &mut source, port, scope, left) {
                    break;
                }
            }
            if race.exhausted && race.next.is_none() {
                return if race.running() {
                    Err(nb::Error::WouldBlock)
                } else {
                    Err(nb::Error::Other(()))
                };
            }
            let next = HEAD_START.saturating_sub(race.since);
            let next = if next > 0 { next } else { HEAD_START };
            table.context.wait_at_most(next);
            Err(nb::Error::WouldBlock)
        });
        for attempt in race.attempts.into_iter().flatten() {
            let _ = self.context.stack.close(attempt.socket);
        }
        Err(match (through, race.error.or(race.starved)) {
            (Ok(Some(socket)), _) => return Ok(socket),
            // Some refused, and others were silent.
            (Ok(None) | Err(()), Some(error)) => ConnectError::Stack(error),
            (Ok(None), None) => ConnectError::Timeout,
            (Err(()), None) => ConnectError::Resolve,
        })
    }
}
