//! A server's side of a connection before frames, without the wire: requests in, the upgrade or pages
//! out. What every driver loops around.

use ws_core::handshake::{Asked, Body, HeadPart, Page, Response, ServerHandshake, Sha1, Transfer};
use ws_core::{Lent, Role};

use super::{Entry, State, Tcp, pace};
use crate::fmt::{About, debug};
use crate::handler::Handler;
use crate::timeout::left_of;
use crate::{Config, WebSocketId};

/// What a server is at with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// It is being read; `kept` if an answer went out before on the same connection.
    Reading { kept: bool },
    /// It is refused, with this status.
    Refusing(u16),
    /// It is answered as the handler says.
    Answering { asked: Asked, transfer: Transfer },
}

/// What one write gives to the stack at most: one that takes whatever it is given, and that from many
/// megabytes, holds up other connections no longer.
const MAX_WRITE: usize = 0x8000;

/// A request and its answer to work on.
pub(crate) struct Exchange<'a, H> {
    about: About,
    lent: &'a mut [u8],
    handshake: &'a mut ServerHandshake,
    buffered: &'a mut (u16, u16),
    stage: &'a mut Stage,
    since: &'a mut u32,
    now: u32,
    ws: WebSocketId,
    handler: &'a mut H,
}

impl<T> Entry<'_, T> {
    /// A TCP connection was accepted: its first request may begin.
    pub(crate) fn begin_server(&mut self, socket: T, config: &Config, now: u32) {
        let state = State::Server {
            handshake: ServerHandshake::new(config.max_handshake),
            since: now,
            buffered: (0, 0),
            stage: Stage::Reading { kept: false },
        };
        self.begin(socket, state);
    }

    /// Is nothing going on: the answer before is out, and nothing of another request has come?
    pub(crate) fn is_idle(&self, config: &Config) -> bool {
        match self.state() {
            Some(State::Server {
                handshake,
                buffered: (start, end),
                stage: Stage::Reading { kept: true },
                ..
            }) => start == end && handshake.limit_left() == config.max_handshake,
            _ => false,
        }
    }

    /// The request under way, its socket, and how many milliseconds it has left; `None` where that
    /// is over.
    pub(crate) fn exchange<'a, 'r, H: Handler<'r>>(
        &'a mut self,
        config: &Config,
        now: u32,
        ws: WebSocketId,
        handler: &'a mut H,
    ) -> Option<(&'a mut T, Exchange<'a, H>, u32)> {
        let Some(Tcp {
            socket,
            state:
                State::Server {
                    handshake,
                    since,
                    buffered,
                    stage,
                },
        }) = &mut self.tcp
        else {
            return None;
        };
        let left = match stage {
            Stage::Reading { .. } => left_of(since, config.handshake_timeout, now),
            _ => pace::left(since, now, handshake.written(), config),
        };
        if left == 0 {
            let begun = handshake.limit_left() != config.max_handshake;
            if !begun || !matches!(stage, Stage::Reading { .. }) {
                return None;
            }
            *stage = Stage::Refusing(408);
            *since = now;
        }
        let exchange = Exchange {
            about: self.about,
            lent: &mut *self.lent,
            handshake,
            buffered,
            stage,
            since,
            now,
            ws,
            handler,
        };
        Some((socket, exchange, left))
    }

    /// The answer is out: the next request on the same connection may begin.
    pub(crate) fn next_request<'r>(
        &mut self,
        config: &Config,
        now: u32,
        ws: WebSocketId,
        handler: &mut impl Handler<'r>,
    ) {
        if let Some(Tcp {
            state:
                State::Server {
                    handshake,
                    since,
                    stage,
                    ..
                },
            ..
        }) = &mut self.tcp
        {
            handler.end(ws);
            *handshake = ServerHandshake::new(config.max_handshake);
            *since = now;
            *stage = Stage::Reading { kept: true };
            handler.begin(ws);
        }
    }

    /// The answer was the upgrade.
    pub(crate) fn upgraded(&mut self, config: &Config, subprotocol: Option<u8>) {
        if let Some(&State::Server { buffered, .. }) = self.state() {
            let frames = buffered.0.into()..buffered.1.into();
            self.opened(Role::Server, config, frames, subprotocol);
        }
    }
}

/// What there is to write of an answer.
pub(crate) enum Output<'s> {
    /// This, to be reported with [`Exchange::sent`].
    Bytes(&'s [u8], Part),
    /// The answer is out, and the client may send another request.
    Kept,
    /// The answer is out, frames may follow, with this subprotocol of the list.
    Upgraded(Option<u8>),
    /// The connection is to be closed.
    Over,
}

/// Which part of an answer a piece of it belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Head,
    /// Of a body of this length, where it is known, if the piece goes out.
    Body(Option<usize>, Transfer),
}

