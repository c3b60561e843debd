//! Sending back what comes, piece by piece: as much memory as one piece, however long the message.
//!
//! A frame goes back as a frame of the same length, begun before all of it has come: a peer that
//! reads nothing before it has sent all is not flooded with frames. Text is the exception, up to
//! [`FRAGMENTED`] bytes: it goes back as a fragment a piece, because text that turns out not to be
//! UTF-8 is answered with a Close, and that cannot go into an open frame.
//!
//! Pieces of a frame that are there at once are gathered, as far as the buffer goes: a transport that
//! delivers single bytes does not make single bytes go back.

use core::fmt::Debug;
use core::ops::Range;
use embedded_nal::TcpClientStack;
use ws_socket::{
    Flags, HandleError, Opcode, Platform, ReceiveError, Received, SendError, Timeout, WebSocketId,
    WebSockets,
};

/// Text frames up to this length go back as fragments.
const FRAGMENTED: usize = 64 * 1024;

/// A connection, whichever driver is below. No call waits: how to wait is the driver's.
pub(crate) trait Wire {
    /// What TCP fails with.
    type Error: Debug;

    /// Receives a piece, if there is one: otherwise `Timeout`.
    fn recv_msg(&mut self, buffer: &mut [u8]) -> Result<Received, ReceiveError<Self::Error>>;

    /// Sends what it can of a part of a frame whose payload has `rest` bytes left: nothing is
    /// `Timeout`.
    fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<Self::Error>>;
}

/// A connection of the table.
pub(crate) struct OnTable<'t, 'buf, S: TcpClientStack, P, const N: usize> {
    pub(crate) table: &'t mut WebSockets<'buf, S, P, N>,
    pub(crate) ws: WebSocketId,
}

impl<S: TcpClientStack, P: Platform<S>, const N: usize> Wire for OnTable<'_, '_, S, P, N> {
    type Error = S::Error;

    fn recv_msg(&mut self, buffer: &mut [u8]) -> Result<Received, ReceiveError<S::Error>> {
        self.table.recv_msg(self.ws, buffer, Timeout::NoWait)
    }

    fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<S::Error>> {
        self.table
            .send_part(self.ws, part, rest, opcode, fin, Timeout::NoWait)
    }
}

/// One connection's echo. While a piece is on its way back nothing more is received, so that a peer
/// that does not read is not read from either.
#[derive(Debug)]
pub(crate) struct Echo<B> {
    buffer: B,
    /// Pieces of one frame at the front of the buffer, as one piece. More of it may be there.
    gathered: Option<Received>,
    back: Option<Back>,
    state: State,
}

/// Where in a message the echo stands.
#[derive(Debug, Default)]
struct State {
    /// The message's first frame has gone back, or is on its way.
    in_message: bool,
    /// The opcode of the frame that is on its way back and of which not all has come yet.
    in_frame: Option<Opcode>,
}

/// A piece on its way back.
#[derive(Debug, PartialEq)]
struct Back {
    /// Where it stands in the buffer.
    rest: Range<usize>,
    /// Payload of its frame that comes behind it.
    behind: usize,
    opcode: Opcode,
    fin: bool,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A piece came. If it is one of a message, it goes back, maybe with what comes behind it.
    Received(Received, &'a [u8]),
    /// Something, or all, of a piece went back.
    Sent,
    /// Nothing can be done at once.
    Idle,
}

impl<B: AsMut<[u8]>> Echo<B> {
    /// An echo that holds `buffer`: a message comes in pieces of at most its length.
    pub(crate) const fn new(buffer: B) -> Self {
        Self {
            buffer,
            gathered: None,
            back: None,
            state: State {
                in_message: false,
                in_frame: None,
            },
        }
    }

    /// Is a frame on its way back? No other may be begun then.
    pub(crate) const fn is_sending(&self) -> bool {
        self.holds_piece() || self.state.in_frame.is_some()
    }

    /// Does the buffer hold a piece that has not gone back? It is needed until then.
    pub(crate) const fn holds_piece(&self) -> bool {
        self.back.is_some() || self.gathered.is_some()
    }

    /// Another buffer, and the one that was there. What it held is not sent any more.
    pub(crate) fn swap_buffer(&mut self, buffer: B) -> B {
        self.gathered = None;
        self.back = None;
        core::mem::replace(&mut self.buffer, buffer)
    }

    /// Does not send the piece back that was received last.
    pub(crate) fn drop_piece(&mut self) {
        self.gathered = None;
        self.back = None;
        self.state = State::default();
    }

