//! Receiving: one piece, or the end.

use core::pin::pin;

use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use ws_core::{Face, Next, Piece, ProtocolError, RandomError, SCRATCH};

use super::link::Link;
use super::wait::at_most;
use super::{Clock, Platform};
use crate::error::{ReceiveError, SendError};
use crate::session::Open;

/// After how many reads or writes for one piece others get their turn.
pub(super) const MAX_READS: usize = 64;

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
        if piece.is_none()
            && let Some(mut open) = self.entry.open()
        {
            piece = open.endpoint.take(&mut open.lent, out)?;
        }
        piece.ok_or(ReceiveError::NotConnected)
    }

    /// Waits until [`receive`](Self::receive) would return something.
    pub(super) async fn readable(&mut self, face: Face) {
        let _ = self.pump(face, 1, &mut []).await;
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
        let mut blocked = false;
        // There is no mask key: the next read is no reason to give up.
        let mut no_key = false;
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds % MAX_READS == 0 {
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
            match endpoint.advance(&mut lent, face, room, blocked || no_key) {
                Next::Ready => return Ok(None),
                Next::Ended => return Err(ReceiveError::ended(endpoint)),
                Next::Blocked if no_key => return Err(RandomError.into()),
                Next::Blocked if blocked => return Err(ReceiveError::Lost),
                // Nobody else can finish it while this waits.
                Next::Blocked => return Err(ReceiveError::FrameOpen),
                // A wire that fails shows in the next read, behind what can still be received.
                Next::Write => {
                    let left = self.alive.left(self.config, clock.now_ms());
                    let flushed = at_most(&clock, left, pin!(self.flush_control())).await;
                    match flushed {
                        Some(Err(SendError::Random(_))) => {
                            no_key = true;
                            continue;
                        }
                        Some(flushed) => blocked = flushed.is_err(),
                        None => self.late()?,
                    }
                    if self.one_key && !blocked {
                        return Ok(None);
                    }
                }
                Next::Read => {
                    if self.alive.unflushed {
                        let left = self.alive.left(self.config, clock.now_ms());
                        let flushed = at_most(&clock, left, pin!(self.flush_stream())).await;
                        if flushed.is_none() {
                            self.late()?;
                        }
                        continue;
                    }
                    let buffer = endpoint.read_buffer(&mut lent, out, &mut scratch);
                    // Somebody asked whether there is something, and there is.
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let left = self.alive.left(self.config, clock.now_ms());
                    let read = at_most(&clock, left, pin!(socket.read(buffer))).await;
                    no_key = false;
                    let Some(read) = read else {
                        self.late()?;
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
                    if let Some(piece) = piece? {
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
