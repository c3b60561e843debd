//! The closing handshake (RFC 6455 sections 5.5.1, 7.1).

use embedded_nal::TcpClientStack;
use ws_core::{CloseCode, Face};

use super::{Context, Entry, State, Stop, Tcp};
use crate::Platform;

/// How much a step drops at most, in pieces, before it lets others run: a peer that sends without
/// end does not hold it beyond its deadline.
const MAX_DROPPED: usize = 64;

/// How far a closing handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Both Close frames went their way.
    pub(crate) clean: bool,
    /// The peer's code, if its Close came.
    pub(crate) code: Option<CloseCode>,
}

impl<T> Entry<'_, T> {
    /// Has a Close with `code` sent as soon as may be, unless one was.
    pub(crate) const fn begin_close(&mut self, code: CloseCode) {
        if let Some(endpoint) = self.endpoint_mut() {
            endpoint.close(code);
        }
    }

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

    /// Goes on with the closing handshake: sends what is due, drops the data that still comes.
    /// True once nothing is left to wait for. A client with `until_eof` waits for the server to
    /// close TCP, which is the server's to do first (section 7.1.1).
    pub(crate) fn close<S, P>(&mut self, context: &mut Context<S, P>, until_eof: bool) -> bool
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let mut dropped = [0; 64];
        for _ in 0..MAX_DROPPED {
            match self.receive(context, Face::Stream, &mut dropped) {
                Ok(_) => continue,
                Err(Stop::Blocked) => return false,
                Err(_) => {}
            }
            // Nothing more will be received. The Close that says what the peer did wrong, or answers
            // its own, has to go out, and the wire may be full; on a wire that is gone it cannot.
            let full = self.flush(context) == Some(Stop::Blocked);
            let Some(Tcp {
                socket,
                state: State::Open { endpoint, .. },
            }) = &mut self.tcp
            else {
                return true;
            };
            let full = full && endpoint.connection().rx.has_ended();
            let waits = until_eof
                && endpoint.connection().tx.masks()
                && endpoint.close_sent()
                && endpoint.peer_close().is_some()
                && !endpoint.is_eof();
            if !full && !waits {
                return true;
            }
            // A wire that is full and gone may say so nowhere else.
            match context.read(socket, &mut dropped) {
                Ok(1..) => {}
                Ok(0) if full => return false,
                stopped => return stopped != Err(Stop::Blocked),
            }
        }
        context.unfinished = true;
        false
    }
}
