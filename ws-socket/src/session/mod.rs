//! One slot's connection and its steps: each does what can be done without waiting. The blocking
//! calls, the socket face and the shared table are loops around them.

mod close;
mod drive;
mod exchange;
mod pace;
mod receive;
mod send;
mod server;
mod upgrade;

pub(crate) use close::Closing;
pub(crate) use drive::Driven;
#[cfg(feature = "async")]
pub(crate) use exchange::Output;
use exchange::Stage;
pub(crate) use send::SendJob;
pub(crate) use server::Step;

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};
use ws_core::handshake::{ClientHandshake, ServerHandshake, Sha1};
use ws_core::{Endpoint, Lent, Told};

use crate::fmt::About;
use crate::timeout::{Deadline, FOREVER};
use crate::{Awaited, Buffer, Config, Platform, ZeroRead};

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
const _: () = assert!(size_of::<Option<Tcp<u32>>>() <= 84);

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
    pub(crate) fn lend(&mut self, buffer: Option<Buffer<'buf>>) {
        if let Some(buffer) = buffer {
            self.lent = buffer.into_inner();
        }
    }

    /// Is there a buffer to read into?
    pub(crate) const fn has_buffer(&self) -> bool {
        !self.lent.is_empty()
    }

    /// The TCP socket.
    pub(crate) fn socket(&self) -> Option<&T> {
        Some(&self.tcp.as_ref()?.socket)
    }

    /// What goes over it.
    pub(crate) fn state(&self) -> Option<&State> {
        Some(&self.tcp.as_ref()?.state)
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
        self.endpoint()?.open_frame()
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
                state: State::Open {
                    endpoint, full_at, ..
                },
            }) => Some(Open {
                socket,
                endpoint,
                full_at,
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
    pub(crate) full_at: &'a mut Option<u32>,
    pub(crate) lent: Lent<'a>,
}

/// What a step works with beside its slot.
#[derive(Debug)]
pub(crate) struct Context<S: TcpClientStack, P> {
    pub(crate) stack: S,
    pub(crate) platform: P,
    pub(crate) config: Config,
    /// For how many milliseconds the next wait may last: less than [`FOREVER`] where something is to
    /// be done then without anything having happened.
    at_most: u32,
    /// What found the wire blocked since the last wait of a call: [`READ`], [`WRITE`].
    pub(crate) blocked: u8,
    /// Of the read or write that failed last, until somebody says it.
    pub(crate) error: Option<S::Error>,
}

const READ: u8 = 1;
const WRITE: u8 = 2;

/// Why the stack does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)] // As wide as a count: a `Result` of the two is returned in two registers.
pub(crate) enum Stop {
    /// For now.
    Blocked,
    /// It failed: [`Context::error`].
    Failed,
}

impl<S: TcpClientStack, P: Platform<S>> Context<S, P> {
    pub(crate) const fn new(stack: S, platform: P) -> Self {
        Self {
            stack,
            platform,
            config: Config::DEFAULT,
            at_most: FOREVER,
            blocked: 0,
            error: None,
        }
    }

    /// The next wait is to last so many milliseconds at most.
    pub(crate) const fn wait_at_most(&mut self, millis: u32) {
        if millis < self.at_most {
            self.at_most = millis;
        }
    }

    /// The next wait is for a socket that is being connected.
    pub(crate) const fn wait_to_write(&mut self) {
        self.blocked |= WRITE;
    }

    /// The next wait is for a listening socket.
    pub(crate) const fn wait_to_read(&mut self) {
        self.blocked |= READ;
    }

    /// Keeps an eye on a peer that is waited for.
    fn watch(&mut self, endpoint: &mut Endpoint) {
        if let Some(keepalive) = self.config.keepalive {
            let now = self.platform.now_ms();
            self.wait_at_most(endpoint.patience(keepalive, false, now));
        }
    }

    /// Waits after a step that blocked, so that the stack gets its turn. Is there to be another step?
    /// Not where the one that blocked came after the time was up.
    // Once for all calls that wait, whatever they wait for.
    #[inline(never)]
    pub(crate) fn wait(&mut self, deadline: &mut Deadline, socket: Option<&S::TcpSocket>) -> bool {
        let first = !deadline.has_begun();
        let left = deadline.left(self.platform.now_ms());
        let at_most = core::mem::replace(&mut self.at_most, FOREVER);
        let blocked = core::mem::take(&mut self.blocked);
        if left == 0 && !first {
            return false;
        }
        let awaited = Awaited {
            socket,
            read: blocked & READ != 0,
            write: blocked & WRITE != 0,
        };
        self.platform
            .wait_for(&mut self.stack, awaited, left.min(at_most));
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
        self.stopped(read, READ)
    }

    /// Writes at least one byte, or would block; there is at least one.
    #[inline(never)]
    fn write(&mut self, socket: &mut S::TcpSocket, bytes: &[u8]) -> Result<usize, Stop> {
        let written = match self.stack.send(socket, bytes) {
            Ok(0) => Err(nb::Error::WouldBlock),
            result => result,
        };
        self.stopped(written, WRITE)
    }

    fn stopped(&mut self, result: nb::Result<usize, S::Error>, what: u8) -> Result<usize, Stop> {
        result.map_err(|error| match error {
            nb::Error::WouldBlock => {
                self.blocked |= what;
                Stop::Blocked
            }
            nb::Error::Other(error) => {
                self.error = Some(error);
                Stop::Failed
            }
        })
    }

    /// Gives the endpoint a fresh mask key.
    fn key(&mut self, endpoint: &mut Endpoint) -> Told {
        let mut key = [0; 4];
        if self.platform.fill_random(&mut key).is_err() {
            return Told::NoKey;
        }
        endpoint.set_key(key);
        Told::Resumed
    }

    /// [`read`](Self::read) for a job.
    fn hear(&mut self, socket: &mut S::TcpSocket, buffer: &mut [u8]) -> Told {
        match self.read(socket, buffer) {
            Ok(count) => Told::Read(count),
            Err(Stop::Blocked) => Told::ReadBlocked,
            Err(Stop::Failed) => Told::ReadFailed,
        }
    }

    /// [`write`](Self::write) for a job.
    fn say(&mut self, socket: &mut S::TcpSocket, bytes: &[u8]) -> Told {
        match self.write(socket, bytes) {
            Ok(count) => Told::Written(count),
            Err(Stop::Blocked) => Told::WriteBlocked,
            Err(Stop::Failed) => Told::WriteFailed,
        }
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

/// Answers are written from a scratch buffer: a segment's worth on a host, little on a
/// microcontroller.
pub(crate) const SEND_SCRATCH: usize = if size_of::<usize>() > 4 { 4096 } else { 128 };
