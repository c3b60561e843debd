//! The sockets of the operating system as an embedded-nal stack that never blocks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::format;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Instant;
use std::vec::Vec;

use super::{AddressList, Addresses};
use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, TcpFullStack};
use socket2::{Domain, Protocol, Socket, Type};

const LINGER: Duration = Duration::from_secs(5);
/// Closed connections kept until the peer has ended its half; beyond, the oldest are let go.
const MAX_LINGERING: usize = 256;
/// How much unread input one look at a closed connection throws away at most.
const DRAIN_AT_ONCE: usize = 64 * 1024;

/// What can go wrong in a call on a [`StdStack`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdError {
    /// The operating system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The call does not fit what the socket is: `listen` without `bind`, `accept` on a connection,
    /// `connect` on a socket that listens or has failed to connect, or to a second address.
    #[error("the call does not fit the state of the socket")]
    WrongState,
    /// `send` or `receive` before `connect` has succeeded.
    #[error("the socket is not connected")]
    NotConnected,
    /// The host has no address of the wanted type.
    #[error("the name has no address of the wanted type")]
    NameNotFound,
    /// The standard library cannot look up names by address.
    #[error("lookup of a name by address is not supported")]
    ReverseLookupUnsupported,
}

impl TcpError for StdError {
    fn kind(&self) -> TcpErrorKind {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self {
            Self::Io(e) if matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) => {
                TcpErrorKind::PipeClosed
            }
            _ => TcpErrorKind::Other,
        }
    }
}

/// A TCP socket of a [`StdStack`]: owns the operating system's socket, if there is one yet.
///
/// It cannot be copied, so there are no stale ones, and it works with any `StdStack`. Dropping it
/// closes it as the operating system does: a peer that is still sending may then see a reset that
/// overtakes data in flight, which [`close`](TcpClientStack::close) avoids.
#[derive(Debug)]
pub struct StdSocket(State);

#[derive(Debug)]
enum State {
    New,
    Bound(Socket),
    Listening(TcpListener),
    Connecting(TcpStream, SocketAddr),
    Connected(TcpStream),
    Failed,
}

impl StdSocket {
    /// The connection, once `connect` has succeeded or from `accept`. It is non-blocking and must
    /// stay so.
    pub fn stream(&self) -> Option<&TcpStream> {
        match &self.0 {
            State::Connected(stream) => Some(stream),
            _ => None,
        }
    }

    /// The descriptor to wait on, for readability (`receive`, `accept`) or writability (`send`,
    /// `connect`). `None` before there is one: a new socket gets its own in `bind` or `connect`.
    ///
    /// `connect` and `listen` keep the descriptor they find. Take it out of the event loop before
    /// `close`, which may keep it open a while.
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        match &self.0 {
            State::Bound(s) => Some(s.as_fd()),
            State::Listening(s) => Some(s.as_fd()),
            State::Connecting(s, _) | State::Connected(s) => Some(s.as_fd()),
            State::New | State::Failed => None,
        }
    }

    /// The socket to wait on; as `as_fd` on Unix.
    #[cfg(windows)]
    pub fn as_socket(&self) -> Option<std::os::windows::io::BorrowedSocket<'_>> {
        use std::os::windows::io::AsSocket;
        match &self.0 {
            State::Bound(s) => Some(s.as_socket()),
            State::Listening(s) => Some(s.as_socket()),
            State::Connecting(s, _) | State::Connected(s) => Some(s.as_socket()),
            State::New | State::Failed => None,
        }
    }

    /// The address and port of this end, also after `bind` to port 0.
    ///
    /// # Errors
    ///
    /// [`StdError::NotConnected`] while there is none, or what the operating system says.
    pub fn local_addr(&self) -> Result<SocketAddr, StdError> {
        Ok(match &self.0 {
            State::Bound(s) => s.local_addr()?.as_socket().ok_or(StdError::NotConnected)?,
            State::Listening(s) => s.local_addr()?,
            State::Connecting(s, _) | State::Connected(s) => s.local_addr()?,
            State::New | State::Failed => return Err(StdError::NotConnected),
        })
    }

    /// The address and port of the peer, of a connection only.
    ///
    /// # Errors
    ///
    /// [`StdError::NotConnected`], or what the operating system says.
    pub fn remote_addr(&self) -> Result<SocketAddr, StdError> {
        match &self.0 {
            State::Connected(s) => Ok(plain(s.peer_addr()?)),
            _ => Err(StdError::NotConnected),
        }
    }

    fn connected(&self) -> Result<&TcpStream, StdError> {
        self.stream().ok_or(StdError::NotConnected)
    }
}

