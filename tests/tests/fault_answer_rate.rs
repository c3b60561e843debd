//! An answer was cut off after `Config::answer_timeout`, however fast its peer read. It goes on now
//! as long as the peer keeps to `Config::answer_rate`: by every driver, for every kind of body.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::pin::pin;

use ws_socket::asynch::{AsyncWebSockets, WebSocket};
use ws_socket::handshake::{Asked, Body, Page, Response, Rules};
use ws_socket::{AcceptError, Config, Handler, WebSocketId};
use ws_tests::hand::{Hand, settle};
use ws_tests::script::ScriptStack;
use ws_tests::site::get;
use ws_tests::table::{Scripted, lent, with_config};
use ws_tests::wire::Script;

/// Milliseconds between two looks at the clock.
const TICK: u32 = 50;

/// Where the clock begins: it wraps within each test.
const START: u32 = u32::MAX - 20_000;

/// Longer than anybody reads here.
static ENDLESS: [u8; 16 << 20] = [b'x'; 16 << 20];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Bytes,
    Sized,
    Chunked,
}

const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Sized, Kind::Chunked];

/// One page without end.
struct Site(Kind);

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules::NONE
    }

    fn answer(&mut self, _: WebSocketId, _: &Asked) -> Response<'_> {
        Response::Page(Page {
            body: match self.0 {
                Kind::Bytes => Body::Bytes(&ENDLESS),
                Kind::Sized => Body::Sized(ENDLESS.len()),
                Kind::Chunked => Body::Chunked,
            },
            ..Page::new(200, &[], b"")
        })
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, _: usize, out: &mut [u8]) -> usize {
        out.fill(b'x');
        out.len()
    }
}

#[derive(Debug, Clone, Copy)]
enum Driver {
    Blocking,
    Async,
    AsyncTable,
}

const DRIVERS: [Driver; 3] = [Driver::Blocking, Driver::Async, Driver::AsyncTable];

/// How many bytes a peer reads in the tick before this millisecond.
type Peer<'p> = &'p dyn Fn(u32) -> usize;

/// When the answer to this peer ends, within `until`.
fn ends(driver: Driver, kind: Kind, config: Config, peer: Peer<'_>, until: u32) -> Option<u32> {
    match driver {
        Driver::Blocking => {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = with_config(&stack, 256, config);
            table.platform().clock.set(START);
            let mut listener = stack.connected();
            let socket = stack.arrive();
            stack.line(socket, |line| {
                line.window = 0;
                line.feed(get("/").as_bytes(), 99);
            });
            let mut site = Site(kind);
            for now in (0..until).step_by(TICK as usize) {
                let accepted = table.accept(&mut listener, &mut site, 0);
                assert_eq!(accepted, Err(AcceptError::Timeout));
                if !stack.is_open(socket) {
                    return Some(now);
                }
                let clock = &table.platform().clock;
                clock.set(clock.get().wrapping_add(TICK));
                stack.line(socket, |line| {
                    line.sent();
                    line.window += peer(now + TICK);
                });
            }
            None
        }
        Driver::Async => {
            let (script, hand) = (asking(), Hand::new());
            hand.clock.advance(START);
            let accepted =
                WebSocket::accept(script.wire(), Site(kind), lent(256), hand.clone(), config);
            let mut accepted = pin!(accepted);
            goes_on(&script, &hand, peer, until, || {
                settle(accepted.as_mut()).map(|end| assert!(end.unwrap().is_none()))
            })
        }
        Driver::AsyncTable => {
            let (script, hand) = (asking(), Hand::new());
            hand.clock.advance(START);
            let mut table: AsyncWebSockets<'_, _, _, 1> = AsyncWebSockets::new(hand.clone())
                .with_config(config)
                .with_buffers([lent(256)]);
            let mut accepted = pin!(table.accept(script.wire(), Site(kind)));
            goes_on(&script, &hand, peer, until, || {
                settle(accepted.as_mut()).map(|end| assert_eq!(end, Ok(None)))
            })
        }
    }
}

fn asking() -> Script {
    let script = Script::new();
    script.line(|line| {
        line.window = 0;
        line.feed(get("/").as_bytes());
    });
    script
}

fn goes_on(
    script: &Script,
    hand: &Hand,
    peer: Peer<'_>,
    until: u32,
    mut look: impl FnMut() -> Option<()>,
) -> Option<u32> {
    for now in (0..until).step_by(TICK as usize) {
        if look().is_some() {
            return Some(now);
        }
        script.line(|line| {
            line.calls = 0;
            line.sent();
            let window = line.window + peer(now + TICK);
            line.open(window);
        });
        hand.clock.advance(TICK);
    }
    None
}

/// At each whole second.
fn each_second(now: u32, bytes: usize) -> usize {
    if now.is_multiple_of(1000) { bytes } else { 0 }
}

