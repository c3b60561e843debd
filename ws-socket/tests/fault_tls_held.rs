//! A peer below TLS holds no call: not by bytes that come slowly, not by records that never end. Time is
//! in the test's hand: a stream that gives or takes something lets some of it pass.
#![cfg(feature = "async")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io::{Error as _, ErrorKind, ErrorType, Read, Write};
use ws_socket::asynch::TlsBelow;
use ws_socket::stack::{BlockingStreams, RecordsError, TlsRecords};

/// What the client says last of the handshake.
const LAST: [u8; 5] = [23, 3, 3, 0, 0];
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

fn record(kind: u8, length: usize) -> Vec<u8> {
    let head = [kind, 3, 3, (length >> 8) as u8, length as u8];
    head.into_iter().chain(vec![7; length]).collect()
}

/// The same bytes over and over, so many for each read; as many are taken for each write.
struct Endless<'t> {
    now: &'t Cell<u32>,
    bytes: Vec<u8>,
    at: usize,
    /// How many at once; with 0 nothing ever comes.
    piece: usize,
    /// How long each read and write takes.
    ms: u32,
    calls: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing yet")]
struct Nothing;

impl embedded_io::Error for Nothing {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TimedOut
    }
}

impl ErrorType for Endless<'_> {
    type Error = Nothing;
}

impl Endless<'_> {
    fn call(&mut self) {
        self.calls += 1;
        assert!(self.calls < 1_000_000, "a call is held");
        self.now.set(self.now.get() + self.ms);
    }
}

impl Read for Endless<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Nothing> {
        self.call();
        let count = self.piece.min(out.len());
        for byte in &mut out[..count] {
            *byte = self.bytes[self.at];
            self.at = (self.at + 1) % self.bytes.len();
        }
        if count == 0 { Err(Nothing) } else { Ok(count) }
    }
}

impl Write for Endless<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Nothing> {
        self.call();
        Ok(self.piece.clamp(1, bytes.len()))
    }

    fn flush(&mut self) -> Result<(), Nothing> {
        Ok(())
    }
}

impl embedded_io_async::Read for Endless<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Nothing> {
        Read::read(self, out)
    }
}

impl embedded_io_async::Write for Endless<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Nothing> {
        Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), Nothing> {
        Ok(())
    }
}

fn endless(now: &Cell<u32>, bytes: Vec<u8>, piece: usize, ms: u32) -> Endless<'_> {
    Endless {
        now,
        bytes,
        at: 0,
        piece,
        ms,
        calls: 0,
    }
}

/// What a TLS library does while it opens, and where a record brings no data: it reads the next.
fn on_and_on<E>(records: &mut impl Read<Error = E>) -> E {
    let mut out = [0; 64];
    loop {
        match records.read(&mut out) {
            Ok(count) => assert_ne!(count, 0),
            Err(error) => return error,
        }
    }
}

/// Opening has one deadline, whatever comes: nothing, a byte at a time, records without end.
#[test]
fn opening_has_a_deadline() {
    let floods = [
        CHANGE_CIPHER_SPEC.to_vec(),
        ALERT.to_vec(),
        record(20, 0),
        record(21, 0),
        record(23, 17),
        record(23, 400),
        record(99, 300),
    ];
    for start in [0, u32::MAX - 100] {
        for bytes in &floods {
            for (piece, ms) in [(0, 20), (1, 20), (3, 1), (64, 1), (64, 20)] {
                for room in [0, 10, 512] {
                    let now = Cell::new(0);
                    let mut buffer = [0; 512];
                    let stream = endless(&now, bytes.clone(), piece, ms);
                    let clock = || start_at(start, &now);
                    let mut records = TlsRecords::blocking(stream, &mut buffer[..room], 500, clock);
                    let error = on_and_on(&mut records);
                    assert_eq!(error, RecordsError::TimedOut, "{bytes:?} {piece} {room}");
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    let took = now.get();
                    assert!((500..=500 + ms).contains(&took), "{took} ms, {bytes:?}");
                    // Over is over.
                    assert!(records.read(&mut [0; 9]).is_err());
                    assert!(records.write(b"x").is_err());
                }
            }
        }
    }
}

fn start_at(start: u32, now: &Cell<u32>) -> u32 {
    start.wrapping_add(now.get())
}

