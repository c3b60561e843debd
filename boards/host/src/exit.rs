//! What the program's exit code says.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well: the demo was verified, the connection closed in order.
    Clean = 0,
    /// The demo found a difference, or this end failed: its output, its input.
    Failed = 1,
    /// The arguments are wrong; nothing was done.
    Usage = 2,
    /// There is no connection: not made, refused, or lost.
    Connection = 3,
    /// The peer broke the protocol.
    Protocol = 4,
    /// The peer did not answer in time.
    Timeout = 5,
    /// The broker refused the session, a subscription or a message.
    Refused = 6,
    /// `-W` is over: `mosquitto_sub`'s code for it.
    Over = 27,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
