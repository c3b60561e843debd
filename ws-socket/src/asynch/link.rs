//! One connection and the loops around it: "read what it wants, write what it has".

use embedded_io_async::{Read, Write};
use ws_core::handshake::Sha1;

use super::keepalive::Alive;
use super::send::written;
use super::{Clock, Platform};
use crate::error::SendError;
use crate::session::{CONTROL_SCRATCH, Entry, Open};
use crate::{Config, RandomError};

/// A connection to work on, with what its steps need.
pub(super) struct Link<'a, 'buf, T, P> {
    pub(super) entry: &'a mut Entry<'buf, T>,
    pub(super) alive: &'a mut Alive,
    pub(super) platform: &'a mut P,
    pub(super) config: &'a Config,
    /// There is one mask key: stop behind the control frame that takes it.
    pub(super) one_key: bool,
}

impl<T: Read + Write, P: Platform> Link<'_, '_, T, P> {
    /// Writes the control frames that are due.
    ///
    /// Dropped, it leaves what has not been written due.
    pub(super) async fn flush_control(&mut self) -> Result<(), SendError<T::Error>> {
        let Some(Open {
            socket,
            endpoint,
            lent,
        }) = self.entry.open()
        else {
            return Ok(());
        };
        while endpoint.control_ready() {
            let mut scratch = [0; CONTROL_SCRATCH];
            let begun = endpoint.control(&lent, || key(self.platform), &mut scratch);
            if begun.is_err() && endpoint.ping_due() {
                // It was not asked, so that it cannot fail to answer: next time.
                self.alive.not_pinged(self.platform.clock().now_ms());
            }
            let count = begun?;
            if count == 0 {
                break;
            }
            let sent = socket.write(scratch.get(..count).unwrap_or_default()).await;
            let pinging = endpoint.ping_due();
            endpoint.control_sent(*sent.as_ref().unwrap_or(&0));
            written(sent)?;
            self.alive.unflushed = true;
            if pinging && !endpoint.ping_due() {
                self.alive.ping_sent(self.platform.clock().now_ms());
            }
            if self.one_key && !endpoint.connection().tx.is_open() {
                break;
            }
        }
        Ok(())
    }

    /// Has a stream that buffers what is written let go of it, where there is something.
    pub(super) async fn flush_stream(&mut self) -> Result<(), T::Error> {
        let mut flushed = Ok(());
        if self.alive.unflushed
            && self.config.flush
            && let Some(socket) = self.entry.socket_mut()
        {
            flushed = socket.flush().await;
        }
        // Dropped before this point it is still to be done.
        self.alive.unflushed = false;
        flushed
    }
}

/// A fresh mask key.
pub(super) fn key(platform: &mut impl Platform) -> Result<[u8; 4], RandomError> {
    let mut key = [0; 4];
    platform.fill_random(&mut key)?;
    Ok(key)
}

/// The platform's hash unit, for the core.
pub(super) struct Hash<'a, P>(pub(super) &'a mut P);

impl<P: Platform> Sha1 for Hash<'_, P> {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        self.0.sha1(key)
    }
}
