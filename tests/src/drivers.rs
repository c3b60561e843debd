//! The same calls on every driver: the blocking table, the shared one, the async WebSocket, the async
//! table and the halves, each over the same scripted stream, by a clock that is moved by hand.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_async::{Read, Write};
use embedded_nal::{TcpClientStack, nb};
use ws_socket::asynch::{self, WebSocket};
use ws_socket::{
    CloseCode, Config, Opcode, Platform, RandomError, Role, SharedWebSockets, SlotStore, Table,
    Timeout, WebSocketId, WebSockets,
};

use crate::hand::{Hand, poll, settle};
use crate::table::lent;
use crate::wire::{Reset, Script, Wire};

/// More turns of others than any test has a use for: who waits so long waits for ever.
const FOR_EVER: usize = 5_000;

/// The scripted stream under a stack that does not block.
pub struct WireStack;

fn at_once<R>(call: impl Future<Output = Result<R, Reset>>) -> nb::Result<R, Reset> {
    match settle(pin!(call)) {
        Some(result) => result.map_err(nb::Error::Other),
        None => Err(nb::Error::WouldBlock),
    }
}

impl TcpClientStack for WireStack {
    type TcpSocket = Wire;
    type Error = Reset;

    fn socket(&mut self) -> Result<Wire, Reset> {
        Err(Reset)
    }

    fn connect(&mut self, _: &mut Wire, _: SocketAddr) -> nb::Result<(), Reset> {
        Err(nb::Error::Other(Reset))
    }

    fn send(&mut self, socket: &mut Wire, bytes: &[u8]) -> nb::Result<usize, Reset> {
        at_once(socket.write(bytes))
    }

    fn receive(&mut self, socket: &mut Wire, buffer: &mut [u8]) -> nb::Result<usize, Reset> {
        at_once(socket.read(buffer))
    }

    fn close(&mut self, _: Wire) -> Result<(), Reset> {
        Ok(())
    }
}

/// A platform by a hand-driven clock: each wait is a turn of the others, which takes a millisecond. It panics where a call waits for ever.
#[derive(Clone)]
pub struct Turns {
    /// The clock and the randomness.
    pub hand: Hand,
    /// How often others had their turn.
    pub count: Rc<Cell<usize>>,
}

impl Turns {
    /// None yet.
    pub fn new(hand: &Hand) -> Self {
        Self {
            hand: hand.clone(),
            count: Rc::default(),
        }
    }
}

impl<S> Platform<S> for Turns {
    fn now_ms(&mut self) -> u32 {
        Platform::<S>::now_ms(&mut self.hand)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<S>::fill_random(&mut self.hand, bytes)
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        self.count.set(self.count.get() + 1);
        assert!(self.count.get() < FOR_EVER, "it waits for what never comes");
        self.hand.clock.advance(1);
    }
}

/// Runs a future. Whenever it waits, others have their turn and a millisecond passes. Says how often
/// that was.
#[track_caller]
pub fn drive<F: Future>(hand: &Hand, future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    for turns in 0..FOR_EVER {
        if let (Some(output), _) = poll(future.as_mut()) {
            return (output, turns);
        }
        hand.clock.advance(1);
    }
    panic!("it waits for what never comes")
}

/// A driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// `WebSockets`.
    Blocking,
    /// `SharedWebSockets`.
    Shared,
    /// `asynch::WebSocket`.
    Async,
    /// `asynch::AsyncWebSockets`.
    Table,
    /// `asynch::Halves`; what they cannot do is done by the whole.
    Halves,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Blocking,
        Self::Shared,
        Self::Async,
        Self::Table,
        Self::Halves,
    ];
}

/// A call of the message face or the stream face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Into a buffer of this length.
    RecvMsg(usize),
    /// Into a buffer of this length.
    Recv(usize),
    /// A binary message of this length.
    SendMsg(usize),
    /// `disconnect`: the last call.
    Disconnect,
    /// `disconnect_with` a code and a reason: the last call.
    DisconnectWith,
    /// `disconnect_keeping_socket`, `disconnect_keeping_stream`: the last call.
    DisconnectKeeping,
}

