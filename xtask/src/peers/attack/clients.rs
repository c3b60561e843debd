//! One attack on `ws connect` or `ws mqtt`: by the server it connects to, or by its pipes.

use super::client_attacks::{ClientAttack, Clients, ENDLESS_LINE, Expect, Input};
use super::figures::{self, ENDS_WITHIN};
use super::peer::{self, CLOSE, FIN};
use super::target::{self, Over, Pipes};
use crate::Result;
use crate::interop::Driver;
use crate::shell::Running;
use sha1::{Digest, Sha1};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// `--timeout` of the client, in milliseconds: it ends within [`ENDS_WITHIN`].
const TIMEOUT: &str = "1500";
/// Where there is nothing to wait for it ends within this.
const AT_ONCE: Duration = Duration::from_secs(1);
/// For what takes as long as there is work.
const WORKS_WITHIN: Duration = Duration::from_secs(60);
/// Without a signal it goes on so long.
const HOLDS: Duration = Duration::from_millis(800);
/// What a client may have in memory, in KiB.
const MEMORY: u64 = 32 * 1024;
/// The end of standard input comes so long after the server has begun.
const INPUT_ENDS: Duration = Duration::from_millis(100);
/// A piece of a line without an end.
const PIECE: usize = 64 * 1024;

/// What is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Connect(Driver),
    Mqtt,
}

impl Client {
    /// All that one driver stands for.
    pub(super) fn of(driver: Driver) -> &'static [Self] {
        match driver {
            Driver::Blocking => &[Self::Connect(Driver::Blocking), Self::Mqtt],
            Driver::Async => &[Self::Connect(Driver::Async)],
        }
    }

    pub(super) fn suffers(self, attack: &ClientAttack) -> bool {
        self != Self::Mqtt || attack.clients == Clients::All
    }

    /// What an attack on it is called.
    pub(super) fn named(self, attack: &str) -> String {
        match self {
            Self::Connect(driver) => driver.named(&named(attack)),
            Self::Mqtt => format!("mqtt-{attack}"),
        }
    }

    pub(super) fn command(self, ws: &Path, url: &str) -> Command {
        let mut command = Command::new(ws);
        match self {
            Self::Connect(driver) => command.args(["connect", url]).args(driver.option()),
            Self::Mqtt => command.args(["mqtt", "sub", url, "topic"]),
        };
        command.args(["--timeout", TIMEOUT]);
        command
    }
}

/// What `--only` and `--list` call an attack on clients.
pub(super) fn named(attack: &str) -> String {
    format!("connect-{attack}")
}

/// What the server of an attack is played with.
#[derive(Default)]
pub(super) struct Scene {
    /// It is played for the first time at 0.
    pub(super) turn: u64,
    over: AtomicBool,
    begun: AtomicBool,
    /// Payload bytes that came, and their hash.
    came: AtomicU64,
    hash: Mutex<Option<[u8; 20]>>,
}

impl Scene {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn hold(&self) {
        self.begun.store(true, Ordering::Relaxed);
        while !self.is_over() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Writes it without end, and reads what comes.
    pub(super) fn flood(&self, stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
        let block = what.repeat((64 * 1024 / what.len().max(1)).max(1));
        let (mut at, mut sink) = (0, vec![0; 64 * 1024]);
        stream.set_nonblocking(true)?;
        while !self.is_over() {
            let written = stream.write(block.get(at..).unwrap_or_default());
            match written {
                Ok(count) => {
                    self.begun.store(true, Ordering::Relaxed);
                    at = (at + count) % block.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
            // That the client says no more is no reason to stop.
            match stream.read(&mut sink) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes messages until a Close comes, and answers it.
    pub(super) fn collect(&self, stream: &mut TcpStream) -> io::Result<()> {
        self.begun.store(true, Ordering::Relaxed);
        let mut hash = Sha1::new();
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; PIECE]);
        while !self.is_over() {
            while let Some(header) = peer::parse(&bytes) {
                let end = header.size.saturating_add(header.length);
                if bytes.len() < end {
                    break;
                }
                let payload = bytes.get_mut(header.size..end).unwrap_or_default();
                let mask = header.mask.unwrap_or_default();
                payload
                    .iter_mut()
                    .zip(mask.iter().cycle())
                    .for_each(|(byte, mask)| *byte ^= mask);
                if header.first == FIN | CLOSE {
                    let answer = peer::frame(header.first, payload, false);
                    stream.write_all(&answer)?;
                    self.came_to(hash.finalize().into());
                    return Ok(());
                }
                hash.update(&payload);
                let length = u64::try_from(payload.len()).unwrap_or_default();
                self.came.fetch_add(length, Ordering::Relaxed);
                bytes.drain(..end);
            }
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
        Ok(())
    }

    fn came_to(&self, hash: [u8; 20]) {
        if let Ok(mut place) = self.hash.lock() {
            *place = Some(hash);
        }
    }
}

/// What became of a client.
pub(super) struct Outcome {
    took: Duration,
    status: Option<ExitStatus>,
    /// The most it had in memory, in KiB.
    memory: u64,
    pub(super) problems: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => write!(f, "still there")?,
        }
        let (took, memory) = (self.took.as_secs_f64(), figures::mib(self.memory));
        write!(f, " after {took:.2} s; {memory:.1} MiB")
    }
}

/// Plays one, as often as it is to be played, up to the first that is wrong: that or the last.
pub(super) fn play(ws: &Path, client: Client, attack: &ClientAttack) -> Result<Outcome> {
    let mut outcome = once(ws, client, attack, 0)?;
    for turn in 1..attack.times {
        if outcome.problems.is_empty() {
            outcome = once(ws, client, attack, turn)?;
        }
    }
    Ok(outcome)
}

fn once(ws: &Path, client: Client, attack: &ClientAttack, turn: u64) -> Result<Outcome> {
    let failed = |error: io::Error| format!("{}: {error}", attack.name);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let scene = Scene {
        turn,
        ..Scene::default()
    };
    std::thread::scope(|scope| {
        let _over = Over(&scene.over);
        scope.spawn(|| serve(&listener, &scene, attack));
        let mut command = client.command(ws, &format!("ws://127.0.0.1:{port}/"));
        let child = command
            .stdin(Stdio::piped())
            .stdout(attack.pipes.stdout())
            .stderr(attack.pipes.stderr())
            .spawn();
        let child = child.map_err(|error| format!("{}: {error}", ws.display()))?;
        let mut process = Running(child);
        // The reader of a pipe that is closed goes at once; one that stops, stays.
        let pipes = (process.0.stdout.take(), process.0.stderr.take());
        let stops = matches!(attack.pipes, Pipes::StdoutStops | Pipes::StderrStops);
        let _held = stops.then_some(pipes);
        let stdin = process.0.stdin.take();
        let line = std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed(stdin, attack.input, &scene));
            let outcome = watch(&mut process, attack);
            // Whoever is still there holds the pipe that is being fed.
            scene.over.store(true, Ordering::Relaxed);
            drop(process);
            let line = feeding.join().unwrap_or_default();
            outcome.map(|outcome| (outcome, line))
        });
        let (mut outcome, line) = line?;
        if attack.input == Input::Endless {
            outcome.problems.extend(compare(&scene, line));
        }
        Ok(outcome)
    })
}

