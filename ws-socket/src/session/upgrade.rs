//! A client's opening handshake over a stack.

use core::ops::Range;

use embedded_nal::{TcpClientStack, nb};
use ws_core::handshake::{ClientError, ClientHandshake, HeadPart, Request, Upgraded};
use ws_core::{Endpoint, Lent, RandomError, Role};

use super::{Context, Entry, Hash, State, Stop, Tcp};
use crate::error::{ConnectError, HandleError};
use crate::fmt::debug;
use crate::timeout::left_of;
use crate::{Config, Platform};

impl<S: TcpClientStack, P: Platform<S>> Context<S, P> {
    /// Writes all of the request that is left, from the borrowed buffer, which is empty still.
    fn write_request(
        &mut self,
        socket: &mut S::TcpSocket,
        handshake: &mut ClientHandshake,
        request: &Request<'_>,
        buffer: &mut [u8],
    ) -> Option<Stop> {
        loop {
            let count = handshake.fill(request, buffer);
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return None;
            }
            match self.write(socket, bytes) {
                Ok(count) => handshake.sent(count),
                Err(stop) => return Some(stop),
            }
        }
    }

    /// A fresh nonce for a client's handshake.
    pub(crate) fn nonce(&mut self) -> Result<[u8; 16], RandomError> {
        let mut nonce = [0; 16];
        self.platform.fill_random(&mut nonce)?;
        Ok(nonce)
    }

    /// The TCP connection is there: a client's handshake begins.
    pub(crate) fn begin_client(
        &mut self,
        entry: &mut Entry<'_, S::TcpSocket>,
        socket: S::TcpSocket,
        nonce: &[u8; 16],
    ) {
        let now = self.platform.now_ms();
        entry.begin_client(socket, nonce, &self.config, now);
    }

    /// What a handshake that did not go on comes to.
    fn unconnected(&mut self, halt: Halt) -> nb::Error<ConnectError<S::Error>> {
        nb::Error::Other(match halt {
            Halt::Stop(Stop::Blocked) => return nb::Error::WouldBlock,
            Halt::NoBuffer => ConnectError::NoBuffer,
            Halt::Handshake(error) => error.into(),
            Halt::Stop(Stop::Failed) => match self.error.take() {
                Some(error) => ConnectError::Stack(error),
                None => HandleError::Stale.into(),
            },
        })
    }

    /// The platform's hash unit, for the core.
    pub(super) fn hash(&mut self) -> Hash<'_, S, P> {
        Hash {
            platform: &mut self.platform,
            stack: core::marker::PhantomData,
        }
    }

    /// Has a client's handshake that began at `since` used up its time?
    fn is_late(&mut self, since: &mut u32) -> bool {
        left_of(since, self.config.handshake_timeout, self.platform.now_ms()) == 0
    }
}

/// Why a handshake does not go on.
enum Halt {
    NoBuffer,
    Stop(Stop),
    Handshake(ClientError),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<ClientError> for Halt {
    fn from(error: ClientError) -> Self {
        Self::Handshake(error)
    }
}

impl<'buf, T> Entry<'buf, T> {
    /// Frames from here on; what stands at `buffered` in the lent buffer are the first.
    #[inline(never)]
    pub(crate) fn opened(
        &mut self,
        role: Role,
        config: &Config,
        buffered: Range<usize>,
        subprotocol: Option<u8>,
    ) {
        if let Some(tcp) = &mut self.tcp {
            debug!("{}open, {} bytes lent", self.about, self.lent.len());
            let lent = Lent::new(self.lent);
            let mut endpoint = Endpoint::new(role, &lent, buffered, config.max_message);
            endpoint.report_control(config.report_pings, config.report_pongs);
            endpoint.answer_pings(config.answer_pings);
            endpoint.refuse_text(config.binary_only);
            tcp.state = State::Open {
                endpoint,
                subprotocol,
                full_at: None,
            };
        }
    }