/// The three that end a connection.
pub const GOODBYES: [Call; 3] = [
    Call::Disconnect,
    Call::DisconnectWith,
    Call::DisconnectKeeping,
];

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// In words.
    pub to: String,
    /// How many milliseconds it took.
    pub took: u32,
    /// How often others had their turn.
    pub turns: usize,
}

const CODE: CloseCode = CloseCode::GOING_AWAY;
const REASON: &str = "enough";

/// An open connection, and the calls on it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// On which driver.
    pub driver: Driver,
    /// What this end is.
    pub role: Role,
    /// How long a buffer it is lent.
    pub lent: usize,
}

impl Case {
    /// All drivers, both roles, with the shortest buffer and with a long one.
    pub fn all() -> impl Iterator<Item = Self> {
        Driver::ALL.into_iter().flat_map(|driver| {
            [Role::Client, Role::Server]
                .into_iter()
                .flat_map(move |role| [256, 400].map(|lent| Self { driver, role, lent }))
        })
    }

    /// A frame of the peer's.
    pub fn frame(&self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        crate::frames::frame(true, opcode, self.role == Role::Server, payload)
    }

    /// Makes the calls one after the other; `before` each the script may be changed.
    pub fn run(
        &self,
        script: &Script,
        calls: &[(Call, i32)],
        before: impl Fn(usize, &Script),
    ) -> Vec<Came> {
        self.run_with(Config::DEFAULT, script, calls, before)
    }

    /// The same with a configuration.
    pub fn run_with(
        &self,
        config: Config,
        script: &Script,
        calls: &[(Call, i32)],
        before: impl Fn(usize, &Script),
    ) -> Vec<Came> {
        let hand = Hand::new();
        let (lent, wire) = (lent(self.lent), script.wire());
        match self.driver {
            Driver::Blocking => {
                let table = WebSockets::<_, _, 1>::new(WireStack, Turns::new(&hand));
                let mut table = table.with_config(config);
                let ws = table.register(wire, self.role, Some(lent), 0);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                self.blocking(&mut table, ws, script, calls, before)
            }
            Driver::Shared => {
                let shared = SharedWebSockets::<_, 1>::new();
                let table = shared.attach(WireStack, Turns::new(&hand));
                let mut table = table.with_config(config);
                let ws = table.register(wire, self.role, Some(lent), 0);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                self.blocking(&mut table, ws, script, calls, before)
            }
            Driver::Async => {
                let mut ws =
                    WebSocket::from_upgraded(wire, self.role, lent, 0, hand.clone(), config);
                each(&hand, script, calls, before, async |call, timeout| {
                    whole(&mut ws, call, timeout).await
                })
            }
            Driver::Halves => {
                let mut ws =
                    WebSocket::from_upgraded(wire, self.role, lent, 0, hand.clone(), config);
                each(&hand, script, calls, before, async |call, timeout| {
                    halved(&mut ws, script, call, timeout).await
                })
            }
            Driver::Table => {
                let table = asynch::AsyncWebSockets::<_, _, 1>::new(hand.clone());
                let mut table = table.with_buffers([lent]).with_config(config);
                let ws = table.register(wire, self.role, &[]);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                each(&hand, script, calls, before, async |call, timeout| {
                    tabled(&mut table, ws, call, timeout).await
                })
            }
        }
    }

    fn blocking<L: SlotStore<'static, Socket = Wire>>(
        &self,
        table: &mut Table<'static, WireStack, Turns, L>,
        ws: WebSocketId,
        script: &Script,
        calls: &[(Call, i32)],
        before: impl Fn(usize, &Script),
    ) -> Vec<Came> {
        let binary = Opcode::Binary;
        let made = |(nth, &(call, timeout)): (usize, &(Call, i32))| {
            before(nth, script);
            let start = Platform::<WireStack>::now_ms(table.platform());
            table.platform().count.set(0);
            let to = match call {
                Call::RecvMsg(room) => said(&table.recv_msg(ws, &mut vec![0; room], timeout)),
                Call::Recv(room) => said(&table.recv(ws, &mut vec![0; room], timeout)),
                Call::SendMsg(length) => {
                    let payload = vec![0; length];
                    said(&table.send_msg(ws, &payload, binary, true, timeout))
                }
                Call::Disconnect => said(&table.disconnect(ws, timeout)),
                Call::DisconnectWith => said(&table.disconnect_with(ws, CODE, REASON, timeout)),
                Call::DisconnectKeeping => {
                    let kept = table.disconnect_keeping_socket(ws, CODE, REASON, timeout);
                    said(&kept.map(|(end, _)| end))
                }
            };
            Came {
                to,
                took: Platform::<WireStack>::now_ms(table.platform()) - start,
                turns: table.platform().count.get(),
            }
        };
        calls.iter().enumerate().map(made).collect()
    }
}

