//! The opening handshakes over a stack.

use core::ops::Range;

use embedded_nal::{TcpClientStack, nb};
use ws_core::handshake::{
    ClientError, ClientHandshake, HeadPart, Request, Requested, Response, ServerError,
    ServerHandshake, Upgraded,
};
use ws_core::{Endpoint, Role, SCRATCH};

use super::{Answer, Context, Entry, Hash, SEND_SCRATCH, State};
use crate::error::{ConnectError, HandleError};
use crate::fmt::debug;
use crate::request::AcceptOptions;
use crate::timeout::Deadline;
use crate::{Config, Platform, Timeout};

/// One side of a handshake: a head that goes out and one that comes in.
trait Exchange {
    type Outcome;
    type Error;

    fn fill(&self, out: &mut [u8]) -> usize;
    fn sent(&mut self, count: usize);
    fn want(&self) -> usize;
    fn feed<S, P: Platform<S>>(
        &mut self,
        hash: &mut Hash<'_, S, P>,
        bytes: &[u8],
    ) -> Result<(usize, Option<Self::Outcome>), Self::Error>;
    fn eof(&self) -> Self::Error;
}

/// Either the peer's head is wrong or the stack failed.
enum Failure<F, E> {
    Handshake(F),
    Stack(E),
}

type Step<T, F, E> = nb::Result<T, Failure<F, E>>;

/// What came in, and where in the lent buffer the bytes behind it stand.
type Head<T> = (T, Range<usize>);

impl<S: TcpClientStack, P: Platform<S>> Context<'_, S, P> {
    /// Writes all of the head that goes out.
    fn write_head<X: Exchange>(
        &mut self,
        socket: &mut S::TcpSocket,
        exchange: &mut X,
    ) -> Step<(), X::Error, S::Error> {
        let mut scratch = [0; SEND_SCRATCH];
        loop {
            let count = exchange.fill(&mut scratch);
            if count == 0 {
                return Ok(());
            }
            let count = self
                .write(socket, scratch.get(..count).unwrap_or_default())
                .map_err(|error| error.map(Failure::Stack))?;
            exchange.sent(count);
        }
    }

    /// Reads the head that comes in: into the lent buffer in bulk, or without one no byte too many.
    fn read_head<X: Exchange>(
        &mut self,
        socket: &mut S::TcpSocket,
        lent: &mut [u8],
        exchange: &mut X,
    ) -> Step<Head<X::Outcome>, X::Error, S::Error> {
        let capacity = Endpoint::read_capacity(lent.len());
        let mut scratch = [0; SCRATCH];
        loop {
            let buffer = match lent.get_mut(..capacity) {
                Some(buffer) if capacity > 0 => buffer,
                _ => {
                    let want = exchange.want().clamp(1, SCRATCH);
                    scratch.get_mut(..want).unwrap_or_default()
                }
            };
            let read = self
                .read(socket, buffer)
                .map_err(|error| error.map(Failure::Stack))?;
            let Some(count) = read else {
                return Err(nb::Error::Other(Failure::Handshake(exchange.eof())));
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            let mut hash = Hash {
                platform: &mut *self.platform,
                stack: core::marker::PhantomData,
            };
            let (taken, outcome) = exchange
                .feed(&mut hash, bytes)
                .map_err(|error| nb::Error::Other(Failure::Handshake(error)))?;
            if let Some(outcome) = outcome {
                return Ok((outcome, taken..count));
            }
        }
    }

    /// Has a handshake that began at `since` used up its time?
    fn is_late(&mut self, since: u32) -> bool {
        let timeout = Timeout::Millis(self.config.handshake_timeout);
        Deadline::new(since, timeout).has_passed(self.platform.now_ms())
    }
}

struct Client<'a> {
    handshake: &'a mut ClientHandshake,
    request: &'a Request<'a>,
    on_response: &'a mut dyn FnMut(HeadPart<'_>),
}

