//! `ws demo`: a client and a server in one process and one thread, over smoltcp's TCP. Every step
//! is verified at both ends; what differs ends the demo.

mod client;
mod network;
mod server;
mod steps;
mod wire;

use crate::exit::Exit;
use crate::output;
use client::Client;
use network::{Network, TCP_BUFFER};
use server::{BUFFER, SLOTS, Server};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};
use steps::Step;

/// FNV-1a, enough to find what was changed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checksum(u64);

impl Checksum {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let mut checksum = Self::new();
        checksum.update(bytes);
        checksum
    }
}

/// Why the demo ended early.
#[derive(Debug)]
enum Failure {
    /// What differed from what it should be.
    Differs(String),
    /// It cannot be told: the output failed.
    Output,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::Differs(what)
    }
}

/// Runs `ws demo` and prints to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Exit {
    run_steps(out, &steps::ALL)
}

fn run_steps(out: &mut dyn Write, steps: &[Step]) -> Exit {
    match play(out, steps) {
        Ok(()) => Exit::Clean,
        Err(Failure::Differs(what)) => {
            let told = writeln!(out, "FAILED\n\n{what}").and_then(|()| out.flush());
            if told.is_err() {
                output::say(&what);
            }
            Exit::Failed
        }
        // Which is said at the end.
        Err(Failure::Output) => Exit::Failed,
    }
}

fn play(out: &mut dyn Write, steps: &[Step]) -> Result<(), Failure> {
    writeln!(
        out,
        "A client and a server, each a table of {SLOTS} WebSockets over a smoltcp stack of its own, \
         joined by\na wire in memory. One thread, no network.\n"
    )?;
    let started = Instant::now();
    let Network {
        client,
        server,
        clock,
        carried,
    } = Network::new()?;
    let (mut server_buffers, mut client_buffers) = ([[0; BUFFER]; SLOTS], [[0; BUFFER]; SLOTS]);
    let lent = server_buffers.each_mut();
    let server = Rc::new(RefCell::new(Server::new(server, Rc::clone(&clock), lent)?));
    let lent = client_buffers.each_mut();
    let mut client = Client::new(client, clock, Rc::clone(&carried), server, lent);
    for step in steps {
        write!(out, "  {:<12}", step.name)?;
        out.flush()?;
        let began = Instant::now();
        let done = (step.run)(&mut client)?;
        writeln!(out, "{:<72}{:>9}", done, millis(began.elapsed()))?;
    }
    let took = started.elapsed();
    let carried = carried.get();
    let sent = client.sent;
    let received = client.received;
    let rate = client.rate.unwrap_or_default();
    writeln!(out, "\nAll of it was verified at both ends.\n")?;
    let mut line = |name: &str, what: String| writeln!(out, "  {name:<12}{what}");
    line("time", format!("{} in all", millis(took)))?;
    line(
        "messages",
        format!(
            "{} sent, {} received; {} a second there and back, one after the other",
            grouped(sent.messages),
            grouped(received.messages),
            grouped(rate)
        ),
    )?;
    line(
        "frames",
        format!(
            "{} sent with {} bytes of payload, {} received with {}",
            grouped(sent.frames),
            grouped(sent.bytes),
            grouped(received.frames),
            grouped(received.bytes)
        ),
    )?;
    line(
        "wire",
        format!(
            "{} IP packets, {} bytes",
            grouped(carried.packets),
            grouped(carried.bytes)
        ),
    )?;
    line(
        "memory",
        format!(
            "{} bytes of protocol state a connection (at most 30 on a 32-bit chip), {} bytes a slot\n\
             {:14}here, {BUFFER} bytes of lent buffer a slot, {} KiB of TCP buffers a socket",
            size_of::<ws_core::Connection>(),
            client::slot_size(),
            "",
            2 * TCP_BUFFER / 1024
        ),
    )?;
    writeln!(
        out,
        "\nNext: ws connect ws://HOST/ speaks to a real server; ws help."
    )?;
    Ok(out.flush()?)
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// A number with commas between the thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_verifies_itself() {
        let mut out = Vec::new();
        let exit = run(&mut out);
        let printed = String::from_utf8(out).unwrap();
        assert_eq!(exit, Exit::Clean, "{printed}");
        for step in &steps::ALL {
            assert!(printed.contains(step.name), "{printed}");
        }
    }

    #[test]
    fn what_differs_is_said_and_no_success() {
        let wrong = Step {
            name: "wrong",
            run: |client| {
                client::same("ids", &None, &Some(client.connect()?)).map(|()| String::new())
            },
        };
        let mut out = Vec::new();
        assert_eq!(run_steps(&mut out, &[wrong]), Exit::Failed);
        let printed = String::from_utf8(out).unwrap();
        assert!(printed.contains("ids differ"), "{printed}");
        assert!(!printed.contains("verified"), "{printed}");
    }

    #[test]
    fn an_output_that_fails_is_no_success() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(run(&mut Full), Exit::Failed);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
