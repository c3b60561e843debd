//! smoltcp 0.14 as an embedded-nal stack with accept and DNS, over a fixed pool of sockets.

mod dns;
mod error;
mod pool;
mod tcp;

use core::net::SocketAddr;

use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::Socket;
use smoltcp::socket::tcp::{self as smol_tcp, SocketBuffer};
use smoltcp::time::{Duration, Instant};

pub use self::error::{SetupError, SmoltcpError};
pub use self::pool::SmoltcpSocket;

use self::dns::Lookup;
use self::pool::{Listener, Slot};
use ws_core::elapsed;

/// How many sockets of one stack can listen at the same time. Each takes 12 bytes of the stack and
/// `backlog` sockets of its pool.
pub const MAX_LISTENERS: usize = 4;

const LINGER: Duration = Duration::from_secs(20);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A smoltcp interface, its device and a pool of `N` TCP sockets as one [`embedded_nal`] stack:
/// [`TcpClientStack`], [`TcpFullStack`] and [`Dns`].
///
/// Nothing happens on its own: [`poll`](Self::poll) moves packets, so it must run regularly, and
/// always while a call answers `WouldBlock`. What the calls promise is written down in
/// [`stack`](crate::stack); what is particular to this stack:
///
/// **The pool.** `socket` takes one of the `N` sockets, and so does every place of a listening
/// socket's backlog. A closed connection gives its socket back when TCP is done with it, that is
/// in `poll`, not in `close`: until the peer has answered the FIN or the
/// [linger time](Self::with_linger) is over. Sockets in TIME-WAIT count as free but are taken
/// last. Where `socket` finds none free, the next `poll` gives up a connection that was closed a
/// second ago or more, if its peer has acknowledged all that was sent and only does not end its own
/// half. Options set on the smoltcp sockets (keep-alive, timeout, hop limit) stay over
/// connections; Nagle's algorithm is turned off for all of them by [`new`](Self::new). Beware of
/// smoltcp's `set_timeout`: it also ends connections that are merely quiet.
///
/// **Listening.** A smoltcp socket that listens becomes the connection, so a listening handle here
/// is a place of its own, with [up to `backlog`](Self::with_backlog) sockets of the pool behind it
/// that listen, shake hands or wait for `accept`. With a backlog of 1 a second peer that knocks
/// before `accept` was called is refused (smoltcp resets what nobody listens for). When the pool
/// runs dry the listener is armed again as soon as a socket comes free. A handshake that a peer
/// does not finish is dropped after [`with_handshake_timeout`](Self::with_handshake_timeout).
///
/// **Dropping** the stack, or a handle without `close`, tells the peers nothing and leaves the
/// pool socket in use.
///
/// [`TcpClientStack`]: embedded_nal::TcpClientStack
/// [`TcpFullStack`]: embedded_nal::TcpFullStack
/// [`Dns`]: embedded_nal::Dns
///
/// # Example
///
/// ```
/// use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
/// use smoltcp::phy::{Loopback, Medium};
/// use smoltcp::time::Instant;
/// use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
/// use ws_socket::stack::{SmoltcpStack, add_tcp_sockets};
///
/// let mut device = Loopback::new(Medium::Ip);
/// let config = Config::new(HardwareAddress::Ip);
/// let mut iface = Interface::new(config, &mut device, Instant::ZERO);
/// iface.update_ip_addrs(|a| a.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8)).unwrap());
///
/// // Three sockets with 1 KiB each way; all of it can as well be `static`.
/// let (mut rx, mut tx) = ([[0; 1024]; 3], [[0; 1024]; 3]);
/// let mut storage = [SocketStorage::EMPTY; 3];
/// let mut sockets = SocketSet::new(&mut storage[..]);
/// let pool = add_tcp_sockets(&mut sockets, &mut rx, &mut tx);
/// let seed = 0x5eed_0001; // from the chip's random source
/// let mut stack = SmoltcpStack::new(iface, device, sockets, pool, seed)?.with_backlog(2);
/// stack.poll(Instant::from_millis(1));
/// # Ok::<(), ws_socket::stack::SetupError>(())
/// ```
pub struct SmoltcpStack<'a, D: Device, const N: usize> {
    iface: Interface,
    device: D,
    sockets: SocketSet<'a>,
    slots: [Slot; N],
    listeners: [Option<Listener>; MAX_LISTENERS],
    backlog: usize,
    linger: Duration,
    handshake_timeout: Duration,
    /// The time of the last poll, which never goes back.
    now: Instant,
    /// What was given to `poll` for it.
    given: Instant,
    /// The last reading given to `poll_ms`.
    last_ms: Option<u32>,
    /// `socket` found none free.
    wanted: bool,
    next_generation: u32,
    next_port: u16,
    dns: Option<SocketHandle>,
    lookup: Option<Lookup>,
    seed: u32,
}

