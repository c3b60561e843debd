//! A client: a scripted conversation with `host/conversation.py`, each step checked on both sides.
//!
//! Command line: the server's port on the host.
#![no_std]
#![no_main]

use core::net::{IpAddr, SocketAddr};

use cortex_m_rt::entry;
use ws_mps2_an386::net::{Board, HOST, Stack};
use ws_mps2_an386::paint::{Call, Meter};
use ws_mps2_an386::{network, say, semihosting};
use ws_socket::{
    CloseCode, Config, ConnectError, Flags, Opcode, Received, WebSocketId, WebSocketRequest,
    WebSockets, handshake,
};

/// The long message, each way.
const LONG: usize = 256 * 1024;
/// One, and one for a connection that is still closing.
const SOCKETS: usize = 2;
/// For all calls, in milliseconds.
const TIMEOUT: i32 = 10_000;

const TEXT: &str = "grüße from a microcontroller";
/// Goes in three frames, cut here: a character may be cut in two, only the message has to be UTF-8.
const FRAGMENTED: &str = "Stücke, drei";
const CUTS: [usize; 2] = [3, 8];

type Table<'buf> = WebSockets<'buf, Stack<SOCKETS>, Board, 1>;

#[entry]
fn main() -> ! {
    let mut meter = Meter::new();
    let line = semihosting::CommandLine::get();
    let port = line.number(0);
    let port = port.unwrap_or_else(|| panic!("the first argument is the server's port"));
    let (stack, board) = network!(SOCKETS, 4096);
    let mut lent = [0; 256];
    let config = Config {
        report_pongs: true,
        ..Config::DEFAULT
    };
    let table = Table::new(stack, board)
        .with_buffers([&mut lent])
        .with_config(config);
    let server = SocketAddr::new(IpAddr::V4(HOST), port);

    let mut client = Client {
        table,
        meter: &mut meter,
    };
    client.is_refused(server);
    let ws = client
        .connect(server, "/conversation")
        .unwrap_or_else(|why| panic!("{why}"));
    say!("connected");
    client.echo(ws, Opcode::Text, TEXT.as_bytes());
    let mut binary = [0; 1000];
    fill(&mut binary, 0);
    client.echo(ws, Opcode::Binary, &binary);
    say!("text and binary came back");
    client.fragments(ws);
    say!("fragments came back");
    client.long(ws);
    say!("{} KiB went and came through 256 bytes", LONG / 1024);
    client.ping(ws);
    say!("pinged and was pinged");
    client.close(ws);
    say!("closed");
    meter.print();
    say!("client: ok");
    semihosting::succeed()
}

/// Bytes of which each tells where it stands.
fn fill(bytes: &mut [u8], offset: usize) {
    for (at, byte) in (offset..).zip(bytes) {
        *byte = pattern(at);
    }
}

