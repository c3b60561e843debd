//! What edge-nal adds to streams: accepting, connecting, and closing TCP in order. Feature
//! `edge-nal`.

use core::net::{IpAddr, SocketAddr};
use core::pin::pin;

use edge_nal::{Close, TcpAccept, TcpShutdown};
use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use ws_core::CloseCode;

use super::link::Link;
use super::table::busy;
use super::wait::{Turns, within};
use super::{AsyncPlatform, AsyncWebSockets, Clock, WebSocket};
use crate::error::{AcceptError, DisconnectError};
use crate::table::Disconnected;
use crate::timeout::Deadline;
use crate::{Buffer, Config, Handler, Timeout, WebSocketId};

/// How long, in milliseconds, a client whose connection came to nothing may take to read the answer
/// and close.
const LINGER: u32 = 1_000;

/// A stack by edge-nal's traits where those of embedded-nal-async are asked for:
/// [`WebSocket::connect_to`], [`connect_url`](WebSocket::connect_url),
/// [`Connector`](super::Connector).
#[derive(Debug, Clone, Copy, Default)]
pub struct EdgeStack<S>(pub S);

/// # Cancellation
/// As the stack's own `connect`.
impl<S: edge_nal::TcpConnect> TcpConnect for EdgeStack<S> {
    type Error = S::Error;

    type Connection<'a>
        = S::Socket<'a>
    where
        Self: 'a;

    async fn connect<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Result<Self::Connection<'a>, Self::Error> {
        self.0.connect(remote).await
    }
}

impl<S: edge_nal::Dns> Dns for EdgeStack<S> {
    type Error = S::Error;

    async fn get_host_by_name(
        &self,
        host: &str,
        addr_type: AddrType,
    ) -> Result<IpAddr, Self::Error> {
        let addr_type = match addr_type {
            AddrType::IPv4 => edge_nal::AddrType::IPv4,
            AddrType::IPv6 => edge_nal::AddrType::IPv6,
            AddrType::Either => edge_nal::AddrType::Either,
        };
        self.0.get_host_by_name(host, addr_type).await
    }

    async fn get_host_by_address(
        &self,
        addr: IpAddr,
        result: &mut [u8],
    ) -> Result<usize, Self::Error> {
        self.0.get_host_by_address(addr, result).await
    }
}

impl<'buf, T: Read + Write + TcpShutdown, P: AsyncPlatform> WebSocket<'buf, T, P> {
    /// Accepts TCP connections, and does the server's side of each
    /// ([`accept`](WebSocket::accept)), until one is a WebSocket: that and its peer's address, at
    /// most after `timeout`. One that comes to nothing (refused, lost, out of time, or its pages
    /// are out) is closed in order, and the next has its turn.
    ///
    /// They have their turns one behind the other: a client that is slow holds up those behind it
    /// for up to [`Config::handshake_timeout`]. A server for many accepts from the acceptor itself
    /// and has a task for each stream, which begins with [`accept`](WebSocket::accept).
    ///
    /// # Errors
    /// `Timeout`; `Response` as with `accept`; `Stack` where it is the acceptor that fails.
    ///
    /// # Cancellation
    /// Dropped, it drops the TCP connection that has its turn. Those that the acceptor has not
    /// handed out are still there for the next call, where the acceptor's own `accept` keeps to
    /// that.
    pub async fn accept_from<'a, 'r, A>(
        acceptor: &'a A,
        mut handler: impl Handler<'r>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
        timeout: impl Into<Timeout>,
    ) -> Result<(Self, SocketAddr), AcceptError<T::Error>>
    where
        A: TcpAccept<Socket<'a> = T, Error = T::Error>,
    {
        handler.check()?;
        handler.rules().validate()?;
        let mut ws = Self::new(buffer.into(), platform, config);
        let clock = ws.platform.clock();
        let id = WebSocketId::ONLY;
        let accepted = async {
            loop {
                let (remote, stream) = acceptor.accept().await.map_err(AcceptError::Stack)?;
                if ws.link().accepted(stream, id, &mut handler).await {
                    return Ok::<_, AcceptError<T::Error>>(remote);
                }
                // There may be newcomers without end that are over as soon as they are there.
                yield_now().await;
            }
        };
        let remote = within(&clock, timeout.into(), pin!(accepted)).await;
        let remote = remote.ok_or(AcceptError::Timeout)??;
        Ok((ws, remote))
    }

    /// [`disconnect_with`](WebSocket::disconnect_with), and [`close_tcp`](Self::close_tcp) behind
    /// it, all at most for `timeout`.
    ///
    /// # Errors
    /// A code that may not be sent: then nothing has happened.
    ///
    /// # Cancellation
    /// Dropped, it goes on when called again.
    pub async fn disconnect_tcp(
        &mut self,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let timeout = timeout.into();
        let clock = self.platform.clock();
        let mut deadline = Deadline::from(clock.now_ms(), timeout);
        let ended = self.disconnect_with(code, reason, timeout).await?;
        let rest = match timeout {
            Timeout::Millis(_) => Timeout::Millis(deadline.left(clock.now_ms())),
            other => other,
        };
        self.close_tcp(rest).await;
        Ok(ended)
    }

