//! `asynch::WebSocket` over embedded-tls' async connection.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use async_io::block_on;
use embedded_io_async::{ErrorKind, Read, Write};
use embedded_tls::{Aes128GcmSha256, TlsConfig, TlsContext, TlsError, UnsecureProvider};
use rand_core::OsRng;
use tls::authority::{Authority, HOST};
use tls::client::{AsyncMemory, AsyncStream, Place, secure_async};
use tls::drops::{count, everywhere};
use tls::frames::frame;
use tls::hand::{Dropper, Hand, HandClock, run, settle};
use tls::peer::Echo;
use tls::tcp::{AsyncTcp, System, serve};
use tls::wire::{Reset, Script, Tail};
use tls::wires::{self, Lazy};
use ws_socket::asynch::{AsyncRequest, TlsBelow, TlsStreamError, WebSocket};
use ws_socket::stack::{RecordsError, TlsRecords};
use ws_socket::{Buffer, CloseCode, Config, Keepalive, Opcode, ReceiveError, Timeout};

type Error = ReceiveError<TlsStreamError<TlsError, Reset>>;

const FOREVER: Timeout = Timeout::Forever;

/// The open connection of a test in memory.
struct Open<'m> {
    script: Script,
    echo: Rc<RefCell<Echo>>,
    clock: HandClock,
    ws: WebSocket<'m, AsyncStream<'m, 'm, Lazy>, Hand>,
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
    fn message(&mut self, dropper: &mut Dropper) -> Result<(Opcode, Vec<u8>), Error> {
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
    let mut memory = AsyncMemory::<RECORD>::new();
    let mut buffer = vec![0; lent];
    let hand = Hand::new();
    let clock = hand.clock;
    let mut place = Place::new();
    let tcp = Lazy::new(script.wire());
    let ws = run(async {
        let tls = secure_async(
            tcp,
            &mut memory,
            &mut place,
            HOST,
            authority.der(),
            5_000,
            Hand::new().clock,
        )
        .await;
        let request = AsyncRequest::new(HOST, "/");
        let buffer = Buffer::new(&mut buffer).unwrap();
        WebSocket::connect(tls.unwrap(), &request, buffer, hand, config, 10).await
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
    let mut memory: AsyncMemory = AsyncMemory::new();
    let mut buffer = [0; 2048];
    let sizes = [
        0, 1, 125, 126, 127, 4_096, 16_383, 16_384, 16_385, 65_535, 65_536, 102_400,
    ];
    block_on(async {
        let tcp = AsyncTcp::connect(address).await;
        let mut place = Place::new();
        let tls = secure_async(
            tcp,
            &mut memory,
            &mut place,
            HOST,
            authority.der(),
            5_000,
            System::new(),
        )
        .await
        .unwrap();
        let request = AsyncRequest::new(HOST, "/");
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
    for lent in [Buffer::MIN, 300] {
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
        let verify = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
        let config = TlsConfig::new().with_server_name(HOST);
        let mut tls = embedded_tls::TlsConnection::new(script.wire(), &mut read, &mut write);
        run(tls.open(TlsContext::new(&config, verify))).unwrap();
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
            let verify = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
            let config = TlsConfig::new().with_server_name(HOST);
            let records = TlsRecords::new(script.wire(), &mut kept[..buffer]);
            let mut tls = embedded_tls::TlsConnection::new(records, &mut read, &mut write);
            run(tls.open(TlsContext::new(&config, verify))).unwrap();
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

/// What we send while we receive: opcode, FIN, payload. Several records of ours, and parts of one.
fn replies() -> Vec<(Opcode, bool, Vec<u8>)> {
    vec![
        (Opcode::Text, true, b"reply".to_vec()),
        (Opcode::Binary, false, Vec::new()),
        (Opcode::Continuation, true, vec![b'r'; 2_000]),
        (Opcode::Text, true, Vec::new()),
        (Opcode::Binary, true, vec![b's'; 1_024 - 128]),
    ]
}

/// Every send and every receive is dropped at every await, with TCP that takes little at once: what
/// the server hears is whole, in order, and once.
#[test]
fn a_dropped_send_goes_on() {
    for lent in [Buffer::MIN, 300] {
        open::<LONG>(Config::DEFAULT, lent, |open| {
            for (take, pends) in [(1_000, 1), (100, 1), (40, 1), (7, 0), (usize::MAX, 2)] {
                everywhere(|dropper| {
                    let (echo, script) = (&open.echo, &open.script);
                    let ws = &mut open.ws;
                    script.line(|line| (line.take, line.pends, line.calls) = (take, pends, 0));
                    let ping = echo.borrow_mut().peer.say(&frame(true, 9, false, b"ping"));
                    script.line(|line| line.feed(&ping));
                    for (opcode, fin, payload) in replies() {
                        let mut taken = 0;
                        loop {
                            let rest = &payload[taken..];
                            let send = ws.send_msg(rest, opcode, fin, FOREVER);
                            if let Some(sent) = dropper.run(send) {
                                taken += sent.unwrap();
                                break;
                            }
                            taken = payload.len() - ws.open_frame().unwrap_or(payload.len());
                        }
                        assert_eq!(taken, payload.len());
                    }
                    let text = echo.borrow_mut().peer.say(&frame(true, 1, false, b"text"));
                    script.line(|line| line.feed(&text));
                    let (opcode, message) = open.message(dropper).unwrap();
                    assert_eq!((opcode, &*message), (Opcode::Text, &b"text"[..]));
                    let mut echo = open.echo.borrow_mut();
                    assert_eq!(echo.peer.failed, None);
                    let mut found = std::mem::take(&mut echo.found);
                    let pong = found.iter().position(|found| found.opcode == 10).unwrap();
                    assert_eq!(found.remove(pong).payload, b"ping");
                    let found: Vec<_> = found
                        .into_iter()
                        .map(|found| (found.opcode, found.fin, found.payload))
                        .collect();
                    let replies: Vec<_> = replies()
                        .into_iter()
                        .map(|(opcode, fin, payload)| (opcode as u8, fin, payload))
                        .collect();
                    assert!(found == replies, "taking {take}");
                });
            }
        });
    }
    count("sends over TLS");
}

/// Without `TlsStream` above it a write that is dropped before all of it is out is the last: nothing
/// follows half a record, and the server sees none.
#[test]
fn a_dropped_write_below_tls_is_the_end() {
    let authority = Authority::new();
    for window in [0, 1, 40, 200] {
        let echo = Echo::shared(authority.server());
        let script = Script::new();
        wires::connect(&script, &echo);
        let (mut kept, mut read, mut write) = ([0; 400], [0; LONG], [0; 1_024]);
        let verify = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
        let config = TlsConfig::new().with_server_name(HOST);
        let records = TlsRecords::new(script.wire(), &mut kept);
        let mut tls = embedded_tls::TlsConnection::new(records, &mut read, &mut write);
        run(tls.open(TlsContext::new(&config, verify))).unwrap();
        script.line(|line| line.window = window);
        assert_eq!(run(tls.write(&[b'w'; 300])).unwrap(), 300);
        assert!(settle(pin!(tls.flush())).is_none());
        script.line(|line| line.open(usize::MAX));
        let before = script.line(|line| line.calls);
        run(tls.write(b"more")).unwrap();
        let flushed = run(tls.flush());
        let torn = matches!(flushed, Err(TlsError::Io(ErrorKind::ConnectionAborted)));
        assert!(torn, "{flushed:?}");
        assert!(run(tls.read(&mut [0; 9])).is_err());
        assert_eq!(script.line(|line| line.calls), before);
        assert_eq!(
            (&echo.borrow().peer.failed, echo.borrow().heard),
            (&None, 0)
        );
    }
}

/// Two calls at once, as a split TLS connection would make them, do not mix.
#[test]
fn tls_is_not_split() {
    let script = Script::new();
    let (mut input, mut out) = ([0; 10], [0; 10]);
    let below = TlsBelow::new(script.wire(), &mut input, &mut out);
    let (mut one, mut two) = (&below, &below);
    let mut buffer = [0; 9];
    let mut read = pin!(one.read(&mut buffer));
    assert!(settle(read.as_mut()).is_none());
    assert_eq!(run(two.write(b"write")), Err(RecordsError::Busy));
    assert_eq!(script.line(|line| line.out.len()), 0);
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
                Err(ReceiveError::Stack(TlsStreamError::Tls(error))) => {
                    assert_eq!(format!("{error:?}"), what);
                }
                received => panic!("{received:?}"),
            }
            assert!(!run(open.ws.disconnect(100)).unwrap().clean);
        });
    }
    // Altered on the way; and TCP is reset.
    for (what, altered) in [("CryptoError", true), ("Io(ConnectionReset)", false)] {
        open::<LONG>(Config::DEFAULT, 300, |open| {
            let mut bytes = open.echo.borrow_mut().peer.say(b"x");
            if altered {
                bytes[5] ^= 1;
                open.script.line(|line| line.feed(&bytes));
            }
            open.script.line(|line| line.end(Tail::Reset));
            match run(open.ws.recv_msg(&mut [0; 9], FOREVER)) {
                Err(ReceiveError::Stack(TlsStreamError::Tls(error))) => {
                    assert_eq!(format!("{error:?}"), what);
                }
                received => panic!("{received:?}"),
            }
        });
    }
}