fn pattern(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

struct Client<'meter, 'buf> {
    table: Table<'buf>,
    meter: &'meter mut Meter,
}

impl Client<'_, '_> {
    fn connect(
        &mut self,
        server: SocketAddr,
        path: &str,
    ) -> Result<WebSocketId, ConnectError<ws_socket::stack::SmoltcpError>> {
        let table = &mut self.table;
        let request = WebSocketRequest::new("10.0.2.2", path);
        self.meter
            .of(Call::Connect, || table.connect_to(server, request, TIMEOUT))
    }

    fn send(&mut self, ws: WebSocketId, payload: &[u8], opcode: Opcode, fin: bool) {
        let table = &mut self.table;
        let sent = self.meter.of(Call::Send, || {
            table.send_msg(ws, payload, opcode, true, fin, TIMEOUT)
        });
        let sent = sent.unwrap_or_else(|why| panic!("{opcode:?}: {why}"));
        assert_eq!(sent, payload.len());
    }

    fn receive<'b>(&mut self, ws: WebSocketId, buffer: &'b mut [u8]) -> (Received, &'b [u8]) {
        let table = &mut self.table;
        let received = self
            .meter
            .of(Call::Receive, || table.recv_msg(ws, buffer, TIMEOUT));
        let received = received.unwrap_or_else(|why| panic!("receiving: {why}"));
        (received, &buffer[..received.length])
    }

    /// What a server that wants no WebSocket says reaches the caller.
    fn is_refused(&mut self, server: SocketAddr) {
        let refused = self.connect(server, "/refuse").err();
        let Some(ConnectError::Handshake(handshake::ClientError::Refused { status, .. })) = refused
        else {
            panic!("not refused: {refused:?}");
        };
        assert_eq!(status, 403);
    }

    fn echo(&mut self, ws: WebSocketId, opcode: Opcode, payload: &[u8]) {
        self.send(ws, payload, opcode, true);
        self.expect(ws, opcode, payload);
    }

    /// One message, in one frame.
    fn expect(&mut self, ws: WebSocketId, opcode: Opcode, payload: &[u8]) {
        let mut buffer = [0; 256];
        let mut rest = payload;
        loop {
            let (piece, bytes) = self.receive(ws, &mut buffer);
            assert_eq!(piece.opcode(), opcode);
            assert!(piece.flags.contains(Flags::FINAL));
            let (expected, left) = rest.split_at(bytes.len().min(rest.len()));
            assert!(bytes == expected, "{opcode:?} is not what was expected");
            assert_eq!(piece.remaining, left.len());
            rest = left;
            if piece.is_complete() {
                return;
            }
        }
    }

    /// A message in three frames, which comes back in three.
    fn fragments(&mut self, ws: WebSocketId) {
        let text = FRAGMENTED.as_bytes();
        self.send(ws, &text[..CUTS[0]], Opcode::Text, false);
        self.send(ws, &text[CUTS[0]..CUTS[1]], Opcode::Continuation, false);
        self.send(ws, &text[CUTS[1]..], Opcode::Continuation, true);

        let mut buffer = [0; 64];
        let (mut came, mut frames) = (0, 0);
        loop {
            let (piece, bytes) = self.receive(ws, &mut buffer);
            assert_eq!(piece.opcode(), Opcode::Text);
            assert_eq!(Some(bytes), text.get(came..came + bytes.len()));
            came += bytes.len();
            frames += usize::from(piece.remaining == 0);
            if piece.is_complete() {
                break;
            }
        }
        assert_eq!((came, frames), (text.len(), 3));
    }

    /// A message that is a thousand times longer than any buffer here, as one frame.
    fn long(&mut self, ws: WebSocketId) {
        let mut buffer = [0; 256];
        let mut offset = 0;
        while offset < LONG {
            fill(&mut buffer, offset);
            let table = &mut self.table;
            let rest = LONG - offset;
            let sent = self.meter.of(Call::Send, || {
                table.send_part(ws, &buffer, rest, Opcode::Binary, true, true, TIMEOUT)
            });
            offset += sent.unwrap_or_else(|why| panic!("at {offset}: {why}"));
        }
        let mut offset = 0;
        loop {
            let (piece, bytes) = self.receive(ws, &mut buffer);
            assert_eq!(piece.opcode(), Opcode::Binary);
            for (at, byte) in (offset..).zip(bytes) {
                assert_eq!(*byte, !pattern(at), "byte {at}");
            }
            offset += bytes.len();
            assert_eq!(piece.remaining, LONG - offset);
            if piece.is_complete() {
                break;
            }
        }
        assert_eq!(offset, LONG);
    }

    /// Ours, whose Pong comes here; then the server's, which the table answers.
    fn ping(&mut self, ws: WebSocketId) {
        self.send(ws, b"are you there?", Opcode::Ping, true);
        self.expect(ws, Opcode::Pong, b"are you there?");
        self.expect(ws, Opcode::Text, b"your Pong came");
    }

    fn close(&mut self, ws: WebSocketId) {
        let table = &mut self.table;
        let end = self.meter.of(Call::Disconnect, || {
            table.disconnect_with(ws, CloseCode(4000), "done", TIMEOUT)
        });
        let end = end.unwrap_or_else(|why| panic!("{why}"));
        assert!(end.clean);
        assert_eq!(end.code, CloseCode(4000));
        assert_eq!(self.table.in_use(), 0);
    }
}
