//! Sending: all of a frame.

use core::fmt::Debug;

use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use ws_core::Endpoint;

use super::link::{Link, key};
use super::{Clock, Platform};
use crate::error::SendError;
use crate::session::{Open, Outgoing, Payload, SEND_SCRATCH, Sending};

/// A frame that is being sent; dropped before a byte of it is out, it is taken back.
struct Attempt<'a, 'p> {
    endpoint: &'a mut Endpoint,
    sending: Sending<'p>,
}

impl Drop for Attempt<'_, '_> {
    fn drop(&mut self) {
        let _ = self.sending.end(self.endpoint);
    }
}

impl<T: Read + Write, P: Platform> Link<'_, '_, T, P> {
    /// Sends a frame, or the rest of the one that is open, and adds to `taken` how many bytes of
    /// the payload are out. With `at_once` it returns as soon as some are.
    pub(super) async fn send(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        at_once: bool,
        taken: &mut usize,
    ) -> Result<(), SendError<T::Error>> {
        let endpoint = self.entry.endpoint().ok_or(SendError::NotConnected)?;
        frame.check(endpoint)?;
        // What a call before has sent without saying so only has to be flushed.
        let unsaid = self.alive.unsaid.take() == Some((frame.opcode, frame.fin));
        if !(unsaid && payload.is_empty() && !at_once) {
            self.send_bytes(frame, payload, at_once, taken).await?;
        }
        if !at_once {
            let open = self.entry.open_frame();
            self.alive.unsaid = open.is_none().then_some((frame.opcode, frame.fin));
            let flushed = self.flush_stream().await;
            self.alive.unsaid = None;
            flushed.map_err(SendError::Stack)?;
        }
        Ok(())
    }

    async fn send_bytes(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        at_once: bool,
        taken: &mut usize,
    ) -> Result<(), SendError<T::Error>> {
        self.flush_control().await?;
        let Some(Open {
            socket, endpoint, ..
        }) = self.entry.open()
        else {
            return Err(SendError::NotConnected);
        };
        let sending = Sending::begin(endpoint, frame, payload, || key(self.platform))?;
        let mut attempt = Attempt { endpoint, sending };
        let mut scratch = [0; SEND_SCRATCH];
        let before = *taken;
        let clock = self.platform.clock();
        loop {
            let bytes = attempt.sending.bytes(attempt.endpoint, &mut scratch);
            if bytes.is_empty() || at_once && *taken > before {
                break;
            }
            if self.alive.turn() {
                yield_now().await;
            }
            self.alive.full_at = Some(clock.now_ms());
            let count = written(socket.write(bytes).await)?;
            self.alive.full_at = None;
            self.alive.unflushed = true;
            attempt.sending.sent(attempt.endpoint, count);
            *taken = before + attempt.sending.taken();
        }
        Ok(())
    }
}

/// A stream that takes nothing is as good as closed.
pub(super) fn written<E: Debug>(written: Result<usize, E>) -> Result<usize, SendError<E>> {
    match written {
        Ok(0) => Err(SendError::NotConnected),
        Ok(count) => Ok(count),
        Err(error) => Err(SendError::Stack(error)),
    }
}
