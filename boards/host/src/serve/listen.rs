//! The port, the table behind it, and as many open files as the system allows.

use super::server::ACCEPTS_AT_ONCE;
use super::{LENT, SLOTS, Table, config};
use crate::arguments::ServeOptions;
use crate::os::{OsPlatform, OsSocket, OsStack};
use async_io::Async;
use embedded_nal::TcpFullStack;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use ws_socket::stack::{StdError, StdSocket, StdStack};

/// Open files that are no connections: standard streams, the poller, closed connections whose peers
/// have not closed.
pub(super) const FILES: usize = 300;

/// Where to listen. An error is a sentence that says what to do.
fn address(options: &ServeOptions) -> Result<SocketAddr, String> {
    let shown = options.address.escape_debug();
    let mut addresses = options
        .address
        .to_socket_addrs()
        .map_err(|error| format!("'{shown}' is no address to listen on: {error}"))?;
    addresses
        .next()
        .ok_or_else(|| format!("'{shown}' has no address; 127.0.0.1:8080 is one"))
}

/// Listens for the async calls.
pub(super) fn open_async(options: &ServeOptions) -> Result<Async<TcpListener>, String> {
    let address = address(options)?;
    // As the blocking calls have it: as many may wait to be accepted, and the same is an error.
    let mut sockets = StdStack::new().with_bind_addr(address.ip());
    let listener = listen(&mut sockets, address).map_err(|error| refused(&error, address))?;
    let listener = owned(&listener).and_then(Async::new);
    listener.map_err(|error| refused(&StdError::Io(error), address))
}

/// The system's socket, without the stack.
fn owned(listener: &StdSocket) -> io::Result<TcpListener> {
    #[cfg(unix)]
    let socket = listener.as_fd().map(|socket| socket.try_clone_to_owned());
    #[cfg(windows)]
    let socket = listener
        .as_socket()
        .map(|socket| socket.try_clone_to_owned());
    let socket = socket.ok_or(io::ErrorKind::NotConnected)??;
    Ok(socket.into())
}

/// Listens.
pub(super) fn open(options: &ServeOptions) -> Result<(Box<Table>, OsSocket), String> {
    let address = address(options)?;
    let sockets = StdStack::new().with_bind_addr(address.ip());
    let stack = OsStack::new(sockets)
        .map_err(|error| format!("the system has no way to wait for sockets left: {error}"))?
        .with_accepts_at_once(ACCEPTS_AT_ONCE);
    let mut table = table(stack, options);
    let listener = listen(table.stack(), address).map_err(|error| refused(&error, address))?;
    Ok((table, listener))
}

fn listen<S: TcpFullStack>(stack: &mut S, address: SocketAddr) -> Result<S::TcpSocket, S::Error> {
    let mut listener = stack.socket()?;
    stack.bind(&mut listener, address.port())?;
    stack.listen(&mut listener)?;
    Ok(listener)
}

fn refused(error: &StdError, address: SocketAddr) -> String {
    let advice = match error {
        StdError::Io(io) if io.kind() == io::ErrorKind::AddrInUse => {
            "; another program listens there, choose another port (0: any)"
        }
        StdError::Io(io) if io.kind() == io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are not for everybody, choose another"
        }
        StdError::Io(io) if io.kind() == io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address, 0.0.0.0 is all it has"
        }
        _ => "",
    };
    format!("cannot listen on {address}: {error}{advice}")
}

/// What making the table takes of a thread's stack: it is passed around by value until it is on the
/// heap. The system gives the memory only where it is used.
pub(super) const STACK: usize = 8 * size_of::<Table>() + (8 << 20);

fn table(stack: OsStack, options: &ServeOptions) -> Box<Table> {
    // For as long as the program runs. The system gives the memory when it is first used.
    let lent: &'static mut [[u8; LENT]] = Box::leak(vec![[0; LENT]; SLOTS].into_boxed_slice());
    let Ok(lent) = <&mut [[u8; LENT]; SLOTS]>::try_from(lent) else {
        unreachable!("it has that length");
    };
    Box::new(
        Table::new(stack, OsPlatform::new())
            .with_config(config(options))
            .with_buffers(lent.each_mut()),
    )
}

/// As many open files as the system allows without asking: that many.
#[cfg(unix)]
pub(super) fn raise_file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::debug!("the limit of open files stays: {error}");
        limit.current = before;
    }
    limit.current.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
pub(super) fn raise_file_limit() -> Option<usize> {
    None
}
