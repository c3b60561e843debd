//! The pool: who holds which smoltcp socket, and what becomes of it.
//!
//! ```text
//!            socket()           connect()            settled            close()
//!   Free ───────────────▶ Open ───────────▶ Connecting ─────▶ Connected ───────▶ Closing ──▶ Free
//!    │                      │ listen()           │ refused        ▲                 TCP done, or
//!    │ arm()                ▼                    ▼                │ accept()        linger is over
//!    └────────────────▶ Waiting ◀──▶ Handshake Failed             │
//!                           └─────────────────────────────────────┘
//! ```

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use smoltcp::iface::SocketHandle;
use smoltcp::phy::Device;
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

use super::{SmoltcpError, SmoltcpStack};

/// How long a peer that was sent all has to end its half before its socket goes to somebody else.
const PATIENCE: Duration = Duration::from_secs(1);

const EPHEMERAL: core::ops::RangeInclusive<u16> = 49152..=65535;

/// A TCP socket of a [`SmoltcpStack`](super::SmoltcpStack): a handle, 8 bytes.
///
/// It may be copied; once one copy was closed (or `listen` was called by way of another copy) the
/// rest are stale, and every call with them answers
/// [`StaleSocket`](super::SmoltcpError::StaleSocket).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SmoltcpSocket {
    generation: u32,
    index: u16,
    listener: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody's; the smoltcp socket is closed, in TIME-WAIT or has a reset left to send.
    Free,
    /// Handed out; the port is zero until it is bound.
    Open {
        port: u16,
    },
    Connecting,
    /// Refused; stays so until it is closed, so that no second attempt starts by accident.
    Failed,
    Connected,
    /// Behind a listener: listening, or established and waiting to be accepted.
    Waiting {
        listener: u8,
    },
    /// Behind a listener, with a SYN received.
    Handshake {
        listener: u8,
        deadline: Instant,
    },
    Closing {
        deadline: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Slot {
    handle: SocketHandle,
    pub(super) generation: u32,
    pub(super) state: State,
    /// The acknowledgement delay to go back to for the next connection: while closing there is
    /// none.
    ack_delay: Option<Option<Duration>>,
}

impl Slot {
    pub(super) fn new(handle: SocketHandle) -> Self {
        Self {
            handle,
            generation: 0,
            state: State::Free,
            ack_delay: None,
        }
    }

    pub(super) fn handle(&self) -> SocketHandle {
        self.handle
    }

    pub(super) fn is_free(&self) -> bool {
        self.state == State::Free
    }

    /// The listener this slot stands behind.
    pub(super) fn behind(&self) -> Option<u8> {
        match self.state {
            State::Waiting { listener } | State::Handshake { listener, .. } => Some(listener),
            _ => None,
        }
    }

    /// Whether a handle may name this slot.
    fn is_handed_out(&self) -> bool {
        use State::{Connected, Connecting, Failed, Open};
        matches!(self.state, Open { .. } | Connecting | Failed | Connected)
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) generation: u32,
    pub(super) port: u16,
}

pub(super) fn port_from_seed(seed: u32) -> u16 {
    let mixed = (seed ^ (seed >> 16)).wrapping_mul(0x45d9_f3b5) >> 18;
    EPHEMERAL
        .start()
        .saturating_add(u16::try_from(mixed).unwrap_or(0))
}

impl<'a, D: Device, const N: usize> SmoltcpStack<'a, D, N> {
    /// The place of the slot that a handle names.
    pub(super) fn index(&self, socket: &SmoltcpSocket) -> Result<usize, SmoltcpError> {
        if socket.listener {
            self.listener_port(socket)?;
            return Err(SmoltcpError::WrongState);
        }
        let index = usize::from(socket.index);
        match self.slots.get(index) {
            Some(s) if s.generation == socket.generation && s.is_handed_out() => Ok(index),
            _ => Err(SmoltcpError::StaleSocket),
        }
    }

    pub(super) fn slot(&self, socket: &SmoltcpSocket) -> Result<&Slot, SmoltcpError> {
        let index = self.index(socket)?;
        self.slots.get(index).ok_or(SmoltcpError::StaleSocket)
    }

    /// The slot a handle names together with its smoltcp socket, brought up to what TCP has done
    /// since the last call.
    pub(super) fn connection(
        &mut self,
        socket: &SmoltcpSocket,
    ) -> Result<(&mut Slot, &mut tcp::Socket<'a>), SmoltcpError> {
        let index = self.index(socket)?;
        let slot = self.slots.get_mut(index).ok_or(SmoltcpError::StaleSocket)?;
        let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle);
        if slot.state == State::Connecting {
            slot.state = match tcp.state() {
                tcp::State::SynSent | tcp::State::SynReceived => State::Connecting,
                // A peer may answer and reset before anybody looks: the answer is still there.
                tcp::State::Closed if !tcp.can_recv() => State::Failed,
                _ => State::Connected,
            };
        }
        Ok((slot, tcp))
    }

    /// The place and the port of the listener that a handle names.
    pub(super) fn listener_port(&self, socket: &SmoltcpSocket) -> Result<(u8, u16), SmoltcpError> {
        if !socket.listener {
            self.index(socket)?;
            return Err(SmoltcpError::WrongState);
        }
        let place = u8::try_from(socket.index).map_err(|_| SmoltcpError::StaleSocket)?;
        match self.listeners.get(usize::from(place)) {
            Some(Some(l)) if l.generation == socket.generation => Ok((place, l.port)),
            _ => Err(SmoltcpError::StaleSocket),
        }
    }

    pub(super) fn local_addr_of(&self, socket: &SmoltcpSocket) -> Result<SocketAddr, SmoltcpError> {
        let port = match self.slot(socket) {
            Err(SmoltcpError::WrongState) => self.listener_port(socket)?.1,
            slot => {
                let slot = slot?;
                match slot.state {
                    State::Open { port: 0 } => return Err(SmoltcpError::NotConnected),
                    State::Open { port } => port,
                    _ => {
                        let tcp = self.sockets.get::<tcp::Socket<'a>>(slot.handle);
                        let local = tcp.local_endpoint().ok_or(SmoltcpError::NotConnected)?;
                        return Ok(local.into());
                    }
                }
            }
        };
        Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
    }

    /// Takes a free slot: one that is entirely closed if there is any, then one in TIME-WAIT, then
    /// one whose reset has not gone out yet.
    pub(super) fn take(&mut self, state: State) -> Result<usize, SmoltcpError> {
        let sockets = &self.sockets;
        let free = self.slots.iter().enumerate().filter(|(_, s)| s.is_free());
        let best = free.min_by_key(|(_, s)| {
            let tcp = sockets.get::<tcp::Socket<'a>>(s.handle);
            match (tcp.state(), tcp.remote_endpoint()) {
                (tcp::State::Closed, None) => 0,
                (tcp::State::TimeWait, _) => 1,
                _ => 2,
            }
        });
        let index = best.map(|(i, _)| i).ok_or(SmoltcpError::PoolExhausted)?;
        let generation = self.new_generation();
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = state;
            slot.generation = generation;
            if let Some(ack_delay) = slot.ack_delay.take() {
                let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle);
                tcp.set_ack_delay(ack_delay);
            }
        }
        Ok(index)
    }

    pub(super) fn new_generation(&mut self) -> u32 {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.next_generation
    }

    /// The handle of a slot.
    pub(super) fn handle_of(&self, index: usize) -> SmoltcpSocket {
        SmoltcpSocket {
            generation: self.slots.get(index).map_or(0, |s| s.generation),
            index: u16::try_from(index).unwrap_or(u16::MAX),
            listener: false,
        }
    }

    /// Whether a socket is bound to this local port or listens on it, the caller's own sockets in
    /// the set included. Connections do not count: a server must be able to listen again while
    /// those of before still close.
    pub(super) fn port_bound(&self, port: u16) -> bool {
        self.slots.iter().any(|s| s.state == State::Open { port })
            || self.listeners.iter().flatten().any(|l| l.port == port)
            || self
                .tcp_sockets()
                .any(|s| s.is_listening() && s.listen_endpoint().port == port)
    }

    /// Whether there is a connection, in TIME-WAIT perhaps, between this port and that remote end.
    pub(super) fn port_connected(&self, port: u16, remote: Option<IpEndpoint>) -> bool {
        self.tcp_sockets().any(|s| {
            s.local_endpoint().is_some_and(|e| e.port == port)
                && (remote.is_none() || s.remote_endpoint() == remote)
        })
    }

    fn tcp_sockets(&self) -> impl Iterator<Item = &tcp::Socket<'a>> {
        self.sockets.iter().filter_map(|(_, socket)| match socket {
            Socket::Tcp(s) => Some(s),
            _ => None,
        })
    }

    pub(super) fn ephemeral_port(&mut self) -> Result<u16, SmoltcpError> {
        for _ in EPHEMERAL {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(*EPHEMERAL.start());
            if !self.port_bound(port) && !self.port_connected(port, None) {
                return Ok(port);
            }
        }
        Err(SmoltcpError::PortInUse)
    }

    /// Turns a bound slot into a listener with that slot as the first of its backlog.
    pub(super) fn start_listening(
        &mut self,
        socket: &SmoltcpSocket,
    ) -> Result<SmoltcpSocket, SmoltcpError> {
        let index = self.index(socket)?;
        let port = match self.slots.get(index).map(|s| s.state) {
            Some(State::Open { port }) if port != 0 => port,
            _ => return Err(SmoltcpError::WrongState),
        };
        let generation = self.new_generation();
        let mut places = (0u8..).zip(self.listeners.iter_mut());
        let free = places
            .find(|(_, l)| l.is_none())
            .ok_or(SmoltcpError::TooManyListeners)?;
        let (listener, place) = free;
        *place = Some(Listener { generation, port });
        // The slot goes back to the pool and `arm` takes the one that suits best.
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = State::Free;
        }
        self.arm();
        Ok(SmoltcpSocket {
            generation,
            index: listener.into(),
            listener: true,
        })
    }

    /// Gives every listener as many sockets as its backlog allows and the pool has. Says whether
    /// any was given.
    pub(super) fn arm(&mut self) -> bool {
        let mut armed = false;
        for listener in 0u8.. {
            let port = match self.listeners.get(usize::from(listener)) {
                Some(Some(l)) => l.port,
                Some(None) => continue,
                None => break,
            };
            let behind = self
                .slots
                .iter()
                .filter(|s| s.behind() == Some(listener))
                .count();
            for _ in behind..self.backlog {
                let Ok(index) = self.take(State::Waiting { listener }) else {
                    return armed;
                };
                let Some(slot) = self.slots.get_mut(index) else {
                    break;
                };
                let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle);
                if tcp.listen(port).is_err() {
                    // Only for a socket that is open, which a free one is not.
                    slot.state = State::Free;
                    break;
                }
                armed = true;
            }
        }
        armed
    }

    /// `close`, or with `reset` `abort`; [`arm`](Self::arm) is due after it.
    pub(super) fn end(&mut self, socket: SmoltcpSocket, reset: bool) -> Result<(), SmoltcpError> {
        if socket.listener {
            let (listener, _) = self.listener_port(&socket)?;
            if let Some(place) = self.listeners.get_mut(usize::from(listener)) {
                *place = None;
            }
            for slot in self
                .slots
                .iter_mut()
                .filter(|s| s.behind() == Some(listener))
            {
                self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle).abort();
                slot.state = State::Free;
            }
        } else {
            let deadline = self.now + self.linger;
            let (slot, tcp) = self.connection(&socket)?;
            match slot.state {
                State::Connected if reset => tcp.abort(),
                State::Connected => {
                    tcp.close();
                    // A socket in TIME-WAIT may be taken for the next connection at once: the
                    // peer's FIN has to be acknowledged before that.
                    slot.ack_delay = Some(tcp.ack_delay());
                    tcp.set_ack_delay(None);
                }
                State::Connecting => tcp.abort(),
                // The socket may still be busy with the connection before: leave it to that.
                _ => {}
            }
            slot.state = if tcp.is_open() {
                State::Closing { deadline }
            } else {
                State::Free
            };
        }
        Ok(())
    }

    /// Starts the clock for handshakes that have begun, and undoes those that a repeated SYN began.
    ///
    /// smoltcp gives a SYN to the first socket that listens, also when a later socket of the set
    /// already has the connection it asks for. Both would answer, and the peer's acknowledgement
    /// of one would make the other reset the connection.
    pub(super) fn meet_handshakes(&mut self) {
        let deadline = self.now + self.handshake_timeout;
        for index in 0..N {
            let Some(slot) = self.slots.get(index) else {
                return;
            };
            let State::Waiting { listener } = slot.state else {
                continue;
            };
            let tcp = self.sockets.get::<tcp::Socket<'a>>(slot.handle);
            if tcp.state() != tcp::State::SynReceived {
                continue;
            }
            let (local, remote) = (tcp.local_endpoint(), tcp.remote_endpoint());
            let repeated = self.slots.iter().enumerate().any(|(other, s)| {
                let tcp = self.sockets.get::<tcp::Socket<'a>>(s.handle);
                other != index
                    && tcp.is_active()
                    && tcp.local_endpoint() == local
                    && tcp.remote_endpoint() == remote
            });
            let Some(slot) = self.slots.get_mut(index) else {
                return;
            };
            if repeated {
                let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle);
                // Listening again forgets the peer, so that no reset is sent.
                let port = tcp.listen_endpoint();
                tcp.abort();
                if tcp.listen(port).is_err() {
                    slot.state = State::Free;
                }
            } else {
                slot.state = State::Handshake { listener, deadline };
            }
        }
    }

    /// What remains to be done after packets have moved. Says whether a socket has changed.
    pub(super) fn service(&mut self) -> bool {
        let mut changed = false;
        for slot in &mut self.slots {
            let tcp = self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle);
            let before = slot.state;
            slot.state = match before {
                State::Closing { .. } if !tcp.is_open() => State::Free,
                State::Closing { deadline } if self.now >= deadline => {
                    tcp.abort();
                    State::Free
                }
                State::Closing { .. } => {
                    // Nobody reads it, and a full window would keep the peer's FIN out.
                    while matches!(tcp.recv(|bytes| (bytes.len(), bytes.len())), Ok(1..)) {}
                    before
                }
                State::Waiting { .. } | State::Handshake { .. } if !tcp.is_open() => State::Free,
                State::Handshake { deadline, .. } if tcp.state() == tcp::State::SynReceived => {
                    if self.now >= deadline {
                        tcp.abort();
                        State::Free
                    } else {
                        before
                    }
                }
                State::Handshake { listener, .. } => State::Waiting { listener },
                _ => before,
            };
            changed |= slot.state != before;
        }
        changed |= self.give_up_one();
        self.arm() || changed
    }

    /// Frees a socket that is wanted: of those that only wait for their peer's FIN the one that has
    /// waited longest, if that was long enough.
    fn give_up_one(&mut self) -> bool {
        if !self.wanted || self.slots.iter().any(Slot::is_free) {
            return false;
        }
        let Some((at, index)) = self.next_given_up() else {
            return false;
        };
        if at > self.now {
            return false;
        }
        if let Some(slot) = self.slots.get_mut(index) {
            self.sockets.get_mut::<tcp::Socket<'a>>(slot.handle).abort();
            slot.state = State::Free;
        }
        self.wanted = false;
        true
    }

    /// Which closed connection may be given up first, and when.
    fn next_given_up(&self) -> Option<(Instant, usize)> {
        let closing = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let State::Closing { deadline } = slot.state else {
                return None;
            };
            let tcp = self.sockets.get::<tcp::Socket<'a>>(slot.handle);
            let delivered = tcp.state() == tcp::State::FinWait2;
            delivered.then(|| (deadline - self.linger.max(PATIENCE) + PATIENCE, index))
        });
        closing.min_by_key(|(at, _)| *at)
    }

    /// When `service` has something to do by the clock alone.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.slots.iter().filter_map(|s| match s.state {
            State::Closing { deadline } | State::Handshake { deadline, .. } => Some(deadline),
            _ => None,
        });
        let given_up = self.next_given_up().filter(|_| self.wanted);
        deadlines.chain(given_up.map(|(at, _)| at)).min()
    }
}
