use embedded_nal::{TcpError, TcpErrorKind};

/// What can go wrong in a call on a [`SmoltcpStack`](super::SmoltcpStack).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmoltcpError {
    /// Every socket of the pool is in use, or still closing. One comes back when a connection is
    /// closed and its peer has answered, or the linger time has passed.
    #[error("no free TCP socket in the pool")]
    PoolExhausted,
    /// Every place for a listening socket is taken ([`MAX_LISTENERS`](super::MAX_LISTENERS)).
    #[error("no place for another listening socket")]
    TooManyListeners,
    /// The socket was closed before, or is another stack's. Nothing was touched.
    #[error("the socket is closed already or belongs to another stack")]
    StaleSocket,
    /// The call does not fit what the socket is: `listen` without `bind`, `connect` on a listening
    /// socket or to a second address, `accept` on one that does not listen.
    #[error("the call does not fit the state of the socket")]
    WrongState,
    /// `send` or `receive` before `connect` has succeeded.
    #[error("the socket is not connected")]
    NotConnected,
    /// The peer refused the connection, or reset it before it was established.
    #[error("connection refused")]
    Refused,
    /// The connection is gone: reset by the peer, or by a timeout set on the smoltcp socket, or
    /// the interface lost the address it ran on.
    #[error("connection reset")]
    Reset,
    /// There is no way to that address: it or its port is zero, or the interface has no address
    /// of that IP version.
    #[error("the remote address cannot be reached from this interface")]
    Unaddressable,
    /// The local port belongs to another socket, or no ephemeral port is left.
    #[error("the local port is in use")]
    PortInUse,
    /// The stack was built without a DNS socket, and the host is a name.
    #[error("the stack has no DNS socket")]
    NoDns,
    /// The name is empty, longer than a DNS name may be, or has a bad label.
    #[error("not a valid host name")]
    InvalidName,
    /// Other users of the DNS socket hold all of its query places.
    #[error("every query place of the DNS socket is in use")]
    DnsBusy,
    /// The servers have no such name, no address of the wanted type, or did not answer.
    #[error("the name could not be resolved")]
    NameNotFound,
    /// smoltcp cannot look up names by address.
    #[error("lookup of a name by address is not supported")]
    ReverseLookupUnsupported,
}

impl TcpError for SmoltcpError {
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Reset => TcpErrorKind::PipeClosed,
            _ => TcpErrorKind::Other,
        }
    }
}

/// Why a [`SmoltcpStack`](super::SmoltcpStack) could not be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The handle at this place of the pool names no TCP socket of the set.
    #[error("handle {0} of the pool is not a TCP socket of the set")]
    NotTcp(usize),
    /// The handle at this place stands in the pool before already.
    #[error("handle {0} of the pool is there twice")]
    Duplicate(usize),
    /// The socket at this place has an empty receive or transmit buffer, or is open already.
    #[error("socket {0} of the pool is open or has an empty buffer")]
    Unusable(usize),
    /// The handle given for DNS names no DNS socket of the set.
    #[error("the DNS handle is not a DNS socket of the set")]
    NotDns,
    /// More sockets than a handle can count (65,535).
    #[error("the pool is too large")]
    PoolTooLarge,
}
