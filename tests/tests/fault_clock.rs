//! A clock that steps back, by a millisecond or by hours: no wait ends at once, none lasts longer
//! than the step costs it.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use ws_socket::{
    AcceptError, AcceptOptions, Config, ConnectError, Keepalive, Opcode, Platform, ReceiveError,
    Role, SendError, SocketError, Timeout, WebSocketRequest, WebSockets,
};
use ws_tests::halves::open;
use ws_tests::hand::{Hand, settle};
use ws_tests::script::ScriptStack;
use ws_tests::table::{lent, upgrade};
use ws_tests::wire::{Line, Script};

/// A clock that steps back once, when a call has waited for so long.
#[derive(Clone)]
struct Stepping {
    now: Rc<Cell<u32>>,
    /// How long was really waited.
    waited: Rc<Cell<u32>>,
    step: Rc<Cell<Option<(u32, u32)>>>,
    /// The longest wait that was asked for.
    longest: Rc<Cell<u32>>,
}

impl Stepping {
    fn new(origin: u32) -> Self {
        Self {
            now: Rc::new(Cell::new(origin)),
            waited: Rc::default(),
            step: Rc::default(),
            longest: Rc::default(),
        }
    }

    /// Steps back by `back` once `after` more milliseconds were waited.
    fn step(&self, after: u32, back: u32) {
        self.waited.set(0);
        self.longest.set(0);
        self.step.set(Some((after, back)));
    }
}

impl Platform<ScriptStack> for Stepping {
    fn now_ms(&mut self) -> u32 {
        self.now.get()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(7);
        Ok(())
    }

    fn wait(&mut self, stack: &mut ScriptStack, at_most_ms: u32) {
        use ws_tests::platform::Polled;
        if at_most_ms != u32::MAX {
            self.longest.set(self.longest.get().max(at_most_ms));
        }
        if at_most_ms > 0 {
            self.waited.set(self.waited.get() + 1);
            assert!(self.waited.get() < 100_000, "it waits without end");
            self.now.set(self.now.get().wrapping_add(1));
        }
        if let Some((after, back)) = self.step.get()
            && self.waited.get() >= after
        {
            self.step.set(None);
            self.now.set(self.now.get().wrapping_sub(back));
        }
        stack.poll_at(0);
    }
}

const BACK: [u32; 5] = [1, 2, 90, 3_600_000, u32::MAX / 2 - 10_000];
const ORIGINS: [u32; 4] = [10_000, 0, u32::MAX - 50, 1 << 31];

/// Each origin, step, and when it comes.
fn steps(mut test: impl FnMut(Stepping, u32, u32)) {
    for origin in ORIGINS {
        for back in BACK {
            for after in [0, 1, 50, 99] {
                test(Stepping::new(origin), after, back);
            }
        }
    }
}

#[test]
fn a_blocking_wait_lasts_what_it_should() {
    steps(|clock, after, back| {
        let stack = ScriptStack::new();
        let mut table = WebSockets::<_, _, 2>::new(stack.clone(), clock.clone())
            .with_buffers([lent(256), lent(256)]);
        let what = format!("{back} ms back after {after} ms");
        let check = |what: &str| {
            // The millisecond in which it steps is lost.
            let waited = clock.waited.get();
            assert!((100..=101).contains(&waited), "{what}: {waited}");
            assert!(clock.longest.get() <= 100, "{what}");
        };

        clock.step(after, back);
        let socket = stack.connected();
        let request = WebSocketRequest::new("host", "/");
        let connected = table.connect(socket, request, 100);
        assert_eq!(connected, Err(ConnectError::Timeout));
        check(&what);

        let mut listener = stack.connected();
        clock.step(after, back);
        let accepted = table.accept(&mut listener, &AcceptOptions::default(), 100);
        assert_eq!(accepted, Err(AcceptError::Timeout));
        check(&what);

        let socket = stack.connected();
        stack.answer(|line| upgrade(line, b""));
        let request = WebSocketRequest::new("host", "/");
        let ws = table.connect(socket, request, 100).unwrap();
        clock.step(after, back);
        let received = table.recv_msg(ws, &mut [0; 9], 100);
        assert_eq!(received, Err(ReceiveError::Timeout));
        check(&what);

        clock.step(after, back);
        assert_eq!(table.poll(&mut [], 100), 0);
        check(&what);

        stack.line(socket, |line| line.window = 0);
        clock.step(after, back);
        let sent = table.send_msg(ws, b"hello", Opcode::Text, true, 100);
        assert_eq!(sent, Err(SendError::Timeout));
        check(&what);

        stack.line(socket, |line| line.window = 99);
        clock.step(after, back);
        assert!(!table.disconnect(ws, 100).unwrap().clean);
        check(&what);
    });
}

