//! Receiving: one piece, or the end.

use embedded_nal::TcpClientStack;
use ws_core::{Face, Next, RandomError, ReadInto, SCRATCH};

use super::{Context, Entry, Open, Stop};
use crate::Platform;
use crate::error::ReceiveError;
use crate::message::Received;

/// How often a step reads at most before it lets others run: a peer that floods with what is not
/// for the user cannot hold it.
const MAX_READS: usize = 64;

/// How many frames without payload the stream face skips before it lets others run.
const MAX_EMPTY: usize = 64;

impl<T> Entry<'_, T> {
    /// Receives a piece of a frame, and says its length. Control frames are dealt with on the way.
    #[inline(never)]
    pub(crate) fn receive<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        face: Face,
        out: &mut [u8],
    ) -> Result<usize, Stop>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let received = self.pump(context, face, out, None);
        if received != Err(Stop::Failed) {
            // What became due with it goes out now; what does not, with the next call.
            let _ = self.flush(context);
        }
        received
    }

    /// [`receive`](Self::receive) for a user, of whichever face; `None` where it would block.
    pub(crate) fn receive_on<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        face: Face,
        out: &mut [u8],
    ) -> Option<Result<Received, ReceiveError<S::Error>>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let stream = face == Face::Stream;
        if stream && out.is_empty() {
            return Some(Ok(Received::NOTHING));
        }
        for _ in 0..MAX_EMPTY {
            let received = self.receive(context, face, out);
            if !stream || received != Ok(0) {
                return self.outcome(context, received);
            }
        }
        context.unfinished = true;
        None
    }

    /// What a receive comes to; `None` where it would block.
    fn outcome<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        received: Result<usize, Stop>,
    ) -> Option<Result<Received, ReceiveError<S::Error>>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        if received == Err(Stop::Blocked) {
            return None;
        }
        if received == Err(Stop::Failed)
            && let Some(error) = context.error.take()
        {
            return Some(Err(ReceiveError::Stack(error)));
        }
        if received == Err(Stop::NoKey) {
            return Some(Err(RandomError.into()));
        }
        let about = self.about;
        let Some(endpoint) = self.endpoint_mut() else {
            return Some(Err(ReceiveError::NotConnected));
        };
        if let Ok(length) = received {
            return Some(Ok(endpoint.piece(length).into()));
        }
        Some(Err(match endpoint.failure() {
            Some(error) => ReceiveError::broken(about, error),
            None => ReceiveError::ended(endpoint),
        }))
    }

    /// Would [`receive`](Self::receive) return something now? Without a lent buffer a payload that
    /// is under way counts as something, since the stack cannot be asked without taking it.
    pub(crate) fn is_readable<S, P>(&mut self, context: &mut Context<S, P>, face: Face) -> bool
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        self.pump(context, face, &mut [], Some(1)) != Err(Stop::Blocked)
    }

    /// What [`receive_on`](Self::receive_on) would say of the next frame, which stays where it is.
    pub(crate) fn peek<S, P>(
        &mut self,
        context: &mut Context<S, P>,
    ) -> Option<Result<Received, ReceiveError<S::Error>>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let found = self.pump(context, Face::Messages, &mut [], Some(0));
        if found.is_ok()
            && let Some(endpoint) = self.endpoint()
        {
            let piece = endpoint.peek().transpose()?;
            return Some(piece.map(Received::from).map_err(ReceiveError::from));
        }
        self.outcome(context, found)
    }

    /// Reads until there is a piece, and takes it; or with `look` leaves it where it is, and that is
    /// how many bytes of it would be taken.
    fn pump<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        face: Face,
        out: &mut [u8],
        look: Option<usize>,
    ) -> Result<usize, Stop>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let room = look.unwrap_or(out.len());
        let mut scratch = [0; SCRATCH];
        // Why a control frame that is due cannot go out.
        let mut stopped = None;
        let mut reads = 0;
        loop {
            let Some(Open {
                endpoint,
                mut lent,
                socket,
            }) = self.open()
            else {
                return Err(Stop::NotConnected);
            };
            let mut direct = None;
            match endpoint.advance(&mut lent, face, room, stopped.is_some()) {
                Next::Ready => {}
                // What can still be received comes first, also where the wire has failed.
                Next::Write => {
                    stopped = self.flush(context);
                    continue;
                }
                Next::Blocked if stopped == Some(Stop::NoKey) => return Err(Stop::NoKey),
                Next::Blocked if stopped == Some(Stop::Failed) => {
                    endpoint.eof();
                    return Err(Stop::Ended);
                }
                Next::Blocked => return Err(Stop::Blocked),
                Next::Ended => return Err(Stop::Ended),
                Next::Read if reads == MAX_READS => {
                    context.unfinished = true;
                    return Err(Stop::Blocked);
                }
                Next::Read => {
                    reads += 1;
                    let into = endpoint.read_into(&lent, out.len());
                    let (read, _) = lent.parts();
                    let buffer = into.buffer(read, out, &mut scratch);
                    if !buffer.is_empty() {
                        let count = match context.read(socket, buffer) {
                            Ok(count @ 1..) => count,
                            // Nothing comes any more on a wire that has failed.
                            Err(Stop::Blocked) if stopped == Some(Stop::Failed) => {
                                endpoint.eof();
                                continue;
                            }
                            Err(Stop::Blocked) => return Err(Stop::Blocked),
                            ended => {
                                endpoint.eof();
                                ended?;
                                continue;
                            }
                        };
                        let ReadInto::User(_) = into else {
                            endpoint.stored(into, &lent, &mut scratch, count);
                            continue;
                        };
                        direct = Some(count);
                    }
                }
            }
            if look.is_some() {
                return Ok(0);
            }
            return endpoint
                .take_bytes(&mut lent, out, direct)
                .ok_or(Stop::Ended);
        }
    }
}
