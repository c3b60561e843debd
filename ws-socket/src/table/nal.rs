//! The table as a TCP stack: what speaks to `embedded_nal` sockets runs over WebSockets unchanged.

use core::net::{IpAddr, SocketAddr};

use embedded_nal::{AddrType, Dns, TcpClientStack, nb};
use ws_core::handshake::{Host, HostAddr, Request};
use ws_core::{Close, CloseCode, Opcode};

use super::Table;
use crate::error::{ConnectError, HandleError, SocketError};
use crate::session::State;
use crate::slots::SlotStore;
use crate::{Platform, WebSocketId};

/// What the socket face asks for when it connects, and what its frames are.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions<'a> {
    /// The opening handshake of `connect`. `None` asks the address for `/`, without subprotocols.
    pub request: Option<Request<'a>>,
    /// The type of what is sent: Binary or Text.
    pub opcode: Opcode,
}

impl StreamOptions<'_> {
    /// Binary messages, `/`.
    pub const DEFAULT: Self = Self::new();

    /// The same, without an image of it in flash.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            request: None,
            opcode: Opcode::Binary,
        }
    }
}

impl Default for StreamOptions<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A socket is a WebSocket id. No call waits.
impl<'buf, S, P, L> TcpClientStack for Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    type TcpSocket = WebSocketId;
    type Error = SocketError<S::Error>;

    /// Takes a slot and a TCP socket of the stack. The slot has to have a buffer.
    fn socket(&mut self) -> Result<WebSocketId, Self::Error> {
        self.check_room(false)?;
        let ws = self.slots.take_free(true).ok_or(ConnectError::NoFreeSlot)?;
        match self.context.stack.socket() {
            Ok(socket) => {
                self.enter(ws, |entry, _| {
                    entry.begin(socket, State::Dialing { since: None });
                });
                Ok(ws)
            }
            Err(error) => {
                let _ = self.slots.vacate(ws, |_| {});
                Err(ConnectError::Stack(error).into())
            }
        }
    }

    /// Connects TCP and does the opening handshake of [`StreamOptions::request`]: call again while
    /// it would block. It fails after [`Config::handshake_timeout`](crate::Config) at the latest;
    /// after a failure the socket is left to `close`.
    fn connect(
        &mut self,
        socket: &mut WebSocketId,
        remote: SocketAddr,
    ) -> nb::Result<(), Self::Error> {
        let host;
        let request = match self.stream.request {
            Some(request) => request,
            None => {
                host = HostAddr::new(remote);
                Request::new(Host::Addr(&host), "/")
            }
        };
        self.step(*socket, |entry, context| {
            entry.connect(context, remote, &request)
        })
        .map_err(|error| error.map(SocketError::Connect))
    }

    /// Sends a message of [`StreamOptions::opcode`], or goes on with the one that is partly sent.
    /// Returns how many bytes of `buffer` went out; the frame of which some did not stays open and
    /// takes the next bytes, whatever they are. An empty buffer sends nothing.
    fn send(&mut self, socket: &mut WebSocketId, buffer: &[u8]) -> nb::Result<usize, Self::Error> {
        self.try_send_stream(*socket, buffer)
            .map_err(|error| error.map(SocketError::Send))
    }

    /// Receives payload of data messages, without their boundaries. Control frames are dealt with
    /// and never show. The end, by Close or without, is an error of kind `PipeClosed`, never
    /// `Ok(0)`.
    fn receive(
        &mut self,
        socket: &mut WebSocketId,
        buffer: &mut [u8],
    ) -> nb::Result<usize, Self::Error> {
        self.try_receive_stream(*socket, buffer)
            .map_err(|error| error.map(SocketError::Receive))
    }

    /// Sends a Close (1000) if it can go out at once, and closes TCP. To wait for the peer's Close
    /// there is [`disconnect`](Table::disconnect).
    fn close(&mut self, socket: WebSocketId) -> Result<(), Self::Error> {
        // Where the slot is busy or gone the next call says so, too.
        let _ = self.run_once(socket, &mut Close::new(CloseCode::NORMAL, false));
        Ok(self.drop_connection(socket).map_err(HandleError::from)?)
    }
}

/// Names are resolved by the stack under the table.
impl<'buf, S, P, L> Dns for Table<'buf, S, P, L>
where
    S: TcpClientStack + Dns,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    type Error = <S as Dns>::Error;

    fn get_host_by_name(
        &mut self,
        hostname: &str,
        addr_type: AddrType,
    ) -> nb::Result<IpAddr, Self::Error> {
        self.context.stack.get_host_by_name(hostname, addr_type)
    }

    fn get_host_by_address(
        &mut self,
        addr: IpAddr,
        result: &mut [u8],
    ) -> nb::Result<usize, Self::Error> {
        self.context.stack.get_host_by_address(addr, result)
    }
}
