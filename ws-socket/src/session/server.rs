//! A server's side of a connection before frames: requests in, the upgrade or pages out.

use embedded_nal::{TcpClientStack, nb};
use ws_core::handshake::{Asked, Body, Response, ServerHandshake, Transfer};
use ws_core::{Role, SCRATCH};

use super::upgrade::head_buffer;
use super::{Context, Entry, SEND_SCRATCH, State};
use crate::fmt::debug;
use crate::handler::Handler;
use crate::timeout::Deadline;
use crate::{Config, Platform, Timeout, WebSocketId};

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

impl Stage {
    fn timeout(self, config: &Config) -> Timeout {
        Timeout::Millis(match self {
            Self::Reading { .. } => config.handshake_timeout,
            Self::Refusing(_) | Self::Answering { .. } => config.answer_timeout,
        })
    }
}

/// What a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing more can be done for now; the time runs out in so many milliseconds.
    Blocked(u32),
    /// There is more to do at once, but it is the others' turn.
    Again,
    /// Frames may follow.
    Upgraded,
    /// The connection is to be closed.
    Over,
}

/// How often a step reads or writes at most before it lets others run.
const MAX_CALLS: usize = 64;

/// What reading or writing has come to; `Err` where the connection is lost.
enum Done {
    /// The request is complete; or the answer, and the client may send another request.
    Yes,
    /// The answer was the upgrade, with this subprotocol of the list.
    Upgraded(Option<u8>),
    Blocked,
    Again,
}

struct Lost;

/// What of the slot a step works with.
struct Exchange<'a, T, H> {
    socket: &'a mut T,
    lent: &'a mut [u8],
    handshake: &'a mut ServerHandshake,
    buffered: &'a mut (u16, u16),
    stage: &'a mut Stage,
    ws: WebSocketId,
    handler: &'a mut H,
}

impl<T> Entry<'_, T> {
    /// A TCP connection was accepted: its first request may begin.
    pub(crate) fn begin_server<S, P>(&mut self, socket: T, context: &mut Context<'_, S, P>)
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        self.state = State::Server {
            socket,
            handshake: ServerHandshake::new(context.config.max_handshake),
            since: context.platform.now_ms(),
            buffered: (0, 0),
            stage: Stage::Reading { kept: false },
        };
    }

    /// Is nothing going on: the answer before is out, and nothing of another request has come?
    pub(crate) fn is_idle(&self, config: &Config) -> bool {
        match &self.state {
            State::Server {
                handshake,
                buffered: (start, end),
                stage: Stage::Reading { kept: true },
                ..
            } => start == end && handshake.limit_left() == config.max_handshake,
            _ => false,
        }
    }

    /// Goes on with a request and its answer, as far as that goes without waiting.
    pub(crate) fn server<'r, S, P, H>(
        &mut self,
        context: &mut Context<'_, S, P>,
        ws: WebSocketId,
        handler: &mut H,
    ) -> Step
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
        H: Handler<'r>,
    {
        loop {
            let State::Server {
                socket,
                handshake,
                since,
                buffered,
                stage,
            } = &mut self.state
            else {
                return Step::Over;
            };
            let now = context.platform.now_ms();
            let left = Deadline::new(*since, stage.timeout(context.config)).left(now);
            if left == 0 {
                let begun = handshake.limit_left() != context.config.max_handshake;
                if !begun || !matches!(stage, Stage::Reading { .. }) {
                    return Step::Over;
                }
                *stage = Stage::Refusing(408);
                *since = now;
            }
            let reading = matches!(stage, Stage::Reading { .. });
            let mut exchange = Exchange {
                socket,
                lent: &mut *self.lent,
                handshake,
                buffered,
                stage,
                ws,
                handler: &mut *handler,
            };
            let done = if reading {
                exchange.read(context)
            } else {
                exchange.write(context)
            };
            match done {
                Ok(Done::Yes) => {}
                Ok(Done::Upgraded(subprotocol)) => {
                    let (start, end) = *buffered;
                    let frames = start.into()..end.into();
                    self.opened(Role::Server, context.config, frames, subprotocol);
                    return Step::Upgraded;
                }
                Ok(Done::Blocked) => return Step::Blocked(left),
                Ok(Done::Again) => return Step::Again,
                Err(Lost) => return Step::Over,
            }
            *since = now;
            if !reading {
                handler.end(ws);
                *handshake = ServerHandshake::new(context.config.max_handshake);
                *stage = Stage::Reading { kept: true };
                handler.begin(ws);
                // Also where the next request is in the buffer already.
                return Step::Again;
            }
        }
    }
}

