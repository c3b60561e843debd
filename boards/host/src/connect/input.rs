//! Standard input, a line at a time, read by a thread that wakes the one that waits for sockets.

use crate::wire::Wake;
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Lines that are read ahead.
const AHEAD: usize = 16;

/// What standard input has.
#[derive(Debug)]
pub(crate) enum Item {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Nothing more.
    End,
    /// It cannot be read.
    Failed(io::Error),
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
        std::thread::spawn(move || read(io::stdin().lock(), &sender, &*wake));
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

fn read(mut from: impl BufRead, to: &SyncSender<Item>, wake: &dyn Fn()) {
    loop {
        let mut line = Vec::new();
        let item = match from.read_until(b'\n', &mut line) {
            Ok(0) => Item::End,
            Ok(_) => {
                line.pop_if(|last| *last == b'\n');
                Item::Line(line)
            }
            Err(error) => Item::Failed(error),
        };
        let last = !matches!(item, Item::Line(_));
        if to.send(item).is_err() {
            return;
        }
        wake();
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_end_and_nothing_else() {
        let (sender, items) = sync_channel(9);
        read(&b"one\n\n two\r\nrest"[..], &sender, &|| ());
        let found: Vec<Item> = items.try_iter().collect();
        let lines: Vec<&[u8]> = found
            .iter()
            .filter_map(|item| match item {
                Item::Line(line) => Some(&line[..]),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [&b"one"[..], b"", b" two\r", b"rest"]);
        assert!(matches!(found.last(), Some(Item::End)));
    }
}
