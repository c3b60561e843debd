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
        context: &mut Context<'_, S, P>,
        face: Face,
        out: &mut [u8],
    ) -> nb::Result<Piece, ReceiveError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let result = match self.pump(context, face, out.len(), out) {
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => match self
                .open()
                .map(|mut open| open.endpoint.take(&mut open.lent, out))
            {
                Some(Ok(Some(piece))) => Ok(piece),
                Some(Err(error)) => {
                    debug!(
                        "the peer broke the protocol: closing with {}",
                        error.close_code().0
                    );
                    Err(nb::Error::Other(error.into()))
                }
                Some(Ok(None)) | None => Err(nb::Error::WouldBlock),
            },
            Err(error) => Err(error),
        };
        // What became due with it goes out now; what does not, with the next call.
        self.flush_due(context);
        result
    }

    /// Would [`receive`](Self::receive) return something now? Without a lent buffer a payload that
    /// is under way counts as something, since the stack cannot be asked without taking it.
    pub(crate) fn is_readable<S, P>(&mut self, context: &mut Context<'_, S, P>, face: Face) -> bool
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        !matches!(
            self.pump(context, face, 1, &mut []),
            Err(nb::Error::WouldBlock)
        )
    }

    /// Reads until there is a piece to take (`None`), or one was read straight into `out`.
    fn pump<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        face: Face,
        room: usize,
        out: &mut [u8],
    ) -> nb::Result<Option<Piece>, ReceiveError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(mut open) = self.open() else {
            return Err(nb::Error::Other(ReceiveError::NotConnected));
        };
        let mut scratch = [0; SCRATCH];
        let mut blocked = false;
        let mut reads = 0;
        loop {
            let Open {
                endpoint,
                lent,
                socket,
            } = &mut open;
            match endpoint.advance(lent, face, room, blocked) {
                Next::Ready => return Ok(None),
                // A wire that fails shows in the next read, behind what can still be received.
                Next::Write => blocked = !context.flush(&mut open).unwrap_or(false),
                Next::Blocked => return Err(nb::Error::WouldBlock),
                Next::Ended => {
                    return Err(nb::Error::Other(ReceiveError::ended(endpoint)));
                }
                Next::Read if reads == MAX_READS => {
                    *context.unfinished = true;
                    return Err(nb::Error::WouldBlock);
                }
                Next::Read => {
                    reads += 1;
                    let buffer = endpoint.read_buffer(lent, face, out, &mut scratch);
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    match context.read(socket, buffer) {
                        Ok(None) => endpoint.eof(),
                        Ok(Some(count)) => {
                            match endpoint.received(lent, face, out, &mut scratch, count) {
                                Ok(None) => {}
                                Ok(piece) => return Ok(piece),
                                Err(error) => return Err(nb::Error::Other(error.into())),
                            }
                        }
                        Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
                        Err(nb::Error::Other(error)) => {
                            endpoint.eof();
                            return Err(nb::Error::Other(ReceiveError::Stack(error)));
                        }
                    }
                }
            }
        }
    }
}
