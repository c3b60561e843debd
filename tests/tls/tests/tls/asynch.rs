//! `asynch::WebSocket` over embedded-tls' async connection.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use async_io::block_on;
use embedded_io_async::ErrorKind;
use embedded_tls::{NoClock, TlsConfig, TlsContext, TlsError};
use rand_core::OsRng;
use tls::authority::{Authority, HOST};
use tls::drops::{count, everywhere};
use tls::frames::frame;
use tls::hand::{Dropper, Hand, HandClock, run, settle};
use tls::peer::Echo;
use tls::tcp::{AsyncTcp, System, serve};
use tls::wire::{Script, Tail};
use tls::wires::{self, Lazy};
use tls::wss::{AsyncTls, Memory, Verify, secure_async};
use ws_socket::asynch::{WebSocket, WebSocketRequest};
use ws_socket::stack::TlsRecords;
use ws_socket::{CloseCode, Config, Keepalive, Opcode, ReceiveError, SendError, Timeout};

const FOREVER: Timeout = Timeout::Forever;

/// The open connection of a test in memory.
struct Open<'m> {
    script: Script,
    echo: Rc<RefCell<Echo>>,
    clock: HandClock,
    ws: WebSocket<'m, AsyncTls<'m, Lazy>, Hand>,
}

impl Open<'_> {
    /// What a server says comes, in this many records.
    fn say(&self, records: &[&[u8]]) {
        for record in records {
            let bytes = self.echo.borrow_mut().peer.say(record);
            self.script.line(|line| line.feed(&bytes));
        }
    }

    /// Receives a message; what is dropped is called again.
    fn message(
        &mut self,
        dropper: &mut Dropper,
    ) -> Result<(Opcode, Vec<u8>), ReceiveError<TlsError>> {
        let mut message = Vec::new();
        let mut opcode = None;
        loop {
            let mut out = [0; 50];
            let received = dropper.insist(async || self.ws.recv_msg(&mut out, FOREVER).await)?;
            // One that there is no room to keep.
            if received.opcode() == Opcode::Ping {
                continue;
            }
            message.extend(&out[..received.length]);
            let opcode = *opcode.get_or_insert(received.opcode());
            if received.is_complete() {
                return Ok((opcode, message));
            }
        }
    }
}

