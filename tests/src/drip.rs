//! The operating system's TCP, a byte at a time: each call of `receive` and of `send` moves one byte.
//! What lies between that and the system is buffered, so that a byte does not take a system call.

use std::io;
use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use ws_socket::stack::{StdError, StdSocket, StdStack};

/// What is read or written at once underneath.
const BULK: usize = 64 * 1024;

/// The stack.
#[derive(Debug)]
pub struct Dripping(pub StdStack);

/// Its socket.
#[derive(Debug)]
pub struct DrippingSocket {
    socket: StdSocket,
    /// What has come and is not handed out yet, from `taken` on.
    came: Vec<u8>,
    taken: usize,
    /// What goes out when there is nothing to receive, or enough of it.
    going: Vec<u8>,
}

impl DrippingSocket {
    fn new(socket: StdSocket) -> Self {
        Self {
            socket,
            came: Vec::new(),
            taken: 0,
            going: Vec::with_capacity(BULK),
        }
    }

    /// The address and port of this end.
    pub fn local_addr(&self) -> Result<SocketAddr, StdError> {
        self.socket.local_addr()
    }
}

impl Dripping {
    /// Hands the system what it takes of what is to go out.
    fn flush(&mut self, socket: &mut DrippingSocket) -> nb::Result<(), StdError> {
        let mut sent = 0;
        let mut outcome = Ok(());
        while sent < socket.going.len() {
            match self.0.send(&mut socket.socket, &socket.going[sent..]) {
                Ok(0) => outcome = Err(nb::Error::WouldBlock),
                Ok(count) => sent += count,
                Err(error) => outcome = Err(error),
            }
            if outcome.is_err() {
                break;
            }
        }
        socket.going.drain(..sent);
        outcome
    }
}

impl TcpClientStack for Dripping {
    type TcpSocket = DrippingSocket;
    type Error = StdError;

    fn socket(&mut self) -> Result<DrippingSocket, StdError> {
        self.0.socket().map(DrippingSocket::new)
    }

    fn connect(
        &mut self,
        socket: &mut DrippingSocket,
        remote: SocketAddr,
    ) -> nb::Result<(), StdError> {
        self.0.connect(&mut socket.socket, remote)
    }

    fn send(&mut self, socket: &mut DrippingSocket, bytes: &[u8]) -> nb::Result<usize, StdError> {
        let Some(byte) = bytes.first() else {
            return Ok(0);
        };
        if socket.going.len() >= BULK {
            match self.flush(socket) {
                Err(nb::Error::WouldBlock) if socket.going.len() < BULK => {}
                outcome => outcome?,
            }
        }
        socket.going.push(*byte);
        Ok(1)
    }

    fn receive(
        &mut self,
        socket: &mut DrippingSocket,
        out: &mut [u8],
    ) -> nb::Result<usize, StdError> {
        let Some(out) = out.first_mut() else {
            return Ok(0);
        };
        if socket.taken == socket.came.len() {
            // What cannot be sent any more does not keep what has come from being received.
            let _ = self.flush(socket);
            socket.came.resize(BULK, 0);
            socket.taken = 0;
            let came = self.0.receive(&mut socket.socket, &mut socket.came);
            socket.came.truncate(*came.as_ref().unwrap_or(&0));
            came?;
        }
        let Some(byte) = socket.came.get(socket.taken) else {
            return Ok(0); // the end
        };
        *out = *byte;
        socket.taken += 1;
        Ok(1)
    }

    fn close(&mut self, mut socket: DrippingSocket) -> Result<(), StdError> {
        let flushed = match self.flush(&mut socket) {
            Ok(()) => Ok(()),
            Err(nb::Error::Other(error)) => Err(error),
            Err(nb::Error::WouldBlock) => Err(io::Error::from(io::ErrorKind::WouldBlock).into()),
        };
        self.0.close(socket.socket).and(flushed)
    }
}

impl TcpFullStack for Dripping {
    fn bind(&mut self, socket: &mut DrippingSocket, port: u16) -> Result<(), StdError> {
        self.0.bind(&mut socket.socket, port)
    }

    fn listen(&mut self, socket: &mut DrippingSocket) -> Result<(), StdError> {
        self.0.listen(&mut socket.socket)
    }

    fn accept(
        &mut self,
        socket: &mut DrippingSocket,
    ) -> nb::Result<(DrippingSocket, SocketAddr), StdError> {
        let (socket, remote) = self.0.accept(&mut socket.socket)?;
        Ok((DrippingSocket::new(socket), remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};

    fn block<T>(mut call: impl FnMut() -> nb::Result<T, StdError>) -> T {
        loop {
            match call() {
                Ok(value) => return value,
                Err(nb::Error::WouldBlock) => std::thread::yield_now(),
                Err(nb::Error::Other(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn each_call_moves_one_byte_and_none_is_lost() {
        let mut stack = Dripping(StdStack::new().with_bind_addr(Ipv4Addr::LOCALHOST.into()));
        let mut listener = stack.socket().unwrap();
        stack.bind(&mut listener, 0).unwrap();
        stack.listen(&mut listener).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = block(|| stack.accept(&mut listener));

        peer.write_all(b"abc").unwrap();
        let mut out = [0; 8];
        for byte in b"abc" {
            assert_eq!(block(|| stack.receive(&mut socket, &mut out)), 1);
            assert_eq!(out[0], *byte);
        }
        for rest in [&b"xyz"[..], b"yz", b"z"] {
            assert_eq!(block(|| stack.send(&mut socket, rest)), 1);
        }
        // Nothing to receive: now it goes out.
        let nothing = stack.receive(&mut socket, &mut out);
        assert!(matches!(nothing, Err(nb::Error::WouldBlock)));
        peer.read_exact(&mut out[..3]).unwrap();
        assert_eq!(&out[..3], b"xyz");

        stack.send(&mut socket, b"!").unwrap();
        stack.close(socket).unwrap();
        peer.read_exact(&mut out[..1]).unwrap();
        assert_eq!(out[0], b'!');
    }
}
