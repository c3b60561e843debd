//! Whole records of TLS, or nothing, over a stream that cuts them anywhere.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use embedded_io::{Error as _, ErrorKind, ErrorType, Read, Write};
use ws_socket::stack::{RecordsError, TlsRecords};

/// What comes in which pieces; where one is empty nothing comes for now. Behind the last is the end.
struct Pieces {
    incoming: Vec<Vec<u8>>,
    /// How many bytes writes still take.
    window: usize,
    out: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing yet")]
struct Nothing;

impl embedded_io::Error for Nothing {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TimedOut
    }
}

impl ErrorType for Pieces {
    type Error = Nothing;
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Nothing> {
        assert!(!out.is_empty());
        let Some(piece) = self.incoming.first_mut() else {
            return Ok(0);
        };
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.incoming.remove(0);
        }
        if count == 0 { Err(Nothing) } else { Ok(count) }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Nothing> {
        let count = bytes.len().min(self.window);
        self.window -= count;
        self.out.extend(&bytes[..count]);
        if count == 0 { Err(Nothing) } else { Ok(count) }
    }

    fn flush(&mut self) -> Result<(), Nothing> {
        Ok(())
    }
}

fn pieces(incoming: Vec<Vec<u8>>) -> Pieces {
    Pieces {
        incoming,
        window: usize::MAX,
        out: Vec::new(),
    }
}

/// The parts, with nothing for now between any two.
fn with_gaps(parts: &[&[u8]]) -> Pieces {
    let mut incoming: Vec<Vec<u8>> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            incoming.push(Vec::new());
        }
        if !part.is_empty() {
            incoming.push(part.to_vec());
        }
    }
    pieces(incoming)
}

fn record(length: usize) -> Vec<u8> {
    let head = [21, 3, 3, (length >> 8) as u8, length as u8];
    let body = (0..length).map(|n| n as u8);
    head.into_iter().chain(body).collect()
}

/// What the client says last of the handshake: encrypted, and of no length here.
const LAST: [u8; 5] = [23, 3, 3, 0, 0];

/// Records that are read after the handshake; the time stands still.
fn open(mut stream: Pieces, buffer: &mut [u8]) -> TlsRecords<'_, Pieces, fn() -> u32> {
    stream.window = stream.window.saturating_add(LAST.len());
    let mut records = TlsRecords::blocking(stream, buffer, 1, (|| 0) as fn() -> u32);
    records.write_all(&LAST).unwrap();
    records
}

/// Reads as a TLS library does: a header, then its body, none of it kept between two attempts.
fn attempt<E>(records: &mut impl Read<Error = E>) -> Result<Option<Vec<u8>>, E> {
    let mut found = vec![0; 5];
    let mut filled = 0;
    while filled < found.len() {
        match records.read(&mut found[filled..])? {
            0 => return Ok(None),
            count => filled += count,
        }
        if filled == 5 {
            let length = usize::from(u16::from_be_bytes([found[3], found[4]]));
            found.resize(5 + length, 0);
        }
    }
    Ok(Some(found))
}

/// Goes on where nothing has come.
fn insist<E: embedded_io::Error>(records: &mut impl Read<Error = E>) -> Result<Option<Vec<u8>>, E> {
    loop {
        match attempt(records) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            result => return result,
        }
    }
}

#[test]
fn nothing_comes_in_the_middle_of_a_record() {
    for length in [0, 1, 2, 30, 300] {
        let whole = [record(length), record(7)].concat();
        for cut in 0..whole.len() {
            for second in [cut, (cut + 3).min(whole.len())] {
                let parts = [&whole[..cut], &whole[cut..second], &whole[second..]];
                let mut buffer = [0; 300];
                let mut records = open(with_gaps(&parts), &mut buffer);
                let mut nothing = 0;
                let mut found = Vec::new();
                loop {
                    match attempt(&mut records) {
                        Ok(Some(record)) => found.push(record),
                        Ok(None) => break,
                        Err(error) => match error.kind() {
                            ErrorKind::Interrupted => {}
                            kind => {
                                assert_eq!(kind, ErrorKind::TimedOut);
                                nothing += 1;
                            }
                        },
                    }
                }
                // After a piece of a record the caller is told before the stream is asked again.
                assert!((2..=4).contains(&nothing), "{nothing}");
                assert_eq!(found, [record(length), record(7)], "cut at {cut}, {second}");
            }
        }
    }
}

/// The stream ends in a record: none of it is handed out.
#[test]
fn the_end_of_the_stream() {
    for cut in 0..15 {
        let mut buffer = [0; 300];
        let whole = [record(20), record(10)].concat();
        let stream = with_gaps(&[&whole[..25 + cut]]);
        let mut records = open(stream, &mut buffer);
        assert_eq!(attempt(&mut records), Ok(Some(record(20))));
        assert_eq!(insist(&mut records), Ok(None));
        assert_eq!(records.read(&mut [0; 9]), Ok(0));
    }
}

#[test]
fn a_record_longer_than_the_buffer() {
    for room in [0, 1, 10, 49] {
        for cut in 0..55 {
            let whole = record(50);
            let mut buffer = [0; 50];
            let mut stream = with_gaps(&[&whole[..cut], &whole[cut..]]);
            stream.incoming.push(record(9));
            let mut records = open(stream, &mut buffer[..room]);
            let first = attempt(&mut records).unwrap_err();
            assert_eq!(first.kind(), ErrorKind::TimedOut);
            let again = insist(&mut records);
            if cut < 5 + room {
                assert_eq!(again, Ok(Some(whole)));
                assert_eq!(attempt(&mut records), Ok(Some(record(9))));
            } else {
                assert_eq!(again, Err(RecordsError::Torn), "{room}, {cut}");
                assert_eq!(again.unwrap_err().kind(), ErrorKind::ConnectionAborted);
                assert_eq!(records.write(b"x"), Err(RecordsError::Torn));
                assert_eq!(records.into_stream().out, LAST);
            }
        }
    }
}

#[test]
fn nothing_follows_a_write_that_failed() {
    let mut buffer = [0; 50];
    let mut stream = pieces(vec![record(9)]);
    stream.window = 3;
    let mut records = open(stream, &mut buffer);
    assert_eq!(records.write_all(b"abc"), Ok(()));
    assert_eq!(records.flush(), Ok(()));
    assert_eq!(records.write(b"d"), Err(RecordsError::Io(Nothing)));
    assert_eq!(records.write(b"d"), Err(RecordsError::Torn));
    assert_eq!(records.flush(), Err(RecordsError::Torn));
    assert_eq!(attempt(&mut records), Err(RecordsError::Torn));
    assert_eq!(records.into_stream().out, [&LAST[..], b"abc"].concat());
}
