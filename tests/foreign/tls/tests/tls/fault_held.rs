//! A server holds no call past its time: neither by bytes that come slowly nor by records that never
//! end, while TLS opens and after. Time is in the test's hand.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use embedded_io::{ErrorType, Read, Write};
use tls::authority::{Authority, HOST};
use tls::client::{AsyncMemory, Place, Tls, secure, secure_async};
use tls::frames::frame;
use tls::hand::{Hand, HandClock, poll};
use tls::peer::Echo;
use tls::rogue::{Rogue, Server};
use tls::wire::{Script, Tail};
use tls::wires::{self, Blocking, Failure};
use tls::wss::hello_async;
use ws_socket::asynch::{Clock, WebSocket};
use ws_socket::stack::BlockingStreams;
use ws_socket::url::Url;
use ws_socket::{
    CloseCode, Config, ConnectError, ReceiveError, WebSocketRequest, WebSockets, asynch,
};
use ws_tls::Memory;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

/// A wire whose reads take time.
struct Paced {
    wire: Blocking,
    clock: HandClock,
    ms: Rc<RefCell<u32>>,
}

impl ErrorType for Paced {
    type Error = Failure;
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.clock.advance(*self.ms.borrow());
        self.wire.read(buffer)
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        self.wire.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a server goes on with for ever, after its ServerHello or in its place.
const FLOODS: [(&str, &[u8], bool); 7] = [
    ("nothing", &[], true),
    ("ChangeCipherSpec", &[20, 3, 3, 0, 1, 1], true),
    ("an empty ChangeCipherSpec", &[20, 3, 3, 0, 0], true),
    ("a record that never ends", &[23, 3, 3, 0x40, 0], false),
    ("ChangeCipherSpec at once", &[20, 3, 3, 0, 1, 1], false),
    ("nothing at once", &[], false),
    ("zeros", &[0], true),
];

/// A server that says hello, where it is to, and then only that.
fn flooding(bytes: &'static [u8], hello: bool) -> Script {
    let script = Script::new();
    script.answer(move |line| {
        if line.tail == Tail::Silence && line.incoming.is_empty() {
            let sent = line.sent();
            if hello {
                line.feed(&Rogue::new(&sent).hello);
            }
            if !bytes.is_empty() {
                line.end(Tail::Flood(bytes));
            }
        }
    });
    script
}

/// Opening has one deadline; a peer who breaks the protocol may end it before.
#[test]
fn opening_ends_in_time_blocking() {
    for (what, bytes, hello) in FLOODS {
        for cut in [1, usize::MAX] {
            let authority = Authority::new();
            let script = flooding(bytes, hello);
            script.line(|line| line.cut = cut);
            let mut memory: Memory = Memory::new();
            let tcp = Blocking(script.wire());
            let before = wires::now();
            let tls = secure(tcp, &mut memory, HOST, authority.der(), 2_000, wires::now);
            let took = wires::now() - before;
            let outcome = tls.map(|_| ());
            assert!(took <= 2_010, "{what} {cut}: {took}");
            assert!(outcome.is_err(), "{what} {cut}");
            if took >= 2_000 {
                let late = matches!(outcome, Err(ws_tls::Error::TimedOut));
                assert!(late, "{what} {cut}: {outcome:?}");
            }
        }
    }
}

/// Silence and ChangeCipherSpec break nothing: they take all of the time, and no more.
#[test]
fn opening_ends_in_time_asynch() {
    for (what, bytes, hello) in FLOODS {
        for cut in [1, usize::MAX] {
            let authority = Authority::new();
            let script = flooding(bytes, hello);
            script.line(|line| line.cut = cut);
            let mut memory: AsyncMemory = AsyncMemory::new();
            let mut place = Place::new();
            let tcp = script.wire();
            let clock = HandClock::default();
            let opening = secure_async(
                tcp,
                &mut memory,
                &mut place,
                HOST,
                authority.der(),
                2_000,
                clock,
            );
            let mut opening = pin!(opening);
            let outcome = loop {
                if let Some(outcome) = poll(opening.as_mut()).0 {
                    break outcome.map(|_| ());
                }
                assert!(clock.now_ms() < 2_000, "{what} {cut}");
                clock.advance(100);
            };
            assert!(outcome.is_err(), "{what} {cut}");
            if clock.now_ms() == 2_000 {
                let late = matches!(outcome, Err(ws_tls::Error::TimedOut));
                assert!(late, "{what} {cut}: {outcome:?}");
            }
        }
    }
}

/// What brings no data once TLS is open: tickets, data that is empty. No message at all is refused.
const EMPTY: [&[u8]; 3] = [
    &[4, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 1, 7, 0, 0, 22],
    &[23],
    &[23, 0, 0, 0, 0],
];

/// A server with a certificate, that says only this once it is open, a thousand times.
fn nothing_but(inner: &'static [u8]) -> (Vec<u8>, Script) {
    let server = Server::new();
    let authority = server.authority.der().to_vec();
    let script = Script::new();
    let mut hello = true;
    script.answer(move |line| {
        if !std::mem::replace(&mut hello, false) {
            return;
        }
        let mut rogue = Rogue::new(&line.sent());
        let messages = ['E', 'C', 'V', 'F'].map(|one| server.says(&mut rogue, one));
        let flight = rogue.handshake(&messages.concat());
        line.feed(&[rogue.hello.clone(), flight].concat());
        rogue.open();
        for _ in 0..1_000 {
            line.feed(&rogue.seal(inner));
        }
    });
    (authority, script)
}

type Table<'m> = WebSockets<'m, BlockingStreams<Tls<'m, Paced>>, Hand, 1>;

fn paced<'m>(
    script: &Script,
    authority: &[u8],
    memory: &'m mut Memory,
    hand: &Hand,
    ms: &Rc<RefCell<u32>>,
) -> Tls<'m, Paced> {
    let tcp = Paced {
        wire: Blocking(script.wire()),
        clock: hand.clock,
        ms: ms.clone(),
    };
    secure(tcp, memory, HOST, authority, 100_000, wires::now).unwrap()
}

