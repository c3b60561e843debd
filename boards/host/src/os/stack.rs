//! The system's sockets, which also say when they are ready.

use super::Blocks;
use crate::wire::Wake;
use core::net::SocketAddr;
use embedded_nal::{TcpClientStack, TcpFullStack};
use polling::{Event, Events, Poller};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use ws_socket::stack::{StdError, StdSocket, StdStack};

/// [`StdStack`], with one thing added: a call that would block asks the system to say when it no
/// longer would, and [`wait`](Self::wait) sleeps until the system says so about any of them.
///
/// Whoever waits has to repeat each call that blocked, whatever it was that ended the wait.
pub(crate) struct OsStack {
    sockets: StdStack,
    poller: Arc<Poller>,
    events: Events,
    /// What each socket is waited for, by its key; `None` for a key that is free.
    watched: Vec<Option<Watch>>,
    /// The keys that are free.
    free: Vec<usize>,
    /// Did the last call on a socket block?
    blocked: bool,
    /// How many connections may be accepted between two waits, and how many still may.
    accepts: (usize, usize),
}

/// What a socket is waited for. The system forgets it once it has said so.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Watch {
    readable: bool,
    writable: bool,
}

/// A socket of an [`OsStack`].
pub(crate) struct OsSocket {
    /// There until it is closed.
    socket: Option<StdSocket>,
    registration: Option<Registration>,
}

/// The poller knows the socket's descriptor.
struct Registration {
    key: usize,
    poller: Arc<Poller>,
}

#[cfg(unix)]
fn source(socket: &StdSocket) -> Option<std::os::fd::BorrowedFd<'_>> {
    socket.as_fd()
}

#[cfg(windows)]
fn source(socket: &StdSocket) -> Option<std::os::windows::io::BorrowedSocket<'_>> {
    socket.as_socket()
}

impl OsSocket {
    fn new(socket: StdSocket) -> Self {
        Self {
            socket: Some(socket),
            registration: None,
        }
    }

    /// What [`OsStack::ready`] calls it. There is none before a call on it has blocked.
    pub(crate) fn key(&self) -> Option<usize> {
        self.registration.as_ref().map(|it| it.key)
    }

    /// This end's address.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr, StdError> {
        let socket = self.socket.as_ref().ok_or(StdError::WrongState)?;
        socket.local_addr()
    }

    /// The peer's address.
    pub(crate) fn remote_addr(&self) -> Result<SocketAddr, StdError> {
        let socket = self.socket.as_ref().ok_or(StdError::WrongState)?;
        socket.remote_addr()
    }

    /// The poller forgets the descriptor.
    fn unregister(&mut self) -> Option<usize> {
        let Registration { key, poller } = self.registration.take()?;
        if let Some(source) = self.socket.as_ref().and_then(source)
            && let Err(error) = poller.delete(source)
        {
            log::debug!("taking a socket out of the poller: {error}");
        }
        Some(key)
    }

    fn get(&mut self) -> Result<&mut StdSocket, StdError> {
        self.socket.as_mut().ok_or(StdError::WrongState)
    }
}

impl Drop for OsSocket {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl OsStack {
    /// # Errors
    /// What the system says where it has no way to wait for sockets left.
    pub(crate) fn new(sockets: StdStack) -> io::Result<Self> {
        Ok(Self {
            sockets,
            poller: Arc::new(Poller::new()?),
            events: Events::new(),
            watched: Vec::new(),
            free: Vec::new(),
            blocked: false,
            accepts: (usize::MAX, usize::MAX),
        })
    }

    /// Hands out at most so many connections between two waits, so that a flood of them leaves time
    /// for those that are there.
    #[must_use]
    pub(crate) const fn with_accepts_at_once(mut self, accepts: usize) -> Self {
        self.accepts = (accepts, accepts);
        self
    }

    /// Are there, perhaps, connections left for behind the next wait? Nothing will say so then.
    pub(crate) const fn has_more_to_accept(&self) -> bool {
        self.accepts.1 == 0
    }

    /// What ends a [`wait`](Self::wait) from another thread.
    pub(crate) fn waker(&self) -> Wake {
        let poller = Arc::clone(&self.poller);
        Arc::new(move || {
            if let Err(error) = poller.notify() {
                log::warn!("waking: {error}");
            }
        })
    }