    /// Closes TCP so that nothing that was sent is lost: ends this end's half, and drops what still
    /// comes until the peer has ended its own, at most for `timeout`; then TCP is aborted. To drop
    /// the stream is what is left.
    ///
    /// A server does so first, behind both Close frames (RFC 6455 section 7.1.1). With a stream
    /// that is dropped instead, many a stack resets the connection where something came that was
    /// not read, and the reset can overtake the Close.
    ///
    /// # Cancellation
    /// Dropped, it goes on when called again.
    pub async fn close_tcp(&mut self, timeout: impl Into<Timeout>) {
        self.link().close_tcp(timeout.into()).await;
    }
}

impl<T: Read + Write + TcpShutdown, P: AsyncPlatform, const N: usize> AsyncWebSockets<'_, T, P, N> {
    /// Accepts TCP connections, and does the server's side of each, until one is a WebSocket: see
    /// [`WebSocket::accept_from`]. Where all slots are taken each is refused with 503.
    ///
    /// # Errors
    /// `Timeout`; `Response` as with [`accept`](AsyncWebSockets::accept); `Stack` where it is the
    /// acceptor that fails.
    ///
    /// # Cancellation
    /// Dropped, it drops the TCP connection that has its turn and frees its slot. Those that the
    /// acceptor has not handed out are still there for the next call, where the acceptor's own
    /// `accept` keeps to that.
    pub async fn accept_from<'a, 'r, A>(
        &mut self,
        acceptor: &'a A,
        mut handler: impl Handler<'r>,
        timeout: impl Into<Timeout>,
    ) -> Result<(WebSocketId, SocketAddr), AcceptError<T::Error>>
    where
        A: TcpAccept<Socket<'a> = T, Error = T::Error>,
    {
        handler.check()?;
        handler.rules().validate()?;
        let clock = self.platform.clock();
        let accepted = async {
            loop {
                let (remote, stream) = acceptor.accept().await.map_err(AcceptError::Stack)?;
                if let Some(ws) = self.accepted(stream, &mut handler).await {
                    return Ok((ws, remote));
                }
                yield_now().await;
            }
        };
        let accepted = within(&clock, timeout.into(), pin!(accepted)).await;
        accepted.ok_or(AcceptError::Timeout)?
    }

    /// What became of a TCP connection, if it is a WebSocket.
    async fn accepted<'r>(
        &mut self,
        mut stream: T,
        handler: &mut impl Handler<'r>,
    ) -> Option<WebSocketId> {
        let clock = self.platform.clock();
        let Some((mut taken, platform, config)) = self.take() else {
            let mut scratch = [0; 64];
            // One that takes nothing is left as it is.
            let refused = stream.write(busy(&mut scratch));
            within(&clock, Timeout::Millis(LINGER), pin!(refused)).await;
            close_tcp(&mut stream, &clock, Timeout::Millis(LINGER)).await;
            return None;
        };
        let mut link = Link {
            entry: taken.slots.entry(taken.ws).ok()?,
            platform,
            config,
        };
        taken.stays = link.accepted(stream, taken.ws, handler).await;
        taken.stays.then_some(taken.ws)
    }
}

impl<T: Read + Write + TcpShutdown, P: AsyncPlatform> Link<'_, '_, T, P> {
    /// The server's side of a connection. Where no WebSocket came of it, it is closed in order.
    async fn accepted<'r>(
        &mut self,
        stream: T,
        ws: WebSocketId,
        handler: &mut impl Handler<'r>,
    ) -> bool {
        self.begin_server(stream);
        // What went wrong with one is nothing to those behind it.
        let upgraded = self.server(ws, handler).await.unwrap_or(false);
        if !upgraded {
            self.close_tcp(Timeout::Millis(LINGER)).await;
        }
        upgraded
    }

    async fn close_tcp(&mut self, timeout: Timeout) {
        let clock = self.platform.clock();
        if let Some(stream) = self.entry.socket_mut() {
            close_tcp(stream, &clock, timeout).await;
        }
    }
}

/// [`WebSocket::close_tcp`] on a stream that is no WebSocket, or not any more: what
/// [`WebSocket::accept`] made nothing of, where it was given another handle of it (or `&mut` to it).
///
/// # Cancellation
/// Dropped, it goes on when called again.
pub async fn close_tcp<T: Read + Write + TcpShutdown>(
    stream: &mut T,
    clock: &impl Clock,
    timeout: impl Into<Timeout>,
) {
    let closed = within(clock, timeout.into(), pin!(close(stream))).await;
    if closed.is_none() {
        // There is nobody to tell.
        let _ = stream.abort().await;
    }
}

/// Ends this end's half, and reads until the peer has ended its own.
async fn close<T: Read + Write + TcpShutdown>(stream: &mut T) {
    let mut dropped = [0; 64];
    if stream.flush().await.is_ok() && stream.close(Close::Write).await.is_ok() {
        let mut turns = Turns::NEW;
        while let Ok(1..) = stream.read(&mut dropped).await {
            turns.take().await;
        }
    }
}
