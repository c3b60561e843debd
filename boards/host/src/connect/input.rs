//! Standard input, a line at a time, read by a thread that wakes the one that waits for sockets. A
//! long line comes in pieces: how much memory it takes does not depend on its length.

use crate::wire::Wake;
use std::io::{self, BufRead, ErrorKind};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// The longest piece of a line.
pub(crate) const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead.
const AHEAD: usize = 8;

/// What standard input has.
#[derive(Debug, PartialEq)]
pub(crate) enum Item {
    /// A piece of a line, without the line's end.
    Piece {
        bytes: Vec<u8>,
        /// The line ends with it.
        last: bool,
    },
    /// Nothing more.
    End,
    /// It cannot be read.
    Failed(ErrorKind),
}

/// Standard input.
pub(crate) struct Input {
    items: Receiver<Item>,
}

impl Input {
    /// Begins to read it. `wake` is called whenever there is something.
    pub(crate) fn start(wake: Wake) -> Self {
        let (sender, items) = sync_channel(AHEAD);
        // It ends with the program, in the middle of a read if need be.
        std::thread::spawn(move || read(io::stdin().lock(), PIECE, &sender, &*wake));
        Self { items }
    }

    /// The next item, if there is one yet. After `End` there is only that.
    pub(crate) fn next(&mut self) -> Option<Item> {
        match self.items.try_recv() {
            Ok(item) => Some(item),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Item::End),
        }
    }
}

/// A piece goes out when it is known whether its line goes on.
fn read(mut from: impl BufRead, longest: usize, to: &SyncSender<Item>, wake: &dyn Fn()) {
    let send = |item| {
        let sent = to.send(item);
        wake();
        sent.is_ok()
    };
    let mut piece = Vec::new();
    // Something of the line was read.
    let mut begun = false;
    loop {
        let found = match from.fill_buf() {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                send(Item::Failed(error.kind()));
                return;
            }
        };
        if found.is_empty() {
            if !begun
                || send(Item::Piece {
                    bytes: piece,
                    last: true,
                })
            {
                send(Item::End);
            }
            return;
        }
        begun = true;
        let end = found.iter().position(|byte| *byte == b'\n');
        let of_line = end.unwrap_or(found.len());
        if of_line > 0 && piece.len() == longest {
            let bytes = mem::take(&mut piece);
            if !send(Item::Piece { bytes, last: false }) {
                return;
            }
        }
        let count = of_line.min(longest - piece.len());
        piece.extend_from_slice(found.get(..count).unwrap_or_default());
        let ends = end == Some(count);
        from.consume(count + usize::from(ends));
        if ends {
            begun = false;
            let bytes = mem::take(&mut piece);
            if !send(Item::Piece { bytes, last: true }) {
                return;
            }
        }
    }
}

/// Looks whether what comes in pieces is UTF-8. A piece may end in the middle of a character.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Takes a piece. False where all cannot be UTF-8.
    pub(crate) fn takes(&mut self, mut piece: &[u8], last: bool) -> bool {
        while !self.begun.is_empty()
            && let Some((next, rest)) = piece.split_first()
        {
            self.begun.push(*next);
            piece = rest;
            match str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match str::from_utf8(piece) {
            Ok(_) => {}
            Err(error) if error.error_len().is_some() => return false,
            Err(error) => {
                let begun = piece.get(error.valid_up_to()..).unwrap_or_default();
                self.begun.extend_from_slice(begun);
            }
        }
        !last || mem::take(&mut self.begun).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], longest: usize, at_once: usize) -> Vec<(Vec<u8>, bool)> {
        let (sender, items) = sync_channel(99);
        let from = io::BufReader::with_capacity(at_once, input);
        read(from, longest, &sender, &|| ());
        let mut found: Vec<Item> = items.try_iter().collect();
        assert_eq!(found.pop(), Some(Item::End));
        let pieces = found.into_iter().map(|item| match item {
            Item::Piece { bytes, last } => (bytes, last),
            other => panic!("{other:?}"),
        });
        pieces.collect()
    }

    #[test]
    fn lines_lose_their_end_and_nothing_else() {
        for at_once in 1..20 {
            let found = pieces(b"one\n\n two\r\nrest", 100, at_once);
            let lines = [&b"one"[..], b"", b" two\r", b"rest"];
            assert_eq!(found, lines.map(|line| (line.to_vec(), true)));
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_none_of_them_is_empty() {
        for at_once in 1..20 {
            let found = pieces(b"abcd\nabcde\nabcdefgh\nabcdefghi", 4, at_once);
            let expected = [
                (&b"abcd"[..], true),
                (b"abcd", false),
                (b"e", true),
                (b"abcd", false),
                (b"efgh", true),
                (b"abcd", false),
                (b"efgh", false),
                (b"i", true),
            ];
            assert_eq!(found, expected.map(|(bytes, last)| (bytes.to_vec(), last)));
        }
    }

    #[test]
    fn utf_8_in_pieces_is_what_it_is_whole() {
        let cases: [&[u8]; 8] = [
            "a\u{fc}\u{20ac}\u{1f600}b".as_bytes(),
            b"",
            b"\xff",
            b"a\xc3",
            b"\xe2\x82",
            b"\xe2\x28\xa1",
            b"\xed\xa0\x80",
            b"\xf0\x9f\x98\x80\xf0\x9f",
        ];
        for case in cases {
            for first in 0..=case.len() {
                for second in first..=case.len() {
                    let mut utf8 = Utf8::default();
                    let valid = utf8.takes(&case[..first], false)
                        && utf8.takes(&case[first..second], false)
                        && utf8.takes(&case[second..], true);
                    assert_eq!(valid, str::from_utf8(case).is_ok(), "{case:?}");
                }
            }
        }
    }
}
