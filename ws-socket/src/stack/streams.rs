//! Streams that are connected already, as a stack: TLS, a serial line, somebody else's TCP.

use core::fmt::Debug;
use core::marker::PhantomData;
use core::net::SocketAddr;

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write};
use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};

/// A stack whose sockets are any [`embedded_io`] streams, connected already: what a TLS library has
/// on top of TCP, say. Each goes into the table by [`Table::connect`](crate::Table::connect) or
/// [`register`](crate::Table::register), and is dropped when it is closed.
///
/// A read blocks in the stream as long as the stream likes, and holds up the other connections. Where
/// it says [`ErrorKind::TimedOut`], nothing has come yet: timeouts hold as exactly
/// as the stream comes back, and one without such a time blocks until something comes. Where it says
/// [`ErrorKind::Interrupted`] it is asked once more; the second time nothing has come. Such an error
/// must have taken nothing away: see [`TlsRecords`](super::TlsRecords). Where the stream can tell
/// whether there is something to read, [`ReadyStreams`] is better.
///
/// A write blocks until some of it is taken; an error there is the end of the connection.
///
/// Each write is flushed at once. How long they are says [`Table::send_msg`](crate::Table::send_msg).
#[derive(Debug)]
pub struct BlockingStreams<T>(PhantomData<fn() -> T>);

/// [`BlockingStreams`] for streams that can tell whether there is something to read: no receive
/// blocks, and all timeouts hold.
#[derive(Debug)]
pub struct ReadyStreams<T>(PhantomData<fn() -> T>);

/// What goes wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError<E: Debug> {
    /// The stream failed.
    #[error("{0:?}")]
    Io(E),
    /// There is nothing to dial with: streams come connected.
    #[error("streams come connected")]
    NoDialer,
}

impl<E: Error> TcpError for StreamError<E> {
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Io(error) => match error.kind() {
                ErrorKind::BrokenPipe
                | ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::NotConnected => TcpErrorKind::PipeClosed,
                _ => TcpErrorKind::Other,
            },
            Self::NoDialer => TcpErrorKind::Other,
        }
    }
}

macro_rules! stack_of_streams {
    ($name:ident, [$($bound:ident)*], $ready:expr) => {
        impl<T> $name<T> {
            /// The stack; it holds nothing.
            pub const fn new() -> Self {
                Self(PhantomData)
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T: Read + Write $(+ $bound)*> TcpClientStack for $name<T> {
            type TcpSocket = T;
            type Error = StreamError<T::Error>;

            /// Always [`StreamError::NoDialer`].
            fn socket(&mut self) -> Result<T, Self::Error> {
                Err(StreamError::NoDialer)
            }

            /// Always [`StreamError::NoDialer`].
            fn connect(&mut self, _: &mut T, _: SocketAddr) -> nb::Result<(), Self::Error> {
                Err(StreamError::NoDialer.into())
            }

            fn send(&mut self, stream: &mut T, bytes: &[u8]) -> nb::Result<usize, Self::Error> {
                let count = stream.write(bytes).map_err(StreamError::Io)?;
                stream.flush().map_err(StreamError::Io)?;
                Ok(count)
            }

            fn receive(&mut self, stream: &mut T, bytes: &mut [u8]) -> nb::Result<usize, Self::Error> {
                let ready: fn(&mut T) -> Result<bool, T::Error> = $ready;
                if !ready(stream).map_err(StreamError::Io)? {
                    return Err(nb::Error::WouldBlock);
                }
                let mut read = stream.read(bytes);
                if matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted) {
                    read = stream.read(bytes);
                }
                read.map_err(|error| match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::Interrupted => nb::Error::WouldBlock,
                    _ => StreamError::Io(error).into(),
                })
            }

            /// Drops it.
            fn close(&mut self, _: T) -> Result<(), Self::Error> {
                Ok(())
            }
        }
    };
}

stack_of_streams!(BlockingStreams, [], |_| Ok(true));
stack_of_streams!(ReadyStreams, [ReadReady], ReadReady::read_ready);