impl Exchange for Client<'_> {
    type Outcome = Upgraded;
    type Error = ClientError;

    fn fill(&self, out: &mut [u8]) -> usize {
        self.handshake.fill(self.request, out)
    }

    fn sent(&mut self, count: usize) {
        self.handshake.sent(count);
    }

    fn want(&self) -> usize {
        self.handshake.want()
    }

    fn feed<S, P: Platform<S>>(
        &mut self,
        hash: &mut Hash<'_, S, P>,
        bytes: &[u8],
    ) -> Result<(usize, Option<Upgraded>), ClientError> {
        self.handshake
            .receive(self.request, hash, bytes, self.on_response)
    }

    fn eof(&self) -> ClientError {
        self.handshake.eof()
    }
}

struct Server<'a> {
    handshake: &'a mut ServerHandshake,
    options: &'a AcceptOptions<'a>,
    response: Response<'a>,
}

impl Exchange for Server<'_> {
    type Outcome = Requested;
    type Error = ServerError;

    fn fill(&self, out: &mut [u8]) -> usize {
        self.handshake.fill(&self.response, out)
    }

    fn sent(&mut self, count: usize) {
        self.handshake.sent(count);
    }

    fn want(&self) -> usize {
        self.handshake.want()
    }

    fn feed<S, P: Platform<S>>(
        &mut self,
        hash: &mut Hash<'_, S, P>,
        bytes: &[u8],
    ) -> Result<(usize, Option<Requested>), ServerError> {
        self.handshake
            .receive(self.options.subprotocols, hash, bytes, &mut |_| {})
    }

    fn eof(&self) -> ServerError {
        self.handshake.eof()
    }
}

impl<'buf, T> Entry<'buf, T> {
    /// Frames from here on; what stands at `buffered` in the lent buffer are the first.
    pub(crate) fn opened(
        &mut self,
        role: Role,
        config: &Config,
        buffered: Range<usize>,
        subprotocol: Option<u8>,
    ) {
        if let Some(socket) = self.vacate() {
            debug!("open, {} bytes lent", self.lent.len());
            let lent = core::mem::take(&mut self.lent);
            let mut endpoint = Endpoint::new(role, lent, buffered, config.max_message);
            endpoint.report_control(config.report_pings, config.report_pongs);
            self.state = State::Open {
                socket,
                endpoint,
                subprotocol,
            };
        }
    }

    /// The TCP connection is there: a client's handshake begins.
    pub(crate) fn begin_client<S, P>(&mut self, socket: T, context: &mut Context<'_, S, P>)
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let mut nonce = [0; 16];
        context.platform.fill_random(&mut nonce);
        let handshake = ClientHandshake::new(&nonce, context.config.max_handshake);
        let since = context.platform.now_ms();
        self.state = State::Client {
            socket,
            handshake,
            since,
        };
    }

    /// A TCP connection was accepted: a server's handshake begins.
    pub(crate) fn begin_server<S, P>(&mut self, socket: T, context: &mut Context<'_, S, P>)
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let handshake = ServerHandshake::new(context.config.max_handshake);
        let since = context.platform.now_ms();
        self.state = State::Server {
            socket,
            handshake,
            since,
            answer: Answer::Pending,
        };
    }

