//! Minutes of random traffic in both roles, with a neighbour, newcomers and a slow download beside it;
//! with loss in a network namespace of its own.

use super::clients::Client;
use super::figures::{self, Figures, Times};
use super::peer;
use super::random::Random;
use super::serve::{self, GIVEN_UP, Play, measure, newcomer};
use super::target::{self, Over, Pipes, Target};
use super::traffic::{Counts, Traffic};
use crate::interop::Driver;
use crate::shell::Running;
use crate::{Result, shell};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients of the server at a time.
const CLIENTS: u64 = 6;
/// The user of random numbers that stands for servers of `ws connect --echo`.
const SERVER: u64 = 100;
/// How long a message may take; with loss TCP sends again, later and later.
const WITHIN: Duration = Duration::from_secs(10);
const WITHIN_WITH_LOSS: Duration = Duration::from_secs(30);
/// How long the neighbour is measured before it begins.
const QUIET: Duration = Duration::from_secs(3);
/// Of so many packets one is lost, each way.
const LOST: u32 = 50;
/// The file that is downloaded slowly, and how fast: it takes longer than any limit on the whole.
const SLOW: &str = "slow.bin";
const SLOW_BYTES: u64 = 20 << 20;
const SLOW_A_SECOND: u64 = 300_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What a soak came to.
pub(super) struct Soaked {
    pub(super) figures: String,
    pub(super) problems: Vec<String>,
}

/// What the threads of a soak share.
struct Shared {
    over: AtomicBool,
    counts: Mutex<(Counts, Vec<String>)>,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// False where it failed.
    fn add(&self, who: &str, result: std::result::Result<Counts, String>) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(more) => counts.0 += more,
            // What ends with the server is no failure.
            Err(_) if self.is_over() => {}
            Err(why) => {
                counts.1.push(format!("{who}: {why}"));
                return false;
            }
        }
        true
    }
}

/// Soaks for so many minutes.
pub(super) fn soak(how: &Play<'_>, minutes: u64, lossy: bool) -> Result<Soaked> {
    let options = serve::options(&["--www"], SLOW, SLOW_BYTES)?;
    let target = Target::start(how.ws, how.driver, &options, Pipes::Read)?;
    let within = if lossy { WITHIN_WITH_LOSS } else { WITHIN };
    let neighbour = peer::open(target.port, if lossy { within } else { GIVEN_UP });
    let mut neighbour = neighbour.map_err(|error| format!("the neighbour: {error}"))?;
    let quiet = Instant::now() + QUIET;
    let (without, lost) = measure(&mut neighbour, || Instant::now() < quiet);
    let mut figures = Figures {
        without,
        lost,
        ..Figures::default()
    };
    let shared = Shared {
        over: AtomicBool::new(false),
        counts: Mutex::default(),
    };
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        let _over = Over(&shared.over);
        for user in 1..=CLIENTS {
            let (shared, port) = (&shared, target.port);
            scope.spawn(move || client(shared, port, Random::new(how.seed, user), user, within));
        }
        scope.spawn(|| server(&shared, how, within));
        if minutes >= 2 && !lossy {
            let (shared, port) = (&shared, target.port);
            scope.spawn(move || {
                let download = download(port, shared);
                shared.add("the slow download", download.map(|()| Counts::default()))
            });
        }
        let measuring = scope.spawn(|| measure(&mut neighbour, || !shared.is_over()));
        for minute in 1..=minutes {
            let until = Instant::now() + MINUTE;
            while Instant::now() < until {
                match newcomer(target.port, false, within) {
                    Ok(took) => figures.newcomers.add(took),
                    Err(why) => figures.unserved.push(why),
                }
                let left = until.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(Duration::from_millis(500)));
            }
            let kib = target.memory().unwrap_or_default();
            memory.push(kib);
            let minute = format!("minute {minute}: {:.1} MiB", figures::mib(kib));
            println!("{} {minute}", how.driver.named("soak"));
        }
        shared.over.store(true, Ordering::Relaxed);
        let (with, lost) = measuring.join().unwrap_or_default();
        figures.with = with;
        figures.lost = figures.lost.take().or(lost);
        if let Some((took, status)) = target.end()? {
            figures.ended = Some(took);
            figures.exit = (!status.success()).then(|| status.to_string());
        }
        Ok::<_, String>(())
    })?;
    let (counts, failures) = shared
        .counts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    figures.blows = counts.messages;
    if lossy {
        // A packet that is lost is nobody's fault but the network's.
        figures.without = figures.with.clone();
        figures.newcomers = Times::default();
        figures.newcomers.add(Duration::ZERO);
        figures.with = Times::default();
        figures.with.add(Duration::ZERO);
    }
    let mut problems = failures;
    problems.truncate(8);
    problems.extend(figures.problems());
    problems.extend(figures::growth(&memory));
    if problems.is_empty() {
        Ok(Soaked {
            figures: shown(&counts, &figures, lossy),
            problems,
        })
    } else {
        problems.push(format!("--seed {}", how.seed));
        Ok(Soaked {
            figures: shown(&counts, &figures, lossy),
            problems,
        })
    }
}

