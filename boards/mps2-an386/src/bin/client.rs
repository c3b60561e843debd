//! A client: a scripted conversation with `host/conversation.py`, each step checked on both sides.
//!
//! Command line: the server's port on the host.
#![no_std]
#![no_main]

use core::net::SocketAddr;

use cortex_m_rt::entry;
use ws_mps2_an386::conversation::{self, CLOSE, CONVERSATION, Payload, REFUSED, Step, TIMEOUT};
use ws_mps2_an386::net::{self, Board, Stack};
use ws_mps2_an386::paint::{Call, Meter};
use ws_mps2_an386::{network, say, semihosting};
use ws_socket::{
    Config, ConnectError, Opcode, Received, WebSocketId, WebSocketRequest, WebSockets, handshake,
};

/// One, and one for a connection that is still closing.
const SOCKETS: usize = 2;

type Table<'buf> = WebSockets<'buf, Stack<SOCKETS>, Board, 1>;

#[entry]
fn main() -> ! {
    let mut meter = Meter::new();
    let server = net::peer();
    let (stack, board) = network!(SOCKETS, 4096);
    let mut lent = [0; 256];
    let config = Config {
        report_pongs: true,
        ..Config::DEFAULT
    };
    let table = Table::new(stack, board)
        .with_buffers([&mut lent])
        .with_config(config);

    let mut client = Client {
        table,
        meter: &mut meter,
    };
    client.is_refused(server);
    let ws = client
        .connect(server, CONVERSATION)
        .unwrap_or_else(|why| panic!("{why}"));
    for step in conversation::SCRIPT {
        client.step(ws, step);
    }
    client.close(ws);
    say!("closed");
    meter.print();
    say!("client: ok");
    semihosting::succeed()
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

    /// What a server that wants no WebSocket says reaches the caller.
    fn is_refused(&mut self, server: SocketAddr) {
        let (path, expected) = REFUSED;
        let refused = self.connect(server, path).err();
        let Some(ConnectError::Handshake(handshake::ClientError::Refused { status, .. })) = refused
        else {
            panic!("not refused: {refused:?}");
        };
        assert_eq!(status, expected);
    }

    fn step(&mut self, ws: WebSocketId, step: &Step) {
        match *step {
            Step::Send {
                opcode,
                payload: Payload::Bytes(bytes),
                fin,
            } => self.send(ws, bytes, opcode, fin),
            Step::Send {
                opcode,
                payload,
                fin,
            } => self.send_in_parts(ws, &payload, opcode, fin),
            Step::Expect(mut expected) => {
                let mut buffer = [0; 256];
                loop {
                    let (piece, bytes) = self.receive(ws, &mut buffer);
                    if expected.piece(&piece, bytes) {
                        break;
                    }
                }
            }
            Step::Reached(what) => say!("{what}"),
        }
    }

    fn send(&mut self, ws: WebSocketId, payload: &[u8], opcode: Opcode, fin: bool) {
        let table = &mut self.table;
        let sent = self.meter.of(Call::Send, || {
            table.send_msg(ws, payload, opcode, fin, TIMEOUT)
        });
        let sent = sent.unwrap_or_else(|why| panic!("{opcode:?}: {why}"));
        assert_eq!(sent, payload.len());
    }

    /// A frame that is a thousand times longer than any buffer here.
    fn send_in_parts(&mut self, ws: WebSocketId, payload: &Payload, opcode: Opcode, fin: bool) {
        let mut buffer = [0; 256];
        let mut offset = 0;
        while offset < payload.length() {
            let part = payload.part(offset, &mut buffer);
            let table = &mut self.table;
            let rest = payload.length() - offset;
            let sent = self.meter.of(Call::Send, || {
                table.send_part(ws, part, rest, opcode, fin, TIMEOUT)
            });
            offset += sent.unwrap_or_else(|why| panic!("at {offset}: {why}"));
        }
    }

    fn receive<'b>(&mut self, ws: WebSocketId, buffer: &'b mut [u8]) -> (Received, &'b [u8]) {
        let table = &mut self.table;
        let received = self
            .meter
            .of(Call::Receive, || table.recv_msg(ws, buffer, TIMEOUT));
        let received = received.unwrap_or_else(|why| panic!("receiving: {why}"));
        (received, &buffer[..received.length])
    }

    fn close(&mut self, ws: WebSocketId) {
        let table = &mut self.table;
        let (code, reason) = CLOSE;
        let end = self.meter.of(Call::Disconnect, || {
            table.disconnect_with(ws, code, reason, TIMEOUT)
        });
        let end = end.unwrap_or_else(|why| panic!("{why}"));
        assert!(end.clean);
        assert_eq!(end.code, code);
        assert_eq!(self.table.in_use(), 0);
    }
}
