//! What peers could do to `ws serve`: hold others up, keep it from ending, make its deadlines void.
#![cfg(unix)]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

// Not all of it is needed here.
#[allow(dead_code)]
mod common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::start;
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an echo may take beside an attack, and a newcomer's handshake with one.
const BESIDE: Duration = Duration::from_secs(1);
/// How long the end may take.
const END: Duration = Duration::from_secs(5);

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut child = start(&[&["serve", "127.0.0.1:0"], options].concat());
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let port = line.trim_end().trim_end_matches('/').rsplit_once(':');
        let port = port.expect("where it listens").1.parse().unwrap();
        // With -v it has much to say.
        let mut said = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, port }
    }

    fn connect(&self) -> TcpStream {
        connect(self.port).unwrap()
    }

    fn client(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(UPGRADE).unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }

    /// How long the end takes from a signal on.
    fn end(mut self, signal: Signal) -> Duration {
        let began = Instant::now();
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return began.elapsed();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        PATIENCE
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for one that has ended and was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// One echo of a short message.
fn echo(stream: &mut TcpStream) {
    stream.write_all(b"\x82\x84\0\0\0\0ping").unwrap();
    let mut back = [0; 6];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"\x82\x04ping");
}

/// What an attacker does on each of its connections, again where that comes to its end.
#[derive(Clone)]
struct Attack {
    name: &'static str,
    /// What is sent first.
    first: Vec<u8>,
    /// What is sent after that, without end.
    then: Vec<u8>,
    /// What comes is read.
    reads: bool,
}

impl Attack {
    fn new(name: &'static str, first: &[&[u8]], then: Vec<u8>) -> Self {
        Self {
            name,
            first: first.concat(),
            then,
            reads: false,
        }
    }

    fn reading(mut self) -> Self {
        self.reads = true;
        self
    }
}

/// A frame of a client, whose mask is zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn attacks() -> Vec<Attack> {
    let zeros = || vec![0; 1 << 16];
    let close = frame(8, &1000u16.to_be_bytes());
    let get = b"GET / HTTP/1.1\r\nHost: x\r\n";
    vec![
        Attack::new("a Close, then zeros", &[UPGRADE, &close], zeros()),
        Attack::new("a Close, then zeros, read", &[UPGRADE, &close], zeros()).reading(),
        Attack::new(
            "a Close, then frames",
            &[UPGRADE, &close],
            frame(2, &zeros()[1..]),
        ),
        Attack::new("a bad frame", &[UPGRADE, b"\xff\xff"], zeros()),
        Attack::new("a frame without a mask", &[UPGRADE, b"\x82\x01x"], zeros()),
        Attack::new("garbage", &[b"GARBAGE\r\n\r\n"], zeros()),
        Attack::new("garbage without end", &[], b"GARBAGE".to_vec()),
        Attack::new(
            "a page, then a flood",
            &[get, b"Connection: close\r\n\r\n"],
            zeros(),
        ),
        Attack::new("pages", &[], [&get[..], b"\r\n"].concat()).reading(),
        Attack::new("a header without end", &[get, b"X: "], vec![b'x'; 1 << 16]),
        Attack::new("frames, none read", &[UPGRADE], frame(2, &zeros()[1..])),
        Attack::new("frames", &[UPGRADE], frame(2, &zeros()[1..])).reading(),
        Attack::new("short frames", &[UPGRADE], frame(1, b"x").repeat(1000)).reading(),
        Attack::new("empty frames", &[UPGRADE], frame(2, b"").repeat(1000)).reading(),
        Attack::new("Pings", &[UPGRADE], frame(9, b"ping").repeat(1000)).reading(),
        Attack::new("Pongs", &[UPGRADE], frame(10, b"").repeat(1000)),
        Attack::new(
            "a frame without end",
            &[UPGRADE, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"],
            zeros(),
        )
        .reading(),
    ]
}

