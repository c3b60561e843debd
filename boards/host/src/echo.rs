//! Sending back what comes, piece by piece: as much memory as one piece, however long the message.

use std::ops::Range;
use ws_socket::{
    HandleError, Opcode, Platform, ReceiveError, Received, SendError, Timeout, WebSocketId,
    WebSockets,
};

/// One connection's echo. While a piece is on its way back nothing more is received, so that a peer
/// that does not read is not read from either.
#[derive(Debug)]
pub(crate) struct Echo<B> {
    buffer: B,
    back: Option<Back>,
    /// Did the message's first fragment go back already?
    in_message: bool,
}

/// A piece on its way back: a frame of its own.
#[derive(Debug)]
struct Back {
    rest: Range<usize>,
    opcode: Opcode,
    fin: bool,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A piece came. If it is one of a message, it is on its way back.
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
            back: None,
            in_message: false,
        }
    }

    /// Is a piece on its way back? No other frame may be begun then.
    pub(crate) const fn is_sending(&self) -> bool {
        self.back.is_some()
    }

    /// Does one thing: goes on with the piece that is on its way, or receives one. `mask` as with
    /// [`send_msg`](ws_socket::Table::send_msg).
    pub(crate) fn step<S, P, const N: usize>(
        &mut self,
        table: &mut WebSockets<'_, S, P, N>,
        ws: WebSocketId,
        mask: bool,
    ) -> Result<Step<'_>, ReceiveError<S::Error>>
    where
        S: embedded_nal::TcpClientStack,
        P: Platform<S>,
    {
        let buffer = self.buffer.as_mut();
        let Some(back) = &mut self.back else {
            let piece = match table.recv_msg(ws, buffer, Timeout::NoWait) {
                Err(ReceiveError::Timeout) => return Ok(Step::Idle),
                result => result?,
            };
            self.back = answer(&piece, &mut self.in_message);
            return Ok(Step::Received(
                piece,
                buffer.get(..piece.length).unwrap_or_default(),
            ));
        };
        let rest = buffer.get_mut(back.rest.clone()).unwrap_or_default();
        match table.send_msg_mut(ws, rest, back.opcode, mask, back.fin, Timeout::NoWait) {
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

/// The frame that goes back for a piece.
fn answer(piece: &Received, in_message: &mut bool) -> Option<Back> {
    let opcode = piece.opcode();
    let fin = piece.is_complete();
    // A fragment without anything in it says nothing, unless it is the last.
    if opcode.is_control() || piece.length == 0 && !fin {
        return None;
    }
    let opcode = if *in_message {
        Opcode::Continuation
    } else {
        opcode
    };
    *in_message = !fin;
    Some(Back {
        rest: 0..piece.length,
        opcode,
        fin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_socket::Flags;

    fn answers(pieces: &[(usize, Flags, usize)]) -> Vec<Option<(usize, Opcode, bool)>> {
        let mut in_message = false;
        let pieces = pieces.iter().map(|&(length, flags, remaining)| Received {
            length,
            flags,
            remaining,
        });
        pieces
            .map(|piece| answer(&piece, &mut in_message))
            .map(|back| back.map(|back| (back.rest.end, back.opcode, back.fin)))
            .collect()
    }

    #[test]
    fn a_piece_goes_back_as_a_fragment_with_the_type_in_front() {
        let text = Flags::TEXT | Flags::FINAL;
        let found = answers(&[
            (5, text, 0),
            (5, text, 7),
            (0, Flags::PING | Flags::FINAL, 0),
            (7, text, 0),
            (0, text, 0),
            (3, Flags::BINARY, 0),
            (0, Flags::BINARY, 0),
            (0, Flags::BINARY | Flags::FINAL, 0),
        ]);
        let expected = [
            Some((5, Opcode::Text, true)),
            Some((5, Opcode::Text, false)),
            None,
            Some((7, Opcode::Continuation, true)),
            Some((0, Opcode::Text, true)),
            Some((3, Opcode::Binary, false)),
            None,
            Some((0, Opcode::Continuation, true)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_first_fragment_leaves_the_type_to_the_next() {
        let found = answers(&[(0, Flags::TEXT, 0), (2, Flags::TEXT | Flags::FINAL, 0)]);
        assert_eq!(found, [None, Some((2, Opcode::Text, true))]);
    }
}
