//! A peer that says goodbye, or nonsense, and resets before anything of ours is out: over the system's
//! sockets and over smoltcp, a goodbye without a timeout ends at once.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use async_io::{Async, block_on};
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use socket2::SockRef;
use ws_socket::asynch::{self, WebSocket};
use ws_socket::stack::StdStack;
use ws_socket::{
    CloseCode, Config, DisconnectError, Disconnected, Platform, RandomError, Role,
    SharedWebSockets, SlotStore, Table, Timeout, WebSocketId, WebSockets,
};
use ws_tests::drivers::{Call, GOODBYES};
use ws_tests::frames::frame;
use ws_tests::link::{Faults, Link};
use ws_tests::net::{PORT, SERVER, Size, Stack, stack};
use ws_tests::platform::HandPlatform;
use ws_tests::table::lent;

const ROLES: [Role; 2] = [Role::Client, Role::Server];
/// What ends within this is not waited for.
const AT_ONCE: Duration = Duration::from_secs(2);
/// What has not ended by then never will.
const NEVER: Duration = Duration::from_secs(20);

/// What the peer says before it resets.
fn last_words(role: Role) -> Vec<Vec<u8>> {
    let frame = |opcode, payload: &[u8]| frame(true, opcode, role == Role::Server, payload);
    vec![
        frame(8, &[0x03, 0xE8]),
        frame(8, b""),
        frame(3, b""),
        [frame(9, b"there?"), frame(8, &[0x03, 0xE8])].concat(),
        [frame(2, &[7; 300]), frame(8, &[0x03, 0xE8])].concat(),
        frame(9, b"there?"),
        Vec::new(),
    ]
}

fn goodbye<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    how: Call,
) -> Result<Disconnected, DisconnectError>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    let code = CloseCode::GOING_AWAY;
    match how {
        Call::Disconnect => table.disconnect(ws, -1),
        Call::DisconnectWith => table.disconnect_with(ws, code, "enough", -1),
        _ => {
            let kept = table.disconnect_keeping_socket(ws, code, "enough", -1);
            kept.map(|(end, _)| end)
        }
    }
}

/// The system's clock and a poor randomness.
#[derive(Clone, Copy)]
struct Host(Instant);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.fill(7);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, at_most_ms: u32) {
        thread::sleep(Duration::from_millis(at_most_ms.min(1).into()));
    }
}

impl asynch::AsyncPlatform for Host {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<()>::fill_random(self, bytes)
    }
}

impl asynch::Clock for Host {
    fn now_ms(&self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        async_io::Timer::after(Duration::from_millis(ms.into())).await;
    }
}

/// The system's stream for the async calls.
struct Tcp(Async<TcpStream>);

impl ErrorType for Tcp {
    type Error = io::Error;
}

impl Read for Tcp {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let tcp = &self.0;
        tcp.read_with(|mut stream| stream.read(buffer)).await
    }
}

