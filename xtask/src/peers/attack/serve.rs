//! One attack on `ws serve`, with a neighbour that was there before and newcomers that come amid it.

use super::attacks::{Attack, BIG, BIG_BYTES};
use super::field::Field;
use super::figures::{ENDS_WITHIN, Figures, SERVED_WITHIN, Times};
use super::peer::{self, BINARY, FIN, frame};
use super::target::{Over, Pipes, Target};
use crate::interop::Driver;
use crate::{Result, shell};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the neighbour is measured before an attack.
const QUIET: Duration = Duration::from_millis(300);
/// Between two of the neighbour's messages.
const BETWEEN: Duration = Duration::from_millis(3);
/// An echo that takes longer is not waited for.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(3);
/// Between two newcomers.
const NEWCOMERS: Duration = Duration::from_millis(150);
/// By then an attack has begun, or it does not.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// How long an attack lasts before the signal.
const BEFORE_THE_END: Duration = Duration::from_millis(400);

/// How attacks are played in this run.
pub(super) struct Play<'a> {
    pub(super) ws: &'a Path,
    pub(super) driver: Driver,
    pub(super) seconds: Duration,
    pub(super) seed: u64,
}

/// How it ended at SIGTERM: how long that took, and what with where that is not as it should be.
pub(super) type Ended = (Option<Duration>, Option<String>);

/// Attacks, and asks the program to end amid it.
pub(super) fn end(how: &Play<'_>, attack: &Attack) -> Result<Ended> {
    let options = options(attack.options, BIG, BIG_BYTES)?;
    let target = Target::start(how.ws, how.driver, &options, attack.pipes)?;
    target.break_pipes();
    let field = Field::new(target.port, how.seed);
    std::thread::scope(|scope| {
        let _over = Over(field.over());
        scope.spawn(|| {
            peer::stand_back();
            (attack.play)(&field);
        });
        field.begun(BEGINS_WITHIN);
        std::thread::sleep(BEFORE_THE_END);
        let Some((took, status)) = target.end()? else {
            return Ok((None, None));
        };
        let fine = attack.pipes.ends(status);
        Ok((Some(took), (!fine).then(|| status.to_string())))
    })
}

/// Plays one: what was measured. Of the end nothing is known yet.
pub(super) fn play(how: &Play<'_>, attack: &Attack) -> Result<Figures> {
    let options = options(attack.options, BIG, BIG_BYTES)?;
    let mut target = Target::start(how.ws, how.driver, &options, attack.pipes)?;
    let neighbour = peer::open(target.port, GIVEN_UP);
    let mut neighbour = neighbour.map_err(|error| format!("the neighbour: {error}"))?;
    let mut figures = Figures {
        may_grow: attack.memory,
        ..Figures::default()
    };
    let until = Instant::now() + QUIET;
    (figures.without, figures.lost) = measure(&mut neighbour, || Instant::now() < until);
    let before = target.memory();
    let field = Field::new(target.port, how.seed);
    target.break_pipes();
    std::thread::scope(|scope| {
        let _over = Over(field.over());
        scope.spawn(|| {
            peer::stand_back();
            (attack.play)(&field);
        });
        attacked(how, attack, &field, &mut neighbour, &mut figures);
        figures.blows = field.blows();
        figures.memory = before.zip(target.memory());
    });
    let fails = figures.lost.is_some() || !figures.unserved.is_empty();
    if fails && attack.pipes == Pipes::StdoutCloses {
        // It may end for want of a reader, in order.
        let status = target.ends_within(ENDS_WITHIN);
        figures.ends_itself = status.is_some_and(|status| attack.pipes.ends(status));
    }
    Ok(figures)
}

/// What the neighbour and newcomers feel of an attack.
fn attacked(
    how: &Play<'_>,
    attack: &Attack,
    field: &Field,
    neighbour: &mut TcpStream,
    figures: &mut Figures,
) {
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let measuring = scope.spawn(|| measure(neighbour, || !enough.load(Ordering::Relaxed)));
        {
            let _enough = Over(&enough);
            field.begun(BEGINS_WITHIN);
            let until = Instant::now() + how.seconds;
            while Instant::now() < until && figures.unserved.is_empty() {
                match newcomer(field.port, attack.full, SERVED_WITHIN) {
                    Ok(took) => figures.newcomers.add(took),
                    Err(why) => figures.unserved.push(why),
                }
                let left = until.saturating_duration_since(Instant::now());
                std::thread::sleep(NEWCOMERS.min(left));
            }
        }
        let (with, lost) = measuring.join().unwrap_or_default();
        figures.with = with;
        figures.lost = figures.lost.take().or(lost);
    });
}

/// Echoes short messages one after the other: how long each took, and why that ended early.
pub(super) fn measure(stream: &mut TcpStream, go_on: impl Fn() -> bool) -> (Times, Option<String>) {
    let mut times = Times::default();
    let sent = frame(FIN | BINARY, &[5; 64], true);
    let expected = frame(FIN | BINARY, &[5; 64], false);
    let mut found = vec![0; expected.len()];
    while go_on() {
        let began = Instant::now();
        let result = stream
            .write_all(&sent)
            .and_then(|()| stream.read_exact(&mut found));
        times.add(began.elapsed());
        match result {
            Ok(()) if found == expected => {}
            Ok(()) => return (times, Some("something else came back".to_owned())),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (times, Some(format!("no echo in {} s", GIVEN_UP.as_secs())));
            }
            Err(error) => return (times, Some(error.to_string())),
        }
        std::thread::sleep(BETWEEN);
    }
    (times, None)
}

/// A new connection and an echo, or a 503 where there is no room: how long that took.
pub(super) fn newcomer(port: u16, full: bool, within: Duration) -> Result<Duration> {
    let began = Instant::now();
    let come = || {
        if full {
            let mut stream = peer::dial(port, within)?;
            stream.write_all(peer::REQUEST)?;
            let status = peer::status(&mut stream, within)?;
            let told = status == 503;
            let other = || std::io::Error::other(format!("{status} in place of 503"));
            return told.then_some(()).ok_or_else(other);
        }
        peer::echo(&mut peer::open(port, within)?)
    };
    match come() {
        Ok(()) => Ok(began.elapsed()),
        Err(error) => Err(format!(
            "{error}, after {:.1} s",
            began.elapsed().as_secs_f64()
        )),
    }
}

/// Options of `ws serve`, with a folder after `--www`.
pub(super) fn options(options: &[&str], file: &str, bytes: u64) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for option in options {
        all.push((*option).to_owned());
        if *option == "--www" {
            all.push(folder(file, bytes)?.to_string_lossy().into_owned());
        }
    }
    Ok(all)
}

/// A folder with a big file that takes no room.
fn folder(file: &str, bytes: u64) -> Result<PathBuf> {
    let folder = shell::target_folder().join("attack/www");
    let make = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::File::create(folder.join(file))?.set_len(bytes)
    };
    match make() {
        Ok(()) => Ok(folder),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}
