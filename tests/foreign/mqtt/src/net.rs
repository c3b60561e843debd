//! TCP for the async clients: the operating system's, or smoltcp's on a loopback.

use core::net::SocketAddr;
use std::io::Error;

use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::TcpConnect;
use ws_socket::RandomError;
use ws_socket::asynch::Embassy;

use crate::smol::{Smol, SmolStream};

/// The clock of embassy-time, the system's randomness.
pub type Platform = Embassy<fn(&mut [u8]) -> Result<(), RandomError>>;

pub fn platform() -> Platform {
    Embassy(|bytes| getrandom::fill(bytes).map_err(|_| RandomError))
}

/// Where connections are made.
#[derive(Clone)]
pub enum Net {
    Std,
    Smol(Smol),
}

pub enum Tcp {
    Std(<std_embedded_nal_async::Stack as TcpConnect>::Connection<'static>),
    Smol(SmolStream),
}

impl TcpConnect for Net {
    type Error = Error;
    type Connection<'a> = Tcp;

    async fn connect(&self, remote: SocketAddr) -> Result<Tcp, Error> {
        match self {
            Self::Std => {
                static STACK: std::sync::OnceLock<std_embedded_nal_async::Stack> =
                    std::sync::OnceLock::new();
                let stack = STACK.get_or_init(std_embedded_nal_async::Stack::default);
                Ok(Tcp::Std(stack.connect(remote).await?))
            }
            Self::Smol(net) => Ok(Tcp::Smol(net.connect().await?)),
        }
    }
}

impl ErrorType for Tcp {
    type Error = Error;
}

impl Read for Tcp {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Std(tcp) => tcp.read(buffer).await,
            Self::Smol(tcp) => tcp.read(buffer).await,
        }
    }
}

impl Write for Tcp {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match self {
            Self::Std(tcp) => tcp.write(bytes).await,
            Self::Smol(tcp) => tcp.write(bytes).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Std(tcp) => tcp.flush().await,
            Self::Smol(_) => Ok(()),
        }
    }
}
