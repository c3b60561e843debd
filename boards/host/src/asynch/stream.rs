//! The system's TCP connections as streams for the async calls.

use async_io::Async;
use edge_nal::{Close, TcpShutdown};
use embassy_futures::select::select;
use embedded_io_async::{ErrorType, Read, Write};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustls::ClientConnection;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A TCP connection, with TLS where that is open. That of edge-nal-std has no second handle, to wait for
/// room beside receiving.
#[derive(Clone)]
pub(crate) struct Stream {
    tcp: Arc<Async<TcpStream>>,
    tls: Option<Arc<Mutex<ClientConnection>>>,
}

impl Stream {
    /// Over a connection that is there.
    pub(crate) fn new(stream: Async<TcpStream>) -> Self {
        // What the system does without it is slower, and no less right.
        let _ = stream.get_ref().set_nodelay(true);
        Self {
            tcp: Arc::new(stream),
            tls: None,
        }
    }

    /// The system's, which does not block.
    pub(crate) fn tcp(&self) -> &TcpStream {
        (*self.tcp).as_ref()
    }

    /// Another handle of it, to wait with.
    pub(crate) fn handle(&self) -> Arc<Async<TcpStream>> {
        Arc::clone(&self.tcp)
    }

    /// From now on all goes over this, whose [`handshake`](Self::handshake) is due.
    pub(crate) fn secure(&mut self, tls: ClientConnection) {
        self.tls = Some(Arc::new(Mutex::new(tls)));
    }

    /// Opens TLS.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        self.over_tls(|tls| match tls.is_handshaking() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        })
        .await?;
        self.drained().await
    }

    /// Has TLS do something, as soon as what comes lets it. Dropped, nothing is lost.
    async fn over_tls<T>(
        &self,
        mut work: impl FnMut(&mut ClientConnection) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(tls) = &self.tls else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        loop {
            let due = {
                let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
                match work(&mut tls) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
                self.send(&mut tls)?;
                match tls.read_tls(&mut self.tcp()) {
                    Ok(0) if tls.is_handshaking() => {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    Ok(_) => {
                        if let Err(error) = tls.process_new_packets() {
                            // An alert says why.
                            let _ = self.send(&mut tls);
                            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                        }
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                tls.wants_write()
            };
            if due {
                select(self.tcp.readable(), self.tcp.writable()).await;
            } else {
                self.tcp.readable().await?;
            }
        }
    }

    /// Sends what is due, as far as it goes. Is it all out?
    fn send(&self, tls: &mut ClientConnection) -> io::Result<bool> {
        while tls.wants_write() {
            match tls.write_tls(&mut self.tcp()) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// All that is due has been sent.
    async fn drained(&self) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        while !self.send(&mut tls.lock().unwrap_or_else(PoisonError::into_inner))? {
            self.tcp.writable().await?;
        }
        Ok(())
    }
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl Read for Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => (&*self.tcp).read(buffer).await,
            Some(_) => self.over_tls(|tls| tls.reader().read(buffer)).await,
        }
    }
}

impl Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            return (&*self.tcp).write(bytes).await;
        };
        self.drained().await?;
        let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tls.writer().write(bytes)?;
        self.send(&mut tls)?;
        Ok(count)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.drained().await
    }
}

impl TcpShutdown for Stream {
    async fn close(&mut self, what: Close) -> io::Result<()> {
        if let (Some(tls), Close::Write | Close::Both) = (&self.tls, &what) {
            let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
            tls.send_close_notify();
            self.send(&mut tls)?;
        }
        self.tcp().shutdown(match what {
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