/// An attack under way.
struct UnderWay {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl UnderWay {
    /// On so many connections at once, which are there when this returns.
    fn new(port: u16, connections: usize, attack: &Attack) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let attackers = (0..connections).map(|_| Attacker::new(port));
        let mut attackers: Vec<_> = attackers.collect();
        let (attack, told) = (attack.clone(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let moved = attackers.iter_mut().filter_map(|it| it.go_on(&attack));
                if moved.count() == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self {
            over,
            threads: vec![thread],
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

struct Attacker {
    port: u16,
    stream: Option<TcpStream>,
    sent: usize,
}

impl Attacker {
    fn new(port: u16) -> Self {
        let mut attacker = Self {
            port,
            stream: None,
            sent: 0,
        };
        attacker.connect();
        attacker
    }

    fn connect(&mut self) {
        self.sent = 0;
        self.stream = connect(self.port).ok();
        if let Some(stream) = &self.stream {
            stream.set_nonblocking(true).unwrap();
        }
    }

    /// `None` where nothing could be done.
    fn go_on(&mut self, attack: &Attack) -> Option<()> {
        let Some(stream) = &mut self.stream else {
            self.connect();
            return None;
        };
        let mut moved = None;
        let mut lost = false;
        let rest = match self.sent.checked_sub(attack.first.len()) {
            None => &attack.first[self.sent..],
            Some(sent) => &attack.then[sent % attack.then.len()..],
        };
        match stream.write(rest) {
            Ok(count) => {
                self.sent += count;
                moved = Some(());
            }
            Err(error) => lost |= error.kind() != ErrorKind::WouldBlock,
        }
        if attack.reads {
            match stream.read(&mut [0; 1 << 16]) {
                Ok(0) => lost = true,
                Ok(_) => moved = Some(()),
                Err(error) => lost |= error.kind() != ErrorKind::WouldBlock,
            }
        }
        if lost {
            self.stream = None;
        }
        moved
    }
}

/// One peer froze the server of the async calls for seconds.
#[test]
fn nobody_is_held_up_by_a_flood() {
    for attack in attacks() {
        let server = Server::start(&[]);
        let mut neighbour = server.client();
        echo(&mut neighbour);
        let attacked = UnderWay::new(server.port, 2, &attack);
        let began = Instant::now();
        let mut worst = [Duration::ZERO; 2];
        while began.elapsed() < Duration::from_millis(250) {
            let now = Instant::now();
            echo(&mut neighbour);
            worst[0] = worst[0].max(now.elapsed());
            let now = Instant::now();
            echo(&mut server.client());
            worst[1] = worst[1].max(now.elapsed());
        }
        drop(attacked);
        println!("{}: echo, newcomer {worst:?}", attack.name);
        assert!(
            worst.iter().all(|worst| *worst < BESIDE),
            "{}: echo, newcomer {worst:?}",
            attack.name
        );
    }
}

/// How long the end takes that is asked for by a signal while so many connections attack.
fn ends(connections: usize, attack: &Attack, signal: Signal) {
    let server = Server::start(&[]);
    let attacked = UnderWay::new(server.port, connections, attack);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(200) {
        echo(&mut server.client());
    }
    let took = server.end(signal);
    drop(attacked);
    println!("{connections} x {}: {took:?}", attack.name);
    assert!(took < END, "{connections} x {}: {took:?}", attack.name);
}

/// Deadlines held for connections that were idle, and while nobody flooded the server.
#[test]
fn the_end_comes_whatever_peers_send() {
    for attacks in attacks().chunks(6) {
        std::thread::scope(|scope| {
            for attack in attacks {
                scope.spawn(|| ends(3, attack, Signal::TERM));
            }
        });
    }
}

#[test]
fn the_end_comes_with_two_hundred_floods_and_with_one() {
    let named = |name| attacks().into_iter().find(|it| it.name == name).unwrap();
    ends(1, &named("frames"), Signal::TERM);
    ends(50, &named("short frames"), Signal::TERM);
    ends(200, &named("frames"), Signal::INT);
    ends(200, &named("frames, none read"), Signal::TERM);
}

/// A folder with one large file.
fn folder(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("large.bin"), vec![7; 32 << 20]).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// All that can be under way at once.
#[test]
fn the_end_comes_with_requests_downloads_and_pages_under_way() {
    let folder = folder(concat!("hostile_end_", env!("CARGO_CRATE_NAME")));
    let server = Server::start(&["--www", &folder, "--demo", "--idle-timeout", "60000"]);
    let half: Vec<_> = (0..50)
        .map(|number| {
            let mut half = server.connect();
            half.write_all(&UPGRADE[..number]).unwrap();
            half
        })
        .collect();
    let unread: Vec<_> = (0..5)
        .map(|_| {
            let mut download = server.connect();
            let request = b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n";
            download.write_all(request).unwrap();
            download
        })
        .collect();
    let mut slow = server.connect();
    slow.write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let (mut deaf, mut silent) = (server.client(), server.client());
    deaf.set_nonblocking(true).unwrap();
    while deaf.write(&frame(2, &[0; 60_000])).is_ok() {}
    echo(&mut silent);
    let reading = slow.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        while let Ok(1..) = slow.read(&mut [0; 1000]) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let took = server.end(Signal::TERM);
    assert!(took < END, "{took:?}");
    reading.shutdown(Shutdown::Both).unwrap();
    reader.join().unwrap();
    drop((half, unread, deaf, silent));
}

/// Idle, handshake and close timeouts beside floods of every kind.
#[test]
fn deadlines_hold_while_others_flood() {
    let options = ["--idle-timeout", "400", "--handshake-timeout", "300"];
    let server = Server::start(&options);
    let attacks = attacks();
    let attacked = attacks.iter();
    let attacked: Vec<_> = attacked
        .map(|attack| UnderWay::new(server.port, 2, attack))
        .collect();
    let mut silent = server.client();
    let mut half = server.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let began = Instant::now();
    let refused = head(&mut half);
    let half = began.elapsed();
    // A Ping, a Close with 1011, which is not answered, and the end of TCP.
    let mut frames = Vec::new();
    silent.read_to_end(&mut frames).unwrap();
    let left = began.elapsed();
    drop(attacked);
    println!("{half:?} {left:?}");
    assert!(refused.starts_with("HTTP/1.1 408 "), "{refused}");
    assert!(half < Duration::from_millis(1300), "{half:?}");
    assert!(frames.starts_with(b"\x89\0\x88"), "{frames:?}");
    assert!(left < Duration::from_secs(4), "{left:?}");
}

/// The slots of a server, whichever its calls.
const SLOTS: usize = 16_384;

/// By the async calls a newcomer was left in silence.
#[test]
fn a_newcomer_to_a_full_table_is_told_so() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    if limit
        .current
        .is_some_and(|files| files < SLOTS as u64 + 1000)
    {
        println!("SKIPPED: a full table needs {SLOTS} open files and some");
        return;
    }
    let server = Server::start(&["--demo", "--handshake-timeout", "60000"]);
    let mut kept = server.connect();
    kept.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(head(&mut kept).starts_with("HTTP/1.1 200 "));
    let mut open = server.client();
    let silent: Vec<_> = (2..SLOTS).map(|_| server.connect()).collect();
    echo(&mut open);
    // One that is only kept for another page makes room, once.
    let mut newcomer = server.client();
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
    for _ in 0..300 {
        let mut refused = server.connect();
        let began = Instant::now();
        // It may be refused before it has asked.
        let _ = refused.write_all(UPGRADE);
        let refusal = head(&mut refused);
        assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
        assert_eq!(refused.read(&mut [0]).unwrap(), 0);
        assert!(began.elapsed() < BESIDE, "{:?}", began.elapsed());
    }
    echo(&mut newcomer);
    echo(&mut open);
    drop(silent);
    let began = Instant::now();
    loop {
        let mut next = server.connect();
        let _ = next.write_all(UPGRADE);
        if head(&mut next).starts_with("HTTP/1.1 101 ") {
            break;
        }
        assert!(began.elapsed() < PATIENCE);
    }
}

/// A file whose reader is slow, and one that is too slow.
#[test]
fn a_download_takes_its_time_as_long_as_it_goes_on() {
    let folder = folder(concat!("hostile_rate_", env!("CARGO_CRATE_NAME")));
    let options = ["--answer-timeout", "500", "--min-rate", "1000000"];
    let server = Server::start(&[&["--www", &folder][..], &options].concat());
    // Megabytes that are read in a second, the last one without end.
    let read = |rate: usize| {
        let mut reader = server.connect();
        reader
            .write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let (began, mut came) = (Instant::now(), 0);
        let mut piece = vec![0; 100_000];
        loop {
            match reader.read(&mut piece) {
                Ok(0) | Err(_) => return (came, began.elapsed()),
                Ok(count) => came += count,
            }
            let due = Duration::from_micros((came / rate) as u64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    };
    let (came, took) = read(16);
    assert!(came > 32 << 20, "{came} bytes in {took:?}");
    assert!(took > Duration::from_millis(1500), "{took:?}");
    let mut unread = server.connect();
    unread
        .write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let mut came = Vec::new();
    // It ends with a reset, or in order.
    let _ = unread.read_to_end(&mut came);
    assert!(came.len() < 32 << 20, "{} bytes", came.len());
}

/// The system tells that there is room again only once a third of its buffers is free: megabytes,
/// for which a slow reader takes longer than it may stand still.
#[test]
fn a_reader_is_seen_to_read_before_the_system_says_so() {
    let folder = folder(concat!("hostile_slow_", env!("CARGO_CRATE_NAME")));
    let options = ["--answer-timeout", "1000", "--min-rate", "1000"];
    let server = Server::start(&[&["--www", &folder][..], &options].concat());
    let mut reader = server.connect();
    let request = b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    reader.write_all(request).unwrap();
    let (began, mut came) = (Instant::now(), 0);
    let mut piece = vec![0; 30_000];
    while began.elapsed() < Duration::from_secs(4) {
        came += reader.read(&mut piece).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    came += rest.len();
    assert!(came > 32 << 20, "{came} bytes");
}

/// Lines did not say which connection they were about, those of the libraries not at all.
#[test]
fn log_lines_name_the_peer() {
    let mut child = start(&["serve", "127.0.0.1:0", "-v"]);
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let port = line.trim_end().trim_end_matches('/').rsplit_once(':');
    let server = Server {
        port: port.unwrap().1.parse().unwrap(),
        child,
    };
    let mut expected = Vec::new();
    let mut open = Vec::new();
    for (bytes, named) in [
        (&b"GARBAGE\r\n\r\n"[..], &["refused with 400"][..]),
        (UPGRADE, &["open, ", "Open {"]),
        (
            &[UPGRADE, b"\xff\xff"].concat(),
            &[": a reserved bit", "Close {"],
        ),
    ] {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        let peer = stream.local_addr().unwrap();
        expected.extend(named.iter().map(|named| (peer, *named)));
        open.push(stream);
    }
    std::thread::sleep(Duration::from_millis(200));
    let mut server = server;
    let mut said = server.child.stderr.take().unwrap();
    assert!(server.end(Signal::TERM) < END);
    let mut lines = String::new();
    said.read_to_string(&mut lines).unwrap();
    for (peer, named) in expected {
        let peer = format!(" {peer}: ");
        let mut lines_of_peer = lines.lines().filter(|line| line.contains(&peer));
        assert!(
            lines_of_peer.any(|line| line.contains(named)),
            "{named}, {peer}\n{lines}"
        );
    }
    // Whatever is about a connection says so.
    for line in lines.lines() {
        let whole = ["closing", "Listening", "limit of open files"];
        let of_all = whole.iter().any(|named| line.contains(named));
        assert!(of_all || line.contains(" 127.0.0.1:"), "{line}");
    }
}