/// Records without data, without end: the handshake of the WebSocket keeps its timeout.
#[test]
fn records_without_data_do_not_hold_a_connect() {
    for inner in EMPTY {
        for (ms, cut) in [(1, usize::MAX), (20, usize::MAX), (20, 1), (1, 7)] {
            let (authority, script) = nothing_but(inner);
            script.line(|line| line.cut = cut);
            let mut memory: Memory = Memory::new();
            let hand = Hand::new();
            let ms = Rc::new(RefCell::new(ms));
            let tls = paced(&script, &authority, &mut memory, &hand, &ms);
            let mut buffer = [0; 512];
            let mut table = Table::new(BlockingStreams::new(), hand.clone());
            let request = WebSocketRequest::new(HOST, "/").buffer(&mut buffer);
            let before = hand.clock.now_ms();
            let connected = table.connect(tls, request, 500);
            let took = hand.clock.now_ms() - before;
            let late = matches!(connected, Err(ConnectError::Timeout));
            assert!(late, "{connected:?}");
            // Two times two records, of two reads each, are a step; three may be under way at the end.
            let most = 500 + 3 * 8 * *ms.borrow();
            assert!((500..=most).contains(&took), "{took} ms, {inner:?}");
        }
    }
}

/// A record that comes a byte each 20 ms: a receive of 500 ms ends then, and nothing is lost.
#[test]
fn a_slow_record_does_not_hold_a_receive() {
    for cut in [1, 3, 100] {
        let authority = Authority::new();
        let echo = Echo::shared(authority.server());
        let script = Script::new();
        wires::connect(&script, &echo);
        let mut memory: Memory = Memory::new();
        let hand = Hand::new();
        let ms = Rc::new(RefCell::new(0));
        let tls = paced(&script, authority.der(), &mut memory, &hand, &ms);
        let mut buffer = [0; 512];
        let mut table = Table::new(BlockingStreams::new(), hand.clone());
        let request = WebSocketRequest::new(HOST, "/").buffer(&mut buffer);
        let ws = table.connect(tls, request, 500).unwrap();
        *ms.borrow_mut() = 20;
        let text = [b'x'; 2_000];
        let said = echo.borrow_mut().peer.say(&frame(true, 1, false, &text));
        script.line(|line| {
            line.cut = cut;
            line.feed(&said);
        });
        let mut came = 0;
        let mut late = 0;
        while came < text.len() {
            let before = hand.clock.now_ms();
            let received = table.recv_msg(ws, &mut [0; 3_000], 500);
            let took = hand.clock.now_ms() - before;
            assert!(took <= 500 + 80, "{took} ms, {cut}");
            match received {
                Ok(received) => came += received.length,
                Err(ReceiveError::Timeout) => late += 1,
                Err(error) => panic!("{error:?}"),
            }
            assert!(late < 1_000, "nothing comes");
        }
        assert_eq!((came, late > 0), (text.len(), cut < 100));
    }
}

