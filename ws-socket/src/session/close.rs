//! The closing handshake (RFC 6455 sections 5.5.1, 7.1): how far it has come.

use ws_core::CloseCode;

use super::Entry;

/// How far a closing handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Both Close frames went their way.
    pub(crate) clean: bool,
    /// The peer's code, if its Close came.
    pub(crate) code: Option<CloseCode>,
}

impl<T> Entry<'_, T> {
    /// How far the closing handshake has come.
    #[inline(never)]
    pub(crate) fn closing(&self) -> Closing {
        let code = self.endpoint().and_then(|endpoint| endpoint.peer_close());
        let sent = self
            .endpoint()
            .is_some_and(|endpoint| endpoint.close_sent());
        Closing {
            clean: sent && code.is_some(),
            code,
        }
    }
}