    /// Does one thing: goes on with the piece that is on its way, or receives one.
    pub(crate) fn step<W: Wire>(
        &mut self,
        wire: &mut W,
    ) -> Result<Step<'_>, ReceiveError<W::Error>> {
        let buffer = self.buffer.as_mut();
        if self.back.is_none() {
            let filled = self.gathered.map_or(0, |gathered| gathered.length);
            let room = buffer.get_mut(filled..).unwrap_or_default();
            match wire.recv_msg(room) {
                Ok(piece) => {
                    let all = filled + piece.length;
                    let gathered = Received {
                        length: all,
                        ..piece
                    };
                    let more = !piece.opcode().is_control() && piece.remaining > 0;
                    if more && all < buffer.len() {
                        self.gathered = Some(gathered);
                    } else {
                        self.gathered = None;
                        self.back = self.state.answer(&gathered);
                    }
                    let payload = buffer.get(filled..all).unwrap_or_default();
                    return Ok(Step::Received(piece, payload));
                }
                Err(ReceiveError::Timeout) => {
                    let gathered = self.gathered.take();
                    self.back = gathered.and_then(|gathered| self.state.answer(&gathered));
                }
                Err(error) => return Err(error),
            }
        }
        let Some(back) = &mut self.back else {
            return Ok(Step::Idle);
        };
        let part = buffer.get(back.rest.clone()).unwrap_or_default();
        let rest = part.len() + back.behind;
        match wire.send_part(part, rest, back.opcode, back.fin) {
            Ok(sent) => back.rest.start += sent,
            Err(SendError::Timeout) => return Ok(Step::Idle),
            Err(SendError::Handle(error @ HandleError::Busy)) => return Err(error.into()),
            // The connection is over for sending. What to make of that, receiving tells.
            Err(error) => {
                log::debug!("echo: {error}");
                back.rest.start = back.rest.end;
            }
        }
        if back.rest.is_empty() {
            self.back = None;
        }
        Ok(Step::Sent)
    }
}

impl State {
    /// What goes back for a piece.
    fn answer(&mut self, piece: &Received) -> Option<Back> {
        if piece.opcode().is_control() {
            return None;
        }
        let whole = piece.length + piece.remaining;
        let opcode = match self.in_frame {
            Some(opcode) => opcode,
            None if self.in_message => Opcode::Continuation,
            None => piece.opcode(),
        };
        let fragment =
            self.in_frame.is_none() && piece.opcode() == Opcode::Text && whole <= FRAGMENTED;
        let fin = piece.flags.contains(Flags::FINAL);
        let (behind, fin) = if fragment {
            (0, piece.is_complete())
        } else {
            (piece.remaining, fin)
        };
        self.in_frame = (behind > 0).then_some(opcode);
        self.in_message = behind > 0 && self.in_message || behind == 0 && !fin;
        Some(Back {
            rest: 0..piece.length,
            behind,
            opcode,
            fin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes back for pieces: length, what is behind it, opcode, FIN.
    fn answers(pieces: &[(usize, Flags, usize)]) -> Vec<Option<(usize, usize, Opcode, bool)>> {
        let mut state = State::default();
        let pieces = pieces.iter().map(|&(length, flags, remaining)| Received {
            length,
            flags,
            remaining,
        });
        pieces
            .map(|piece| state.answer(&piece))
            .map(|back| back.map(|back| (back.rest.end, back.behind, back.opcode, back.fin)))
            .collect()
    }

    #[test]
    fn a_piece_of_text_goes_back_as_a_fragment_with_the_type_in_front() {
        let text = Flags::TEXT | Flags::FINAL;
        let found = answers(&[
            (5, text, 0),
            (5, text, 7),
            (0, Flags::PING | Flags::FINAL, 0),
            (7, text, 0),
            (0, text, 0),
            (0, Flags::TEXT, 0),
            (2, text, 0),
        ]);
        let expected = [
            Some((5, 0, Opcode::Text, true)),
            Some((5, 0, Opcode::Text, false)),
            None,
            Some((7, 0, Opcode::Continuation, true)),
            Some((0, 0, Opcode::Text, true)),
            Some((0, 0, Opcode::Text, false)),
            Some((2, 0, Opcode::Continuation, true)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn other_frames_go_back_as_frames() {
        let (binary, text) = (Flags::BINARY, Flags::TEXT | Flags::FINAL);
        let found = answers(&[
            (3, binary, 0),
            (4, binary, 6),
            (6, binary, 0),
            (0, binary | Flags::FINAL, 0),
            (1, binary | Flags::FINAL, 5),
            (5, binary | Flags::FINAL, 0),
            (1000, text, FRAGMENTED),
            (FRAGMENTED - 5, text, 5),
            (5, text, 0),
            (1, text, 0),
        ]);
        let expected = [
            Some((3, 0, Opcode::Binary, false)),
            Some((4, 6, Opcode::Continuation, false)),
            Some((6, 0, Opcode::Continuation, false)),
            Some((0, 0, Opcode::Continuation, true)),
            Some((1, 5, Opcode::Binary, true)),
            Some((5, 0, Opcode::Binary, true)),
            Some((1000, FRAGMENTED, Opcode::Text, true)),
            Some((FRAGMENTED - 5, 5, Opcode::Text, true)),
            Some((5, 0, Opcode::Text, true)),
            Some((1, 0, Opcode::Text, true)),
        ];
        assert_eq!(found, expected);
    }
}