    /// Goes on with a client's handshake.
    pub(crate) fn client<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        request: &Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let State::Client {
            socket, handshake, ..
        } = &mut self.state
        else {
            return Err(nb::Error::Other(HandleError::Stale.into()));
        };
        let mut exchange = Client {
            handshake,
            request,
            on_response,
        };
        let head = context
            .write_head(socket, &mut exchange)
            .and_then(|()| context.read_head(socket, self.lent, &mut exchange));
        let (upgraded, buffered) = head.map_err(|error| {
            error.map(|failure| match failure {
                Failure::Handshake(error) => ConnectError::Handshake(error),
                Failure::Stack(error) => ConnectError::Stack(error),
            })
        })?;
        self.opened(Role::Client, context.config, buffered, upgraded.subprotocol);
        Ok(())
    }

    /// The socket face's `connect`: TCP, then the handshake, as far as they go without waiting. A
    /// failure leaves the socket to `close`.
    pub(crate) fn connect<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        remote: core::net::SocketAddr,
        request: &Request<'_>,
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let result = self.try_connect(context, remote, request);
        if matches!(result, Err(nb::Error::Other(_)))
            && !matches!(self.state, State::Open { .. })
            && let Some(socket) = self.vacate()
        {
            self.state = State::Failed { socket };
        }
        result
    }

    fn try_connect<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        remote: core::net::SocketAddr,
        request: &Request<'_>,
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        if let State::Dialing { socket, since } = &mut self.state {
            let begun = match *since {
                Some(since) => since,
                None => {
                    request.validate().map_err(ConnectError::Request)?;
                    *since.insert(context.platform.now_ms())
                }
            };
            match context.stack.connect(socket, remote) {
                Ok(()) => {
                    if let Some(socket) = self.vacate() {
                        self.begin_client(socket, context);
                    }
                }
                Err(nb::Error::WouldBlock) if context.is_late(begun) => {
                    return Err(nb::Error::Other(ConnectError::Timeout));
                }
                Err(error) => return Err(error.map(ConnectError::Stack)),
            }
        }
        match self.state {
            State::Open { .. } => Ok(()),
            State::Client { since, .. } => match self.client(context, request, &mut |_| {}) {
                Err(nb::Error::WouldBlock) if context.is_late(since) => {
                    Err(nb::Error::Other(ConnectError::Timeout))
                }
                result => result,
            },
            _ => Err(nb::Error::Other(HandleError::Stale.into())),
        }
    }

    /// Goes on with a server's handshake. `Ok` when frames may follow; an error when the connection
    /// is to be closed: refused, failed, or out of time.
    pub(crate) fn server<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        options: &AcceptOptions<'_>,
    ) -> nb::Result<(), Dropped>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let State::Server {
            socket,
            handshake,
            since,
            answer,
        } = &mut self.state
        else {
            return Err(nb::Error::Other(Dropped));
        };
        if context.is_late(*since) {
            return Err(nb::Error::Other(Dropped));
        }
        let headers = options.headers;
        let mut exchange = Server {
            handshake,
            options,
            response: Response::Upgrade {
                subprotocol: None,
                headers,
            },
        };
        if matches!(answer, Answer::Pending) {
            *answer = match context.read_head(socket, self.lent, &mut exchange) {
                Ok((requested, buffered)) => Answer::Upgrade {
                    subprotocol: requested.subprotocol,
                    buffered: (buffered.start, buffered.end),
                },
                Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
                Err(nb::Error::Other(Failure::Handshake(ServerError::Eof) | Failure::Stack(_))) => {
                    return Err(nb::Error::Other(Dropped));
                }
                Err(nb::Error::Other(Failure::Handshake(error))) => Answer::Refuse {
                    status: error.status(),
                },
            };
        }
        exchange.response = match *answer {
            Answer::Refuse { status } => Response::Refuse {
                status,
                headers: &[],
            },
            Answer::Upgrade { subprotocol, .. } => Response::Upgrade {
                subprotocol: subprotocol
                    .and_then(|index| options.subprotocols.get(usize::from(index)).copied()),
                headers,
            },
            Answer::Pending => return Err(nb::Error::WouldBlock),
        };
        match context.write_head(socket, &mut exchange) {
            Ok(()) => {}
            Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
            Err(nb::Error::Other(_)) => return Err(nb::Error::Other(Dropped)),
        }
        let Answer::Upgrade {
            subprotocol,
            buffered: (start, end),
        } = *answer
        else {
            return Err(nb::Error::Other(Dropped));
        };
        self.opened(Role::Server, context.config, start..end, subprotocol);
        Ok(())
    }
}

/// A connection that will not become a WebSocket.
pub(crate) struct Dropped;
