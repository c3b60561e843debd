//! How much stack the calls of `ws-socket` take of their own: over a TCP stack in memory that takes
//! next to none, without interrupts.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ws_mps2_an386::paint::{Call, Meter};
use ws_mps2_an386::scripted::{Script, Scripted, Timeless};
use ws_mps2_an386::{say, semihosting};
use ws_socket::{
    AcceptOptions, CloseCode, Flags, Opcode, Timeout, WebSocketId, WebSocketRequest, WebSockets,
};

/// The answer to the platform's nonce (RFC 6455 section 1.3), and a text.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n\
    \x81\x05hello\x89\x02ab\x88\x02\x03\xe8";

/// The same, and no more than the answer to our Close.
const ANSWER_AND_CLOSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n\
    \x88\x02\x0f\xa0";

/// A request, and what a client sends: the same text, a Ping, a Close, masked with zeros.
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n\
    \x81\x85\0\0\0\0hello\x89\x82\0\0\0\0ab\x88\x82\0\0\0\0\x03\xe8";

const TIMEOUT: Timeout = Timeout::Millis(1_000);

type Table<'buf> = WebSockets<'buf, Scripted, Timeless, 1>;

/// A stack that moves 16 bytes a call and blocks between: every way through the calls is taken.
const fn slow(head: &'static [u8]) -> Scripted {
    Scripted::new(Script {
        head,
        zeros: 0,
        piece: 16,
        blocks: 1,
    })
}

#[entry]
fn main() -> ! {
    let mut meter = Meter::new();
    let mut lent = [0; 256];
    let mut client = Table::new(slow(ANSWER), Timeless::default()).with_buffers([&mut lent]);
    let ws = connect(&mut client, &mut meter);
    talk(&mut client, &mut meter, ws);

    let mut lent = [0; 256];
    let client = Table::new(slow(ANSWER_AND_CLOSE), Timeless::default());
    let mut client = client.with_buffers([&mut lent]);
    let ws = connect(&mut client, &mut meter);
    let end = meter.of(Call::Disconnect, || {
        client.disconnect_with(ws, CloseCode(4000), "there is a reason", TIMEOUT)
    });
    assert!(end.is_ok_and(|end| end.clean && end.code == CloseCode(4000)));

    let mut lent = [0; 256];
    let mut server = Table::new(slow(REQUEST), Timeless::default()).with_buffers([&mut lent]);
    let options = AcceptOptions::default();
    let ws = meter.of(Call::Accept, || server.accept(&mut 0, &options, TIMEOUT));
    let ws = ws.unwrap_or_else(|why| panic!("{why}"));
    talk(&mut server, &mut meter, ws);

    meter.print();
    say!("stack: ok");
    semihosting::succeed()
}

fn connect(client: &mut Table<'_>, meter: &mut Meter) -> WebSocketId {
    let ws = meter.of(Call::Connect, || {
        let request = WebSocketRequest::new("server.example.com", "/chat");
        client.connect(0, request, TIMEOUT)
    });
    ws.unwrap_or_else(|why| panic!("{why}"))
}

/// Sends, receives up to the Close, and closes.
fn talk(table: &mut Table<'_>, meter: &mut Meter, ws: WebSocketId) {
    let payload = [b'x'; 300];
    let sent = meter.of(Call::Send, || {
        table.send_msg(ws, &payload, Opcode::Text, true, TIMEOUT)
    });
    assert_eq!(sent.ok(), Some(payload.len()));
    let mut buffer = [0; 64];
    let mut text = 0;
    loop {
        let received = meter.of(Call::Receive, || table.recv_msg(ws, &mut buffer, TIMEOUT));
        let piece = received.unwrap_or_else(|why| panic!("receiving: {why}"));
        if piece.flags.contains(Flags::CLOSE) {
            break;
        }
        assert_eq!(piece.opcode(), Opcode::Text);
        assert_eq!(
            &buffer[..piece.length],
            &b"hello"[text..text + piece.length]
        );
        text += piece.length;
    }
    assert_eq!(text, 5);
    let end = meter.of(Call::Disconnect, || table.disconnect(ws, TIMEOUT));
    // The script does not go on to the end of TCP; the Close frames went their ways.
    assert!(end.is_ok_and(|end| end.clean));
}
