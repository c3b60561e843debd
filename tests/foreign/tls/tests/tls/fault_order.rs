//! A server whose handshake is not in order is refused, and panics nobody; also where it has the right
//! key, so that its signature and its Finished fit what it said.

use std::rc::Rc;

use embedded_io::{ErrorKind, Read as _};
use embedded_tls::TlsError;
use tls::authority::{Authority, HOST};
use tls::client::{AsyncMemory, Place, secure, secure_async};
use tls::hand::{Hand, run};
use tls::peer::Echo;
use tls::rogue::{Rogue, Server, message, record};
use tls::wire::{Script, Tail};
use tls::wires::{self, Blocking, Lazy};
use ws_socket::asynch::TlsStreamError;
use ws_tls::{Error, Memory};

/// What follows the ServerHello.
type Flight = Rc<dyn Fn(&Server, &mut Rogue) -> Vec<u8>>;

/// A wire to a server that answers the client's first words by this, and then ends.
fn script(server: &Rc<Server>, flight: &Flight) -> Script {
    let (server, flight) = (server.clone(), flight.clone());
    let script = Script::new();
    script.answer(move |line| {
        if line.tail == Tail::Silence {
            let mut rogue = Rogue::new(&line.sent());
            let flight = flight(&server, &mut rogue);
            line.feed(&[rogue.hello, flight].concat());
            line.end(Tail::Eof);
        }
    });
    script
}

/// Whether a client lets the server in, that blocks or is async.
fn attempts(server: &Rc<Server>, flight: &Flight) -> [Result<(), Error>; 2] {
    let mut memory: Memory = Memory::new();
    let tcp = Blocking(script(server, flight).wire());
    let blocking = secure(
        tcp,
        &mut memory,
        HOST,
        server.authority.der(),
        5_000,
        wires::now,
    );
    let blocking = blocking.map(|_| ());
    let mut memory: AsyncMemory = AsyncMemory::new();
    let mut place = Place::new();
    let tcp = Lazy::new(script(server, flight).wire());
    let clock = Hand::new().clock;
    let asynch = run(secure_async(
        tcp,
        &mut memory,
        &mut place,
        HOST,
        server.authority.der(),
        5_000,
        clock,
    ));
    [blocking, asynch.map(|_| ())]
}

/// The messages in one record, in a record each, and each in a record that is not encrypted.
fn ways(letters: &str) -> [Flight; 3] {
    let said = |server: &Server, rogue: &mut Rogue, letters: &str| -> Vec<Vec<u8>> {
        letters
            .chars()
            .map(|letter| server.says(rogue, letter))
            .collect()
    };
    let letters = [(); 3].map(|()| letters.to_owned());
    let [one, each, plain] = letters;
    [
        Rc::new(move |server, rogue| {
            let messages = said(server, rogue, &one).concat();
            rogue.handshake(&messages)
        }),
        Rc::new(move |server, rogue| {
            let messages = said(server, rogue, &each);
            let records = messages.iter().map(|one| rogue.handshake(one));
            records.collect::<Vec<_>>().concat()
        }),
        Rc::new(move |server, rogue| {
            let messages = said(server, rogue, &plain);
            let records = messages.iter().map(|one| record(22, one));
            records.collect::<Vec<_>>().concat()
        }),
    ]
}