/// A handshake on either side, whose time runs in its slot, begins its time anew at the most.
#[test]
fn a_slot_s_own_time_is_not_over_at_once() {
    let config = Config {
        handshake_timeout: 100,
        ..Config::DEFAULT
    };
    steps(|clock, after, back| {
        let stack = ScriptStack::new();
        let mut table = WebSockets::<_, _, 1>::new(stack.clone(), clock.clone())
            .with_config(config)
            .with_buffers([lent(256)]);
        let mut listener = stack.connected();
        let peer = stack.arrive();
        clock.step(after, back);
        let mut wait = |table: &mut WebSockets<'_, _, _, 1>| {
            let accepted = table.accept(&mut listener, &AcceptOptions::default(), 1);
            assert_eq!(accepted, Err(AcceptError::Timeout));
        };
        while stack.is_open(peer) {
            wait(&mut table);
            assert!(clock.waited.get() <= 220, "{back}");
        }
        assert!(clock.waited.get() >= 98, "{back}: {}", clock.waited.get());

        let mut socket = TcpClientStack::socket(&mut table).unwrap();
        let remote = "127.0.0.1:80".parse().unwrap();
        clock.step(after, back);
        let failed = loop {
            let connected = TcpClientStack::connect(&mut table, &mut socket, remote);
            let Err(nb::Error::WouldBlock) = connected else {
                break connected;
            };
            let mut platform = clock.clone();
            platform.wait(&mut stack.clone(), 1);
            assert!(clock.waited.get() <= 220, "{back}");
        };
        let late = Err(nb::Error::Other(SocketError::Connect(
            ConnectError::Timeout,
        )));
        assert_eq!(failed, late);
        assert!(clock.waited.get() >= 98, "{back}: {}", clock.waited.get());
    });
}

#[test]
fn keepalive_asks_and_gives_up_in_time() {
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 1000,
            timeout: 100,
        }),
        ..Config::DEFAULT
    };
    for back in BACK {
        let (script, hand) = (Script::new(), Hand::new());
        let mut ws = open(&script, Role::Client, lent(256), &hand, config);
        hand.clock.advance(500);
        hand.clock.step_back(back);
        let mut piece = [0; 9];
        for _ in 0..5 {
            let mut call = pin!(ws.recv_msg(&mut piece, Timeout::NoWait));
            assert_eq!(
                settle(call.as_mut()),
                Some(Err(ReceiveError::Timeout)),
                "{back}"
            );
        }
        assert_eq!(script.line(Line::sent), []);
        let mut call = pin!(ws.recv_msg(&mut piece, Timeout::Forever));
        let mut waited = 0;
        let given_up = loop {
            if let Some(end) = settle(call.as_mut()) {
                break end;
            }
            hand.clock.advance(10);
            waited += 10;
            assert!(waited <= 1110, "{back}");
        };
        assert_eq!(given_up, Err(ReceiveError::NoPong));
        assert!(waited >= 600, "{back}: {waited}");
    }
}

/// smoltcp's own timers: a lookup or a retransmission neither ends nor hangs.
#[test]
fn smoltcp_goes_on() {
    use smoltcp::iface::{Config, Interface, SocketSet};
    use smoltcp::phy::{Loopback, Medium};
    use smoltcp::time::{Duration, Instant};
    use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
    use ws_socket::stack::{SmoltcpStack, add_tcp_sockets};

    let stack = |_: ()| {
        let mut device = Loopback::new(Medium::Ip);
        let mut iface =
            Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        iface.update_ip_addrs(|all| {
            all.push(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24))
                .unwrap()
        });
        let mut sockets = SocketSet::new(Vec::new());
        let (rx, tx) = (
            Box::leak(Box::new([[0; 64]])),
            Box::leak(Box::new([[0; 64]])),
        );
        let pool = add_tcp_sockets(&mut sockets, rx, tx);
        SmoltcpStack::new(iface, device, sockets, pool, 7).unwrap()
    };
    for back in BACK {
        // A SYN that nobody answers is sent again after a second at most, whatever the clock did.
        let mut by_ms = stack(());
        let mut by_instant = stack(());
        let mut now = 5_000;
        let mut socket = by_ms.socket().unwrap();
        let mut other = by_instant.socket().unwrap();
        let nobody = "10.0.0.9:80".parse().unwrap();
        by_ms.poll_ms(now);
        by_instant.poll(Instant::from_millis(i64::from(now)));
        let _ = by_ms.connect(&mut socket, nobody);
        let _ = by_instant.connect(&mut other, nobody);
        by_ms.poll_ms(now);
        by_instant.poll(Instant::from_millis(i64::from(now)));
        let mut instant = i64::from(now) - i64::from(back);
        now = now.wrapping_sub(back);
        for _ in 0..2 {
            assert!(by_ms.poll_delay_ms(now).unwrap() <= 1_000, "{back}");
            let delay = by_instant
                .poll_delay(Instant::from_millis(instant))
                .unwrap();
            assert!(delay <= Duration::from_secs(1), "{back}: {delay}");
            by_ms.poll_ms(now);
            by_instant.poll(Instant::from_millis(instant));
        }
        now = now.wrapping_add(1_000);
        instant += 1_000;
        assert_eq!(by_ms.poll_delay_ms(now), Some(0), "{back}");
        assert_eq!(
            by_instant.poll_delay(Instant::from_millis(instant)),
            Some(Duration::ZERO)
        );
    }
}
