//! Receiving: what a job of the core came to, in the words of the calls.

use core::fmt::Debug;

use embedded_nal::TcpClientStack;
use ws_core::{Ended, Face, Piece, Receive};

use super::{Context, Driven, Entry};
use crate::Platform;
use crate::error::ReceiveError;
use crate::fmt::{About, debug};

impl<E: Debug> ReceiveError<E> {
    /// Why there was no piece; `error` is what the stack said, if it was the stack.
    pub(crate) fn from_end(about: About, ended: Ended, error: Option<E>) -> Self {
        match (ended, error) {
            (Ended::ReadFailed, Some(error)) => Self::Stack(error),
            (Ended::Protocol(error), _) => {
                let code = error.close_code().0;
                debug!(
                    "{}the peer broke the protocol: closing with {}",
                    about, code
                );
                Self::Protocol(error)
            }
            (Ended::Failed, _) => Self::NotConnected,
            (Ended::Closed(code), _) => Self::Closed(code),
            (Ended::Gone, _) => Self::NoPong,
            (Ended::Lost | Ended::ReadFailed, _) => Self::Lost,
        }
    }

    /// What a receive came to that was driven so far.
    pub(crate) fn outcome(
        about: About,
        driven: Driven,
        job: &Receive<'_>,
        error: Option<E>,
    ) -> Result<Piece, Self> {
        match (driven, job.result()) {
            (Driven::NotConnected, _) => Err(Self::NotConnected),
            (_, None) => Err(Self::Timeout),
            (_, Some(Ok(piece))) => Ok(piece),
            (_, Some(Err(ended))) => Err(Self::from_end(about, ended, error)),
        }
    }
}

impl<T> Entry<'_, T> {
    /// Would a receive have a result now?
    pub(crate) fn is_readable<S, P>(&mut self, context: &mut Context<S, P>, face: Face) -> bool
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        self.drive(context, &mut Receive::look(face)) != Driven::Blocked
    }
}
