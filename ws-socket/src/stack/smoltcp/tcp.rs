//! `TcpClientStack` and `TcpFullStack`.

use core::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;

use super::pool::State;
use super::{SmoltcpError, SmoltcpSocket, SmoltcpStack};

impl<'a, D: Device, const N: usize> TcpClientStack for SmoltcpStack<'a, D, N> {
    type TcpSocket = SmoltcpSocket;
    type Error = SmoltcpError;

    /// Takes a socket of the pool.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::PoolExhausted`]: try again after a `poll`, which may have one free.
    fn socket(&mut self) -> Result<SmoltcpSocket, SmoltcpError> {
        let taken = self.take(State::Open { port: 0 });
        self.wanted = taken.is_err();
        Ok(self.handle_of(taken?))
    }

    /// Starts a connection, from the bound port or an ephemeral one, or tells how the one under
    /// way is doing.
    ///
    /// `WouldBlock` until the peer has answered; there is no timeout here (smoltcp repeats the SYN
    /// for ever), so the caller gives up by `close`.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::Refused`], from then on at every call; [`SmoltcpError::Reset`] when the
    /// connection was made and is gone again; [`SmoltcpError::Unaddressable`], after which another
    /// address may be tried; [`SmoltcpError::PortInUse`]; [`SmoltcpError::WrongState`] when the
    /// attempt or connection is to another address, or the socket listens;
    /// [`SmoltcpError::StaleSocket`].
    fn connect(
        &mut self,
        socket: &mut SmoltcpSocket,
        remote: SocketAddr,
    ) -> nb::Result<(), SmoltcpError> {
        let (slot, tcp) = self.connection(socket)?;
        let same = tcp
            .remote_endpoint()
            .map(SocketAddr::from)
            .is_none_or(|at| at == remote);
        let bound = match slot.state {
            State::Open { port } => port,
            State::Failed => return Err(SmoltcpError::Refused.into()),
            State::Connecting | State::Connected if !same => {
                return Err(SmoltcpError::WrongState.into());
            }
            State::Connecting => return Err(nb::Error::WouldBlock),
            // What a peer has sent before it went is worth reading.
            State::Connected if tcp.state() == tcp::State::Closed && !tcp.can_recv() => {
                return Err(SmoltcpError::Reset.into());
            }
            State::Connected => return Ok(()),
            _ => return Err(SmoltcpError::WrongState.into()),
        };
        let local = match bound {
            0 => self.ephemeral_port()?,
            port if self.port_connected(port, Some(remote.into())) => {
                return Err(SmoltcpError::PortInUse.into());
            }
            port => port,
        };
        let index = self.index(socket)?;
        let slot = self.slots.get_mut(index).ok_or(SmoltcpError::StaleSocket)?;
        let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle());
        // The scope of an IPv6 address has no place in smoltcp, which has one interface.
        match tcp.connect(self.iface.context(), remote, local) {
            Ok(()) => {
                slot.state = State::Connecting;
                Err(nb::Error::WouldBlock)
            }
            Err(tcp::ConnectError::Unaddressable) => Err(SmoltcpError::Unaddressable.into()),
            Err(tcp::ConnectError::InvalidState) => Err(SmoltcpError::WrongState.into()),
        }
    }

    /// Puts bytes into the transmit buffer; `poll` sends them. `WouldBlock` when it is full.
    ///
    /// Possible until `close`, also when the peer has ended its half.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::Reset`], [`SmoltcpError::NotConnected`], [`SmoltcpError::StaleSocket`],
    /// [`SmoltcpError::WrongState`] for a listening socket.
    fn send(
        &mut self,
        socket: &mut SmoltcpSocket,
        buffer: &[u8],
    ) -> nb::Result<usize, SmoltcpError> {
        let (slot, tcp) = self.connection(socket)?;
        established(slot.state)?;
        match tcp.send_slice(buffer) {
            Ok(0) if !buffer.is_empty() => Err(nb::Error::WouldBlock),
            Ok(n) => Ok(n),
            Err(tcp::SendError::InvalidState) => Err(SmoltcpError::Reset.into()),
        }
    }

    /// Takes bytes out of the receive buffer; `WouldBlock` when there are none yet, `Ok(0)` after
    /// the last byte of a peer that has ended its half in order.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::Reset`], once what arrived before the reset has been read;
    /// [`SmoltcpError::NotConnected`], [`SmoltcpError::StaleSocket`],
    /// [`SmoltcpError::WrongState`] for a listening socket.
    fn receive(
        &mut self,
        socket: &mut SmoltcpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, SmoltcpError> {
        let (slot, tcp) = self.connection(socket)?;
        established(slot.state)?;
        match tcp.recv_slice(buffer) {
            Ok(0) if !buffer.is_empty() => Err(nb::Error::WouldBlock),
            Ok(n) => Ok(n),
            Err(tcp::RecvError::Finished) => Ok(0),
            Err(tcp::RecvError::InvalidState) => Err(SmoltcpError::Reset.into()),
        }
    }

    /// Ends the socket in order: data taken is still sent, then FIN; input is thrown away. The
    /// pool gets the socket back at once when there was no connection, else in `poll` when the
    /// peer has answered or the linger time is over.
    ///
    /// Closing a listening socket resets the connections that nobody has accepted.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::StaleSocket`].
    fn close(&mut self, socket: SmoltcpSocket) -> Result<(), SmoltcpError> {
        self.end(socket, false)?;
        self.arm();
        Ok(())
    }
}