#[test]
fn a_fast_download_of_minutes_was_cut_off() {
    for (driver, kind) in all() {
        let config = Config::DEFAULT;
        let steady = ends(driver, kind, config, &|_| 1500, 120_000);
        assert_eq!(steady, None, "30 kB/s, {driver:?} {kind:?}");
        // In bursts, as windows open.
        let bursts = |now: u32| {
            if now.is_multiple_of(20_000) {
                200_000
            } else {
                0
            }
        };
        let bursts = ends(driver, kind, config, &bursts, 120_000);
        assert_eq!(bursts, None, "10 kB/s, {driver:?} {kind:?}");
    }
}

#[test]
fn a_peer_exactly_at_the_limit_is_served_and_one_below_is_not() {
    for (driver, kind) in all() {
        for rate in [1024, 100, 7, 1 << 16] {
            let config = Config {
                answer_rate: rate,
                ..Config::DEFAULT
            };
            let rate = rate as usize;
            let at = |now| each_second(now, rate);
            let at = ends(driver, kind, config, &at, 120_000);
            assert_eq!(at, None, "{rate}, {driver:?} {kind:?}");
            let even = |now: u32| {
                let taken = |now: u32| now as usize * rate / 1000;
                taken(now) - taken(now - TICK)
            };
            let even = ends(driver, kind, config, &even, 120_000);
            assert_eq!(even, None, "{rate}, {driver:?} {kind:?}");
            let half = |now| each_second(now, rate / 2);
            let half = ends(driver, kind, config, &half, 120_000);
            assert_eq!(half, Some(30_000), "half of {rate}, {driver:?} {kind:?}");
            let less = |now| each_second(now, rate * 19 / 20);
            let less = ends(driver, kind, config, &less, 120_000).unwrap();
            assert!(
                (30_000..34_000).contains(&less),
                "{less}, 95 % of {rate}, {driver:?} {kind:?}"
            );
        }
    }
}

/// The rate holds to the end, not only at the first look.
#[test]
fn a_peer_that_slows_down_or_stops_is_left() {
    for (driver, kind) in all() {
        let config = Config::DEFAULT;
        for (began, left) in [(0, 30_000), (10_000, 40_000), (100_000, 130_000)] {
            let stops = |now| if now <= began { 3000 } else { 0 };
            let stops = ends(driver, kind, config, &stops, 200_000).unwrap();
            let expected = left..=left + TICK;
            assert!(
                expected.contains(&stops),
                "{stops}, {began}, {driver:?} {kind:?}"
            );
        }
        // All it is ahead is a timeout, which it loses by half a second each second.
        let slows = |now| match now {
            ..=60_000 => 3000,
            _ => each_second(now, 512),
        };
        let slows = ends(driver, kind, config, &slows, 300_000).unwrap();
        assert!(
            (119_000..123_000).contains(&slows),
            "{slows}, {driver:?} {kind:?}"
        );
    }
}

#[test]
fn a_byte_at_a_time() {
    for (driver, kind) in all() {
        // As fast as may be: 20 bytes a second.
        let one = |rate| {
            let config = Config {
                answer_rate: rate,
                ..Config::DEFAULT
            };
            ends(driver, kind, config, &|_| 1, 120_000)
        };
        assert_eq!(one(1024), Some(30_000), "{driver:?} {kind:?}");
        assert_eq!(one(20), None, "{driver:?} {kind:?}");
        assert_eq!(one(40), Some(30_000), "{driver:?} {kind:?}");
        // Without a rate any byte counts, and only silence ends it.
        assert_eq!(one(0), None, "{driver:?} {kind:?}");
        let config = Config {
            answer_rate: 0,
            ..Config::DEFAULT
        };
        let few = |now: u32| usize::from(now.is_multiple_of(29_000));
        let few = ends(driver, kind, config, &few, 200_000);
        assert_eq!(few, None, "{driver:?} {kind:?}");
        let stops = |now| usize::from(now <= 50_000);
        let stops = ends(driver, kind, config, &stops, 200_000);
        assert_eq!(stops, Some(80_000), "{driver:?} {kind:?}");
    }
}

#[test]
fn a_peer_that_reads_nothing() {
    for (driver, kind) in all() {
        for (timeout, rate) in [
            (30_000, 1024),
            (30_000, 0),
            (200, 1024),
            (2000, 1),
            (50, u32::MAX),
        ] {
            let config = Config {
                answer_timeout: timeout,
                answer_rate: rate,
                ..Config::DEFAULT
            };
            let nothing = ends(driver, kind, config, &|_| 0, 100_000);
            assert_eq!(nothing, Some(timeout), "{driver:?} {kind:?}");
            // What a stack takes at once, and keeps, is not read by anybody.
            let buffered = |now| if now == TICK { 3 << 20 } else { 0 };
            let buffered = ends(driver, kind, config, &buffered, 100_000).unwrap();
            // A step of the blocking calls writes no more than 64 pieces.
            let most = timeout + 20 * TICK;
            assert!(
                (timeout..=most).contains(&buffered),
                "{buffered}, {timeout}, {rate}, {driver:?} {kind:?}"
            );
        }
    }
}

fn all() -> impl Iterator<Item = (Driver, Kind)> {
    DRIVERS
        .into_iter()
        .flat_map(|driver| KINDS.map(|kind| (driver, kind)))
}
