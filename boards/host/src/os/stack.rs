//! The system's sockets, which also say when they are ready.

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
    /// Did the last call on a socket block?
    blocked: bool,
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
            blocked: false,
        })
    }

    /// What ends a [`wait`](Self::wait) from another thread: [`Poller::notify`].
    pub(crate) fn waker(&self) -> Arc<Poller> {
        Arc::clone(&self.poller)
    }

    /// Did the last call on a socket block? If not, whoever called wants to go on.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Waits until a call that blocked may go on, the waker was used, or the time is over.
    pub(crate) fn wait(&mut self, at_most: Option<Duration>) {
        self.events.clear();
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
        let key = self.watched.iter().position(Option::is_none);
        let key = key.unwrap_or_else(|| {
            self.watched.push(None);
            self.watched.len() - 1
        });
        let event = Event::new(key, wanted.readable, wanted.writable);
        // SAFETY: The descriptor is taken out of the poller before it is closed: all that closes it
        // is `close`, dropping the socket, and a `connect` that fails, and each of them unregisters
        // it first. Nothing else can get at the `StdSocket`.
        #[allow(unsafe_code)]
        unsafe {
            self.poller.add(&source, event)?;
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
        let result = self.sockets.send(socket.get()?, buffer);
        self.watched(socket, result, WRITABLE)
    }

    fn receive(&mut self, socket: &mut OsSocket, buffer: &mut [u8]) -> nb::Result<usize, StdError> {
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
        let result = self.sockets.accept(socket.get()?);
        let (accepted, remote) = self.watched(socket, result, READABLE)?;
        Ok((OsSocket::new(accepted), remote))
    }
}
