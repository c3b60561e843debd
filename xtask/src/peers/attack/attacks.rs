//! The attacks on `ws serve`, each a row. Every one is played against both drivers.

use super::field::{Field, Flood, WITHIN};
use super::peer::{self, BINARY, CLOSE, FIN, PING, REQUEST, TEXT, frame, header};
use super::target::Pipes;
use std::io::{Read, Write};
use std::time::Duration;

/// The file below `--www` that is too long for what the system keeps of it.
pub(super) const BIG: &str = "big.bin";
pub(super) const BIG_BYTES: u64 = 64 << 20;
/// Connections that never finish their request.
const HALF_OPEN: usize = 3_000;
/// Connections that are slow with it.
const SLOW: usize = 300;
/// With `--max-connections 4`, beside the neighbour.
const OTHERS: usize = 3;

/// Slots of the server's table.
const SLOTS: usize = 16_384;
/// Open files for most attacks, and for what is played beside them.
pub(super) const FILES: usize = 6_000;
/// By how much memory may grow under most attacks, in KiB: 3,000 handshakes take the most.
const MEMORY: u64 = 64 * 1024;

/// One attack on `ws serve`.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What is done.
    pub(super) about: &'static str,
    /// Further options of `ws serve`.
    pub(super) options: &'static [&'static str],
    pub(super) pipes: Pipes,
    /// Newcomers are to be told that there is no room, instead of being served.
    pub(super) full: bool,
    /// By how much memory may grow, in KiB.
    pub(super) memory: u64,
    /// How many files may have to be open, here and there.
    pub(super) files: usize,
    pub(super) play: fn(&Field),
}

/// An attack that needs nothing in particular.
const fn attack(name: &'static str, about: &'static str, play: fn(&Field)) -> Attack {
    Attack {
        name,
        about,
        options: &[],
        pipes: Pipes::Read,
        full: false,
        memory: MEMORY,
        files: FILES,
        play,
    }
}