/// The operating system's TCP as an [`embedded_nal`] stack: [`TcpClientStack`], [`TcpFullStack`]
/// and [`Dns`]. Every call but the name lookup returns at once; what they promise is written down
/// in [`stack`](crate::stack).
///
/// Sockets own their descriptors; the stack holds only settings and the connections that were
/// closed while the peer had not ended its half. Those are kept for up to
/// [the linger time](Self::with_linger) and their input thrown away, because closing a descriptor
/// with unread input makes the operating system reset the connection, and the reset destroys what
/// the peer has not read yet. They are looked after in `socket`, `accept` and `close`, two at a
/// time, at most 256 are kept, and [`sweep`](Self::sweep) looks at them all.
#[derive(Debug)]
pub struct StdStack {
    bind_addr: Option<IpAddr>,
    backlog: i32,
    nodelay: bool,
    linger: Duration,
    lingering: VecDeque<(TcpStream, Instant)>,
}

impl Default for StdStack {
    fn default() -> Self {
        Self::new()
    }
}

impl StdStack {
    /// A stack that binds to every address: the unspecified IPv6 address for both versions, or the
    /// IPv4 one where there is no IPv6.
    pub fn new() -> Self {
        Self {
            bind_addr: None,
            backlog: 1024,
            nodelay: true,
            linger: LINGER,
            lingering: VecDeque::new(),
        }
    }

    /// A stack whose sockets `bind` to this address: a loopback address keeps a server private.
    #[must_use]
    pub fn with_bind_addr(mut self, addr: IpAddr) -> Self {
        self.bind_addr = Some(addr);
        self
    }

    /// Changes the address that later calls of `bind` use; `None` is every address.
    pub fn set_bind_addr(&mut self, addr: Option<IpAddr>) {
        self.bind_addr = addr;
    }

    /// How many connections may wait for `accept`: 1024 unless set; the operating system may cap
    /// it.
    #[must_use]
    pub fn with_backlog(mut self, connections: u16) -> Self {
        self.backlog = connections.into();
        self
    }

    /// Whether small segments go out at once (`TCP_NODELAY`). They do unless set to `false`.
    #[must_use]
    pub fn with_nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// How long a closed connection is kept for its peer to end its half: 5 seconds unless set.
    /// Zero leaves closing to the operating system.
    #[must_use]
    pub fn with_linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// The address and port of this end of a socket; see [`StdSocket::local_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn local_addr(&self, socket: &StdSocket) -> Result<SocketAddr, StdError> {
        socket.local_addr()
    }

    /// Looks after every connection that was closed and waits for its peer, and says how many are
    /// left. Needed by a program that closes many and then makes no other call for long.
    pub fn sweep(&mut self) -> usize {
        self.sweep_some(self.lingering.len());
        self.lingering.len()
    }

    fn sweep_some(&mut self, count: usize) {
        for _ in 0..count.min(self.lingering.len()) {
            if let Some((stream, deadline)) = self.lingering.pop_front()
                && !drained(&stream)
                && Instant::now() < deadline
            {
                self.lingering.push_back((stream, deadline));
            }
        }
    }

    fn new_socket(&self, domain: Domain) -> io::Result<Socket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn bound(&self, ip: IpAddr, port: u16) -> io::Result<Socket> {
        let addr = SocketAddr::new(ip, port);
        let socket = self.new_socket(Domain::for_address(addr))?;
        if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && self.bind_addr.is_none() {
            socket.set_only_v6(false)?;
        }
        // Elsewhere the option would let another program take the port over.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        Ok(socket)
    }

    /// Starts a connection. The error is the final one, not that it is under way.
    fn dial(&self, socket: &Socket, remote: SocketAddr) -> io::Result<()> {
        // Some systems refuse the option on a connection that is gone again; `connect` will tell.
        let _ = socket.set_tcp_nodelay(self.nodelay);
        // A socket bound to every address is an IPv6 one, which reaches IPv4 by mapped addresses.
        let local = socket.local_addr().ok().and_then(|l| l.as_socket());
        let remote = match remote.ip() {
            IpAddr::V4(v4) if local.is_some_and(|l| l.is_ipv6()) => {
                SocketAddr::new(v4.to_ipv6_mapped().into(), remote.port())
            }
            _ => remote,
        };
        match socket.connect(&remote.into()) {
            Err(e) if !in_progress(&e) => Err(e),
            _ => Ok(()),
        }
    }
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Throws unread input away. True when the connection needs no more looking after.
fn drained(mut stream: &TcpStream) -> bool {
    let mut sink = [0; 4096];
    for _ in 0..DRAIN_AT_ONCE / sink.len() {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return e.kind() != ErrorKind::WouldBlock,
        }
    }
    false
}

/// An IPv4 peer of a dual-stack socket by its IPv4 address.
fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn nb_error(error: io::Error) -> nb::Error<StdError> {
    match error.kind() {
        ErrorKind::WouldBlock => nb::Error::WouldBlock,
        _ => nb::Error::Other(error.into()),
    }
}

