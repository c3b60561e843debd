//! Accepting: a listening socket in, upgraded ids out, pages on the way.

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use ws_core::handshake::{Response, ServerHandshake};

use super::{Table, find};
use crate::error::{AcceptError, HandleError};
use crate::fmt::debug;
use crate::session::{Entry, State, Step};
use crate::slots::SlotStore;
use crate::timeout::Deadline;
use crate::{Handler, Platform, PollItem, Timeout, WebSocketId};

/// How many connections a step takes from the listening socket at most before it lets others run:
/// a crowd that is refused, or over as soon as it is there, does not hold it.
const MAX_ARRIVALS: usize = 16;

/// What [`Table::poll_accept`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Polled {
    /// A WebSocket that is open now. There may be more: the next call says so.
    pub accepted: Option<WebSocketId>,
    /// For how many of the items something is the case.
    pub ready: usize,
}

/// How far a connection that was [taken in](Table::take_in) has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepting {
    /// It goes on when its socket is readable or writable, or after so many milliseconds: then its
    /// time is up. 0 where it can go on at once.
    Pending(u32),
    /// It is a WebSocket.
    Open,
    /// It is closed, its slot is free: refused, lost, out of time, or its pages are out.
    Closed,
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpFullStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Accepts a WebSocket from a socket that listens, and returns the first that is upgraded. Does
    /// so with what `handler` says: [`&AcceptOptions`](crate::AcceptOptions) takes everyone, a
    /// [`Handler`] of the application's decides by the request, and answers requests for pages.
    ///
    /// Each connection has a slot from its first byte on, so that none waits for another. Requests
    /// and answers that are not done yet stay in their slots and go on with the next call; they
    /// move only in calls that accept. Each ends after
    /// [`Config::handshake_timeout`](crate::Config) while it is read and after
    /// [`Config::answer_timeout`](crate::Config) while it is answered, or when its peer no longer
    /// keeps to [`Config::answer_rate`](crate::Config) after that. Frames that came in the same
    /// segment as the request are received first.
    ///
    /// Where all slots are taken, a connection that is only kept for another request for a page
    /// makes room; if there is none, the new one is refused with 503 and closed at once.
    ///
    /// All listening sockets of a table need the same handler, and one task that accepts.
    ///
    /// # Errors
    /// See [`AcceptError`]. `Timeout` changes nothing: call again.
    pub fn accept<'r>(
        &mut self,
        listener: &mut S::TcpSocket,
        mut handler: impl Handler<'r>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, AcceptError<S::Error>> {
        handler.check()?;
        handler.rules().validate()?;
        let mut deadline = Deadline::new(timeout.into());
        self.wait_for(&mut deadline, |table| {
            match table.try_accept(listener, &mut handler) {
                Ok(accepted) => accepted.ok_or(nb::Error::WouldBlock),
                Err(error) => Err(error),
            }
        })?
        .ok_or(AcceptError::Timeout)
    }

    /// [`accept`](Self::accept) and [`poll`](Self::poll) in one: waits until there is a new
    /// WebSocket or something is the case for one of `items`, at most for `timeout`, and answers
    /// requests for pages meanwhile. The loop of a server with one thread. Where nothing was found
    /// in time, it returns [`Polled::default`].
    ///
    /// # Errors
    /// See [`AcceptError`]; never `Timeout`.
    pub fn poll_accept<'r>(
        &mut self,
        listener: &mut S::TcpSocket,
        mut handler: impl Handler<'r>,
        items: &mut [PollItem],
        timeout: impl Into<Timeout>,
    ) -> Result<Polled, AcceptError<S::Error>> {
        handler.check()?;
        handler.rules().validate()?;
        let mut deadline = Deadline::new(timeout.into());
        let polled = self.wait_for(&mut deadline, |table| {
            let accepted = match table.try_accept(listener, &mut handler) {
                Ok(accepted) => accepted,
                Err(error) => return Err(error),
            };
            let ready = table.look_at(items);
            if accepted.is_none() && ready == 0 {
                return Err(nb::Error::WouldBlock);
            }
            Ok(Polled { accepted, ready })
        })?;
        Ok(polled.unwrap_or_default())
    }

    /// Takes a TCP connection into a slot, for a program that has readiness from its operating
    /// system and does not want to look at each connection each time: [`advance`](Self::advance)
    /// goes on with it whenever there is a reason to. `None` where it was refused, since all slots
    /// are taken. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock` when no connection waits; [`AcceptError::Stack`].
    pub fn take_in<'r>(
        &mut self,
        listener: &mut S::TcpSocket,
        handler: &mut impl Handler<'r>,
    ) -> nb::Result<Option<WebSocketId>, AcceptError<S::Error>> {
        let accepted = self.context.stack.accept(listener);
        let (socket, _) = accepted.map_err(|error| error.map(AcceptError::Stack))?;
        let free = match self.slots.take_free(true) {
            None if self.evict(handler) => self.slots.take_free(true),
            free => free,
        };
        let Some(ws) = free else {
            self.refuse(socket);
            return Ok(None);
        };
        if !self.look(ws, Entry::has_buffer).unwrap_or(false) {
            let _ = self.slots.vacate(ws, |_| {});
            self.refuse(socket);
            return Err(nb::Error::Other(AcceptError::NoBuffer));
        }
        self.enter(ws, |entry, context| {
            let now = context.platform.now_ms();
            entry.begin_server(socket, &context.config, now);
        });
        handler.begin(ws);
        Ok(Some(ws))
    }

    /// One step of [`accept`](Self::accept) or [`poll_accept`](Self::poll_accept).
    fn try_accept<'r, H: Handler<'r>>(
        &mut self,
        listener: &mut S::TcpSocket,
        handler: &mut H,
    ) -> nb::Result<Option<WebSocketId>, AcceptError<S::Error>> {
        // Those that are there first: some may be over, and leave a slot to a newcomer.
        let first = self.turn;
        let mut behind = true;
        let mut index = first;
        loop {
            match self.slots.taken(index) {
                Ok(Some(ws)) if self.is_accepting(ws) => {
                    if self.go_on(ws, handler) {
                        self.turn = index + 1;
                        return Ok(Some(ws));
                    }
                }
                Ok(_) => {}
                Err(_) if behind => {
                    behind = false;
                    index = 0;
                    continue;
                }
                Err(_) => break,
            }
            index += 1;
            if !behind && index >= first {
                break;
            }
        }
        for _ in 0..MAX_ARRIVALS {
            match self.take_in(listener, handler) {
                Ok(Some(ws)) => {
                    if self.go_on(ws, handler) {
                        return Ok(Some(ws));
                    }
                }
                Ok(None) => {}
                Err(nb::Error::WouldBlock) => {
                    self.context.wait_to_read();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        self.context.wait_at_most(0);
        Ok(None)
    }

    /// True if it is a WebSocket now.
    fn go_on<'r, H: Handler<'r>>(&mut self, ws: WebSocketId, handler: &mut H) -> bool {
        match self.advance(ws, handler) {
            Accepting::Pending(left) => self.context.wait_at_most(left),
            Accepting::Open => return true,
            Accepting::Closed => {}
        }
        false
    }

    /// Closes a connection that is only kept for a next request, if there is one.
    fn evict<'r>(&mut self, handler: &mut impl Handler<'r>) -> bool {
        let config = self.context.config;
        let Some(ws) = find(&mut self.slots, |entry| entry.is_idle(&config)) else {
            return false;
        };
        let evicted = self.drop_connection(ws).is_ok();
        if evicted {
            handler.end(ws);
        }
        evicted
    }

    /// Says 503, if that goes out at once, and closes.
    fn refuse(&mut self, mut socket: S::TcpSocket) {
        debug!("refused with 503: no free slot");
        let response = Response::Refuse {
            status: 503,
            headers: &[],
        };
        let mut scratch = [0; 64];
        let count = ServerHandshake::new(0).fill(&response, &mut scratch);
        let _ = self
            .context
            .stack
            .send(&mut socket, scratch.get(..count).unwrap_or_default());
        let _ = self.context.stack.close(socket);
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Goes on with a connection that was [taken in](Self::take_in), as far as that goes without
    /// waiting.
    pub fn advance<'r>(&mut self, ws: WebSocketId, handler: &mut impl Handler<'r>) -> Accepting {
        let stepped: nb::Result<Step, HandleError> = self.step(ws, |entry, context| {
            match entry.state() {
                Some(State::Open { .. }) => Ok(Step::Upgraded),
                Some(State::Server { .. }) => Ok(entry.server(context, ws, handler)),
                // Not one to be accepted, so not to be closed either.
                _ => Err(nb::Error::Other(HandleError::Stale)),
            }
        });
        match stepped {
            Ok(Step::Blocked(left)) => Accepting::Pending(left),
            Ok(Step::Again) => Accepting::Pending(0),
            Ok(Step::Upgraded) => Accepting::Open,
            Ok(Step::Over) => {
                let _ = self.drop_connection(ws);
                handler.end(ws);
                Accepting::Closed
            }
            // Another task has it for the moment.
            Err(nb::Error::WouldBlock) => Accepting::Pending(1),
            Err(nb::Error::Other(_)) => Accepting::Closed,
        }
    }

    /// Is the connection one that was accepted, and not a WebSocket yet?
    pub fn is_accepting(&mut self, ws: WebSocketId) -> bool {
        self.look(ws, |entry| {
            matches!(entry.state(), Some(State::Server { .. }))
        }) == Ok(true)
    }
}