impl<'a, D: Device, const N: usize> SmoltcpStack<'a, D, N> {
    /// Puts a stack together from an interface, its device, a set of sockets and the handles of
    /// those `N` TCP sockets in it that the stack may use ([`add_tcp_sockets`] makes them).
    ///
    /// `seed` must be random and different at every start: the first ephemeral port and the
    /// generation of the handles come from it. Two stacks with the same seed cannot tell each
    /// other's sockets apart. (smoltcp draws its sequence numbers from `Config::random_seed`.)
    ///
    /// Other sockets of the set (UDP, DHCP, more TCP) remain the caller's, by way of
    /// [`parts_mut`](Self::parts_mut). The pool's must stay in the set: taking one out makes
    /// later calls panic.
    ///
    /// # Errors
    ///
    /// A [`SetupError`] when a handle is not a closed TCP socket with non-empty buffers, or stands
    /// in the pool twice.
    pub fn new(
        iface: Interface,
        device: D,
        mut sockets: SocketSet<'a>,
        pool: [SocketHandle; N],
        seed: u32,
    ) -> Result<Self, SetupError> {
        if u16::try_from(N).is_err() {
            return Err(SetupError::PoolTooLarge);
        }
        for (i, handle) in pool.iter().enumerate() {
            if pool.iter().take(i).any(|earlier| earlier == handle) {
                return Err(SetupError::Duplicate(i));
            }
            let socket = sockets.iter_mut().find_map(|(h, s)| match s {
                Socket::Tcp(s) if h == *handle => Some(s),
                _ => None,
            });
            let socket = socket.ok_or(SetupError::NotTcp(i))?;
            if socket.is_open() || socket.recv_capacity() == 0 || socket.send_capacity() == 0 {
                return Err(SetupError::Unusable(i));
            }
            // Frames are written whole, and an answer must not wait for the acknowledgement of
            // the frame before.
            socket.set_nagle_enabled(false);
        }
        Ok(Self {
            iface,
            device,
            sockets,
            slots: pool.map(Slot::new),
            listeners: [const { None }; MAX_LISTENERS],
            backlog: 1,
            linger: LINGER,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            now: Instant::ZERO,
            given: Instant::ZERO,
            last_ms: None,
            wanted: false,
            // Multiplied, so that neighbouring seeds do not give overlapping generations.
            next_generation: seed.wrapping_mul(0x9e37_79b1),
            next_port: pool::port_from_seed(seed),
            dns: None,
            lookup: None,
            seed,
        })
    }

