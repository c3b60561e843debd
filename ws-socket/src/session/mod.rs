//! One slot's connection and its steps: each does what can be done without waiting. The blocking
//! calls, the socket face and the shared table are loops around them.

mod close;
mod exchange;
mod pace;
mod receive;
mod send;
mod server;
mod upgrade;

pub(crate) use close::Closing;
#[cfg(feature = "async")]
pub(crate) use exchange::Output;
use exchange::Stage;
pub(crate) use send::{Outgoing, Payload, Sending};
pub(crate) use server::Step;
#[cfg(feature = "async")]
pub(crate) use upgrade::head_buffer;

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};
use ws_core::handshake::{ClientHandshake, ServerHandshake, Sha1};
use ws_core::{Endpoint, Lent, RandomError};

use crate::fmt::About;
use crate::timeout::{Wait, Waiting};
use crate::{Config, Platform, ZeroRead};

/// What a slot holds.
#[derive(Debug)]
pub struct Entry<'buf, T> {
    /// Whose connection it is, for log lines.
    pub(crate) about: About,
    /// Stays with the slot.
    pub(crate) lent: &'buf mut [u8],
    /// `None` where nothing is; or taken, with the connection still to come.
    pub(crate) tcp: Option<Tcp<T>>,
}

/// A TCP socket and what goes over it.
#[derive(Debug)]
pub(crate) struct Tcp<T> {
    pub(crate) socket: T,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    /// Nothing yet: the socket face, before `connect` or while it dials; `since` when it began.
    Dialing { since: Option<u32> },
    /// A client's handshake.
    Client {
        handshake: ClientHandshake,
        since: u32,
    },
    /// A server's handshake, or a request for a page: `since` when the stage began, `buffered` what
    /// of the lent buffer is behind the request that is being answered.
    Server {
        handshake: ServerHandshake,
        since: u32,
        buffered: (u16, u16),
        stage: Stage,
    },
    /// Frames.
    Open {
        endpoint: Endpoint,
        subprotocol: Option<u8>,
        /// When the stack did not take all of a frame of the user's.
        full_at: Option<u32>,
    },
    /// Nothing more: a `connect` of the socket face failed; `close` is still due.
    Failed,
}

// A request or a page under way takes little more than an open connection.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Option<Tcp<u32>>>() <= 76);

impl<'buf, T> Entry<'buf, T> {
    pub(crate) const fn new() -> Self {
        Self {
            about: About::NO_ID,
            lent: &mut [],
            tcp: None,
        }
    }

    /// A TCP socket comes in, in this state.
    pub(crate) fn begin(&mut self, socket: T, state: State) -> &mut State {
        &mut self.tcp.insert(Tcp { socket, state }).state
    }

    /// And goes again, if there was one. The lent buffer stays.
    #[inline(always)]
    pub(crate) fn vacate(&mut self) -> Option<T> {
        Some(self.tcp.take()?.socket)
    }

    /// Takes a buffer in place of the one that is there.
    pub(crate) fn lend(&mut self, buffer: Option<&'buf mut [u8]>) {
        if let Some(buffer) = buffer {
            self.lent = buffer;
        }
    }

    /// The TCP socket.
    pub(crate) fn socket(&self) -> Option<&T> {
        Some(&self.tcp.as_ref()?.socket)
    }

    /// What goes over it.
    pub(crate) fn state(&self) -> Option<&State> {
        Some(&self.tcp.as_ref()?.state)
    }

    const fn state_mut(&mut self) -> Option<&mut State> {
        match &mut self.tcp {
            Some(tcp) => Some(&mut tcp.state),
            None => None,
        }
    }

    /// Did the stack not take all of what was sent at `now`? So it is not to be asked again before
    /// some time has passed.
    pub(crate) fn is_full(&self, now: u32) -> bool {
        matches!(self.state(), Some(State::Open { full_at, .. }) if *full_at == Some(now))
    }

    /// The subprotocol agreed on.
    pub(crate) fn subprotocol(&self) -> Option<usize> {
        match self.state()? {
            State::Open { subprotocol, .. } => subprotocol.map(usize::from),
            _ => None,
        }
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with.
    pub(crate) fn open_frame(&self) -> Option<usize> {
        let endpoint = self.endpoint().filter(|endpoint| endpoint.frame_open())?;
        Some(endpoint.connection().tx.remaining())
    }

    /// The TCP socket, to read and write.
    #[cfg(feature = "async")]
    pub(crate) const fn socket_mut(&mut self) -> Option<&mut T> {
        match &mut self.tcp {
            Some(tcp) => Some(&mut tcp.socket),
            None => None,
        }
    }

    /// The open connection.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self.state()? {
            State::Open { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    pub(crate) const fn endpoint_mut(&mut self) -> Option<&mut Endpoint> {
        match &mut self.tcp {
            Some(Tcp {
                state: State::Open { endpoint, .. },
                ..
            }) => Some(endpoint),
            _ => None,
        }
    }

    pub(crate) fn open(&mut self) -> Option<Open<'_, T>> {
        match &mut self.tcp {
            Some(Tcp {
                socket,
                state: State::Open { endpoint, .. },
            }) => Some(Open {
                socket,
                endpoint,
                lent: Lent::new(self.lent),
            }),
            _ => None,
        }
    }
}

/// An open connection to work on.
pub(crate) struct Open<'a, T> {
    pub(crate) socket: &'a mut T,
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) lent: Lent<'a>,
}

