//! Receiving: one piece, or the end.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{Face, Next, Piece, SCRATCH};

use super::{Context, Entry, Open};
use crate::Platform;
use crate::error::ReceiveError;
use crate::fmt::debug;

/// How often a step reads at most before it lets others run: a peer that floods with what is not
/// for the user cannot hold it.
const MAX_READS: usize = 64;

impl<T> Entry<'_, T> {
    /// Receives a piece of a frame. Control frames are dealt with on the way.
    pub(crate) fn receive<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        face: Face,
        out: &mut [u8],
    ) -> nb::Result<Piece, ReceiveError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(mut open) = self.open() else {
            return Err(nb::Error::Other(ReceiveError::NotConnected));
        };
        let received = context.pump(&mut open, face, out, true);
        // What became due with it goes out now; what does not, with the next call.
        let _ = context.flush(&mut open);
        received?.ok_or(nb::Error::WouldBlock)
    }

    /// Would [`receive`](Self::receive) return something now? Without a lent buffer a payload that
    /// is under way counts as something, since the stack cannot be asked without taking it.
    pub(crate) fn is_readable<S, P>(&mut self, context: &mut Context<S, P>, face: Face) -> bool
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(mut open) = self.open() else {
            return true;
        };
        !matches!(
            context.pump(&mut open, face, &mut [], false),
            Err(nb::Error::WouldBlock)
        )
    }
}

impl<S: TcpClientStack, P: Platform<S>> Context<S, P> {
    /// Reads until there is a piece, and takes it, or leaves it where it is (`None`).
    fn pump(
        &mut self,
        open: &mut Open<'_, S::TcpSocket>,
        face: Face,
        out: &mut [u8],
        take: bool,
    ) -> nb::Result<Option<Piece>, ReceiveError<S::Error>> {
        let room = if take { out.len() } else { 1 };
        let mut scratch = [0; SCRATCH];
        let mut blocked = false;
        let mut reads = 0;
        let piece = loop {
            let Open {
                endpoint,
                lent,
                socket,
            } = &mut *open;
            match endpoint.advance(lent, face, room, blocked) {
                Next::Ready => {}
                // A wire that fails shows in the next read, behind what can still be received.
                Next::Write => {
                    blocked = self.flush(open).is_err();
                    continue;
                }
                Next::Blocked => return Err(nb::Error::WouldBlock),
                Next::Ended => {
                    return Err(nb::Error::Other(ReceiveError::ended(endpoint)));
                }
                Next::Read if reads == MAX_READS => {
                    self.unfinished = true;
                    return Err(nb::Error::WouldBlock);
                }
                Next::Read => {
                    reads += 1;
                    let buffer = endpoint.read_buffer(lent, face, out, &mut scratch);
                    if !buffer.is_empty() {
                        let count = self.read(socket, buffer).map_err(|error| {
                            error.map(|error| {
                                endpoint.eof();
                                ReceiveError::Stack(error)
                            })
                        })?;
                        if count == 0 {
                            endpoint.eof();
                            continue;
                        }
                        match endpoint.received(lent, face, out, &mut scratch, count) {
                            Ok(None) => continue,
                            piece => break piece,
                        }
                    }
                }
            }
            if !take {
                return Ok(None);
            }
            break endpoint.take(lent, out);
        };
        piece.map_err(|error| {
            debug!(
                "the peer broke the protocol: closing with {}",
                error.close_code().0
            );
            nb::Error::Other(error.into())
        })
    }
}
