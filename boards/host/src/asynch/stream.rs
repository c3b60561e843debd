//! The system's TCP connections as streams for the async calls.

use async_io::Async;
use edge_nal::{Close, TcpShutdown};
use embedded_io_async::{ErrorType, Read, Write};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A TCP connection. That of edge-nal-std has no second handle, to wait for room beside receiving.
#[derive(Clone)]
pub(crate) struct Stream(Arc<Async<TcpStream>>);

impl Stream {
    /// Over a connection that is there.
    pub(crate) fn new(stream: Async<TcpStream>) -> Self {
        // What the system does without it is slower, and no less right.
        let _ = stream.get_ref().set_nodelay(true);
        Self(Arc::new(stream))
    }

    /// The system's, which does not block.
    pub(crate) fn tcp(&self) -> &TcpStream {
        (*self.0).as_ref()
    }

    /// Another handle of it, to wait with.
    pub(crate) fn handle(&self) -> Arc<Async<TcpStream>> {
        Arc::clone(&self.0)
    }
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl Read for Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer).await
    }
}

impl Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TcpShutdown for Stream {
    async fn close(&mut self, what: Close) -> io::Result<()> {
        self.0.get_ref().shutdown(match what {
            Close::Read => Shutdown::Read,
            Close::Write => Shutdown::Write,
            Close::Both => Shutdown::Both,
        })
    }

    /// Dropping it is what does that.
    async fn abort(&mut self) -> io::Result<()> {
        Ok(())
    }
}