    /// Waits until a call that blocked may go on, the waker was used, or the time is over.
    pub(crate) fn wait(&mut self, at_most: Option<Duration>) {
        self.events.clear();
        self.accepts.1 = self.accepts.0;
        if let Err(error) = self.poller.wait(&mut self.events, at_most) {
            // A signal. Anything else would come again at once: better to look again slowly.
            if error.kind() != io::ErrorKind::Interrupted {
                log::warn!("waiting for sockets: {error}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        for event in self.events.iter() {
            if let Some(watch) = self.watched.get_mut(event.key) {
                *watch = watch.map(|_| Watch::default());
            }
        }
    }

    /// The keys of the sockets that the last wait found ready.
    pub(crate) fn ready(&self) -> impl Iterator<Item = usize> {
        self.events.iter().map(|event| event.key)
    }

    /// Would a call block as it did before? So it does until the system says otherwise, which it
    /// need not be asked again for.
    fn still_blocks(&mut self, socket: &OsSocket, wanted: Watch) -> bool {
        let watch = socket
            .key()
            .and_then(|key| self.watched.get(key).copied().flatten());
        self.blocked = watch.is_some_and(|watch| {
            watch.readable && wanted.readable || watch.writable && wanted.writable
        });
        self.blocked
    }

    /// Has the next call on a socket try, whatever the system has said: it says that there is room
    /// only once a good part of a buffer is free, megabytes perhaps, and a call finds less.
    pub(crate) fn try_again(&mut self, key: usize) {
        if let Some(Some(watch)) = self.watched.get_mut(key) {
            *watch = Watch::default();
        }
    }

    /// Looks after the connections that were closed and whose peers have not closed yet, and says
    /// how many there are.
    pub(crate) fn sweep(&mut self) -> usize {
        self.sockets.sweep()
    }

    /// Has the system say when a call that would block no longer would.
    fn watch(&mut self, socket: &mut OsSocket, wanted: Watch) -> io::Result<()> {
        self.blocked = true;
        let Some(source) = socket.socket.as_ref().and_then(source) else {
            return Ok(());
        };
        if let Some(Registration { key, .. }) = socket.registration {
            let Some(Some(watch)) = self.watched.get_mut(key) else {
                return Ok(());
            };
            let both = Watch {
                readable: watch.readable || wanted.readable,
                writable: watch.writable || wanted.writable,
            };
            if both != *watch {
                *watch = both;
                let event = Event::new(key, both.readable, both.writable);
                self.poller.modify(source, event)?;
            }
            return Ok(());
        }
        let key = self.free.last().copied().unwrap_or(self.watched.len());
        let event = Event::new(key, wanted.readable, wanted.writable);
        // SAFETY: The descriptor is taken out of the poller before it is closed: all that closes it
        // is `close`, dropping the socket, and a `connect` that fails, and each of them unregisters
        // it first. Nothing else can get at the `StdSocket`.
        #[allow(unsafe_code)]
        unsafe {
            self.poller.add(&source, event)?;
        }
        if self.free.pop().is_none() {
            self.watched.push(None);
        }
        if let Some(watch) = self.watched.get_mut(key) {
            *watch = Some(wanted);
        }
        socket.registration = Some(Registration {
            key,
            poller: Arc::clone(&self.poller),
        });
        Ok(())
    }

    fn unwatch(&mut self, socket: &mut OsSocket) {
        if let Some(key) = socket.unregister()
            && let Some(watch) = self.watched.get_mut(key)
        {
            *watch = None;
            self.free.push(key);
        }
    }

    /// The result of a call, with the socket watched where it would block.
    fn watched<T>(
        &mut self,
        socket: &mut OsSocket,
        result: nb::Result<T, StdError>,
        wanted: Watch,
    ) -> nb::Result<T, StdError> {
        self.blocked = false;
        if matches!(result, Err(nb::Error::WouldBlock)) {
            self.watch(socket, wanted).map_err(StdError::Io)?;
        }
        result
    }
}

const READABLE: Watch = Watch {
    readable: true,
    writable: false,
};
const WRITABLE: Watch = Watch {
    readable: false,
    writable: true,
};

impl Blocks for OsStack {
    fn is_blocked(&self) -> bool {
        self.blocked
    }
}

impl TcpClientStack for OsStack {
    type TcpSocket = OsSocket;
    type Error = StdError;

    fn socket(&mut self) -> Result<OsSocket, StdError> {
        self.sockets.socket().map(OsSocket::new)
    }

    fn connect(&mut self, socket: &mut OsSocket, remote: SocketAddr) -> nb::Result<(), StdError> {
        // It closes the descriptor where it fails.
        self.unwatch(socket);
        let result = self.sockets.connect(socket.get()?, remote);
        self.watched(socket, result, WRITABLE)
    }

    fn send(&mut self, socket: &mut OsSocket, buffer: &[u8]) -> nb::Result<usize, StdError> {
        if self.still_blocks(socket, WRITABLE) {
            return Err(nb::Error::WouldBlock);
        }
        let result = self.sockets.send(socket.get()?, buffer);
        self.watched(socket, result, WRITABLE)
    }

    fn receive(&mut self, socket: &mut OsSocket, buffer: &mut [u8]) -> nb::Result<usize, StdError> {
        if self.still_blocks(socket, READABLE) {
            return Err(nb::Error::WouldBlock);
        }
        let result = self.sockets.receive(socket.get()?, buffer);
        self.watched(socket, result, READABLE)
    }

    fn close(&mut self, mut socket: OsSocket) -> Result<(), StdError> {
        self.unwatch(&mut socket);
        match socket.socket.take() {
            Some(socket) => self.sockets.close(socket),
            None => Ok(()),
        }
    }
}

impl TcpFullStack for OsStack {
    fn bind(&mut self, socket: &mut OsSocket, local_port: u16) -> Result<(), StdError> {
        self.sockets.bind(socket.get()?, local_port)
    }

    fn listen(&mut self, socket: &mut OsSocket) -> Result<(), StdError> {
        self.sockets.listen(socket.get()?)
    }

    fn accept(&mut self, socket: &mut OsSocket) -> nb::Result<(OsSocket, SocketAddr), StdError> {
        if self.still_blocks(socket, READABLE) || self.has_more_to_accept() {
            return Err(nb::Error::WouldBlock);
        }
        self.accepts.1 -= 1;
        let result = self.sockets.accept(socket.get()?);
        let (accepted, remote) = self.watched(socket, result, READABLE)?;
        Ok((OsSocket::new(accepted), remote))
    }
}