/// An attack on a pipe.
const fn piped(
    name: &'static str,
    about: &'static str,
    option: &'static [&'static str],
    pipes: Pipes,
) -> Attack {
    Attack {
        options: option,
        pipes,
        ..attack(name, about, |field| {
            echoed(field, 4, frames(FIN | TEXT, b"line"))
        })
    }
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "close-flood",
        "Close (1000), then zeros without end",
        |field| {
            zeros(field, true, &frame(FIN | CLOSE, &[3, 0xe8], true));
        },
    ),
    attack(
        "bad-frame-flood",
        "a reserved opcode, then zeros",
        |field| {
            zeros(field, true, &frame(FIN | 0x3, b"bad", true));
        },
    ),
    attack(
        "unmasked-flood",
        "a frame without a mask, then zeros",
        |field| {
            zeros(field, true, &frame(FIN | TEXT, b"bad", false));
        },
    ),
    attack(
        "garbage-flood",
        "GARBAGE in place of a request, then zeros",
        |field| {
            zeros(field, false, b"GARBAGE\r\n\r\n");
        },
    ),
    attack(
        "page-flood",
        "a page with Connection: close, then zeros",
        |field| {
            zeros(
                field,
                false,
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            );
        },
    ),
    attack("head-flood", "header lines without end", |field| {
        let flood = Flood {
            count: 4,
            upgraded: false,
            first: b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec(),
            block: b"X-Endless: header\r\n".repeat(3_000),
            reads: true,
        };
        flood.play(field);
    }),
    attack(
        "requests-flood",
        "pages asked for without end on a connection",
        |field| {
            let flood = Flood {
                count: 2,
                upgraded: false,
                first: Vec::new(),
                block: b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000),
                reads: true,
            };
            flood.play(field);
        },
    ),
    attack(
        "tiny-frames",
        "texts of one byte without end, echo read",
        |field| {
            echoed(field, 1, frames(FIN | TEXT, b"x"));
        },
    ),
    attack(
        "empty-frames",
        "empty fragments of one message without end",
        |field| {
            let first = frame(TEXT, b"", true);
            let block = frames(peer::CONTINUATION, b"");
            let flood = Flood {
                count: 1,
                upgraded: true,
                first,
                block,
                reads: true,
            };
            flood.play(field);
        },
    ),
    attack("pings", "Pings without end", |field| {
        echoed(field, 1, frames(FIN | PING, b"ping"));
    }),
    attack(
        "large-frames",
        "frames of a mebibyte without end, echo read",
        |field| {
            echoed(field, 1, frame(FIN | BINARY, &vec![7; 1 << 20], true));
        },
    ),
    attack(
        "endless-frame",
        "one frame of 2^62 bytes, echo read",
        |field| {
            let flood = Flood {
                count: 1,
                upgraded: true,
                first: header(FIN | BINARY, 1 << 62, true),
                block: vec![7; 64 * 1024],
                reads: true,
            };
            flood.play(field);
        },
    ),
    attack(
        "flood-50",
        "50 connections with valid frames without end",
        |field| {
            echoed(field, 50, frames(FIN | BINARY, &[7; 100]));
        },
    ),
    attack(
        "flood-200",
        "200 connections with valid frames without end",
        |field| {
            echoed(field, 200, frames(FIN | BINARY, &[7; 100]));
        },
    ),
    attack(
        "close-flood-50",
        "50 connections: Close (1000), then zeros",
        |field| {
            let flood = Flood {
                count: 50,
                ..zero_flood(true, &frame(FIN | CLOSE, &[3, 0xe8], true))
            };
            flood.play(field);
        },
    ),
    attack(
        "unread-echo",
        "20 connections that send and never read",
        |field| {
            let flood = Flood {
                count: 20,
                upgraded: true,
                first: Vec::new(),
                block: frame(FIN | BINARY, &vec![7; 1 << 16], true),
                reads: false,
            };
            flood.play(field);
        },
    ),
    Attack {
        options: &["--www"],
        ..attack(
            "unread-download",
            "20 downloads of 64 MiB that nobody reads",
            |field| {
                let request = format!("GET /{BIG} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                let held = field.many(20, false, request.as_bytes());
                field.blow();
                field.hold();
                drop(held);
            },
        )
    },
    Attack {
        options: &["--www"],
        ..attack(
            "downloads",
            "4 downloads of 64 MiB, read, again and again",
            |field| {
                let flood = Flood {
                    count: 4,
                    upgraded: false,
                    first: Vec::new(),
                    block: format!("GET /{BIG} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
                    reads: true,
                };
                flood.play(field);
            },
        )
    },
    attack(
        "half-open",
        "3,000 requests that are never finished",
        |field| {
            let mut held = Vec::new();
            while held.len() < HALF_OPEN && !field.is_over() {
                held.extend(field.many(50, false, b"GET / HTTP/1.1\r\nHost: localhost\r\n"));
                field.blow();
            }
            field.hold();
        },
    ),
    attack(
        "slow-requests",
        "300 requests of which a byte comes now and then",
        slow_requests,
    ),
    attack("silent", "500 connections that say nothing", |field| {
        let held = field.many(500, false, b"");
        field.blow();
        field.hold();
        drop(held);
    }),
    Attack {
        options: &["--max-connections", "4"],
        full: true,
        ..attack("full-table", "no room: newcomers are told 503", |field| {
            let held = field.many(OTHERS, true, b"");
            field.blow();
            field.hold();
            drop(held);
        })
    },
    Attack {
        options: &["--handshake-timeout", "60000"],
        full: true,
        memory: 400 * 1024,
        files: SLOTS + FILES / 4,
        ..attack(
            "full-slots",
            "a request in every slot of the table: newcomers are told 503",
            |field| {
                // The neighbour has one.
                let held = field.many(SLOTS - 1, false, b"GET / HTTP/1.1\r\n");
                field.blow();
                field.hold();
                drop(held);
            },
        )
    },
    attack("resets", "a reset in each state, again and again", resets),
    piped(
        "stdout-stops",
        "nobody reads the --json lines any more",
        &["--json"],
        Pipes::StdoutStops,
    ),
    piped(
        "stdout-closed",
        "the reader of the --json lines is gone",
        &["--json"],
        Pipes::StdoutCloses,
    ),
    piped(
        "stderr-stops",
        "nobody reads what -v says",
        &["-v"],
        Pipes::StderrStops,
    ),
    piped(
        "stderr-closed",
        "the reader of what -v says is gone",
        &["-v"],
        Pipes::StderrCloses,
    ),
    Attack {
        options: &["--max-connections", "4"],
        full: true,
        pipes: Pipes::StderrCloses,
        ..attack(
            "stderr-closed-full",
            "no room, and no standard error to say it",
            |field| {
                let held = field.many(OTHERS, true, b"");
                field.blow();
                field.hold();
                drop(held);
            },
        )
    },
];

/// As many of a small frame as make a good write.
fn frames(first: u8, payload: &[u8]) -> Vec<u8> {
    let frame = frame(first, payload, true);
    frame.repeat((64 * 1024 / frame.len()).max(1))
}

fn zero_flood(upgraded: bool, first: &[u8]) -> Flood {
    Flood {
        count: 1,
        upgraded,
        first: first.to_vec(),
        block: vec![0; 64 * 1024],
        reads: true,
    }
}

fn zeros(field: &Field, upgraded: bool, first: &[u8]) {
    zero_flood(upgraded, first).play(field);
}

/// WebSockets that send `block` again and again and read what comes back.
fn echoed(field: &Field, count: usize, block: Vec<u8>) {
    let flood = Flood {
        count,
        upgraded: true,
        first: Vec::new(),
        block,
        reads: true,
    };
    flood.play(field);
}

fn slow_requests(field: &Field) {
    let mut held = field.many(SLOW, false, b"");
    for byte in REQUEST.chunks(1) {
        for stream in &mut held {
            // Who was cut off stays so.
            let _ = stream.write_all(byte);
        }
        field.blow();
        std::thread::sleep(Duration::from_millis(100));
        if field.is_over() {
            break;
        }
    }
    field.hold();
}

/// Connections that are reset before and amid the request, after it, and amid all that can be amid.
fn resets(field: &Field) {
    let message = frame(FIN | BINARY, &[7; 3_000], true);
    let close = frame(FIN | CLOSE, &[3, 0xe8], true);
    let states: &[(bool, &[u8])] = &[
        (false, b""),
        (false, b"GET / HTTP/1.1\r\nHo"),
        (false, REQUEST),
        (false, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (true, b""),
        (true, message.get(..5).unwrap_or_default()),
        (true, message.get(..100).unwrap_or_default()),
        (true, &message),
        (true, &close),
        // The server's own Close is out.
        (true, &[FIN | 0x3, 0x80, 1, 2, 3, 4]),
    ];
    let mut random = field.random(1);
    while !field.is_over() {
        for (upgraded, said) in states {
            let held = field.many(1, *upgraded, said);
            for mut stream in held {
                if random.one_in(2) {
                    // The server comes to what was said first.
                    let _ = stream.set_read_timeout(Some(WITHIN.min(Duration::from_millis(2))));
                    let _ = stream.read(&mut [0; 64]);
                }
                peer::reset(stream);
                field.blow();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
