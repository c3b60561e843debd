//! The closing handshake (RFC 6455 sections 5.5.1, 7.1).

use embedded_nal::{TcpClientStack, nb};
use ws_core::{CloseCode, Face};

use super::{Context, Entry, State};
use crate::Platform;
use crate::error::{HandleError, ReceiveError};

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
    pub(crate) fn begin_close(&mut self, code: CloseCode) {
        if let Some(open) = self.open() {
            open.endpoint.close(code);
        }
    }

    /// Sends the control frames that are due, as far as they go out at once.
    pub(crate) fn flush_due<S, P>(&mut self, context: &mut Context<'_, S, P>)
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        if let Some(mut open) = self.open() {
            let _ = context.flush(&mut open);
        }
    }

    /// How far the closing handshake has come.
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
    /// `Ok` once nothing is left to wait for. A client with `until_eof` waits for the server to
    /// close TCP, which is the server's to do first (section 7.1.1).
    pub(crate) fn close<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        until_eof: bool,
    ) -> nb::Result<(), HandleError>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let mut dropped = [0; 64];
        let mut count = 0;
        loop {
            if count == MAX_DROPPED {
                *context.unfinished = true;
                return Err(nb::Error::WouldBlock);
            }
            count += 1;
            match self.receive(context, Face::Stream, &mut dropped) {
                Ok(_) => {}
                Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
                Err(nb::Error::Other(ReceiveError::Closed(_))) => break,
                Err(nb::Error::Other(_)) => return self.say_why(context),
            }
        }
        let State::Open {
            socket, endpoint, ..
        } = &mut self.state
        else {
            return Ok(());
        };
        if !endpoint.close_sent() {
            return Err(nb::Error::WouldBlock);
        }
        if !until_eof || !endpoint.connection().tx.masks() || endpoint.is_eof() {
            return Ok(());
        }
        for _ in 0..MAX_DROPPED {
            match context.read(socket, &mut dropped) {
                Ok(Some(_)) => {}
                Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
                Ok(None) | Err(nb::Error::Other(_)) => return Ok(()),
            }
        }
        *context.unfinished = true;
        Err(nb::Error::WouldBlock)
    }

    /// Nothing more will be received. Where that is because the peer broke the protocol, the Close
    /// that says so has to go out, and the wire may be full; on a wire that is gone it cannot.
    fn say_why<S, P>(&mut self, context: &mut Context<'_, S, P>) -> nb::Result<(), HandleError>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        match self.open() {
            Some(mut open) if open.endpoint.has_failed() => match context.flush(&mut open) {
                Ok(false) => Err(nb::Error::WouldBlock),
                Ok(true) | Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
