//! The whole table over a scripted stack: any calls in any order, a stack and a peer that do
//! anything, a clock moved by hand.
//!
//! Nothing panics; every call ends in its time; what goes out is frames; and when all is closed no
//! slot and no socket is left.

mod calls;
mod peer;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::{Buffer, Config, Recipient, Role, WebSocketId, WebSockets, ZeroRead};
use ws_tests::platform::{Clock, HandPlatform};
use ws_tests::script::{Incoming, ScriptStack};
use ws_tests::site::Site;

use crate::input::Input;
use crate::oracle::assert_frames;
use peer::Peer;

/// Few, so that the table is full at times.
const SLOTS: usize = 2;

/// For a handshake and for an answer, in milliseconds.
const TIMEOUT: u32 = 40;

/// Time moves in calls of the stack too, so that nobody spins for ever.
const CALLS_PER_MS: usize = 64;

/// Lengths of lent buffers: the shortest, and some more.
const LENT: [usize; 3] = [256, 257, 300];

/// How long a call may take beyond its deadline. A step reads 64 times at most, each time 175 bytes
/// at most (what a buffer of 300 has beside its reserve), and answers each byte with three at most (a
/// Ping without payload has two, its masked Pong six), which a bad stack takes one at a time. A
/// step that begins in time may end beyond it; behind it is one that knows, and one behind a last wait.
const LAST_STEPS_MS: u32 = (3 * SLOTS * 64 * (3 * 175 + 1) / CALLS_PER_MS) as u32;

/// What goes on for ever is not waited for.
const TIMEOUTS: [i32; 4] = [0, 1, 3, 10];

struct World<'buf> {
    stack: ScriptStack,
    table: WebSockets<'buf, ScriptStack, HandPlatform, SLOTS>,
    listener: u8,
    site: Site,
    peer: Peer,
    clock: Clock,
    /// Ids that calls returned, the stale ones too.
    ids: Vec<WebSocketId>,
    /// What sockets sent that were registered, and what they are.
    registered: Vec<(Rc<RefCell<Vec<u8>>>, Role)>,
    /// The broadcast that is under way.
    broadcast: Option<(Vec<Recipient>, Vec<u8>)>,
    /// A buffer to bring along.
    spare: Option<Buffer<'buf>>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let zero_read = input.pick(&[ZeroRead::EndOfStream, ZeroRead::WouldBlock]);
    let options = input.byte();
    let config = Config {
        max_message: input.pick(&[usize::MAX, 300, 1000]),
        max_handshake: input.pick(&[8192, 300]),
        handshake_timeout: TIMEOUT,
        answer_timeout: TIMEOUT,
        zero_read,
        report_pings: options & 1 != 0,
        report_pongs: options & 2 != 0,
        answer_pings: options & 4 == 0,
        ..Config::DEFAULT
    };
    let mut lent = [(); SLOTS].map(|()| vec![0; input.pick(&LENT)]);
    let mut spare = vec![0; input.pick(&[256, 300])];

    let clock: Clock = Rc::new(Cell::new(input.pick(&[1, u32::MAX - 8])));
    let stack = ScriptStack::new();
    stack.record();
    stack.cost(&clock, CALLS_PER_MS);
    let peer = Peer::new(&stack, zero_read == ZeroRead::WouldBlock);
    let platform = HandPlatform::new(&clock, options.into());
    let mut table = WebSockets::new(stack.clone(), platform).with_config(config);
    if options & 0x70 != 0 {
        table = table.with_buffers(
            lent.each_mut()
                .map(|lent| Buffer::new(lent).expect("256 bytes or more")),
        );
    }
    let mut world = World {
        listener: stack.connected(),
        stack,
        table,
        site: Site::default(),
        peer,
        clock,
        ids: Vec::new(),
        registered: Vec::new(),
        broadcast: None,
        spare: Buffer::new(&mut spare).ok(),
    };
    let mut steps = 0;
    while !input.is_empty() && steps < 100 {
        steps += 1;
        world.step(&mut input);
        assert!(world.table.in_use() <= SLOTS);
    }
    world.close_all(&mut input);
    world.check_outgoing();
}

impl World<'_> {
    fn step(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        match what & 0x1F {
            0x00..=0x17 => self.call(what & 0x1F, input),
            _ => self.happening(what & 0x07, input),
        }
    }

    /// Makes a call, which has to end in its time.
    fn timed<R>(&mut self, timeout: i32, call: impl FnOnce(&mut Self) -> R) -> R {
        self.stack.calls();
        let began = self.clock.get();
        let result = call(self);
        let took = self.clock.get().wrapping_sub(began);
        let most = u32::try_from(timeout).expect("no call waits for ever") + LAST_STEPS_MS;
        assert!(
            took <= most,
            "{took} ms of {timeout}, {:?}",
            self.stack.calls()
        );
        result
    }

    /// The peers are gone, time passes, all ids are closed: nothing is left.
    fn close_all(&mut self, input: &mut Input<'_>) {
        for socket in 0..=u8::MAX {
            if self.stack.is_open(socket) {
                self.stack.line(socket, |line| {
                    line.incoming
                        .retain(|what| matches!(what, Incoming::Bytes(_)));
                    line.incoming.push_back(Incoming::Eof);
                });
            }
        }
        let keep = input.flag();
        // Who still waits to be accepted has a turn.
        for _ in 0..=self.stack.opened() {
            for ws in std::mem::take(&mut self.ids) {
                if self.table.is_accepting(ws) {
                    continue;
                }
                self.close(ws, keep);
                assert!(!self.table.is_open(ws), "disconnected and still there");
            }
            self.clock.set(self.clock.get().wrapping_add(2 * TIMEOUT));
            if let Ok(ws) = self.accept(0) {
                self.ids.push(ws);
            }
        }
        assert_eq!(self.table.in_use(), 0, "a slot is left");
        while let Ok((socket, _)) = self.stack.accept(&mut self.listener) {
            self.stack.close(socket).expect("it is open");
        }
        self.stack.close(self.listener).expect("it is open");
        assert_eq!(self.stack.open(), 0, "a socket is left");
        assert!(self.site.ended <= self.site.began);
    }

    fn check_outgoing(&self) {
        // All that is sent is lower case.
        let payload = |byte: u8| byte.is_ascii_lowercase();
        let blank = |bytes: &[u8]| {
            let at = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            at.map(|at| at + 4)
        };
        for record in self.stack.records() {
            let role = self
                .registered
                .iter()
                .find(|(other, _)| Rc::ptr_eq(other, &record));
            let bytes = record.borrow();
            if let Some((_, role)) = role {
                assert_frames(*role == Role::Client, &bytes, payload);
            } else if bytes.starts_with(b"GET ") {
                if let Some(end) = blank(&bytes) {
                    assert_frames(true, &bytes[end..], payload);
                }
            } else {
                // Pages first, perhaps.
                let upgrade = b"HTTP/1.1 101 Switching Protocols\r\n";
                let at = bytes
                    .windows(upgrade.len())
                    .position(|found| found == upgrade);
                let Some(at) = at else {
                    let start = b"HTTP/1.1 ";
                    assert!(
                        bytes.starts_with(start)
                            || start.starts_with(&bytes)
                            || b"GET ".starts_with(&bytes)
                    );
                    continue;
                };
                if let Some(end) = blank(&bytes[at..]) {
                    assert_frames(false, &bytes[at + end..], payload);
                }
            }
        }
    }
}