fn established(state: State) -> Result<(), SmoltcpError> {
    match state {
        State::Connected => Ok(()),
        State::Failed => Err(SmoltcpError::Refused),
        _ => Err(SmoltcpError::NotConnected),
    }
}

impl<'a, D: Device, const N: usize> TcpFullStack for SmoltcpStack<'a, D, N> {
    /// Gives the socket a local port on every address of the interface; port 0 picks an ephemeral
    /// one, which [`SmoltcpStack::local_addr`] tells.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::PortInUse`] when another socket is bound to it or listens (connections from
    /// that port do not matter); [`SmoltcpError::WrongState`] when it is bound or connected already;
    /// [`SmoltcpError::StaleSocket`].
    fn bind(&mut self, socket: &mut SmoltcpSocket, local_port: u16) -> Result<(), SmoltcpError> {
        let index = self.index(socket)?;
        if self.slots.get(index).map(|s| s.state) != Some(State::Open { port: 0 }) {
            return Err(SmoltcpError::WrongState);
        }
        let port = match local_port {
            0 => self.ephemeral_port()?,
            port if self.port_bound(port) => return Err(SmoltcpError::PortInUse),
            port => port,
        };
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = State::Open { port };
        }
        Ok(())
    }

    /// Starts listening with up to `backlog` sockets of the pool. The handle becomes another one:
    /// copies made before are stale. Calling it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::WrongState`] when the socket is not bound;
    /// [`SmoltcpError::TooManyListeners`]; [`SmoltcpError::StaleSocket`].
    fn listen(&mut self, socket: &mut SmoltcpSocket) -> Result<(), SmoltcpError> {
        if self.listener_port(socket).is_ok() {
            return Ok(());
        }
        *socket = self.start_listening(socket)?;
        Ok(())
    }

    /// Hands out an established connection and its peer's address, and arms the next socket of the
    /// pool in its place. `WouldBlock` when nobody waits, also while the pool is empty.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::WrongState`] when the socket does not listen;
    /// [`SmoltcpError::StaleSocket`].
    fn accept(
        &mut self,
        socket: &mut SmoltcpSocket,
    ) -> nb::Result<(SmoltcpSocket, SocketAddr), SmoltcpError> {
        let (listener, _) = self.listener_port(socket)?;
        let generation = self.new_generation();
        let mut found = None;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.behind() != Some(listener) {
                continue;
            }
            let tcp = self.sockets.get::<tcp::Socket<'a>>(slot.handle());
            if !tcp.may_send() {
                continue;
            }
            if let Some(remote) = tcp.remote_endpoint() {
                slot.state = State::Connected;
                slot.generation = generation;
                found = Some((index, remote.into()));
                break;
            }
        }
        let (index, remote) = found.ok_or(nb::Error::WouldBlock)?;
        self.arm();
        Ok((self.handle_of(index), remote))
    }
}
