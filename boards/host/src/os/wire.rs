//! What is more to a connection of the table than an echo needs.

use super::{OsPlatform, OsStack};
use crate::echo::OnTable;
use crate::wire::{Alone, Line};
use embedded_nal::TcpClientStack;
use std::time::{Duration, Instant};
use ws_socket::stack::StdError;
use ws_socket::{CloseCode, Opcode, Platform, SendError, Timeout};

/// A stack that says whether a call blocked.
pub(crate) trait Blocks: TcpClientStack {
    /// Did the last call on a socket block?
    fn is_blocked(&self) -> bool;
}

impl<S: Blocks, P: Platform<S>, const N: usize> Line for OnTable<'_, '_, S, P, N> {
    fn send_msg(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<S::Error>> {
        self.table
            .send_msg_mut(self.ws, payload, opcode, fin, Timeout::NoWait)
    }

    fn flush(&mut self) -> bool {
        // Nothing may be sent behind a Close: it says whether that is out, and sends it.
        let asked = self
            .table
            .send_msg(self.ws, &[], Opcode::Pong, true, Timeout::NoWait);
        !matches!(asked, Err(SendError::Timeout))
    }

    fn frame_open(&mut self) -> bool {
        matches!(self.table.open_frame(self.ws), Ok(Some(_)))
    }

    fn is_blocked(&mut self) -> bool {
        self.table.stack().is_blocked()
    }

    fn disconnect(&mut self) -> bool {
        let ended = self.table.disconnect(self.ws, Timeout::NoWait);
        ended.is_ok_and(|ended| ended.clean)
    }

    fn abort(&mut self) {
        if let Err(error) = self.table.abort(self.ws) {
            log::debug!("aborting: {error}");
        }
    }
}

impl<const N: usize> Alone for OnTable<'_, '_, OsStack, OsPlatform, N> {
    fn wait(&mut self, at_most: Option<Duration>) {
        let stack = self.table.stack();
        if stack.is_blocked() {
            stack.wait(at_most);
        }
    }

    fn pause(&mut self, at_most: Option<Duration>) {
        // What came in ends one wait at most: it is not asked for again.
        self.table.stack().wait(at_most);
    }

    fn send_within(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        within: Duration,
    ) -> Result<usize, SendError<StdError>> {
        self.table
            .send_msg_mut(self.ws, payload, opcode, fin, within)
    }

    fn disconnect_within(&mut self, code: CloseCode, within: Duration) -> bool {
        let ended = self.table.disconnect_with(self.ws, code, "", within);
        log::debug!("disconnected: {ended:?}");
        ended.is_ok_and(|ended| ended.clean)
    }

    fn linger(&mut self, at_most: Duration) {
        let until = Instant::now() + at_most;
        while self.table.stack().sweep() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
