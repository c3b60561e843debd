//! `BlockingStreams` over embedded-tls' blocking connection.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_tls::TlsError;
use tls::authority::{Authority, HOST};
use tls::client::{Tls, secure};
use tls::frames::frame;
use tls::hand::Hand;
use tls::peer::Echo;
use tls::tcp::{self, System, Tcp, serve};
use tls::wire::{Script, Tail};
use tls::wires::{self, Blocking};
use ws_socket::asynch::Clock;
use ws_socket::stack::{BlockingStreams, StreamError};
use ws_socket::{
    Buffer, CloseCode, Opcode, ReceiveError, Received, SendError, WebSocketId, WebSocketRequest,
    WebSockets,
};
use ws_tls::Memory;

type Table<'m, T, P> = WebSockets<'m, BlockingStreams<Tls<'m, T>>, P, 1>;
type Error = StreamError<TlsError>;

/// The open connection of a test in memory.
struct Open<'m> {
    script: Script,
    echo: Rc<RefCell<Echo>>,
    table: Table<'m, Blocking, Hand>,
    ws: WebSocketId,
}

impl Open<'_> {
    /// What a server says comes, in this many pieces of TLS.
    fn say(&self, records: &[&[u8]]) {
        for record in records {
            let bytes = self.echo.borrow_mut().peer.say(record);
            self.script.line(|line| line.feed(&bytes));
        }
    }

    fn recv(&mut self, out: &mut [u8]) -> Result<Received, ReceiveError<Error>> {
        self.table.recv_msg(self.ws, out, 10)
    }

    /// A receive runs out of its time, and of no more.
    fn nothing(&mut self) {
        let before = self.table.platform().clock.now_ms();
        let received = self.recv(&mut [0; 100]);
        assert!(
            matches!(received, Err(ReceiveError::Timeout)),
            "{received:?}"
        );
        assert_eq!(self.table.platform().clock.now_ms() - before, 10);
    }

    fn message(&mut self) -> Vec<u8> {
        let mut message: Vec<u8> = Vec::new();
        loop {
            let mut out = [0; 100];
            let received = self.recv(&mut out).unwrap();
            message.extend(&out[..received.length]);
            if received.is_complete() {
                return message;
            }
        }
    }
}