fn shown(counts: &Counts, figures: &Figures, lossy: bool) -> String {
    let Counts {
        connections,
        messages,
        bytes,
        fragments,
        pings,
        pongs,
        closes,
        resets,
    } = counts;
    let mut text = format!(
        "{messages} messages of {} MB in {fragments} fragments, {pings} Pings, {pongs} Pongs, \
         {connections} connections, {closes} closed, {resets} reset",
        bytes / 1_000_000
    );
    if !lossy {
        text += &format!("\n{figures}");
    }
    text
}

/// Connects to the server again and again.
fn client(shared: &Shared, port: u16, mut random: Random, user: u64, within: Duration) {
    peer::stand_back();
    let over = || shared.is_over();
    while !shared.is_over() {
        let run = match peer::open(port, within) {
            Ok(stream) => Traffic::new(stream, true, within, &over).run(&mut random),
            Err(error) => Err(format!("connecting: {error}")),
        };
        if !shared.add(&format!("client {user}"), run) {
            return;
        }
    }
}

/// Has `ws connect --echo` connect again and again.
fn server(shared: &Shared, how: &Play<'_>, within: Duration) {
    peer::stand_back();
    let mut random = Random::new(how.seed, SERVER);
    while !shared.is_over() {
        let run = connected(shared, how, &mut random, within);
        if !shared.add("ws connect --echo", run) {
            return;
        }
    }
}

fn connected(
    shared: &Shared,
    how: &Play<'_>,
    random: &mut Random,
    within: Duration,
) -> std::result::Result<Counts, String> {
    let failed = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let url = format!("ws://127.0.0.1:{port}/");
    let mut command = Client::Connect(how.driver).command(how.ws, &url);
    let child = command
        .args(["--echo"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut process = Running(child.map_err(failed)?);
    listener.set_nonblocking(true).map_err(failed)?;
    let until = Instant::now() + within;
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if shared.is_over() => return Ok(Counts::default()),
            Err(error) if Instant::now() > until => return Err(failed(error)),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    stream.set_nonblocking(false).map_err(failed)?;
    peer::accept(&mut stream, within).map_err(failed)?;
    let over = || shared.is_over();
    let counts = Traffic::new(stream, false, within, &over).run(random)?;
    match target::wait(&mut process, within) {
        Some((_, status)) if status.code().is_some_and(|code| code != 101) => Ok(counts),
        Some((_, status)) => Err(format!("it ended with {status}")),
        None if shared.is_over() => Ok(counts),
        None => Err("it does not end".to_owned()),
    }
}

/// Reads a page more slowly than it could come: all of it has to come.
fn download(port: u16, shared: &Shared) -> std::result::Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = peer::dial(port, WITHIN).map_err(failed)?;
    #[cfg(unix)]
    // Where it fails the system buffers more, and the server has less to wait for.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 * 1024);
    let request = format!("GET /{SLOW} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let status = peer::status(&mut stream, WITHIN).map_err(failed)?;
    if status != 200 {
        return Err(format!("status {status}"));
    }
    let (began, mut came) = (Instant::now(), 0_u64);
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = stream.read(&mut buffer).map_err(failed);
        let count = count.map_err(|why| format!("{why}, behind {came} bytes"))?;
        came += count as u64;
        if shared.is_over() || came == SLOW_BYTES {
            return Ok(());
        }
        if count == 0 {
            let seconds = began.elapsed().as_secs();
            return Err(format!("cut off after {seconds} s and {came} bytes"));
        }
        let due = Duration::from_millis(came * 1_000 / SLOW_A_SECOND);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

/// The same in a network namespace of its own whose packets get lost: what it has printed, and whether
/// it held. The outer error says why it cannot be here.
pub(super) fn with_loss(
    how: &Play<'_>,
    minutes: u64,
) -> std::result::Result<Result<String>, String> {
    let name = format!("attack{}", std::process::id());
    let ip = |args: &[&str]| shell::capture(Command::new("ip").args(args));
    shell::capture(Command::new("nft").arg("--version"))
        .map_err(|_| "there is no nft; run: sudo apt-get install nftables iproute2".to_owned())?;
    ip(&["netns", "add", &name]).map_err(|why| format!("a network namespace takes root: {why}"))?;
    let _space = Space(&name);
    let rules = format!(
        "table inet loss {{\nchain in {{\ntype filter hook input priority 0;\n\
         iifname \"lo\" numgen random mod {LOST} < 1 drop\n}}\n}}\n"
    );
    let within = |args: &[&str]| {
        let args: Vec<&str> = ["netns", "exec", &name]
            .iter()
            .chain(args)
            .copied()
            .collect();
        ip(&args)
    };
    within(&["ip", "link", "set", "lo", "up"])?;
    within(&["nft", &rules])?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let driver = match how.driver {
        Driver::Blocking => "blocking",
        Driver::Async => "async",
    };
    Ok(within(&[
        &program.to_string_lossy(),
        "attack",
        "--soak",
        &minutes.to_string(),
        "--lossy",
        "--driver",
        driver,
        "--seed",
        &how.seed.to_string(),
        "--ws",
        &how.ws.to_string_lossy(),
    ]))
}

/// A network namespace, deleted at the end.
struct Space<'a>(&'a str);

impl Drop for Space<'_> {
    fn drop(&mut self) {
        // What is left of it shows in `ip netns`, and is in nobody's way.
        let _ = shell::capture(Command::new("ip").args(["netns", "del", self.0]));
    }
}