/// Is what came what went in?
fn compare(scene: &Scene, line: [u8; 20]) -> Option<String> {
    let came = scene.came.load(Ordering::Relaxed);
    let hash = scene.hash.lock().ok().and_then(|hash| *hash);
    if u64::try_from(ENDLESS_LINE) == Ok(came) && hash == Some(line) {
        None
    } else {
        Some(format!(
            "of {ENDLESS_LINE} bytes {came} came, or others than went in"
        ))
    }
}

/// Takes connections and plays each.
fn serve(listener: &TcpListener, scene: &Scene, attack: &ClientAttack) {
    peer::stand_back();
    while !scene.is_over() {
        match listener.accept() {
            Ok((mut stream, _)) => {
                // It ends in an error where the client goes, as it should.
                let _ = stream.set_nonblocking(false);
                let _ = (attack.play)(&mut stream, scene);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Gives the client its input, and holds the pipe open: the hash of what went in.
fn feed(stdin: Option<ChildStdin>, input: Input, scene: &Scene) -> [u8; 20] {
    let mut hash = Sha1::new();
    match input {
        Input::Silent => scene.hold(),
        Input::Ends => {
            while !scene.begun.load(Ordering::Relaxed) && !scene.is_over() {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(INPUT_ENDS);
        }
        Input::Endless => {
            let Some(mut stdin) = stdin else {
                return [0; 20];
            };
            let mut piece = vec![b'.'; PIECE];
            for number in 0..ENDLESS_LINE / PIECE {
                let name = format!("{number:08}");
                for (byte, digit) in piece.iter_mut().zip(name.bytes()) {
                    *byte = digit;
                }
                hash.update(&piece);
                if stdin.write_all(&piece).is_err() {
                    break;
                }
            }
        }
    }
    hash.finalize().into()
}

/// Watches it to its end.
fn watch(process: &mut Running, attack: &ClientAttack) -> Result<Outcome> {
    let began = Instant::now();
    let within = match (attack.expect, attack.input) {
        (Expect::Holds, _) => HOLDS,
        (Expect::EndsAtOnce, _) => AT_ONCE,
        (Expect::Ends, Input::Endless) => WORKS_WITHIN,
        (Expect::Ends, _) => ENDS_WITHIN,
    };
    let (mut memory, mut problems) = (0, Vec::new());
    let mut ended = None;
    while ended.is_none() && began.elapsed() < within {
        let now = target::memory(process.0.id(), "VmHWM:");
        memory = now.unwrap_or_default().max(memory);
        ended = target::wait(process, Duration::from_millis(5));
    }
    let mut status = ended.map(|(_, status)| status);
    if let Some(status) = status
        && !in_order(status)
    {
        problems.push(format!("it ended with {status}"));
    }
    if status.is_none() {
        if attack.expect != Expect::Holds {
            problems.push(format!("it goes on for {} s", within.as_secs()));
        }
        match target::end(process)? {
            Some((took, with)) if took <= ENDS_WITHIN => status = Some(with),
            Some((took, _)) => problems.push(format!("SIGTERM took {:.1} s", took.as_secs_f64())),
            None => problems.push("SIGTERM did not end it".to_owned()),
        }
    }
    if memory > MEMORY {
        problems.push(format!("{:.1} MiB in memory", figures::mib(memory)));
    }
    Ok(Outcome {
        took: began.elapsed(),
        status,
        memory,
        problems,
    })
}

/// Not by a signal, not by a panic.
fn in_order(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| code != 101)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_panic_and_a_signal_are_no_end_in_order() {
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        assert!(in_order(code(0)));
        assert!(in_order(code(5)));
        assert!(!in_order(code(101)));
        assert!(!in_order(ExitStatus::from_raw(6)));
    }
}