fn said(what: &impl std::fmt::Debug) -> String {
    format!("{what:?}")
}

fn each(
    hand: &Hand,
    script: &Script,
    calls: &[(Call, i32)],
    before: impl Fn(usize, &Script),
    mut make: impl AsyncFnMut(Call, Timeout) -> String,
) -> Vec<Came> {
    let made = |(nth, &(call, timeout)): (usize, &(Call, i32))| {
        before(nth, script);
        let start = ws_socket::asynch::Clock::now_ms(&hand.clock);
        let (to, turns) = drive(hand, make(call, timeout.into()));
        Came {
            to,
            took: ws_socket::asynch::Clock::now_ms(&hand.clock) - start,
            turns,
        }
    };
    calls.iter().enumerate().map(made).collect()
}

async fn whole(ws: &mut WebSocket<'_, Wire, Hand>, call: Call, timeout: Timeout) -> String {
    match call {
        Call::RecvMsg(room) => said(&ws.recv_msg(&mut vec![0; room], timeout).await),
        Call::Recv(room) => said(&ws.recv(&mut vec![0; room], timeout).await),
        Call::SendMsg(length) => {
            let payload = vec![0; length];
            let sent = ws.send_msg(&payload, Opcode::Binary, true, timeout);
            said(&sent.await)
        }
        Call::Disconnect => said(&ws.disconnect(timeout).await),
        Call::DisconnectWith => said(&ws.disconnect_with(CODE, REASON, timeout).await),
        Call::DisconnectKeeping => said(&ws.disconnect_keeping_stream(CODE, REASON, timeout).await),
    }
}

async fn halved(
    ws: &mut WebSocket<'_, Wire, Hand>,
    script: &Script,
    call: Call,
    timeout: Timeout,
) -> String {
    if GOODBYES.contains(&call) {
        return whole(ws, call, timeout).await;
    }
    let split = ws.halves::<NoopRawMutex, _, _>(|_| (script.wire(), script.wire()));
    let mut halves = split.unwrap();
    let (mut receiver, mut sender) = halves.split();
    match call {
        Call::RecvMsg(room) => said(&receiver.recv_msg(&mut vec![0; room], timeout).await),
        Call::Recv(room) => said(&receiver.recv(&mut vec![0; room], timeout).await),
        Call::SendMsg(length) => {
            let payload = vec![0; length];
            let sent = sender.send_msg(&payload, Opcode::Binary, true, timeout);
            said(&sent.await)
        }
        Call::Disconnect | Call::DisconnectWith | Call::DisconnectKeeping => unreachable!(),
    }
}

async fn tabled(
    table: &mut asynch::AsyncWebSockets<'_, Wire, Hand, 1>,
    ws: WebSocketId,
    call: Call,
    timeout: Timeout,
) -> String {
    match call {
        Call::RecvMsg(room) => said(&table.recv_msg(ws, &mut vec![0; room], timeout).await),
        Call::Recv(room) => said(&table.recv(ws, &mut vec![0; room], timeout).await),
        Call::SendMsg(length) => {
            let payload = vec![0; length];
            let sent = table.send_msg(ws, &payload, Opcode::Binary, true, timeout);
            said(&sent.await)
        }
        Call::Disconnect => said(&table.disconnect(ws, timeout).await),
        Call::DisconnectWith => said(&table.disconnect_with(ws, CODE, REASON, timeout).await),
        Call::DisconnectKeeping => {
            let kept = table.disconnect_keeping_stream(ws, CODE, REASON, timeout);
            said(&kept.await.map(|(end, _)| end))
        }
    }
}