    /// Answers `get_host_by_name` by this DNS socket of the set. Of its query places one is used
    /// at a time.
    ///
    /// # Errors
    ///
    /// [`SetupError::NotDns`] when the handle is not a DNS socket of the set.
    pub fn with_dns(mut self, handle: SocketHandle) -> Result<Self, SetupError> {
        let found =
            |(h, s): (SocketHandle, &Socket<'a>)| h == handle && matches!(s, Socket::Dns(_));
        if !self.sockets.iter().any(found) {
            return Err(SetupError::NotDns);
        }
        self.dns = Some(handle);
        Ok(self)
    }

    /// How many sockets of the pool stand behind each listening socket: those that listen, shake
    /// hands and wait for `accept` together. 1 unless set; 0 counts as 1.
    #[must_use]
    pub fn with_backlog(mut self, sockets: usize) -> Self {
        self.backlog = sockets.max(1);
        self
    }

    /// How long a closed connection may take to deliver its data and see the peer's FIN before it
    /// is aborted and its socket is free again. 20 seconds unless set: time for four
    /// retransmissions.
    #[must_use]
    pub fn with_linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// How long a peer may take to finish the TCP handshake with a listening socket before its
    /// place in the backlog is given to the next. 10 seconds unless set.
    #[must_use]
    pub fn with_handshake_timeout(mut self, time: Duration) -> Self {
        self.handshake_timeout = time;
        self
    }

    /// Receives and sends what is there, frees the sockets of finished connections and arms the
    /// listening sockets again.
    ///
    /// `timestamp` should never go backwards. Where it does, no time has passed for this stack, and
    /// time goes on from there. The work is bounded by the packets waiting in the device and the
    /// number of sockets.
    pub fn poll(&mut self, timestamp: Instant) -> PollResult {
        let now = self.instant_at(timestamp);
        self.given = timestamp;
        self.poll_at(now)
    }

    fn poll_at(&mut self, timestamp: Instant) -> PollResult {
        self.now = timestamp;
        let mut changed = false;
        self.iface.poll_maintenance(timestamp);
        loop {
            let (device, sockets) = (&mut self.device, &mut self.sockets);
            match self.iface.poll_ingress_single(timestamp, device, sockets) {
                PollIngressSingleResult::None => break,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => {
                    changed = true;
                    // Before anything is sent, and so not in `service`.
                    self.meet_handshakes();
                }
            }
        }
        let (device, sockets) = (&mut self.device, &mut self.sockets);
        while self.iface.poll_egress(timestamp, device, sockets) != PollResult::None {
            changed = true;
        }
        changed |= self.service();
        if changed {
            PollResult::SocketStateChanged
        } else {
            PollResult::None
        }
    }

    /// [`poll`](Self::poll) by a millisecond counter that wraps around after 49 days.
    ///
    /// smoltcp's own time does not wrap: giving it such a counter directly would stop every timer
    /// at the first wrap. Readings may be at most 24 days apart; one that is less than the one
    /// before, but for the wrap, is a clock that was set back, and no time has passed. Use either
    /// this or `poll`, not both.
    pub fn poll_ms(&mut self, now_ms: u32) -> PollResult {
        let timestamp = self.instant_of(now_ms);
        self.last_ms = Some(now_ms);
        self.poll_at(timestamp)
    }

    /// How long nothing needs to be done if no packet arrives: the time until the next
    /// [`poll`](Self::poll), zero when it is due, `None` when only a packet can bring work.
    pub fn poll_delay(&mut self, timestamp: Instant) -> Option<Duration> {
        self.delay_at(self.instant_at(timestamp))
    }

    fn delay_at(&mut self, timestamp: Instant) -> Option<Duration> {
        let delay = self.iface.poll_delay(timestamp, &self.sockets);
        let own = self.next_deadline().map(|at| {
            if at > timestamp {
                at - timestamp
            } else {
                Duration::ZERO
            }
        });
        match (delay, own) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// [`poll_delay`](Self::poll_delay) for those who poll by [`poll_ms`](Self::poll_ms).
    pub fn poll_delay_ms(&mut self, now_ms: u32) -> Option<u32> {
        let delay = self.delay_at(self.instant_of(now_ms))?;
        Some(u32::try_from(delay.total_millis()).unwrap_or(u32::MAX))
    }

    fn instant_of(&self, now_ms: u32) -> Instant {
        match self.last_ms {
            Some(mut last) => self.now + Duration::from_millis(elapsed(&mut last, now_ms).into()),
            None => Instant::from_millis(now_ms),
        }
    }

    fn instant_at(&self, timestamp: Instant) -> Instant {
        if timestamp > self.given {
            self.now + (timestamp - self.given)
        } else {
            self.now
        }
    }

    /// The interface, to read its addresses and routes.
    pub fn iface(&self) -> &Interface {
        &self.iface
    }

    /// The interface, to change its addresses and routes. Connections on an address that is taken
    /// away end with [`SmoltcpError::Reset`].
    pub fn iface_mut(&mut self) -> &mut Interface {
        &mut self.iface
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, for what only it can do.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The set of sockets, for those of the caller. The pool's sockets and their state belong to
    /// the stack; only their options may be changed.
    pub fn sockets_mut(&mut self) -> &mut SocketSet<'a> {
        &mut self.sockets
    }

    /// Interface, device and sockets at the same time, for a DHCP client say.
    pub fn parts_mut(&mut self) -> (&mut Interface, &mut D, &mut SocketSet<'a>) {
        (&mut self.iface, &mut self.device, &mut self.sockets)
    }

    /// Takes the stack apart. Connections are as they were; nothing is sent.
    pub fn into_parts(self) -> (Interface, D, SocketSet<'a>) {
        (self.iface, self.device, self.sockets)
    }

    /// How many sockets of the pool could be taken now. Connections that are still closing are not
    /// counted, those in TIME-WAIT are.
    pub fn free_sockets(&self) -> usize {
        self.slots.iter().filter(|s| s.is_free()).count()
    }

    /// The smoltcp socket of a connection, to read its state and queues.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::StaleSocket`]; [`SmoltcpError::WrongState`] for a listening socket, which
    /// has no one socket of its own.
    pub fn tcp(&self, socket: &SmoltcpSocket) -> Result<&smol_tcp::Socket<'a>, SmoltcpError> {
        let slot = self.slot(socket)?;
        Ok(self.sockets.get(slot.handle()))
    }

    /// The smoltcp socket of a connection, to set its options (keep-alive, timeout, Nagle). They
    /// stay set when the socket goes back to the pool.
    ///
    /// # Errors
    ///
    /// As [`tcp`](Self::tcp).
    pub fn tcp_mut(
        &mut self,
        socket: &SmoltcpSocket,
    ) -> Result<&mut smol_tcp::Socket<'a>, SmoltcpError> {
        let handle = self.slot(socket)?.handle();
        Ok(self.sockets.get_mut(handle))
    }