/// What a step works with beside its slot.
#[derive(Debug)]
pub(crate) struct Context<S: TcpClientStack, P> {
    pub(crate) stack: S,
    pub(crate) platform: P,
    pub(crate) config: Config,
    /// Set by a step that lets others run although it could have gone on: no reason to wait.
    pub(crate) unfinished: bool,
    /// Of the read or write that failed last, until somebody says it.
    pub(crate) error: Option<S::Error>,
}

/// Why a step does not go on. What there is to say of it stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)] // As wide as a count: a `Result` of the two is returned in two registers.
pub(crate) enum Stop {
    /// For now.
    Blocked,
    /// There is no mask key.
    NoKey,
    /// The stack failed: [`Context::error`].
    Failed,
    /// There is no open connection.
    NotConnected,
    /// Nothing more will come: the endpoint knows why.
    Ended,
}

impl<S: TcpClientStack, P: Platform<S>> Context<S, P> {
    /// Is there to be a step, the first or another? Before another the stack gets its turn.
    // Once for all calls that wait, whatever they wait for.
    #[inline(never)]
    pub(crate) fn again(&mut self, waiting: &mut Waiting) -> bool {
        if waiting.wait == Wait::Over {
            return false;
        }
        if waiting.wait != Wait::First {
            if core::mem::take(&mut self.unfinished) {
                waiting.at_most = 0;
            }
            self.platform.wait(&mut self.stack, waiting.at_most);
        }
        if waiting.wait == Wait::Last {
            waiting.wait = Wait::Over;
            return true;
        }
        // Looked at before the step, so that the last step comes behind the last wait.
        waiting.at_most = waiting.deadline.left(self.platform.now_ms());
        waiting.wait = match waiting.at_most {
            0 => Wait::Last,
            _ => Wait::Next,
        };
        true
    }

    /// Reads what is there: 0 where the stream has ended.
    #[inline(never)]
    fn read(&mut self, socket: &mut S::TcpSocket, buffer: &mut [u8]) -> Result<usize, Stop> {
        let read = match self.stack.receive(socket, buffer) {
            Ok(0) if self.config.zero_read == ZeroRead::WouldBlock => Err(nb::Error::WouldBlock),
            Err(nb::Error::Other(error)) if error.kind() == TcpErrorKind::PipeClosed => Ok(0),
            result => result,
        };
        self.stopped(read)
    }

    /// Writes at least one byte, or would block; there is at least one.
    #[inline(never)]
    fn write(&mut self, socket: &mut S::TcpSocket, bytes: &[u8]) -> Result<usize, Stop> {
        let written = match self.stack.send(socket, bytes) {
            Ok(0) => Err(nb::Error::WouldBlock),
            result => result,
        };
        self.stopped(written)
    }

    fn stopped(&mut self, result: nb::Result<usize, S::Error>) -> Result<usize, Stop> {
        result.map_err(|error| match error {
            nb::Error::WouldBlock => Stop::Blocked,
            nb::Error::Other(error) => {
                self.error = Some(error);
                Stop::Failed
            }
        })
    }

    /// A fresh mask key.
    fn key(&mut self) -> Result<[u8; 4], RandomError> {
        let mut key = [0; 4];
        self.platform.fill_random(&mut key)?;
        Ok(key)
    }
}

/// The platform's hash unit, for the core.
struct Hash<'a, S, P> {
    platform: &'a mut P,
    stack: core::marker::PhantomData<fn(&mut S)>,
}

impl<S, P: Platform<S>> Sha1 for Hash<'_, S, P> {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        self.platform.sha1(key)
    }
}

/// A Pong with 125 bytes goes out in one write on a host, in a few on a microcontroller.
#[cfg(feature = "async")]
pub(crate) const CONTROL_SCRATCH: usize = if size_of::<usize>() > 4 { 160 } else { 64 };

/// Frames and answers are written from a scratch buffer: a segment's worth on a host, little on a
/// microcontroller.
pub(crate) const SEND_SCRATCH: usize = if size_of::<usize>() > 4 { 4096 } else { 128 };

/// The same on the stack of a blocking call, for a request and for what of a client goes out masked:
/// little, since where more of the lent buffer is free they are written from there.
pub(crate) const STACK_SCRATCH: usize = if size_of::<usize>() > 4 { 4096 } else { 16 };
