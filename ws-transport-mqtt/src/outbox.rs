//! What an MQTT client writes, as frames: without I/O.

use ws_socket::Opcode;

use crate::packets::Packets;

/// Turns writes that are cut anywhere into frames: one message to each MQTT packet.
///
/// Bytes of a packet whose end is not there yet are kept in the lent buffer. With the end, what is
/// kept and what was just given go out as one frame; where they do not fit before that, as a
/// fragment of the message. A frame begins only when all its bytes are at hand, so that it is never
/// open for longer than the wire takes to take it.
///
/// What was given counts as taken only when it is kept or the wire has it: a write that is dropped
/// or would block has taken nothing.
#[derive(Debug)]
pub(crate) struct Outbox<'buf> {
    kept: &'buf mut [u8],
    /// `sent..filled` of `kept` is still to go out; `sent` is more than 0 only in an open frame.
    filled: usize,
    sent: usize,
    packets: Packets,
    /// Does the frame that began last end its message?
    fin: bool,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// So many bytes were kept: nothing goes out yet.
    Kept(usize),
    /// The next bytes of a frame. To be reported with [`Outbox::sent`].
    Send(Part<'a>),
    /// Nothing can go out.
    Nothing,
}

/// The next bytes of a frame that is open, or begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) bytes: &'a [u8],
    /// The payload of the frame that is not out yet, `bytes` included.
    pub(crate) rest: usize,
    pub(crate) fin: bool,
}

impl<'buf> Outbox<'buf> {
    pub(crate) const fn new(buffer: &'buf mut [u8]) -> Self {
        Self {
            kept: buffer,
            filled: 0,
            sent: 0,
            packets: Packets::Between,
            fin: true,
        }
    }

    /// As new, for another connection.
    pub(crate) const fn reset(&mut self) {
        self.filled = 0;
        self.sent = 0;
        self.packets = Packets::Between;
    }

    /// The buffer back.
    #[cfg(feature = "async")]
    pub(crate) fn take_buffer(&mut self) -> &'buf mut [u8] {
        self.reset();
        core::mem::take(&mut self.kept)
    }

    /// Is nothing of a packet under way?
    pub(crate) const fn is_idle(&self) -> bool {
        self.packets.is_between() && self.filled == 0
    }

    /// What to do with `input`; `open` is how many bytes the open frame still needs, if one is.
    pub(crate) fn step<'a>(&'a mut self, input: &'a [u8], open: Option<usize>) -> Step<'a> {
        let held = self.filled - self.sent;
        let (given, rest) = match open {
            Some(rest) => (input.len().min(rest.saturating_sub(held)), rest),
            None => {
                let mut packets = self.packets;
                let (given, end) = packets.follow(input);
                if !end && self.keep(input.get(..given).unwrap_or_default()) {
                    self.packets = packets;
                    return Step::Kept(given);
                }
                self.fin = end;
                (given, held + given)
            }
        };
        let fin = self.fin;
        let given = input.get(..given).unwrap_or_default();
        let bytes = if held == 0 { given } else { self.staged(given) };
        part(bytes, rest, fin)
    }

    /// What to do to have nothing kept.
    #[cfg(any(feature = "async", test))]
    pub(crate) fn flush(&mut self, open: Option<usize>) -> Step<'_> {
        let held = self.filled - self.sent;
        let rest = open.unwrap_or_else(|| {
            self.fin = false;
            held
        });
        let fin = self.fin;
        part(self.staged(&[]), rest, fin)
    }

    /// Copies bytes behind those that are kept, if there is room for all.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        let end = self.filled + bytes.len();
        let room = self.kept.get_mut(self.filled..end);
        room.is_some_and(|room| {
            room.copy_from_slice(bytes);
            self.filled = end;
            true
        })
    }

    /// What is kept, and behind it as many of the bytes given as there is room for, so that they
    /// go out in one write. They are not kept: until they are out they are still the caller's.
    fn staged(&mut self, given: &[u8]) -> &[u8] {
        let mut end = self.filled;
        for (slot, byte) in self.kept.iter_mut().skip(self.filled).zip(given) {
            *slot = *byte;
            end += 1;
        }
        self.kept.get(self.sent..end).unwrap_or_default()
    }

    /// The wire took `count` bytes of what [`step`](Self::step) or [`flush`](Self::flush) said.
    /// Returns how many of them were of `input`.
    pub(crate) fn sent(&mut self, input: &[u8], count: usize) -> usize {
        let held = count.min(self.filled - self.sent);
        self.sent += held;
        if self.sent == self.filled {
            self.sent = 0;
            self.filled = 0;
        }
        let taken = count - held;
        let mut rest = input.get(..taken).unwrap_or_default();
        while !rest.is_empty() {
            let (count, _) = self.packets.follow(rest);
            rest = rest.get(count..).unwrap_or_default();
        }
        taken
    }
}

const fn part(bytes: &[u8], rest: usize, fin: bool) -> Step<'_> {
    if bytes.is_empty() {
        Step::Nothing
    } else {
        Step::Send(Part { bytes, rest, fin })
    }
}

/// The type of a frame.
pub(crate) const fn opcode(in_message: bool) -> Opcode {
    if in_message {
        Opcode::Continuation
    } else {
        Opcode::Binary
    }
}

#[cfg(test)]
mod tests;
