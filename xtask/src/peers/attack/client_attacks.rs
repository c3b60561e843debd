//! The attacks on `ws connect` and `ws mqtt`, each a row: what a server does that means no good, and
//! what standard input and output do.

use super::clients::Scene;
use super::peer::{self, BINARY, CLOSE, FIN, PING, TEXT, frame};
use super::target::Pipes;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// More than any line of text, in bytes.
pub(super) const ENDLESS_LINE: usize = 48 << 20;

/// Who is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clients {
    /// `ws connect` by both drivers, and `ws mqtt`.
    All,
    /// `ws connect` alone.
    Connect,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// It ends by itself, in order, without waiting for anything.
    EndsAtOnce,
    /// It ends by itself, in order.
    Ends,
    /// It goes on, or ends in order; SIGTERM ends it.
    Holds,
}

/// What comes in by standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing, and it stays open.
    Silent,
    /// Its end, when the server has begun.
    Ends,
    /// A line of [`ENDLESS_LINE`] bytes.
    Endless,
}

/// One attack on a client.
pub(super) struct ClientAttack {
    pub(super) name: &'static str,
    /// What is done.
    pub(super) about: &'static str,
    pub(super) clients: Clients,
    pub(super) input: Input,
    pub(super) pipes: Pipes,
    pub(super) expect: Expect,
    /// How often it is played: what hits a moment misses it too.
    pub(super) times: u64,
    /// What the server does with a connection.
    pub(super) play: fn(&mut TcpStream, &Scene) -> std::io::Result<()>,
}

type Play = fn(&mut TcpStream, &Scene) -> std::io::Result<()>;

const fn attack(name: &'static str, about: &'static str, play: Play) -> ClientAttack {
    ClientAttack {
        name,
        about,
        clients: Clients::All,
        input: Input::Silent,
        pipes: Pipes::Read,
        expect: Expect::Ends,
        times: 1,
        play,
    }
}

/// How long the server waits for what the client has to say first.
const WITHIN: Duration = Duration::from_secs(3);

pub(super) const CLIENT_ATTACKS: &[ClientAttack] = &[
    attack(
        "endless-1xx",
        "100 Continue without end",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            scene.flood(stream, b"HTTP/1.1 100 Continue\r\n\r\n")
        },
    ),
    attack(
        "endless-headers",
        "header lines without end",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n")?;
            scene.flood(stream, b"X-Endless: header\r\n")
        },
    ),
    attack(
        "endless-line-of-head",
        "one header line without end",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nX: ")?;
            scene.flood(stream, b"endless")
        },
    ),
    attack(
        "silent-server",
        "takes the request and says nothing",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            scene.hold();
            Ok(())
        },
    ),
    attack(
        "endless-refusal",
        "404, and a body without end",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            scene.flood(stream, b"5\r\nsorry\r\n")
        },
    ),
    attack(
        "garbage-answer",
        "GARBAGE in place of HTTP, then zeros",
        |stream, scene| {
            peer::request(stream, WITHIN)?;
            stream.write_all(b"GARBAGE\r\n\r\n")?;
            scene.flood(stream, &[0])
        },
    ),
    attack(
        "close-flood",
        "Close (1000), then zeros without end",
        |stream, scene| {
            peer::accept(stream, WITHIN)?;
            stream.write_all(&frame(FIN | CLOSE, &[3, 0xe8], false))?;
            scene.flood(stream, &[0])
        },
    ),
    attack(
        "close-silent",
        "Close (1000), and TCP stays open",
        |stream, scene| {
            peer::accept(stream, WITHIN)?;
            stream.write_all(&frame(FIN | CLOSE, &[3, 0xe8], false))?;
            scene.hold();
            Ok(())
        },
    ),
    ClientAttack {
        expect: Expect::EndsAtOnce,
        times: 40,
        ..attack(
            "close-reset",
            "Close (1000) and a reset, sooner or later",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                stream.write_all(&frame(FIN | CLOSE, &[3, 0xe8], false))?;
                std::thread::sleep(Duration::from_micros(15 * scene.turn));
                peer::reset(stream.try_clone()?);
                Ok(())
            },
        )
    },
    attack(
        "bad-frame-flood",
        "a reserved opcode, then zeros",
        |stream, scene| {
            peer::accept(stream, WITHIN)?;
            stream.write_all(&frame(FIN | 0x3, b"bad", false))?;
            scene.flood(stream, &[0])
        },
    ),
    ClientAttack {
        expect: Expect::EndsAtOnce,
        times: 8,
        ..attack("open-reset", "101 and a reset", |stream, _| {
            peer::accept(stream, WITHIN)?;
            peer::reset(stream.try_clone()?);
            Ok(())
        })
    },
    ClientAttack {
        expect: Expect::EndsAtOnce,
        times: 8,
        ..attack("reset-in-frame", "half a frame and a reset", |stream, _| {
            peer::accept(stream, WITHIN)?;
            let message = frame(FIN | BINARY, &[7; 3_000], false);
            stream.write_all(message.get(..1_000).unwrap_or_default())?;
            peer::reset(stream.try_clone()?);
            Ok(())
        })
    },
    ClientAttack {
        input: Input::Ends,
        ..attack(
            "pings-at-the-end",
            "Pings without end, and input ends",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                scene.flood(stream, &frame(FIN | PING, b"", false))
            },
        )
    },
    ClientAttack {
        input: Input::Ends,
        ..attack(
            "frames-at-the-end",
            "fragments without end, and input ends",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                stream.write_all(&frame(BINARY, b"", false))?;
                scene.flood(stream, &frame(peer::CONTINUATION, b"", false))
            },
        )
    },
    ClientAttack {
        clients: Clients::Connect,
        input: Input::Endless,
        ..attack(
            "endless-line",
            "a line of 48 MiB of standard input",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                scene.collect(stream)
            },
        )
    },
    ClientAttack {
        clients: Clients::Connect,
        pipes: Pipes::StdoutStops,
        expect: Expect::Holds,
        ..attack(
            "stdout-stops",
            "messages without end that nobody reads",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                scene.flood(stream, &frame(FIN | TEXT, b"message", false))
            },
        )
    },
    ClientAttack {
        clients: Clients::Connect,
        pipes: Pipes::StdoutCloses,
        ..attack(
            "stdout-closed",
            "messages without end, and the reader is gone",
            |stream, scene| {
                peer::accept(stream, WITHIN)?;
                scene.flood(stream, &frame(FIN | TEXT, b"message", false))
            },
        )
    },
    ClientAttack {
        pipes: Pipes::StderrCloses,
        ..attack(
            "stderr-closed",
            "404, and no standard error to say it",
            |stream, _| {
                peer::request(stream, WITHIN)?;
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            },
        )
    },
];