#[test]
fn messages_in_order_are_let_in() {
    let server = Rc::new(Server::new());
    for letters in ["ECVF", "ERCVF", "EQCVF"] {
        for flight in &ways(letters)[..2] {
            for outcome in attempts(&server, flight) {
                assert!(outcome.is_ok(), "{letters}: {outcome:?}");
            }
        }
    }
    // ChangeCipherSpec is nothing, wherever it is.
    let flight: Flight = Rc::new(|server, rogue| {
        let messages = "ECVF".chars().map(|one| server.says(rogue, one));
        let messages: Vec<_> = messages.collect();
        let records = messages.iter().map(|one| rogue.handshake(one));
        let records = records.map(|one| [record(20, &[1]), one].concat());
        records.collect::<Vec<_>>().concat()
    });
    for outcome in attempts(&server, &flight) {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// Refused, in all ways; the case of the report among them.
#[test]
fn messages_out_of_order_are_refused() {
    let server = Rc::new(Server::new());
    let others = "ERCVFcdmvrensf124K59";
    let mut cases: Vec<String> = [
        "Ev", "EV", "v", "V", "F", "EVF", "ECF", "EF", "", "E", "EC", "ECV",
    ]
    .map(str::to_owned)
    .to_vec();
    for right in ["ECVF", "ERCVF"] {
        for at in 0..right.len() {
            let (before, behind) = right.split_at(at);
            let rest = &behind[1..];
            // One is missing; one is more, or in the place of another; two have changed places.
            cases.push([before, rest].concat());
            for other in others.chars() {
                cases.push(format!("{before}{other}{behind}"));
                cases.push(format!("{before}{other}{rest}"));
            }
            for with in at + 1..right.len() {
                let mut letters: Vec<char> = right.chars().collect();
                letters.swap(at, with);
                cases.push(letters.into_iter().collect());
            }
        }
    }
    cases.sort();
    cases.dedup();
    cases.retain(|case| !case.starts_with("ECVF") && !case.starts_with("ERCVF"));
    for case in &cases {
        for (way, flight) in ways(case).iter().enumerate() {
            for outcome in attempts(&server, flight) {
                assert!(outcome.is_err(), "{case}, {way}");
            }
        }
    }
}

/// Each byte of each message is another, and each message is too short: nobody panics. The signature is
/// over what was said, so that only what it does not cover is let in.
#[test]
fn no_byte_panics() {
    let server = Rc::new(Server::new());
    let mut cases: Vec<(usize, usize, u8)> = Vec::new();
    for (index, longest) in [8, 20, 600, 76].into_iter().enumerate() {
        for at in 0..longest {
            cases.extend([0x01, 0xFF].map(|flip| (index, at, flip)));
            cases.push((index, at, 0));
        }
    }
    for (index, at, flip) in cases {
        let flight: Flight = Rc::new(move |server, rogue| {
            let mut flight = Vec::new();
            for (turn, letter) in "ERCVF".chars().enumerate() {
                let mut message = server.message(rogue, letter);
                if turn == index && flip == 0 {
                    message.truncate(at);
                } else if turn == index && at < message.len() {
                    message[at] ^= flip;
                }
                flight.extend(rogue.says(&message));
            }
            rogue.handshake(&flight)
        });
        let [blocking, asynch] = attempts(&server, &flight);
        assert_eq!(blocking.is_ok(), asynch.is_ok(), "{index} {at} {flip}");
        let altered = matches!(index, 2 | 3) && at < 60;
        assert!(!(altered && blocking.is_ok()), "{index} {at} {flip}");
    }
}

/// What comes after Finished, with the same keys, is refused where it is in the same record, and fails the
/// first read elsewhere.
#[test]
fn messages_behind_the_end() {
    let server = Rc::new(Server::new());
    for other in "ERCVFcdmvrensf124K59".chars() {
        for (way, flight) in ways(&format!("ECVF{other}")).iter().enumerate() {
            for outcome in attempts(&server, flight) {
                assert_eq!(outcome.is_ok(), way == 1, "{other} {way}");
            }
        }
    }
}

/// Records with nothing in them, or half a message, or another content type, at each place.
#[test]
fn records_that_are_none() {
    let server = Rc::new(Server::new());
    let inners: [&[u8]; 14] = [
        &[],
        &[0],
        &[0, 0, 0],
        &[20],
        &[1, 20],
        &[21],
        &[1, 0, 21],
        &[2, 40, 21],
        &[9, 9, 21],
        &[22],
        &[8, 22],
        &[8, 0, 0, 2, 0, 22],
        &[0xFF, 22],
        &[23],
    ];
    for at in 0..=4 {
        for inner in inners {
            let flight: Flight = Rc::new(move |server, rogue| {
                let mut records = Vec::new();
                for (index, letter) in "ECVF".chars().enumerate() {
                    if index == at {
                        records.push(rogue.seal(inner));
                    }
                    let message = server.says(rogue, letter);
                    records.push(rogue.handshake(&message));
                }
                if at == 4 {
                    records.push(rogue.seal(inner));
                }
                records.concat()
            });
            for outcome in attempts(&server, &flight) {
                // One after the end is not there yet.
                let passed = at == 4;
                assert_eq!(outcome.is_ok(), passed, "{at} {inner:?} {outcome:?}");
            }
        }
    }
}

/// A record that is not encrypted, of whoever is in between, once TLS is open: embedded-tls panics at it.
#[test]
fn a_record_in_plain_once_open() {
    for body in [
        message(8, &[0, 0]),
        message(20, &[0; 32]),
        message(4, &[0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 1, 7, 0, 0]),
        vec![],
    ] {
        for kind in 0..=255 {
            let authority = Authority::new();
            if kind > 30 {
                break;
            }
            let echo = Echo::shared(authority.server());
            let script = Script::new();
            wires::connect(&script, &echo);
            let mut memory: Memory = Memory::new();
            let tcp = Blocking(script.wire());
            let mut tls =
                secure(tcp, &mut memory, HOST, authority.der(), 5_000, wires::now).unwrap();
            script.line(|line| line.feed(&record(kind, &body)));
            assert!(
                (0..9)
                    .map(|_| tls.read(&mut [0; 9]))
                    .all(|read| read.is_err())
            );
            drop(tls);

            let echo = Echo::shared(authority.server());
            let script = Script::new();
            wires::connect(&script, &echo);
            let mut memory: AsyncMemory = AsyncMemory::new();
            let mut place = Place::new();
            let tcp = Lazy::new(script.wire());
            let clock = Hand::new().clock;
            let tls = run(secure_async(
                tcp,
                &mut memory,
                &mut place,
                HOST,
                authority.der(),
                5_000,
                clock,
            ));
            let mut tls = tls.unwrap();
            script.line(|line| line.feed(&record(kind, &body)));
            assert!(run(embedded_io_async::Read::read(&mut tls, &mut [0; 9])).is_err());
        }
    }
}

/// A server that has shown who it is, and then says what it must not once TLS is open: embedded-tls panics
/// at it. Tickets are passed over.
#[test]
fn messages_once_open() {
    let server = Rc::new(Server::new());
    let records: [&'static [u8]; 8] = [
        &[22],
        &[0],
        &[1, 20],
        &[21],
        &[1, 21],
        &[9, 9, 9, 21],
        &[4, 0, 0, 9, 22],
        &[4, 0, 0, 0, 22],
    ];
    let letters = "ERQCVFcdmvrensf1259"
        .chars()
        .map(|one| (Some(one), &[][..]));
    for (letter, record) in letters.chain(records.map(|one| (None, one))) {
        let flight: Flight = Rc::new(move |server, rogue| {
            let messages = "ECVF".chars().map(|one| server.says(rogue, one));
            let messages = messages.collect::<Vec<_>>().concat();
            let mut flight = rogue.handshake(&messages);
            rogue.open();
            let ticket = server.message(rogue, '4');
            flight.extend(rogue.handshake(&ticket));
            let last = match letter {
                Some(letter) => {
                    let message = server.message(rogue, letter);
                    rogue.handshake(&message)
                }
                None => rogue.seal(record),
            };
            flight.extend(last);
            flight
        });
        for read in reads(&server, &flight) {
            let error = read.unwrap_err();
            assert!(!matches!(error, TlsError::IoError), "{letter:?} {error:?}");
        }
    }
    let flight: Flight = Rc::new(|server, rogue| {
        let messages = "ECVF".chars().map(|one| server.says(rogue, one));
        let messages = messages.collect::<Vec<_>>().concat();
        let mut flight = rogue.handshake(&messages);
        rogue.open();
        for _ in 0..9 {
            let ticket = server.message(rogue, '4');
            flight.extend(rogue.handshake(&[ticket.clone(), ticket].concat()));
        }
        flight.extend(rogue.seal(b"hello\x17"));
        flight
    });
    for read in reads(&server, &flight) {
        assert_eq!(read.unwrap(), b"hello");
    }
}

/// The first thing that a client reads once it is open.
fn reads(server: &Rc<Server>, flight: &Flight) -> [Result<Vec<u8>, TlsError>; 2] {
    let mut out = [0; 9];
    let mut memory: Memory = Memory::new();
    let tcp = Blocking(script(server, flight).wire());
    let ca = server.authority.der();
    let mut tls = secure(tcp, &mut memory, HOST, ca, 5_000, wires::now).unwrap();
    let blocking = loop {
        match tls.read(&mut out) {
            Err(TlsError::Io(ErrorKind::Interrupted | ErrorKind::TimedOut)) => {}
            read => break read.map(|count| out[..count].to_vec()),
        }
    };
    let mut memory: AsyncMemory = AsyncMemory::new();
    let mut place = Place::new();
    let tcp = Lazy::new(script(server, flight).wire());
    let clock = Hand::new().clock;
    let open = secure_async(tcp, &mut memory, &mut place, HOST, ca, 5_000, clock);
    let mut tls = run(open).unwrap();
    let asynch = run(embedded_io_async::Read::read(&mut tls, &mut out));
    let asynch = asynch.map_err(|error| match error {
        TlsStreamError::Tls(error) => error,
        TlsStreamError::Below(_) => unreachable!(),
    });
    [blocking, asynch.map(|count| out[..count].to_vec())]
}
