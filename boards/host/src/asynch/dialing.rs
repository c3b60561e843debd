//! Dialing on async-io's reactor, by who waits in no task.

use super::Stream;
use crate::connect::race::{Dialer, Step};
use async_io::Async;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use ws_socket::stack::StdError;

/// Makes [`Stream`]s.
pub(crate) struct Dialing {
    /// Ends a wait of the thread that made this.
    waker: Waker,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Dialing {
    pub(crate) fn new() -> Self {
        let waker = Arc::new(Unpark(thread::current())).into();
        Self { waker }
    }
}

impl Dialer for Dialing {
    /// Dropped, it closes the socket.
    type Attempt = Pin<Box<dyn Future<Output = io::Result<Async<TcpStream>>>>>;
    type Socket = Stream;

    fn begin(&mut self, to: SocketAddr) -> Result<Self::Attempt, StdError> {
        Ok(Box::pin(Async::<TcpStream>::connect(to)))
    }

    fn step(&mut self, mut attempt: Self::Attempt) -> Step<Self::Attempt, Stream> {
        match attempt.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => Step::Pending(attempt),
            Poll::Ready(Ok(stream)) => Step::Through(Stream::new(stream)),
            Poll::Ready(Err(error)) => Step::Failed(error.into()),
        }
    }

    fn close(&mut self, _: Self::Attempt) {}

    fn wait(&mut self, at_most: Duration) {
        thread::park_timeout(at_most);
    }
}