/// Runs a call again as long as a signal interrupts it.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl TcpClientStack for StdStack {
    type TcpSocket = StdSocket;
    type Error = StdError;

    /// A socket without a descriptor yet. Never fails.
    fn socket(&mut self) -> Result<StdSocket, StdError> {
        self.sweep_some(2);
        Ok(StdSocket(State::New))
    }

    /// Starts a connection, or tells how the one under way is doing: `WouldBlock` until it is
    /// settled. When the descriptor becomes writable the next call settles it.
    ///
    /// # Errors
    ///
    /// [`StdError::Io`] when refused, unreachable or timed out, after which the descriptor is
    /// closed and the socket good for nothing but `close`; [`StdError::WrongState`].
    fn connect(&mut self, socket: &mut StdSocket, remote: SocketAddr) -> nb::Result<(), StdError> {
        match &socket.0 {
            State::New | State::Bound(_) => {
                // Failed unless the rest of this arm says otherwise.
                let os = match core::mem::replace(&mut socket.0, State::Failed) {
                    State::Bound(os) => os,
                    _ => self
                        .new_socket(Domain::for_address(remote))
                        .map_err(StdError::Io)?,
                };
                self.dial(&os, remote).map_err(StdError::Io)?;
                socket.0 = State::Connecting(os.into(), remote);
            }
            State::Connecting(_, at) if *at == remote => {}
            State::Connected(stream) => {
                let same = stream.peer_addr().map_err(StdError::Io)?;
                return if plain(same) == plain(remote) {
                    Ok(())
                } else {
                    Err(StdError::WrongState.into())
                };
            }
            _ => return Err(StdError::WrongState.into()),
        }
        // A new connection may be settled already: on loopback it usually is.
        let settled = match &socket.0 {
            State::Connecting(stream, _) => settled(stream),
            _ => return Err(StdError::WrongState.into()),
        };
        match (settled, core::mem::replace(&mut socket.0, State::Failed)) {
            (Ok(true), State::Connecting(stream, _)) => {
                socket.0 = State::Connected(stream);
                Ok(())
            }
            (Ok(false), state) => {
                socket.0 = state;
                Err(nb::Error::WouldBlock)
            }
            (Err(e), _) => Err(nb::Error::Other(e.into())),
            (Ok(true), _) => Err(StdError::WrongState.into()),
        }
    }

    /// Gives bytes to the operating system; `WouldBlock` when its buffer is full.
    ///
    /// # Errors
    ///
    /// [`StdError::Io`], of kind `PipeClosed` when the connection is gone;
    /// [`StdError::NotConnected`].
    fn send(&mut self, socket: &mut StdSocket, buffer: &[u8]) -> nb::Result<usize, StdError> {
        let mut stream = socket.connected()?;
        match uninterrupted(|| stream.write(buffer)) {
            Ok(0) if !buffer.is_empty() => Err(nb::Error::WouldBlock),
            result => result.map_err(nb_error),
        }
    }

    /// Takes what has arrived; `WouldBlock` when nothing has, `Ok(0)` at the orderly end of the
    /// peer's stream.
    ///
    /// # Errors
    ///
    /// [`StdError::Io`], of kind `PipeClosed` when the connection was reset;
    /// [`StdError::NotConnected`].
    fn receive(
        &mut self,
        socket: &mut StdSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, StdError> {
        let mut stream = socket.connected()?;
        uninterrupted(|| stream.read(buffer)).map_err(nb_error)
    }

    /// Closes the socket: data taken is still delivered, then FIN. The descriptor of a connection
    /// whose peer has not ended its half stays open for up to the linger time, so take it out of
    /// an event loop first. Never fails.
    fn close(&mut self, socket: StdSocket) -> Result<(), StdError> {
        if let State::Connected(stream) = socket.0
            // A connection that is gone has nothing to shut down.
            && stream.shutdown(Shutdown::Write).is_ok()
            && !drained(&stream)
            && self.linger > Duration::ZERO
        {
            if self.lingering.len() >= MAX_LINGERING {
                self.lingering.pop_front();
            }
            self.lingering
                .push_back((stream, Instant::now() + self.linger));
        }
        self.sweep_some(2);
        Ok(())
    }
}

/// Whether a connection that was started is made now.
fn settled(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
        Err(e) => Err(e),
    }
}

impl TcpFullStack for StdStack {
    /// Binds to the port on the [bind address](Self::with_bind_addr); port 0 lets the operating
    /// system choose, and [`StdSocket::local_addr`] tells.
    ///
    /// # Errors
    ///
    /// [`StdError::Io`], for a port in use say; [`StdError::WrongState`].
    fn bind(&mut self, socket: &mut StdSocket, local_port: u16) -> Result<(), StdError> {
        if !matches!(socket.0, State::New) {
            return Err(StdError::WrongState);
        }
        let bound = match self.bind_addr {
            Some(ip) => self.bound(ip, local_port)?,
            None => match self.bound(Ipv6Addr::UNSPECIFIED.into(), local_port) {
                // A port that is in use is an answer; anything else may be a host without IPv6.
                Err(e)
                    if !matches!(e.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) =>
                {
                    self.bound(Ipv4Addr::UNSPECIFIED.into(), local_port)?
                }
                result => result?,
            },
        };
        socket.0 = State::Bound(bound);
        Ok(())
    }