    /// The address and port of this end: of a connection both, of a socket that is bound or
    /// listens the port with the unspecified IPv6 address, for any address of the interface.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::StaleSocket`]; [`SmoltcpError::NotConnected`] when there is no port yet.
    pub fn local_addr(&self, socket: &SmoltcpSocket) -> Result<SocketAddr, SmoltcpError> {
        self.local_addr_of(socket)
    }

    /// The address and port of the peer.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::StaleSocket`]; [`SmoltcpError::NotConnected`] when there is no connection,
    /// or none any more.
    pub fn remote_addr(&self, socket: &SmoltcpSocket) -> Result<SocketAddr, SmoltcpError> {
        let tcp = match self.slot(socket) {
            Err(SmoltcpError::WrongState) => return Err(SmoltcpError::NotConnected),
            slot => self.sockets.get::<smol_tcp::Socket<'a>>(slot?.handle()),
        };
        tcp.remote_endpoint()
            .map(Into::into)
            .ok_or(SmoltcpError::NotConnected)
    }

    /// Ends a connection at once: what was not sent yet is lost, and the peer gets a reset, now if
    /// the device takes it. The socket is free immediately. On a listening socket the same as `close`.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::StaleSocket`].
    pub fn abort(&mut self, socket: SmoltcpSocket) -> Result<(), SmoltcpError> {
        self.end(socket, true)?;
        // Before the socket is used again, which forgets whom the reset is for.
        let (device, sockets) = (&mut self.device, &mut self.sockets);
        self.iface.poll_egress(self.now, device, sockets);
        self.arm();
        Ok(())
    }
}

impl<D: Device, const N: usize> core::fmt::Debug for SmoltcpStack<'_, D, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SmoltcpStack")
            .field("slots", &self.slots)
            .field("listeners", &self.listeners)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Adds `N` TCP sockets with `RX` bytes of receive and `TX` bytes of transmit buffer to the set;
/// the handles are the pool for [`SmoltcpStack::new`].
///
/// # Panics
///
/// When the set lies in lent storage that has fewer than `N` free places.
pub fn add_tcp_sockets<'a, const RX: usize, const TX: usize, const N: usize>(
    sockets: &mut SocketSet<'a>,
    rx: &'a mut [[u8; RX]; N],
    tx: &'a mut [[u8; TX]; N],
) -> [SocketHandle; N] {
    let mut tx = tx.iter_mut();
    rx.each_mut().map(|rx| {
        let tx: &'a mut [u8] = tx.next().map_or(&mut [], |tx| tx);
        let (rx, tx) = (SocketBuffer::new(&mut rx[..]), SocketBuffer::new(tx));
        sockets.add(smol_tcp::Socket::new(rx, tx))
    })
}