impl<'r, H: Handler<'r>> Exchange<'_, H> {
    /// Is the request still to be read, rather than answered?
    pub(crate) const fn is_reading(&self) -> bool {
        matches!(self.stage, Stage::Reading { .. })
    }

    /// Where the request is read to; `None` where some of it is there already.
    pub(crate) fn read_buffer(&mut self) -> Option<&mut [u8]> {
        if self.buffered.0 < self.buffered.1 {
            return None;
        }
        let room = Lent::read_capacity(self.lent.len()).min(u16::MAX.into());
        self.lent.get_mut(..room)
    }

    /// Takes what was read: `read` bytes just now into the [`read_buffer`](Self::read_buffer), or
    /// with 0 what was there already.
    pub(crate) fn received(&mut self, hash: &mut impl Sha1, read: usize) {
        if read > 0 {
            *self.buffered = (0, u16::try_from(read).unwrap_or(u16::MAX));
        }
        let (start, end) = *self.buffered;
        let bytes = self.lent.get(start.into()..end.into()).unwrap_or_default();
        let before = self.handshake.limit_left();
        let (ws, handler) = (self.ws, &mut *self.handler);
        let rules = handler.rules();
        let on_part = &mut |part: HeadPart<'_>| handler.part(ws, part);
        let result = self.handshake.receive(&rules, hash, bytes, on_part);
        let at = start.saturating_add(before - self.handshake.limit_left());
        *self.buffered = (at, end);
        let outcome = match result {
            Ok((_, None)) => return,
            Ok((_, Some(requested))) => Ok(requested),
            Err(error) => Err(error),
        };
        *self.stage = match self.handshake.asked(outcome) {
            Ok(asked) => Stage::Answering {
                asked,
                transfer: Transfer::new(),
            },
            Err(error) => Stage::Refusing(error.status()),
        };
        *self.since = self.now;
    }

    /// What comes next of the answer: its head, then its body.
    pub(crate) fn output<'s>(&'s mut self, scratch: &'s mut [u8]) -> Output<'s> {
        let rules = self.handler.rules();
        let response = answer(self.handler, self.ws, self.stage);
        let head = self.handshake.fill(&response, scratch);
        if head > 0 {
            return Output::Bytes(scratch.get(..head).unwrap_or_default(), Part::Head);
        }
        let page = match response {
            Response::Refuse { status, .. } => {
                debug!("{}refused with {}", self.about, status);
                return Output::Over;
            }
            Response::Upgrade { subprotocol, .. } => {
                let mut list = (0..16).zip(rules.subprotocols);
                let found = list.find(|(_, name)| subprotocol == Some(name));
                return Output::Upgraded(found.map(|(index, _)| index));
            }
            Response::Page(page) => page,
        };
        let Stage::Answering {
            asked,
            mut transfer,
        } = *self.stage
        else {
            return Output::Over;
        };
        let done = if asked.keep_alive() && !page.close {
            Output::Kept
        } else {
            Output::Over
        };
        let length = asked.body_length(&page.body);
        if asked.head_only() || page.is_bodiless() {
            return done;
        }
        if !matches!(page.body, Body::Bytes(_)) {
            let room = transfer.room(length, scratch);
            let (most, offset) = (room.len(), transfer.offset());
            let count = match room {
                [] => 0,
                room => self.handler.body(self.ws, &asked, offset, room).min(most),
            };
            let Ok(range) = transfer.frame(length, count, scratch) else {
                return Output::Over;
            };
            return match scratch.get(range).unwrap_or_default() {
                [] => done,
                bytes => Output::Bytes(bytes, Part::Body(length, transfer)),
            };
        }
        // Asked for again, since these bytes are the handler's own.
        match answer(self.handler, self.ws, self.stage) {
            Response::Page(Page {
                body: Body::Bytes(bytes),
                ..
            }) => match bytes.get(transfer.offset()..).unwrap_or_default() {
                [] => done,
                bytes => {
                    let bytes = bytes.get(..MAX_WRITE).unwrap_or(bytes);
                    Output::Bytes(bytes, Part::Body(length, transfer))
                }
            },
            _ => done,
        }
    }

    /// The wire took so much of that piece by `now`.
    pub(crate) fn sent(&mut self, part: Part, count: usize, now: u32, config: &Config) {
        let before = self.handshake.written();
        self.handshake.sent(count);
        let after = self.handshake.written();
        *self.since = pace::since(*self.since, now, before, after, config);
        if let Part::Body(length, mut sent) = part {
            sent.sent(length, count);
            if let Stage::Answering { transfer, .. } = self.stage {
                *transfer = sent;
            }
        }
    }
}

/// The answer. What cannot be sent becomes one that can.
fn answer<'h, 'r, H: Handler<'r>>(
    handler: &'h mut H,
    ws: WebSocketId,
    stage: &Stage,
) -> Response<'h> {
    let refuse = |status| Response::Refuse {
        status,
        headers: &[],
    };
    match stage {
        // Nothing is answered while it is read.
        Stage::Reading { .. } => refuse(500),
        Stage::Refusing(status) => refuse(*status),
        Stage::Answering { asked, .. } => match handler.answer(ws, asked) {
            Response::Upgrade { .. } if !asked.upgrade() => refuse(426),
            response if response.validate().is_err() => refuse(500),
            response => response,
        },
    }
}
