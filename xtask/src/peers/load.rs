//! What `ws serve` takes and gives under load, on one processor: measured and printed. The load
//! comes from this process, over loopback, with frames written by hand.

use crate::peers::interop::{self, served::Served};
use crate::report::skipped;
use crate::{Result, shell};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--require] [--ws PATH]";

const IDLE: usize = 1_000;
const ACTIVE: usize = 100;
/// Messages on their way at a time on each active connection.
const WINDOW: usize = 4;
const MESSAGE: usize = 64;
const FOR: Duration = Duration::from_secs(5);
const HALF_OPEN: usize = 10_000;
/// The server gives half-open handshakes up after this.
const HANDSHAKE_TIMEOUT: &str = "4000";
/// An echo that takes longer has stopped.
const STOPPED: Duration = Duration::from_secs(2);
/// Open files for all that.
const FILES: usize = HALF_OPEN + 500;

/// `cargo xtask load`.
pub(crate) fn run(args: &[String]) -> Result {
    let (mut require, mut ws) = (false, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--require" => require = true,
            "--ws" => ws = Some(interop::found(args.next().ok_or("`--ws` needs a value")?)?),
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    if let Err(why) = able() {
        return skipped(&why, require);
    }
    let ws = match ws {
        Some(ws) => ws,
        None => shell::build_ws(true)?,
    };
    idle_and_active(&Served::start(&ws, &[], true)?)?;
    let options = ["--handshake-timeout", HANDSHAKE_TIMEOUT];
    flood(&Served::start(&ws, &options, true)?)
}

/// Can it be measured here?
fn able() -> Result {
    if !cfg!(target_os = "linux") {
        return Err("the measurements are read from Linux's /proc".to_owned());
    }
    shell::capture(Command::new("taskset").arg("--version"))
        .map_err(|_| "there is no taskset; install util-linux".to_owned())?;
    let files = raise_file_limit().unwrap_or(usize::MAX);
    if files < FILES {
        return Err(format!(
            "only {files} files may be open; run: ulimit -n {FILES}"
        ));
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) fn raise_file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that fails there are too few, which is found below.
    let _ = setrlimit(Resource::Nofile, limit);
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
pub(crate) fn raise_file_limit() -> Option<usize> {
    None
}

/// 1,000 idle connections: memory, processor. Then 100 active ones beside them: messages, and how
/// long an idle one's Ping takes.
fn idle_and_active(server: &Served) -> Result {
    let empty = resident(server)?;
    let mut idle = connections(server, IDLE)?;
    for client in &mut idle {
        client.ping().map_err(failed("an idle connection"))?;
    }
    let full = resident(server)?;
    let ticks = processor(server)?;
    std::thread::sleep(Duration::from_secs(2));
    let ticks = processor(server)? - ticks;
    println!("{IDLE} idle connections:");
    println!(
        "  memory: {:.2} KiB each ({empty} KiB without any, {full} KiB with them)",
        as_f64(full.saturating_sub(empty)) / as_f64(IDLE)
    );
    println!("  processor: {} ms in 2 s", ticks * 10);

    let mut active = connections(server, ACTIVE)?;
    let over = AtomicBool::new(false);
    let ticks = processor(server)?;
    let began = Instant::now();
    let (messages, pings) = std::thread::scope(|scope| {
        let pinging = scope.spawn(|| pings(&mut idle, &over));
        let messages = echoes(&mut active, FOR);
        over.store(true, Ordering::Relaxed);
        let pings = pinging.join();
        let pings = pings.map_err(|_| io::Error::other("the pinging thread has panicked"));
        (messages, pings.flatten())
    });
    let took = began.elapsed().as_secs_f64();
    let messages = messages.map_err(failed("an active connection"))?;
    let mut pings = pings.map_err(failed("an idle connection"))?;
    let ticks = processor(server)? - ticks;
    println!("{ACTIVE} active ones beside them, {WINDOW} messages of {MESSAGE} bytes on each:");
    println!(
        "  {:.0} messages a second came back, at {:.0} % of one processor",
        as_f64(messages) / took,
        as_f64(ticks) / took
    );
    println!("  ping of an idle one: {}", spread(&mut pings));
    println!("  memory: {} KiB", resident(server)?);
    Ok(())
}

/// Has every connection keep [`WINDOW`] messages on their way; how many came back.
fn echoes(clients: &mut [Client], length: Duration) -> io::Result<usize> {
    let until = Instant::now() + length;
    let message = frame(0x82, &[7; MESSAGE]);
    let mut answer = [0; 2 + MESSAGE];
    let mut count = 0;
    for client in &mut *clients {
        client.0.write_all(&message.repeat(WINDOW))?;
    }
    while Instant::now() < until {
        for client in &mut *clients {
            for _ in 0..WINDOW {
                client.0.read_exact(&mut answer)?;
            }
            if answer.first() != Some(&0x82) || answer.last() != Some(&7) {
                return Err(io::Error::other("something else came back"));
            }
            client.0.write_all(&message.repeat(WINDOW))?;
            count += WINDOW;
        }
    }
    Ok(count)
}

/// Pings one after the other until it is over.
fn pings(clients: &mut [Client], over: &AtomicBool) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    loop {
        for client in &mut *clients {
            if over.load(Ordering::Relaxed) {
                return Ok(took);
            }
            took.push(client.ping()?);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// 10,000 connections that never finish their request, and one that is there already.
fn flood(server: &Served) -> Result {
    let mut client = connections(server, 1)?.remove(0);
    let empty = resident(server)?;
    let made = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let (flooded, took) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let began = Instant::now();
            let held = half_open(server.port, &made)?;
            let made_in = began.elapsed();
            // The server has to come to them, too.
            while began.elapsed() < Duration::from_secs(60) && descriptors(server) < HALF_OPEN {
                std::thread::sleep(Duration::from_millis(5));
            }
            let taken_in = began.elapsed();
            let full = resident(server).unwrap_or_default();
            // Until the last of them is given up.
            while began.elapsed() < Duration::from_secs(60) && descriptors(server) > 100 {
                std::thread::sleep(Duration::from_millis(50));
            }
            let ended_in = began.elapsed();
            drop(held);
            over.store(true, Ordering::Relaxed);
            Ok::<_, io::Error>((made_in, taken_in, ended_in, full))
        });
        let mut took = Vec::new();
        let echoing = loop {
            if over.load(Ordering::Relaxed) || flooding.is_finished() {
                break Ok(());
            }
            match client.echo() {
                Ok(time) => took.push((made.load(Ordering::Relaxed), time)),
                Err(error) => break Err(error),
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let flooded = flooding.join();
        let flooded = flooded.map_err(|_| io::Error::other("the flooding thread has panicked"));
        (flooded.flatten(), echoing.map(|()| took))
    });
    let took = took.map_err(failed("the established connection"))?;
    let (made_in, taken_in, ended_in, full) = flooded.map_err(failed("the flood"))?;
    let times = |during: bool| -> Vec<Duration> {
        let times = took
            .iter()
            .filter(|(made, _)| (*made < HALF_OPEN) == during);
        times.map(|(_, time)| *time).collect()
    };
    println!("{HALF_OPEN} half-open handshakes beside one echo:");
    println!(
        "  made in {:.2} s, all with the server after {:.2} s, all given up after {:.2} s",
        made_in.as_secs_f64(),
        taken_in.as_secs_f64(),
        ended_in.as_secs_f64()
    );
    println!(
        "  memory: {:.2} KiB each",
        as_f64(full.saturating_sub(empty)) / as_f64(HALF_OPEN)
    );
    println!("  the echo while they came: {}", spread(&mut times(true)));
    println!(
        "  the echo while they stayed: {}",
        spread(&mut times(false))
    );
    connections(server, 1)?;
    match took.iter().map(|(_, time)| *time).max() {
        Some(worst) if worst < STOPPED => Ok(()),
        _ => Err("the flood stopped the established echo".to_owned()),
    }
}

/// Opens them, with half a request each.
fn half_open(port: u16, made: &AtomicUsize) -> io::Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(HALF_OPEN);
    while held.len() < HALF_OPEN {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")?;
        held.push(stream);
        made.store(held.len(), Ordering::Relaxed);
    }
    Ok(held)
}

/// A WebSocket.
struct Client(TcpStream);

fn connections(server: &Served, count: usize) -> Result<Vec<Client>> {
    let clients = (0..count).map(|_| Client::connect(server.port));
    let clients: io::Result<Vec<Client>> = clients.collect();
    clients.map_err(failed("a connection"))
}

impl Client {
    fn connect(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if head.starts_with(b"HTTP/1.1 101 ") {
            Ok(Self(stream))
        } else {
            Err(io::Error::other("the server refused"))
        }
    }

    /// How long the answer takes.
    fn ask(&mut self, first: u8, answer: u8) -> io::Result<Duration> {
        let began = Instant::now();
        self.0.write_all(&frame(first, b"there?"))?;
        let mut found = [0; 8];
        self.0.read_exact(&mut found)?;
        let took = began.elapsed();
        let mut expected = vec![answer, 6];
        expected.extend(b"there?");
        if found.as_slice() == expected {
            Ok(took)
        } else {
            Err(io::Error::other("something else came back"))
        }
    }

    fn ping(&mut self) -> io::Result<Duration> {
        self.ask(0x89, 0x8a)
    }

    fn echo(&mut self) -> io::Result<Duration> {
        self.ask(0x81, 0x81)
    }
}

/// A frame of at most 125 bytes, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 250];
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    let mut frame = vec![first, 0x80 | length];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

fn failed(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

/// What the process has in memory, in KiB.
fn resident(server: &Served) -> Result<usize> {
    let status = proc(server, "status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.ok_or_else(|| "/proc tells no memory".to_owned())
}

/// The processor time the process has used, in hundredths of a second.
fn processor(server: &Served) -> Result<usize> {
    let stat = proc(server, "stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let fields = fields.unwrap_or_default().split_whitespace().skip(11);
    let ticks = fields.take(2).map(|ticks| ticks.parse().unwrap_or(0));
    Ok(ticks.sum::<usize>())
}

fn proc(server: &Served, file: &str) -> Result<String> {
    let path = format!("/proc/{}/{file}", server.pid());
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

/// How many files the process has open.
fn descriptors(server: &Served) -> usize {
    let listed = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    listed.map_or(0, Iterator::count)
}

/// Median, 99th of a hundred and worst, in milliseconds.
fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get((times.len().saturating_sub(1)) * percent / 100);
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    let (median, most, worst) = (at(50), at(99), at(100));
    let count = times.len();
    format!("median {median:.3} ms, 99 % {most:.3} ms, worst {worst:.3} ms of {count}")
}

/// Counts here are far below what a float holds exactly.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_few_and_of_none() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(
            spread(&mut times),
            "median 50.000 ms, 99 % 99.000 ms, worst 100.000 ms of 100"
        );
        assert!(spread(&mut []).ends_with("of 0"));
    }

    #[test]
    fn a_frame_is_masked() {
        assert_eq!(frame(0x81, b"a"), [0x81, 0x81, 1, 2, 3, 250, b'a' ^ 1]);
    }
}
