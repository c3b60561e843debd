//! One connection as its program sees it, whichever driver is below: the table of blocking calls
//! ([`OnTable`](crate::echo::OnTable)), or one of the async calls
//! ([`Polled`](crate::asynch::Polled)). No call of a [`Wire`] or a [`Line`] waits.

use crate::echo::Wire;
use std::sync::Arc;
use std::time::Duration;
use ws_socket::{CloseCode, Opcode, SendError};

/// What is more to an open connection than an echo needs.
pub(crate) trait Line: Wire {
    /// Sends what it can of a frame, or of its rest: nothing is `Timeout`. What the payload is
    /// afterwards is open, but for what was not sent. `fin`: its message ends with it.
    fn send_msg(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<Self::Error>>;

    /// Sends the control frames that are due. False where some are left.
    fn flush(&mut self) -> bool;

    /// Is a frame partly sent?
    fn frame_open(&mut self) -> bool;

    /// Would the last call have waited? If not, whoever called wants to go on.
    fn is_blocked(&mut self) -> bool;

    /// Ends the connection, with a Close if none was sent. True where both went their way.
    fn disconnect(&mut self) -> bool;

    /// Ends the connection at once.
    fn abort(&mut self);
}

/// A connection that its program waits for, having no other.
pub(crate) trait Alone: Line {
    /// Sleeps until a call that would have waited may go on, the [`Wake`] was called, or the time is
    /// over.
    fn wait(&mut self, at_most: Option<Duration>);

    /// [`wait`](Self::wait), but for what comes in: nobody asks for that now.
    fn pause(&mut self, at_most: Option<Duration>);

    /// [`send_msg`](Line::send_msg), which waits for the frame to be out.
    fn send_within(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        within: Duration,
    ) -> Result<usize, SendError<Self::Error>>;

    /// [`disconnect`](Line::disconnect), which waits for the peer.
    fn disconnect_within(&mut self, code: CloseCode, within: Duration) -> bool;

    /// Gives the peer the time to read what was sent last: a process that ends with unread input
    /// has the system reset its connections, and a reset can overtake that.
    fn linger(&mut self, at_most: Duration);
}

/// Ends a wait, from another thread, also one that has not begun yet.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;