/// What the client says belongs to opening, too.
#[test]
fn a_hello_that_goes_out_slowly() {
    let now = Cell::new(0);
    let mut records =
        TlsRecords::blocking(endless(&now, vec![0], 1, 20), &mut [], 500, || now.get());
    let sent = records.write_all(&record(22, 300));
    assert_eq!(sent, Err(RecordsError::TimedOut));
    assert_eq!(now.get(), 500);
    assert_eq!(records.write(b"x"), Err(RecordsError::Torn));
}

fn opened<'t, C: FnMut() -> u32>(
    stream: Endless<'t>,
    buffer: &'t mut [u8],
    clock: C,
) -> TlsRecords<'t, Endless<'t>, C> {
    let mut records = TlsRecords::blocking(stream, buffer, 500, clock);
    records.write_all(&LAST).unwrap();
    records
}

/// Once TLS is open a read comes back after each piece, and what came is kept.
#[test]
fn a_record_that_comes_slowly() {
    for piece in [1, 2, 4, 7] {
        let now = Cell::new(0);
        let mut buffer = [0; 512];
        let whole = record(23, 400);
        let stream = endless(&now, whole.clone(), piece, 20);
        let mut records = opened(stream, &mut buffer, || now.get());
        let mut found: Vec<u8> = Vec::new();
        for _ in 0..whole.len() {
            let before = now.get();
            let mut out = [0; 500];
            match records.read(&mut out) {
                Ok(count) => found.extend(&out[..count]),
                Err(error) => assert_eq!(error, RecordsError::TimedOut),
            }
            // One wait of the stream; a second one after a header that is whole.
            assert!(now.get() - before <= 40, "{piece}");
            if found.len() == whole.len() {
                break;
            }
        }
        assert!(found == whole, "{piece}");
    }
}

/// What is longer than the buffer cannot be interrupted: it has a limit.
#[test]
fn the_rest_of_a_record_that_is_too_long() {
    for room in [0, 1, 100] {
        let now = Cell::new(0);
        let mut buffer = [0; 100];
        let stream = endless(&now, record(23, 16_000), 1, 20);
        let mut records = opened(stream, &mut buffer[..room], || now.get());
        let kept = now.get() + (5 + room as u32) * 20;
        let error = loop {
            match records.read(&mut [0; 64]) {
                Err(RecordsError::TimedOut) if now.get() < kept => {}
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error, RecordsError::TimedOut);
        assert_eq!(now.get() - kept, 500, "{room}");
        assert_eq!(records.read(&mut [0; 9]), Err(RecordsError::Torn));
    }
    // One that comes in time is whole, however many pieces it has.
    let now = Cell::new(0);
    let stream = endless(&now, record(23, 300), 1, 1);
    let mut records = opened(stream, &mut [], || now.get());
    let mut count = 0;
    for _ in 0..2_000 {
        count += records.read(&mut [0; 64]).unwrap_or(0);
    }
    assert!(count >= 3 * 305, "{count}");
}

/// A record has a limit to go out; each has the whole of it.
#[test]
fn a_record_that_goes_out_slowly() {
    let now = Cell::new(0);
    let mut records = opened(endless(&now, vec![0], 1, 20), &mut [], || now.get());
    for _ in 0..10 {
        assert_eq!(records.write_all(&[23; 25]), Ok(()));
    }
    let before = now.get();
    assert_eq!(records.write_all(&[23; 26]), Err(RecordsError::TimedOut));
    assert_eq!(now.get() - before, 500);
    assert_eq!(records.write(b"x"), Err(RecordsError::Torn));
}

/// Records without end, as those without data are to a TLS library that is open: the caller has turns.
#[test]
fn records_without_end() {
    for bytes in [
        CHANGE_CIPHER_SPEC.to_vec(),
        ALERT.to_vec(),
        record(23, 17),
        record(23, 400),
    ] {
        let now = Cell::new(0);
        let mut buffer = [0; 512];
        let mut records = opened(endless(&now, bytes, 512, 20), &mut buffer, || now.get());
        for _ in 0..20 {
            let before = now.get();
            let error = on_and_on(&mut records);
            assert_eq!(error, RecordsError::Interrupted);
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            // Two records, of two reads each.
            assert_eq!(now.get() - before, 4 * 20);
        }
    }
}

/// A TLS library that goes on reading where a record brings no data.
struct NoData<R>(R);

impl<R: ErrorType> ErrorType for NoData<R> {
    type Error = R::Error;
}

impl<R: Read> Read for NoData<R> {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, R::Error> {
        Err(on_and_on(&mut self.0))
    }
}

impl<R: ErrorType> Write for NoData<R> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, R::Error> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), R::Error> {
        Ok(())
    }
}