impl<T, H> Exchange<'_, T, H> {
    /// Reads a request: what stands in the lent buffer already, then from the socket.
    fn read<'r, S, P>(&mut self, context: &mut Context<'_, S, P>) -> Result<Done, Lost>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
        H: Handler<'r>,
    {
        let rules = self.handler.rules();
        let mut scratch = [0; SCRATCH];
        for _ in 0..MAX_CALLS {
            let (start, end) = *self.buffered;
            let mut at = start;
            let bytes = if start < end {
                self.lent.get(start.into()..end.into())
            } else {
                let buffer = head_buffer(self.lent, &mut scratch, self.handshake.want());
                let room = buffer.len().min(u16::MAX.into());
                let buffer = buffer.get_mut(..room).unwrap_or_default();
                at = 0;
                match context.read(self.socket, buffer) {
                    Ok(Some(count)) => buffer.get(..count),
                    Err(nb::Error::WouldBlock) => return Ok(Done::Blocked),
                    Ok(None) | Err(nb::Error::Other(_)) => return Err(Lost),
                }
            };
            let bytes = bytes.unwrap_or_default();
            let before = self.handshake.limit_left();
            let (ws, handler) = (self.ws, &mut *self.handler);
            let on_part = &mut |part: ws_core::handshake::HeadPart<'_>| handler.part(ws, part);
            let result = self
                .handshake
                .receive(&rules, &mut context.hash(), bytes, on_part);
            // Both fit: no more than 65,535 bytes are read at once.
            let end = at.saturating_add(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
            at = at.saturating_add(before - self.handshake.limit_left());
            *self.buffered = (at, end);
            let outcome = match result {
                Ok((_, None)) => continue,
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
            return Ok(Done::Yes);
        }
        Ok(Done::Again)
    }

    /// Writes the answer: its head, then its body.
    fn write<'r, S, P>(&mut self, context: &mut Context<'_, S, P>) -> Result<Done, Lost>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
        H: Handler<'r>,
    {
        let mut scratch = [0; SEND_SCRATCH];
        for _ in 0..MAX_CALLS {
            let rules = self.handler.rules();
            let response = answer(self.handler, self.ws, self.stage);
            let head = self.handshake.fill(&response, &mut scratch);
            if head > 0 {
                match context.write(self.socket, scratch.get(..head).unwrap_or_default()) {
                    Ok(count) => self.handshake.sent(count),
                    Err(nb::Error::WouldBlock) => return Ok(Done::Blocked),
                    Err(nb::Error::Other(_)) => return Err(Lost),
                }
                continue;
            }
            let page = match response {
                Response::Refuse { status, .. } => {
                    debug!("refused with {}", status);
                    return Err(Lost);
                }
                Response::Upgrade { subprotocol, .. } => {
                    let mut list = (0..16).zip(rules.subprotocols);
                    let found = list.find(|(_, name)| subprotocol == Some(name));
                    return Ok(Done::Upgraded(found.map(|(index, _)| index)));
                }
                Response::Page(page) => page,
            };
            let Stage::Answering {
                asked,
                mut transfer,
            } = *self.stage
            else {
                return Err(Lost);
            };
            let keep = asked.keep_alive() && !page.close;
            let length = page.body.length();
            let written = if asked.head_only() || page.is_bodiless() {
                Ok(0)
            } else if let Body::Bytes(bytes) = page.body {
                match bytes.get(transfer.offset()..).unwrap_or_default() {
                    [] => Ok(0),
                    rest => context.write(self.socket, rest),
                }
            } else {
                let room = transfer.room(length, &mut scratch);
                let (most, offset) = (room.len(), transfer.offset());
                let count = match room {
                    [] => 0,
                    room => self.handler.body(self.ws, &asked, offset, room).min(most),
                };
                let Ok(range) = transfer.frame(length, count, &mut scratch) else {
                    return Err(Lost);
                };
                match scratch.get(range).unwrap_or_default() {
                    [] => Ok(0),
                    bytes => context.write(self.socket, bytes),
                }
            };
            match written {
                Ok(0) if keep => return Ok(Done::Yes),
                Ok(0) | Err(nb::Error::Other(_)) => return Err(Lost),
                Ok(count) => transfer.sent(length, count),
                Err(nb::Error::WouldBlock) => return Ok(Done::Blocked),
            }
            *self.stage = Stage::Answering { asked, transfer };
        }
        Ok(Done::Again)
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