    /// Starts listening. Calling it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StdError::WrongState`] when the socket is not bound; [`StdError::Io`].
    fn listen(&mut self, socket: &mut StdSocket) -> Result<(), StdError> {
        match core::mem::replace(&mut socket.0, State::Failed) {
            State::Bound(bound) => {
                bound.listen(self.backlog)?;
                socket.0 = State::Listening(bound.into());
                Ok(())
            }
            state => {
                socket.0 = state;
                if matches!(socket.0, State::Listening(_)) {
                    Ok(())
                } else {
                    Err(StdError::WrongState)
                }
            }
        }
    }

    /// Hands out a connection that waits, non-blocking, and its peer's address; `WouldBlock` when
    /// none does.
    ///
    /// # Errors
    ///
    /// [`StdError::Io`], for want of descriptors say: the connection goes on waiting then, and the
    /// socket stays readable. [`StdError::WrongState`] when the socket does not listen.
    fn accept(&mut self, socket: &mut StdSocket) -> nb::Result<(StdSocket, SocketAddr), StdError> {
        self.sweep_some(2);
        let State::Listening(listener) = &socket.0 else {
            return Err(StdError::WrongState.into());
        };
        loop {
            match listener.accept() {
                Ok((stream, remote)) => {
                    stream.set_nonblocking(true).map_err(StdError::Io)?;
                    // Some systems refuse it when the peer is gone again; the reader will see.
                    let _ = stream.set_nodelay(self.nodelay);
                    return Ok((StdSocket(State::Connected(stream)), plain(remote)));
                }
                // One that was reset while it waited is not there to be handed out.
                Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(nb_error(e)),
            }
        }
    }
}

impl Addresses for StdStack {
    /// All addresses, in the order of the system's resolver (RFC 6724), but with the families taking
    /// turns (RFC 8305 section 4). **Blocks** as [`get_host_by_name`](Dns::get_host_by_name) does.
    fn get_addresses(
        &mut self,
        hostname: &str,
        found: &mut AddressList,
    ) -> nb::Result<(), StdError> {
        let all = (hostname, 0).to_socket_addrs().map_err(StdError::Io)?;
        let all: Vec<IpAddr> = all.map(|addr| addr.ip()).collect();
        let first_is_v4 = all.first().is_some_and(IpAddr::is_ipv4);
        let (preferred, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|ip| ip.is_ipv4() == first_is_v4);
        let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
        loop {
            let turn = [preferred.next(), others.next()];
            if turn == [None, None] {
                return Ok(());
            }
            turn.into_iter().flatten().for_each(|ip| found.push(ip));
        }
    }

    /// The number of the system's interface of that name.
    fn scope_id(&mut self, zone: &str) -> Option<u32> {
        let mut found = (format!("fe80::1%{zone}"), 0).to_socket_addrs().ok()?;
        match found.next()? {
            SocketAddr::V6(addr) if addr.scope_id() > 0 => Some(addr.scope_id()),
            _ => None,
        }
    }
}

impl Dns for StdStack {
    type Error = StdError;

    /// The first address of the wanted type. **Blocks** as long as the system's resolver takes,
    /// except for numeric addresses (IPv6 with or without brackets).
    ///
    /// # Errors
    ///
    /// [`StdError::NameNotFound`] when there is no address of that type; [`StdError::Io`] with the
    /// resolver's own words.
    fn get_host_by_name(
        &mut self,
        hostname: &str,
        addr_type: AddrType,
    ) -> nb::Result<IpAddr, StdError> {
        let bare = hostname.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let found = (bare.unwrap_or(hostname), 0)
            .to_socket_addrs()
            .map_err(StdError::Io)?;
        let mut fitting = found.map(|a| a.ip()).filter(|ip| match addr_type {
            AddrType::IPv4 => ip.is_ipv4(),
            AddrType::IPv6 => ip.is_ipv6(),
            AddrType::Either => true,
        });
        fitting.next().ok_or(StdError::NameNotFound.into())
    }

    /// Not possible with the standard library.
    ///
    /// # Errors
    ///
    /// Always [`StdError::ReverseLookupUnsupported`].
    fn get_host_by_address(&mut self, _: IpAddr, _: &mut [u8]) -> nb::Result<usize, StdError> {
        Err(StdError::ReverseLookupUnsupported.into())
    }
}