/// The stack above says that nothing has come, soon.
#[test]
fn records_without_end_block_no_stack() {
    use embedded_nal::{TcpClientStack, nb};
    for piece in [1, 512] {
        let now = Cell::new(0);
        let mut buffer = [0; 512];
        let stream = endless(&now, record(23, 30), piece, 20);
        let mut library = NoData(opened(stream, &mut buffer, || now.get()));
        let mut stack = BlockingStreams::new();
        for _ in 0..50 {
            let before = now.get();
            let received = stack.receive(&mut library, &mut [0; 9]);
            assert!(matches!(received, Err(nb::Error::WouldBlock)));
            assert!(now.get() - before <= 8 * 20, "{}", now.get() - before);
        }
    }
}

/// A record that nobody may send does not reach the library, and nothing goes on after it.
#[test]
fn records_that_nobody_may_send() {
    let hello = record(22, 90);
    let cases: [&[&[u8]]; 6] = [
        &[&hello, &record(22, 40)],
        &[&hello, &CHANGE_CIPHER_SPEC, &record(22, 4)],
        &[&hello, &record(23, 40), &record(22, 40)],
        &[&hello, &record(23, 0)],
        &[&hello, &record(23, 16)],
        &[&record(23, 15)],
    ];
    for case in cases {
        for piece in [1, 1_000] {
            for is_open in [false, true] {
                let now = Cell::new(0);
                let (mut buffer, mut input, mut output) = ([0; 512], [0; 512], [0; 512]);
                let stream = || endless(&now, case.concat(), piece, 0);
                let mut records = TlsRecords::blocking(stream(), &mut buffer, 9, || now.get());
                if is_open {
                    records.write_all(&LAST).unwrap();
                }
                let mut found = 0;
                let error = loop {
                    match records.read(&mut [0; 64]) {
                        Ok(count) => found += count,
                        Err(RecordsError::TimedOut | RecordsError::Interrupted) => {}
                        Err(error) => break error,
                    }
                };
                assert_eq!(error, RecordsError::Unexpected);
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                let before: usize = case[..case.len() - 1].iter().map(|one| one.len()).sum();
                assert_eq!(found, before);
                assert_eq!(records.read(&mut [0; 9]), Err(RecordsError::Torn));
                assert_eq!(records.write(b"x"), Err(RecordsError::Torn));

                let below = TlsBelow::new(stream(), &mut input, &mut output);
                let (found, error) = pends(&below).1.unwrap();
                assert_eq!((found, error), (before, RecordsError::Unexpected));
            }
        }
    }
}

/// Reads on and on, at most 100,000 times: how often it was pending, and how it ended.
fn pends(below: &TlsBelow<'_, Endless<'_>>) -> (usize, Option<(usize, RecordsError<Nothing>)>) {
    let mut below = below;
    let mut work = pin!(async {
        let mut found = 0;
        loop {
            match embedded_io_async::Read::read(&mut below, &mut [0; 64]).await {
                Ok(count) => found += count,
                Err(error) => return (found, error),
            }
        }
    });
    let mut context = Context::from_waker(Waker::noop());
    for pending in 0..1_000 {
        if let Poll::Ready(end) = work.as_mut().poll(&mut context) {
            return (pending, Some(end));
        }
    }
    (1_000, None)
}

/// Async: a stream that always has something does not keep the executor.
#[test]
fn others_run_between_records() {
    for bytes in [
        CHANGE_CIPHER_SPEC.to_vec(),
        record(23, 17),
        record(23, 400),
        record(21, 0),
    ] {
        for room in [0, 3, 512] {
            let now = Cell::new(0);
            let (mut input, mut output) = ([0; 512], [0; 512]);
            let stream = endless(&now, bytes.clone(), 512, 0);
            let below = TlsBelow::new(stream, &mut input[..room], &mut output);
            assert_eq!(pends(&below), (1_000, None));
            assert!(below.into_stream().calls <= 1_000 * 2 * 16);
        }
    }
}