/// Runs a test on a connection that is open; `behind` comes in one record with the 101.
fn open(behind: &[u8], lent: usize, work: impl FnOnce(&mut Open<'_>)) {
    let authority = Authority::new();
    let echo = Echo::shared(authority.server());
    echo.borrow_mut().behind = behind.to_vec();
    let script = Script::new();
    wires::connect(&script, &echo);
    let mut memory: Memory = Memory::new();
    let tls = secure(
        Blocking(script.wire()),
        &mut memory,
        HOST,
        authority.der(),
        5_000,
        wires::now,
    )
    .unwrap();
    let mut buffer = vec![0; lent];
    let mut table = Table::new(BlockingStreams::new(), Hand::new());
    let request = WebSocketRequest::new(HOST, "/").buffer(Buffer::new(&mut buffer).unwrap());
    let ws = table.connect(tls, request, 10).unwrap();
    work(&mut Open {
        script,
        echo,
        table,
        ws,
    });
}

const LENT: [usize; 2] = [Buffer::MIN, 512];

#[test]
fn every_size_both_ways() {
    let authority = Authority::new();
    let (address, server) = serve(Echo::new(authority.server()));
    let mut memory: Memory = Memory::new();
    let tls = secure(
        Tcp::connect(address),
        &mut memory,
        HOST,
        authority.der(),
        20_000,
        tcp::now,
    )
    .unwrap();
    let mut buffer = [0; 2048];
    let mut table = Table::new(BlockingStreams::new(), System::new());
    let request = WebSocketRequest::new(HOST, "/").buffer(&mut buffer);
    let ws = table.connect(tls, request, 5_000).unwrap();
    let sizes = [
        0, 1, 125, 126, 127, 4_096, 16_383, 16_384, 16_385, 65_535, 65_536, 102_400,
    ];
    for (opcode, size) in sizes
        .map(|size| [(Opcode::Text, size), (Opcode::Binary, size)])
        .concat()
    {
        let message: Vec<u8> = (0..size).map(|n| b'a' + (n % 26) as u8).collect();
        let sent = table.send_msg(ws, &message, opcode, true, 20_000);
        assert_eq!(sent.unwrap(), size);
        let mut back: Vec<u8> = Vec::new();
        let mut piece = [0; 3_000];
        loop {
            let received = table.recv_msg(ws, &mut piece, 20_000).unwrap();
            assert_eq!(received.opcode(), opcode);
            back.extend(&piece[..received.length]);
            if received.is_complete() {
                break;
            }
        }
        assert!(back == message, "{opcode:?} {size}");
    }
    let end = table.disconnect(ws, 5_000).unwrap();
    assert!(end.clean);
    let echo = server.join().unwrap();
    assert_eq!(echo.peer.failed, None);
    assert_eq!(echo.found.len(), 2 * sizes.len() + 1);
}

#[test]
fn frames_and_records_need_not_fit() {
    let ping = frame(true, 9, false, b"ping");
    let one = frame(true, 1, false, b"one");
    let two = frame(true, 1, false, &[b'2'; 300]);
    for lent in LENT {
        // A frame and a half behind the 101, in its record.
        let behind = [one.clone(), two[..100].to_vec()].concat();
        open(&behind, lent, |open| {
            assert_eq!(open.message(), b"one");
            open.say(&[&two[100..101], &two[101..]]);
            assert_eq!(open.message(), [b'2'; 300]);
            // Two frames in one record, three records to a frame, fragments with a Ping between,
            // a record with nothing in it.
            open.say(&[
                &[one.clone(), one.clone()].concat(),
                &two[..1],
                &two[1..3],
                b"",
                &two[3..],
            ]);
            assert_eq!(open.message(), b"one");
            assert_eq!(open.message(), b"one");
            assert_eq!(open.message(), [b'2'; 300]);
            let fragments = [
                frame(false, 2, false, b"frag"),
                ping.clone(),
                frame(false, 0, false, b""),
                frame(true, 0, false, b"ments"),
            ];
            open.say(&[&fragments.concat()]);
            assert_eq!(open.message(), b"fragments");
            let echo = open.echo.borrow();
            assert_eq!(echo.peer.failed, None);
            let pongs: Vec<_> = echo
                .found
                .iter()
                .map(|found| (found.opcode, &*found.payload))
                .collect();
            assert_eq!(pongs, [(10, &b"ping"[..])]);
        });
    }
}

/// A receive runs out of time before a record, in its header, in its body, and in the message, and
/// goes on without loss.
#[test]
fn timeouts_anywhere() {
    for lent in LENT {
        open(b"", lent, |open| {
            let mut out = [0; 100];
            for message in [&b"message"[..], &[b'm'; 60]] {
                let whole = open
                    .echo
                    .borrow_mut()
                    .peer
                    .say(&frame(true, 2, false, message));
                for cut in 0..whole.len() {
                    // The record counter goes on, so that each round has a record of its own.
                    let bytes = match cut {
                        0 => whole.clone(),
                        _ => open
                            .echo
                            .borrow_mut()
                            .peer
                            .say(&frame(true, 2, false, message)),
                    };
                    open.script.line(|line| line.feed(&bytes[..cut]));
                    open.nothing();
                    open.script.line(|line| line.feed(&bytes[cut..]));
                    assert_eq!(open.message(), message, "cut at {cut}");
                }
            }
            // In the middle of a message that is two records.
            open.say(&[&frame(true, 2, false, b"first second")[..7]]);
            let received = open.recv(&mut out).unwrap();
            assert_eq!(&out[..received.length], b"first");
            open.nothing();
            open.say(&[b" second"]);
            assert_eq!(open.message(), b" second");
        });
    }
}

/// How a connection ends, and what is said of it.
#[test]
fn ends() {
    let close = frame(true, 8, false, &[0x03, 0xE8]);
    let half = &frame(true, 1, false, b"half")[..3];
    let closed = |received: &Result<_, ReceiveError<Error>>| {
        matches!(received, Err(ReceiveError::Closed(CloseCode::NORMAL)))
    };
    let said = |received: &Result<_, _>, text: &str| match received {
        Err(ReceiveError::Stack(StreamError::Io(error))) => format!("{error:?}") == text,
        _ => false,
    };
    // In order: the WebSocket's Close, then TLS's, then TCP's.
    open(b"", 512, |open| {
        open.say(&[&close]);
        let notify = open.echo.borrow_mut().peer.close_notify();
        open.script.line(|line| {
            line.feed(&notify);
            line.end(Tail::Eof);
        });
        let received = open.recv(&mut [0; 9]);
        assert!(received.unwrap().opcode() == Opcode::Close);
        assert!(closed(&open.recv(&mut [0; 9])));
        assert!(open.table.disconnect(open.ws, 100).unwrap().clean);
        assert!(open.script.line(|line| line.dropped));
    });
    // TLS ends without a Close; TCP does, between records and in one: all are errors.
    for (what, cut) in [
        ("ConnectionClosed", None),
        ("IoError", Some(0)),
        ("IoError", Some(9)),
    ] {
        open(b"", 512, |open| {
            open.say(&[&frame(true, 1, false, b"whole"), half]);
            let last = match cut {
                None => open.echo.borrow_mut().peer.close_notify(),
                Some(cut) => open.echo.borrow_mut().peer.say(b"lf")[..cut].to_vec(),
            };
            open.script.line(|line| {
                line.feed(&last);
                line.end(Tail::Eof);
            });
            assert_eq!(open.message(), b"whole");
            // A byte of the message came before the end.
            assert_eq!(open.recv(&mut [0; 9]).unwrap().length, 1);
            let received = open.recv(&mut [0; 9]);
            assert!(said(&received, what), "{received:?}");
            assert!(matches!(open.recv(&mut [0; 9]), Err(ReceiveError::Lost)));
            assert!(!open.table.disconnect(open.ws, 100).unwrap().clean);
        });
    }
    // TCP is reset.
    open(b"", 512, |open| {
        open.script.line(|line| line.end(Tail::Reset));
        assert!(matches!(open.recv(&mut [0; 9]), Err(ReceiveError::Lost)));
    });
}

/// A server that goes on with other keys is not understood. If this fails, docs/tls.md has news to
/// tell.
#[test]
fn a_key_update_is_the_end() {
    open(b"", 512, |open| {
        let update = open.echo.borrow_mut().peer.update_keys();
        open.script.line(|line| line.feed(&update));
        let received = open.recv(&mut [0; 9]);
        let end = ReceiveError::Stack(StreamError::Io(TlsError::Unimplemented));
        assert_eq!(format!("{:?}", received.unwrap_err()), format!("{end:?}"));
    });
}

/// What TCP does not take is the end: nothing goes out behind half a record.
#[test]
fn a_write_that_fails_is_the_last() {
    open(b"", 512, |open| {
        open.script.line(|line| line.window = 40);
        let sent = open
            .table
            .send_msg(open.ws, &[0; 100], Opcode::Binary, true, 10);
        assert!(matches!(sent, Err(SendError::Stack(_))), "{sent:?}");
        open.script.line(|line| line.window = usize::MAX);
        let sent = open
            .table
            .send_msg(open.ws, &[0; 100], Opcode::Binary, true, 10);
        assert!(sent.is_err(), "{sent:?}");
        assert!(open.recv(&mut [0; 9]).is_err());
        assert!(!open.table.disconnect(open.ws, 10).unwrap().clean);
        let echo = open.echo.borrow();
        assert_eq!(echo.peer.failed, None);
        assert_eq!(echo.found, []);
    });
}