    /// The TCP connection is there: a client's handshake begins.
    pub(crate) fn begin_client(&mut self, socket: T, nonce: &[u8; 16], config: &Config, now: u32) {
        let state = State::Client {
            handshake: ClientHandshake::without_key(config.max_handshake),
            since: now,
        };
        if let State::Client { handshake, .. } = self.begin(socket, state) {
            handshake.set_nonce(nonce);
        }
    }

    /// Goes on with a client's handshake.
    #[inline(never)] // 32 bytes less at z, 100 at s, than within the loop around it.
    pub(crate) fn client<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        request: &Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let upgraded = self.try_client(context, request, on_response);
        upgraded.map_err(|halt| context.unconnected(halt))
    }

    /// Writes the request, and reads the response: into the lent buffer in bulk, or without one no
    /// byte too many.
    fn try_client<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        request: &Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(), Halt>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(Tcp {
            socket,
            state: State::Client { handshake, .. },
        }) = &mut self.tcp
        else {
            // Nor has the context an error: the id stands for something else.
            return Err(Stop::Failed.into());
        };
        if self.lent.is_empty() {
            return Err(Halt::NoBuffer);
        }
        // A server that refuses may close before all of the request is there. Its answer is read also
        // where the wire takes no more, and the handshake gives up the rest of the request then.
        let mut stopped = context.write_request(socket, handshake, request, self.lent);
        let mut lent = Lent::new(self.lent);
        let buffer = lent.read_buffer();
        loop {
            let count = match (context.read(socket, buffer), stopped) {
                (Ok(0) | Err(_), Some(Stop::Failed)) => return Err(Stop::Failed.into()),
                (Ok(0), _) => return Err(handshake.eof().into()),
                (read, _) => read?,
            };
            stopped = None;
            let bytes = buffer.get(..count).unwrap_or_default();
            let (taken, upgraded) =
                handshake.receive(request, &mut context.hash(), bytes, on_response)?;
            if let Some(Upgraded { subprotocol }) = upgraded {
                // After the response come the first frames.
                self.opened(Role::Client, &context.config, taken..count, subprotocol);
                return Ok(());
            }
        }
    }

    /// The socket face's `connect`: TCP, then the handshake, as far as they go without waiting. A
    /// failure leaves the socket to `close`.
    pub(crate) fn connect<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        remote: core::net::SocketAddr,
        request: &Request<'_>,
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let result = self.try_connect(context, remote, request);
        if matches!(result, Err(nb::Error::Other(_)))
            && let Some(tcp) = &mut self.tcp
            && !matches!(tcp.state, State::Open { .. })
        {
            tcp.state = State::Failed;
        }
        result
    }

    fn try_connect<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        remote: core::net::SocketAddr,
        request: &Request<'_>,
    ) -> nb::Result<(), ConnectError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        if let Some(Tcp {
            socket,
            state: State::Dialing { since },
        }) = &mut self.tcp
        {
            let begun = match since {
                Some(since) => since,
                None => {
                    request.validate().map_err(ConnectError::Request)?;
                    since.insert(context.platform.now_ms())
                }
            };
            match context.stack.connect(socket, remote) {
                Ok(()) => {
                    let nonce = context.nonce().map_err(ConnectError::Random)?;
                    if let Some(socket) = self.vacate() {
                        context.begin_client(self, socket, &nonce);
                    }
                }
                Err(nb::Error::WouldBlock) if context.is_late(begun) => {
                    return Err(nb::Error::Other(ConnectError::Timeout));
                }
                Err(error) => return Err(error.map(ConnectError::Stack)),
            }
        }
        match self.state() {
            Some(State::Open { .. }) => return Ok(()),
            Some(State::Client { .. }) => {}
            _ => return Err(nb::Error::Other(HandleError::Stale.into())),
        }
        let result = self.client(context, request, &mut |_| {});
        if let (Err(nb::Error::WouldBlock), Some(tcp)) = (&result, &mut self.tcp)
            && let State::Client { since, .. } = &mut tcp.state
            && context.is_late(since)
        {
            return Err(nb::Error::Other(ConnectError::Timeout));
        }
        result
    }
}