/// Runs a test on a connection that is open, with a server that says only what it is told to.
fn open<const RECORD: usize>(config: Config, lent: usize, work: impl FnOnce(&mut Open<'_>)) {
    let authority = Authority::new();
    let echo = Echo::shared(authority.server());
    let script = Script::new();
    wires::connect(&script, &echo);
    let mut memory = Memory::<RECORD>::new();
    let mut buffer = vec![0; lent];
    let hand = Hand::new();
    let clock = hand.clock;
    let ws = run(async {
        let verify = Verify::<_, NoClock>::new(authority.der(), OsRng);
        let tls = secure_async(Lazy::new(script.wire()), &mut memory, HOST, verify).await;
        let request = WebSocketRequest::new(HOST, "/");
        WebSocket::connect(tls.unwrap(), &request, &mut buffer, hand, config, 10).await
    });
    echo.borrow_mut().silent = true;
    work(&mut Open {
        script,
        echo,
        clock,
        ws: ws.unwrap(),
    });
}

const LONG: usize = 16_640;

#[test]
fn every_size_both_ways() {
    let authority = Authority::new();
    let (address, server) = serve(Echo::new(authority.server()));
    let mut memory: Memory = Memory::new();
    let mut buffer = [0; 2048];
    let sizes = [
        0, 1, 125, 126, 127, 4_096, 16_383, 16_384, 16_385, 65_535, 65_536, 102_400,
    ];
    block_on(async {
        let verify = Verify::<_, NoClock>::new(authority.der(), OsRng);
        let tcp = AsyncTcp::connect(address).await;
        let tls = secure_async(tcp, &mut memory, HOST, verify).await.unwrap();
        let request = WebSocketRequest::new(HOST, "/");
        let ws = WebSocket::connect(
            tls,
            &request,
            &mut buffer,
            System::new(),
            Config::DEFAULT,
            5_000,
        );
        let mut ws = ws.await.unwrap();
        for (opcode, size) in sizes
            .map(|size| [(Opcode::Text, size), (Opcode::Binary, size)])
            .concat()
        {
            let message: Vec<u8> = (0..size).map(|n| b'a' + (n % 26) as u8).collect();
            let sent = ws.send_msg(&message, opcode, true, FOREVER).await;
            assert_eq!(sent.unwrap(), size);
            let mut back: Vec<u8> = Vec::new();
            let mut piece = [0; 3_000];
            loop {
                let received = ws.recv_msg(&mut piece, 20_000).await.unwrap();
                assert_eq!(received.opcode(), opcode);
                back.extend(&piece[..received.length]);
                if received.is_complete() {
                    break;
                }
            }
            assert!(back == message, "{opcode:?} {size}");
        }
        assert!(ws.disconnect(5_000).await.unwrap().clean);
    });
    let echo = server.join().unwrap();
    assert_eq!(echo.peer.failed, None);
    assert_eq!(echo.found.len(), 2 * sizes.len() + 1);
}

/// What a server says: records with two frames, frames over several records, fragments, Pings, an
/// empty record.
fn conversation() -> Vec<Vec<u8>> {
    let long = frame(true, 2, false, &[b'l'; 200]);
    vec![
        [
            frame(true, 1, false, "Grüße".as_bytes()),
            frame(true, 1, false, b""),
        ]
        .concat(),
        [
            frame(false, 2, false, b"one"),
            long_ping(),
            frame(true, 0, false, b"two"),
        ]
        .concat(),
        long[..1].to_vec(),
        long[1..4].to_vec(),
        Vec::new(),
        [&long[4..], &frame(true, 9, false, b"")].concat(),
        frame(true, 1, false, b"end"),
    ]
}

fn long_ping() -> Vec<u8> {
    frame(true, 9, false, &[b'p'; 125])
}

fn messages() -> Vec<(Opcode, Vec<u8>)> {
    vec![
        (Opcode::Text, "Grüße".into()),
        (Opcode::Text, Vec::new()),
        (Opcode::Binary, b"onetwo".to_vec()),
        (Opcode::Binary, vec![b'l'; 200]),
        (Opcode::Text, b"end".to_vec()),
    ]
}

/// Every receive is dropped at every await, with every cut of the bytes: nothing is lost.
#[test]
fn a_dropped_receive_loses_nothing() {
    for lent in [0, 125, 300] {
        open::<LONG>(Config::DEFAULT, lent, |open| {
            for cut in (1..=16).chain([usize::MAX]) {
                everywhere(|dropper| {
                    open.script.line(|line| (line.cut, line.calls) = (cut, 0));
                    let records = conversation();
                    open.say(&records.iter().map(Vec::as_slice).collect::<Vec<_>>());
                    for message in messages() {
                        let received = open.message(dropper).unwrap();
                        assert_eq!(received, message, "cut at {cut}");
                    }
                    assert_eq!(open.echo.borrow().peer.failed, None);
                });
            }
        });
    }
    count("receives over TLS");
}

/// Why there is `TlsRecords`: embedded-tls' own read loses what it has of a record when it is dropped
/// in it, and nothing when it is dropped in front of it. If this fails, docs/tls.md has news to tell.
#[test]
fn embedded_tls_alone_loses_what_a_dropped_read_has_read() {
    let authority = Authority::new();
    let record = 5 + 12 + 1 + 16;
    for cut in 0..record {
        let echo = Echo::shared(authority.server());
        let script = Script::new();
        wires::connect(&script, &echo);
        let (mut read, mut write) = ([0; LONG], [0; 1_024]);
        let mut verify = Verify::<_, NoClock>::new(authority.der(), OsRng);
        let config = TlsConfig::new().with_server_name(HOST);
        let mut tls = embedded_tls::TlsConnection::new(script.wire(), &mut read, &mut write);
        run(tls.open(TlsContext::new(&config, &mut verify))).unwrap();
        let mut out = [0; 20];
        // The tickets that rustls sends behind its handshake.
        assert!(settle(pin!(tls.read(&mut out))).is_none());

        let bytes = echo.borrow_mut().peer.say(b"twelve bytes");
        assert_eq!(bytes.len(), record);
        script.line(|line| line.feed(&bytes[..cut]));
        assert!(settle(pin!(tls.read(&mut out))).is_none());
        let more = echo.borrow_mut().peer.say(&[b'm'; 300]);
        script.line(|line| {
            line.feed(&bytes[cut..]);
            line.feed(&more);
            line.end(Tail::Eof);
        });
        let again = settle(pin!(tls.read(&mut out))).unwrap();
        match cut {
            0 => assert_eq!(again.unwrap(), 12),
            _ => assert!(again.is_err(), "cut at {cut}: {again:?}"),
        }
    }
}

/// Of a record longer than the buffer only the beginning is kept: a drop behind that is the end, and
/// said to be.
#[test]
fn a_record_longer_than_the_buffer() {
    let authority = Authority::new();
    for buffer in [0, 1, 30, 313] {
        let whole = 5 + 300 + 1 + 16;
        for cut in 0..whole {
            let echo = Echo::shared(authority.server());
            let script = Script::new();
            wires::connect(&script, &echo);
            let (mut kept, mut read, mut write) = ([0; 400], [0; LONG], [0; 1_024]);
            let mut verify = Verify::<_, NoClock>::new(authority.der(), OsRng);
            let config = TlsConfig::new().with_server_name(HOST);
            let records = TlsRecords::new(script.wire(), &mut kept[..buffer]);
            let mut tls = embedded_tls::TlsConnection::new(records, &mut read, &mut write);
            run(tls.open(TlsContext::new(&config, &mut verify))).unwrap();
            let mut out = [0; 400];
            assert!(settle(pin!(tls.read(&mut out))).is_none());

            let bytes = echo.borrow_mut().peer.say(&[b'm'; 300]);
            assert_eq!(bytes.len(), whole);
            script.line(|line| line.feed(&bytes[..cut]));
            assert!(settle(pin!(tls.read(&mut out))).is_none());
            script.line(|line| line.feed(&bytes[cut..]));
            let again = settle(pin!(tls.read(&mut out))).unwrap();
            if cut < 5 + buffer {
                assert_eq!(again.unwrap(), 300);
                assert_eq!(out[..300], [b'm'; 300]);
            } else {
                let torn = matches!(again, Err(TlsError::Io(ErrorKind::ConnectionAborted)));
                assert!(torn, "{buffer}, cut at {cut}: {again:?}");
            }
        }
    }
}

/// A write that is dropped before all of it is out is the last: nothing follows half a record, and
/// the server sees no record that is broken.
#[test]
fn a_dropped_send_is_the_end() {
    for window in [0, 1, 40, 200, 1_023, 1_500] {
        open::<LONG>(Config::DEFAULT, 300, |open| {
            let payload = [b's'; 2_000];
            open.script.line(|line| line.window = window);
            let sent = open.ws.send_msg(&payload, Opcode::Binary, true, FOREVER);
            assert!(settle(pin!(sent)).is_none());
            open.script.line(|line| line.open(usize::MAX));
            let before = open.script.line(|line| line.calls);
            let rest = open.ws.open_frame().unwrap_or(payload.len());
            let again = &payload[payload.len() - rest..];
            let sent = run(open.ws.send_msg(again, Opcode::Binary, true, FOREVER));
            assert!(matches!(sent, Err(SendError::Stack(_))), "{sent:?}");
            assert!(run(open.ws.recv_msg(&mut [0; 9], FOREVER)).is_err());
            assert!(!run(open.ws.disconnect(100)).unwrap().clean);
            assert_eq!(open.script.line(|line| line.calls), before);
            let echo = open.echo.borrow();
            assert_eq!((&echo.peer.failed, &*echo.found), (&None, &[][..]));
        });
    }
}

/// The same for a Pong: a receive that is dropped while its Pong waits for TCP.
#[test]
fn a_receive_dropped_in_its_pong_is_the_end() {
    open::<LONG>(Config::DEFAULT, 300, |open| {
        open.say(&[&long_ping(), &frame(true, 1, false, b"text")]);
        open.script.line(|line| line.window = 10);
        assert!(settle(pin!(open.ws.recv_msg(&mut [0; 9], FOREVER))).is_none());
        open.script.line(|line| line.open(usize::MAX));
        let received = run(open.ws.recv_msg(&mut [0; 9], FOREVER));
        assert!(
            matches!(received, Err(ReceiveError::Stack(_))),
            "{received:?}"
        );
        assert_eq!(open.echo.borrow().peer.failed, None);
    });
}

/// Keepalive: its Ping goes out after the interval, in the middle of a record; an answer keeps the
/// connection, and the record is whole.
#[test]
fn keepalive_in_the_middle_of_a_record() {
    let keepalive = Keepalive {
        interval: 1_000,
        timeout: 500,
    };
    let config = Config {
        keepalive: Some(keepalive),
        ..Config::DEFAULT
    };
    open::<LONG>(config, 300, |open| {
        let text = open
            .echo
            .borrow_mut()
            .peer
            .say(&frame(true, 1, false, b"text"));
        open.script.line(|line| line.feed(&text[..20]));
        let mut out = [0; 9];
        {
            let mut receive = pin!(open.ws.recv_msg(&mut out, FOREVER));
            assert!(settle(receive.as_mut()).is_none());
            open.clock.advance(1_000);
            assert!(settle(receive.as_mut()).is_none());
            assert_eq!(open.echo.borrow().found[0].opcode, 9);
            open.clock.advance(499);
            open.script.line(|line| line.feed(&text[20..]));
            let received = settle(receive.as_mut()).unwrap().unwrap();
            assert_eq!(received.length, 4);
        }
        assert_eq!(&out[..4], b"text");
        // And none is the end.
        let mut receive = pin!(open.ws.recv_msg(&mut out, FOREVER));
        assert!(settle(receive.as_mut()).is_none());
        open.clock.advance(1_000);
        assert!(settle(receive.as_mut()).is_none());
        open.clock.advance(500);
        assert!(matches!(
            settle(receive.as_mut()),
            Some(Err(ReceiveError::NoPong))
        ));
    });
}

#[test]
fn ends() {
    let close = frame(true, 8, false, &[0x03, 0xE8]);
    open::<LONG>(Config::DEFAULT, 300, |open| {
        open.say(&[&close]);
        let notify = open.echo.borrow_mut().peer.close_notify();
        open.script.line(|line| {
            line.feed(&notify);
            line.end(Tail::Eof);
        });
        let received = run(open.ws.recv_msg(&mut [0; 9], FOREVER)).unwrap();
        assert_eq!(received.opcode(), Opcode::Close);
        let received = run(open.ws.recv_msg(&mut [0; 9], FOREVER));
        assert!(matches!(
            received,
            Err(ReceiveError::Closed(CloseCode::NORMAL))
        ));
        assert!(run(open.ws.disconnect(100)).unwrap().clean);
    });
    for (what, cut) in [
        ("ConnectionClosed", None),
        ("IoError", Some(0)),
        ("IoError", Some(9)),
    ] {
        open::<LONG>(Config::DEFAULT, 300, |open| {
            open.say(&[&frame(true, 1, false, b"whole")]);
            let last = match cut {
                None => open.echo.borrow_mut().peer.close_notify(),
                Some(cut) => open.echo.borrow_mut().peer.say(b"half")[..cut].to_vec(),
            };
            open.script.line(|line| {
                line.feed(&last);
                line.end(Tail::Eof);
            });
            let mut dropper = Dropper::each(1);
            assert_eq!(open.message(&mut dropper).unwrap().1, b"whole");
            let received = run(open.ws.recv_msg(&mut [0; 9], FOREVER));
            match received {
                Err(ReceiveError::Stack(error)) => assert_eq!(format!("{error:?}"), what),
                received => panic!("{received:?}"),
            }
            assert!(!run(open.ws.disconnect(100)).unwrap().clean);
        });
    }
}