impl Write for Tcp {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tcp = &self.0;
        tcp.write_with(|mut stream| stream.write(bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// The peer says its last words and resets.
fn reset(mut peer: TcpStream, words: &[u8]) {
    peer.write_all(words).unwrap();
    let socket = SockRef::from(&peer);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

/// What a goodbye came to, in a thread that is left alone where it does not end.
fn ends_at_once(
    what: &str,
    work: impl FnOnce() -> Result<Disconnected, DisconnectError> + Send + 'static,
) {
    let (sender, ended) = mpsc::channel();
    let began = Instant::now();
    thread::spawn(move || sender.send(work()));
    let end = ended.recv_timeout(NEVER);
    let end = end.unwrap_or_else(|_| panic!("{what}: it waits for ever"));
    assert!(began.elapsed() < AT_ONCE, "{what}: {:?}", began.elapsed());
    assert!(!end.unwrap().clean, "{what}");
}

/// The connection of a table to a peer that is gone by then.
fn of_table<L: SlotStore<'static, Socket = ws_socket::stack::StdSocket>>(
    mut table: Table<'static, StdStack, Host, L>,
    role: Role,
    words: &[u8],
    how: Call,
    room: usize,
) -> Result<Disconnected, DisconnectError> {
    let (listener, at) = listener();
    let mut socket = table.stack().socket().unwrap();
    while let Err(error) = table.stack().connect(&mut socket, at) {
        assert!(matches!(error, nb::Error::WouldBlock), "{error:?}");
    }
    let ws = table.register(socket, role, Some(lent(room)), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    reset(listener.accept().unwrap().0, words);
    goodbye(&mut table, ws, how)
}

#[test]
fn over_the_systems_sockets_blocking_goodbyes_end_at_once() {
    for role in ROLES {
        for words in last_words(role) {
            for how in GOODBYES {
                for room in [256, 400] {
                    let what = format!("{role:?} {how:?} {room} {words:x?}");
                    let said = words.clone();
                    ends_at_once(&what, move || {
                        let host = Host(Instant::now());
                        let table = WebSockets::<_, _, 1>::new(StdStack::new(), host);
                        of_table(table, role, &said, how, room)
                    });
                    let said = words.clone();
                    ends_at_once(&what, move || {
                        let shared = SharedWebSockets::<_, 1>::new();
                        let shared = Box::leak(Box::new(shared));
                        let host = Host(Instant::now());
                        let table = shared.attach(StdStack::new(), host);
                        of_table(table, role, &said, how, room)
                    });
                }
            }
        }
    }
}

async fn asynch_goodbye(
    ws: &mut WebSocket<'_, Tcp, Host>,
    how: Call,
) -> Result<Disconnected, DisconnectError> {
    let (code, forever) = (CloseCode::GOING_AWAY, Timeout::Forever);
    match how {
        Call::Disconnect => ws.disconnect(forever).await,
        Call::DisconnectWith => ws.disconnect_with(code, "enough", forever).await,
        _ => ws.disconnect_keeping_stream(code, "enough", forever).await,
    }
}

/// An async call, by a thread of its own.
fn ends<F: Future<Output = Result<Disconnected, DisconnectError>>>(
    what: &str,
    make: impl FnOnce() -> F + Send + 'static,
) {
    ends_at_once(what, move || block_on(make()));
}

#[test]
fn over_the_systems_sockets_async_goodbyes_end_at_once() {
    for role in ROLES {
        for words in last_words(role) {
            for how in GOODBYES {
                for room in [256, 400] {
                    let what = format!("{role:?} {how:?} {room} {words:x?}");
                    let words = words.clone();
                    ends(&what, async move || {
                        let (listener, at) = listener();
                        let near = Async::<TcpStream>::connect(at).await.unwrap();
                        let (host, config) = (Host(Instant::now()), Config::DEFAULT);
                        let lent = lent(room);
                        let mut ws =
                            WebSocket::from_upgraded(Tcp(near), role, lent, 0, host, config);
                        reset(listener.accept().unwrap().0, &words);
                        asynch_goodbye(&mut ws, how).await
                    });
                }
            }
        }
    }
}

/// How long a goodbye takes on smoltcp, in milliseconds of a clock that is moved by hand. `first` says
/// what is done between the reset and the goodbye.
fn over_smoltcp(
    role: Role,
    words: &[u8],
    how: Call,
    room: usize,
    receives: bool,
) -> (Disconnected, u32) {
    let clock = Rc::new(Cell::new(1));
    let (_link, near, far) = Link::new(&clock, Faults::NONE, 1);
    let mut far: Stack<4> = stack(far, 1, Size::DEFAULT);
    let near: Stack<4> = stack(near, 2, Size::DEFAULT);
    let mut listener = far.socket().unwrap();
    far.bind(&mut listener, PORT).unwrap();
    far.listen(&mut listener).unwrap();
    // What runs for ever is stopped.
    let waits = Cell::new(0);
    let platform = HandPlatform::new(&clock, 3).with(move || {
        waits.set(waits.get() + 1);
        assert!(waits.get() < 5_000, "it waits for what never comes");
    });
    let mut table = WebSockets::<_, _, 1>::new(near, platform);
    let mut socket = table.stack().socket().unwrap();
    let step = |table: &mut WebSockets<'static, Stack<4>, HandPlatform, 1>, far: &mut Stack<4>| {
        clock.set(clock.get() + 1);
        table.stack().poll_ms(clock.get());
        far.poll_ms(clock.get());
        clock.get()
    };
    while table.stack().connect(&mut socket, SERVER).is_err() {
        assert!(step(&mut table, &mut far) < 1_000);
    }
    let mut peer = loop {
        if let Ok((peer, _)) = far.accept(&mut listener) {
            break peer;
        }
        assert!(step(&mut table, &mut far) < 1_000);
    };
    let ws = table.register(socket, role, Some(lent(room)), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    if !words.is_empty() {
        far.send(&mut peer, words).unwrap();
    }
    for _ in 0..5 {
        step(&mut table, &mut far);
    }
    far.abort(peer).unwrap();
    for _ in 0..5 {
        step(&mut table, &mut far);
    }
    if receives {
        let _ = table.recv_msg(ws, &mut [0; 400], 0);
    }
    let began = table.platform().clock.get();
    let end = goodbye(&mut table, ws, how).unwrap();
    (end, table.platform().clock.get() - began)
}

#[test]
fn over_smoltcp_goodbyes_end_at_once() {
    for role in ROLES {
        for words in last_words(role) {
            for how in GOODBYES {
                for room in [256, 300, 400] {
                    for receives in [false, true] {
                        let what = format!("{role:?} {how:?} {room} {receives} {words:x?}");
                        let (end, took) = over_smoltcp(role, &words, how, room, receives);
                        assert!(took <= 2, "{what}: {took}");
                        assert!(!end.clean, "{what}: {end:?}");
                    }
                }
            }
        }
    }
}
