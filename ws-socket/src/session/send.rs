//! Sending: what a job of the core came to, in the words of the calls.

use core::fmt::Debug;

#[cfg(feature = "async")]
use ws_core::Endpoint;
use ws_core::{Job, RandomError, Refusal, Send, SendInPlace};

use super::Driven;
use crate::error::SendError;

impl<E: Debug> From<Refusal> for SendError<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Frame(error) => error.into(),
            Refusal::Close(error) => Self::Close(error),
            Refusal::Mask => Self::Mask,
        }
    }
}

/// What both kinds of send have in common.
pub(crate) trait SendJob: Job {
    fn taken(&self) -> usize;
    fn refusal(&self) -> Option<Refusal>;
    fn lacks_key(&self) -> bool;
    #[cfg(feature = "async")]
    fn end(&mut self, endpoint: &mut Endpoint);
    #[cfg(feature = "async")]
    fn say(&self, endpoint: &mut Endpoint) -> bool;
}

impl SendJob for Send<'_> {
    fn taken(&self) -> usize {
        Send::taken(self)
    }

    fn refusal(&self) -> Option<Refusal> {
        Send::refusal(self)
    }

    fn lacks_key(&self) -> bool {
        Send::lacks_key(self)
    }

    #[cfg(feature = "async")]
    fn end(&mut self, endpoint: &mut Endpoint) {
        Send::end(self, endpoint);
    }

    #[cfg(feature = "async")]
    fn say(&self, endpoint: &mut Endpoint) -> bool {
        Send::say(self, endpoint)
    }
}

impl SendJob for SendInPlace<'_> {
    fn taken(&self) -> usize {
        SendInPlace::taken(self)
    }

    fn refusal(&self) -> Option<Refusal> {
        SendInPlace::refusal(self)
    }

    fn lacks_key(&self) -> bool {
        SendInPlace::lacks_key(self)
    }

    #[cfg(feature = "async")]
    fn end(&mut self, endpoint: &mut Endpoint) {
        SendInPlace::end(self, endpoint);
    }

    #[cfg(feature = "async")]
    fn say(&self, endpoint: &mut Endpoint) -> bool {
        SendInPlace::say(self, endpoint)
    }
}

impl<E: Debug> SendError<E> {
    /// What a send came to that was driven so far; `error` is what the stack said, if it was the
    /// stack.
    pub(crate) fn outcome(
        driven: Driven,
        job: &(impl SendJob + ?Sized),
        error: Option<E>,
    ) -> Result<usize, Self> {
        if let Some(refusal) = job.refusal() {
            return Err(refusal.into());
        }
        if let Some(error) = error {
            return Err(Self::Stack(error));
        }
        match (driven, job.taken()) {
            (Driven::NotConnected, _) => Err(Self::NotConnected),
            (_, 0) if job.lacks_key() => Err(RandomError.into()),
            (Driven::Blocked, 0) => Err(Self::Timeout),
            (_, taken) => Ok(taken),
        }
    }
}
