//! Connections to brokers in place of a blocking client's TCP sockets.

use core::net::{IpAddr, SocketAddr};

use embedded_io::ReadReady;
use embedded_nal::{AddrType, Dns, TcpClientStack, nb};
use ws_socket::{
    HandleError, Opcode, Platform, SendError, SocketError, StreamOptions, Timeout, WebSocketId,
    WebSockets,
};

use crate::outbox::{Outbox, Part, Step, opcode};
use crate::{Buffers, MqttError, MqttRequest};

/// Connects to brokers by WebSocket where TCP sockets are asked for: an
/// [`embedded_nal::TcpClientStack`] over another, for an MQTT client that owns its stack. A socket
/// is a WebSocket id; there are `N` at most.
///
/// No call waits. Pings are answered in each call of `send` and `receive`.
pub struct MqttStack<'buf, S: TcpClientStack, P, const N: usize> {
    table: WebSockets<'buf, S, P, N>,
    out: [Outbox<'buf>; N],
    polls: bool,
}

impl<S: TcpClientStack, P, const N: usize> core::fmt::Debug for MqttStack<'_, S, P, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MqttStack").finish_non_exhaustive()
    }
}

impl<'buf, S: TcpClientStack, P: Platform<S>, const N: usize> MqttStack<'buf, S, P, N> {
    /// Connections over `stack` that ask for `request`, each with a pair of buffers.
    pub fn new(
        stack: S,
        platform: P,
        request: MqttRequest<'buf>,
        buffers: [Buffers<'buf>; N],
    ) -> Self {
        let mut out = [const { None }; N];
        let mut places = out.iter_mut();
        let receive = buffers.map(|from| {
            if let Some(place) = places.next() {
                *place = Some(Outbox::new(from.gather));
            }
            from.receive
        });
        let options = StreamOptions {
            request: Some(request.handshake()),
            opcode: Opcode::Binary,
        };
        Self {
            table: WebSockets::new(stack, platform)
                .with_buffers(receive)
                .with_config(request.websocket_config())
                .with_stream_options(options),
            out: out.map(|out| out.unwrap_or_else(|| Outbox::new(&mut []))),
            polls: request.polls,
        }
    }

    /// The WebSockets, to look at: their close codes, their TCP stack.
    pub const fn table(&mut self) -> &mut WebSockets<'buf, S, P, N> {
        &mut self.table
    }

    /// Some of a part, or would block.
    fn send_part(
        table: &mut WebSockets<'buf, S, P, N>,
        ws: WebSocketId,
        part: Part<'_>,
    ) -> nb::Result<usize, MqttError<S::Error>> {
        let opcode = opcode(table.in_message(ws).unwrap_or_default());
        let Part { bytes, rest, fin } = part;
        match table.send_part(ws, bytes, rest, opcode, fin, Timeout::NoWait) {
            Ok(count) => Ok(count),
            Err(SendError::Timeout) => Err(nb::Error::WouldBlock),
            Err(error) => Err(nb::Error::Other(error.into())),
        }
    }
}

impl<'buf, S: TcpClientStack, P: Platform<S>, const N: usize> TcpClientStack
    for MqttStack<'buf, S, P, N>
{
    type TcpSocket = WebSocketId;
    type Error = MqttError<S::Error>;

    /// Takes one of the `N` places and a TCP socket.
    fn socket(&mut self) -> Result<WebSocketId, Self::Error> {
        let ws = TcpClientStack::socket(&mut self.table)?;
        if let Some(out) = self.out.get_mut(ws.slot()) {
            out.reset();
        }
        Ok(ws)
    }

    /// TCP, then the opening handshake: call again while it would block. It fails after
    /// [`Config::handshake_timeout`](ws_socket::Config) at the latest; after a failure the socket is
    /// left to `close`.
    fn connect(
        &mut self,
        socket: &mut WebSocketId,
        remote: SocketAddr,
    ) -> nb::Result<(), Self::Error> {
        let connected = TcpClientStack::connect(&mut self.table, socket, remote);
        connected.map_err(|error| error.map(MqttError::Socket))?;
        match self.table.subprotocol(*socket) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(nb::Error::Other(MqttError::Subprotocol)),
            Err(error) => Err(stale(error)),
        }
    }

    /// Takes what it keeps of a packet until its end, or what the wire takes. What it has not taken
    /// is to be sent next.
    fn send(&mut self, socket: &mut WebSocketId, buffer: &[u8]) -> nb::Result<usize, Self::Error> {
        let ws = *socket;
        let open = |table: &mut WebSockets<'buf, S, P, N>| table.open_frame(ws).map_err(stale);
        let Some(out) = self.out.get_mut(ws.slot()) else {
            return Err(stale(HandleError::Unknown));
        };
        if self.polls && out.is_idle() && open(&mut self.table)?.is_none() {
            // A client that only publishes has Pings to answer, too.
            let _ = self.table.stream(ws).read_ready();
        }
        if !self.table.is_open(ws) {
            return Err(nb::Error::Other(SendError::NotConnected.into()));
        }
        loop {
            match out.step(buffer, open(&mut self.table)?) {
                Step::Kept(count) => return Ok(count),
                Step::Nothing => return Ok(0),
                Step::Send(part) => {
                    let count = Self::send_part(&mut self.table, ws, part)?;
                    let taken = out.sent(buffer, count);
                    if taken > 0 {
                        return Ok(taken);
                    }
                }
            }
        }
    }

    /// Bytes of MQTT, however the broker framed them. The end, by Close or without, is an error of
    /// kind `PipeClosed`, never `Ok(0)`.
    fn receive(
        &mut self,
        socket: &mut WebSocketId,
        buffer: &mut [u8],
    ) -> nb::Result<usize, Self::Error> {
        let received = TcpClientStack::receive(&mut self.table, socket, buffer);
        received.map_err(|error| error.map(MqttError::Socket))
    }

    /// Sends a Close (1000) if it can go out at once, and closes TCP.
    fn close(&mut self, socket: WebSocketId) -> Result<(), Self::Error> {
        Ok(TcpClientStack::close(&mut self.table, socket)?)
    }
}

fn stale<E: core::fmt::Debug>(error: HandleError) -> nb::Error<MqttError<E>> {
    nb::Error::Other(SocketError::Handle(error).into())
}

/// Names are resolved by the stack below.
impl<S: TcpClientStack + Dns, P: Platform<S>, const N: usize> Dns for MqttStack<'_, S, P, N> {
    type Error = <S as Dns>::Error;

    fn get_host_by_name(
        &mut self,
        hostname: &str,
        addr_type: AddrType,
    ) -> nb::Result<IpAddr, Self::Error> {
        self.table.get_host_by_name(hostname, addr_type)
    }

    fn get_host_by_address(
        &mut self,
        addr: IpAddr,
        result: &mut [u8],
    ) -> nb::Result<usize, Self::Error> {
        self.table.get_host_by_address(addr, result)
    }
}