/// Async: the same lets the timeout be seen, of a WebSocket's handshake and of MQTT's.
#[test]
fn records_without_data_hold_no_task() {
    for (inner, mqtt) in EMPTY
        .into_iter()
        .flat_map(|one| [(one, false), (one, true)])
    {
        let (authority, script) = nothing_but(inner);
        let mut memory: AsyncMemory = AsyncMemory::new();
        let mut place = Place::new();
        let tcp = script.wire();
        let hand = Hand::new();
        let clock = hand.clock;
        let mut buffer = [0; 512];
        let (mut receive, mut gather) = ([0; 300], [0; 128]);
        let mut work = pin!(async {
            let tls = secure_async(tcp, &mut memory, &mut place, HOST, &authority, 500, clock);
            let tls = tls.await.unwrap();
            if mqtt {
                let buffers = Buffers::new(&mut receive, &mut gather);
                let request = MqttRequest::new(HOST);
                let stream = MqttStream::connect(tls, &request, buffers, hand, 500).await;
                stream.map(|_| ()).map_err(|error| format!("{error:?}"))
            } else {
                let request = asynch::AsyncRequest::new(HOST, "/");
                let config = Config::DEFAULT;
                let ws = WebSocket::connect(tls, &request, &mut buffer, hand, config, 500).await;
                ws.map(|_| ()).map_err(|error| format!("{error:?}"))
            }
        });
        let mut polls = 0;
        let outcome = loop {
            if let Some(outcome) = poll(work.as_mut()).0 {
                break outcome;
            }
            polls += 1;
            clock.advance(20);
            assert!(clock.now_ms() <= 1_000, "no timeout was seen");
        };
        assert!(polls >= 25, "{polls}");
        let error = outcome.unwrap_err();
        assert!(error.contains("Timeout"), "{error}");
    }
}

/// Async: a server that takes nothing more after its Close does not hold the example's end.
#[test]
fn a_shut_window_does_not_hold_the_end() {
    let authority = Authority::new();
    let echo = Echo::shared(authority.server());
    let script = Script::new();
    let server = echo.clone();
    script.answer(move |line| {
        let heard = line.sent();
        let answer = server.borrow_mut().take(&heard);
        line.feed(&answer);
        if server.borrow().found.iter().any(|found| found.opcode == 8) {
            line.window = 0;
        }
    });
    let mut memory: AsyncMemory = AsyncMemory::new();
    let mut place = Place::new();
    let tcp = script.wire();
    let hand = Hand::new();
    let clock = hand.clock;
    let url = Url::parse("wss://server.example/echo").unwrap();
    let mut work = pin!(async {
        let tls = secure_async(
            tcp,
            &mut memory,
            &mut place,
            HOST,
            authority.der(),
            500,
            clock,
        )
        .await;
        hello_async(tls.unwrap(), &url, hand).await
    });
    let end = loop {
        if let Some(end) = poll(work.as_mut()).0 {
            break end;
        }
        clock.advance(100);
        assert!(clock.now_ms() <= 5_000, "held");
    };
    assert_eq!(end, Ok(CloseCode::NORMAL));
    assert!(!echo.borrow().peer.client_closed);
}
