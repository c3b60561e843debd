//! Receiving: one piece, or the end.

use core::pin::pin;

use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use ws_core::{Face, Next, Piece, ProtocolError, RandomError, SCRATCH};

use super::link::Link;
use super::wait::{at_most, at_once};
use super::{Clock, Platform};
use crate::error::{ReceiveError, SendError};
use crate::session::Open;

impl<T: Read + Write, P: Platform> Link<'_, '_, T, P> {
    /// Receives a piece of a frame. Control frames are dealt with on the way.
    pub(super) async fn receive(
        &mut self,
        face: Face,
        out: &mut [u8],
    ) -> Result<Piece, ReceiveError<T::Error>> {
        // Nothing waits behind the point where a piece is taken: a drop would lose it. What became
        // due with it goes out with the next call.
        let mut piece = self.pump(face, out.len(), out).await?;
        let about = self.entry.about;
        if piece.is_none()
            && let Some(mut open) = self.entry.open()
        {
            let taken = open.endpoint.take(&mut open.lent, out);
            piece = taken.map_err(|error| ReceiveError::broken(about, error))?;
        }
        piece.ok_or(ReceiveError::NotConnected)
    }

    /// Waits until [`receive`](Self::receive) would return something.
    pub(super) async fn readable(&mut self, face: Face) {
        let _ = self.find(face, 1).await;
    }

    /// Waits until `room` bytes of a piece can be taken, or it is over; with 0 until there is a frame.
    pub(super) async fn find(
        &mut self,
        face: Face,
        room: usize,
    ) -> Result<(), ReceiveError<T::Error>> {
        self.pump(face, room, &mut []).await.map(|_| ())
    }

    /// Reads until there is a piece to take (`None`), or one was read straight into `out`.
    async fn pump(
        &mut self,
        face: Face,
        room: usize,
        out: &mut [u8],
    ) -> Result<Option<Piece>, ReceiveError<T::Error>> {
        let clock = self.platform.clock();
        let mut scratch = [0; SCRATCH];
        let mut failed = false;
        // There is no mask key: the next read is no reason to give up.
        let mut no_key = false;
        loop {
            if self.alive.turn() {
                yield_now().await;
            }
            let Some(Open {
                endpoint,
                mut lent,
                socket,
            }) = self.entry.open()
            else {
                return Err(ReceiveError::NotConnected);
            };
            match endpoint.advance(&mut lent, face, room, failed || no_key) {
                Next::Ready => return Ok(None),
                Next::Ended => return Err(ReceiveError::ended(endpoint)),
                Next::Blocked if no_key => return Err(RandomError.into()),
                Next::Blocked if failed => return Err(ReceiveError::Lost),
                // Nobody else can finish it while this waits.
                Next::Blocked => return Err(ReceiveError::FrameOpen),
                // What can still be received comes first, also where the wire has failed.
                Next::Write => {
                    let left = self.alive.left(self.config, clock.now_ms());
                    let flushed = at_most(&clock, left, pin!(self.flush_control())).await;
                    match flushed {
                        Some(Err(SendError::Random(_))) => {
                            no_key = true;
                            continue;
                        }
                        Some(flushed) => failed = flushed.is_err(),
                        None => self.late()?,
                    }
                    if self.one_key && !failed {
                        return Ok(None);
                    }
                }
                Next::Read => {
                    if self.alive.unflushed {
                        let left = self.alive.left(self.config, clock.now_ms());
                        let flushed = at_most(&clock, left, pin!(self.flush_stream())).await;
                        match flushed {
                            Some(flushed) => failed |= flushed.is_err(),
                            None => self.late()?,
                        }
                        continue;
                    }
                    let buffer = endpoint.read_buffer(&mut lent, out, &mut scratch);
                    // Somebody asked whether there is something, and there is.
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let left = self.alive.left(self.config, clock.now_ms());
                    let read = {
                        let read = pin!(socket.read(buffer));
                        if failed {
                            at_once(read).await
                        } else {
                            at_most(&clock, left, read).await
                        }
                    };
                    no_key = false;
                    let Some(read) = read else {
                        // Nothing comes any more on a wire that has failed.
                        if failed {
                            endpoint.eof();
                        } else {
                            self.late()?;
                        }
                        continue;
                    };
                    let count = read.map_err(|error| {
                        endpoint.eof();
                        ReceiveError::Stack(error)
                    })?;
                    self.alive.heard(clock.now_ms());
                    if count == 0 {
                        endpoint.eof();
                        continue;
                    }
                    let piece: Result<_, ProtocolError> =
                        endpoint.received(&mut lent, out, &mut scratch, count);
                    let about = self.entry.about;
                    let piece = piece.map_err(|error| ReceiveError::broken(about, error))?;
                    if let Some(piece) = piece {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// The peer was not heard for as long as it may be silent.
    fn late(&mut self) -> Result<(), ReceiveError<T::Error>> {
        let now = self.platform.clock().now_ms();
        match self.entry.open() {
            Some(open) => self.alive.is_late(open.endpoint, now),
            None => Ok(()),
        }
        .map_err(|_| ReceiveError::NoPong)
    }
}
