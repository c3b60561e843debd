//! Connecting: Zephyr's `websocket_connect`, and what saves its caller work.

use core::net::SocketAddr;

use embedded_nal::{Dns, TcpClientStack, nb};
use ws_core::handshake::{HeadPart, Request};
use ws_core::url::{Url, UrlHost};

use super::Table;
use super::dial::{All, ByFamily};
use crate::error::{ConnectError, HandleError};
use crate::request::{ConnectionOptions, WebSocketRequest};
use crate::session::{Context, Entry};
use crate::slots::SlotStore;
use crate::stack::{AddressList, Addresses};
use crate::timeout::Deadline;
use crate::{Platform, Timeout, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Makes a WebSocket of a connected TCP socket: the client's opening handshake (RFC 6455
    /// section 4.1), at most for `timeout`. What came behind the answer in the same segment is
    /// received first.
    ///
    /// # Errors
    /// See [`ConnectError`]. The socket is closed then, the slot is free. An answer other than 101
    /// is `Handshake(Refused { status })`, when all its headers went to
    /// [`on_response`](WebSocketRequest::on_response); so it is where the server answered before all
    /// of the request was out.
    pub fn connect(
        &mut self,
        socket: S::TcpSocket,
        request: WebSocketRequest<'_, 'buf>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<S::Error>> {
        let deadline = &mut Deadline::new(timeout.into());
        self.upgrade_or_close(socket, &request.handshake, request.connection, deadline)
    }

    /// [`connect`](Self::connect) that gives the TCP socket back where it fails, open, as Zephyr does: to
    /// be closed, or asked again where the server's answer ended in order. (`None` where another task
    /// has taken the slot meanwhile.)
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[allow(clippy::type_complexity)] // an error and what comes back with it
    pub fn connect_keeping_socket(
        &mut self,
        socket: S::TcpSocket,
        request: WebSocketRequest<'_, 'buf>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, (ConnectError<S::Error>, Option<S::TcpSocket>)> {
        let deadline = &mut Deadline::new(timeout.into());
        let upgraded = self.upgrade(socket, &request.handshake, request.connection, deadline);
        upgraded.map_err(|failed| (failed.error, failed.socket))
    }

    /// [`connect`](Self::connect), with a TCP connection to `remote` made first.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_to(
        &mut self,
        remote: SocketAddr,
        request: WebSocketRequest<'_, 'buf>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<S::Error>> {
        let deadline = &mut Deadline::new(timeout.into());
        self.dial(remote, &request.handshake, request.connection, deadline)
    }

    /// [`connect_to`](Self::connect_to) what a `ws://` or `wss://` URL names: its name is resolved,
    /// its host and target take the place of those in `request`. `wss` needs a stack that does TLS
    /// ([`Config::secure`](crate::Config)).
    ///
    /// A name has an address of each family at most ([`Dns`]). The one that the stack prefers is dialed
    /// first; after 250 ms, or as soon as it fails, the other is dialed beside it, where the stack has
    /// a second socket; where it has not, once the first has been silent for half of the time. The
    /// first that takes the connection is used, and the others are closed.
    /// [`connect_url_all`](Self::connect_url_all) tries all addresses.
    ///
    /// # Errors
    /// See [`ConnectError`]. Where no address takes the connection it is what went wrong first, and
    /// `Timeout` if all are silent. The zone of an IPv6 address has to be a number here.
    pub fn connect_url(
        &mut self,
        url: &str,
        request: WebSocketRequest<'_, 'buf>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<<S as TcpClientStack>::Error>>
    where
        S: Dns,
    {
        let deadline = &mut Deadline::new(timeout.into());
        let (url, handshake) = self.parse_url(url, request.handshake)?;
        self.check_room(request.connection.buffer.is_some())?;
        let scope = match url.zone {
            None => 0,
            Some(zone) => number(zone).ok_or(ConnectError::Zone)?,
        };
        let socket = match url.host {
            UrlHost::Ip(address) => self.race::<1>(Some(address), url.port, scope, deadline),
            UrlHost::Name(name) => self.race::<2>(ByFamily::new(name), url.port, scope, deadline),
        }?;
        self.upgrade_or_close(socket, &handshake, request.connection, deadline)
    }

    /// [`connect_url`](Self::connect_url) over all addresses that the stack knows for the name (up to
    /// [`AddressList::CAPACITY`]), each dialed 250 ms after the one before or as soon as that fails,
    /// and with the zone of an IPv6 address by name (`ws://[fe80::1%25eth0]/`), where the stack has
    /// one.
    ///
    /// # Errors
    /// As [`connect_url`](Self::connect_url); [`ConnectError::Zone`] where the stack has no interface
    /// of that name.
    pub fn connect_url_all(
        &mut self,
        url: &str,
        request: WebSocketRequest<'_, 'buf>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<S::Error>>
    where
        S: Addresses,
    {
        const M: usize = AddressList::CAPACITY;
        let deadline = &mut Deadline::new(timeout.into());
        let (url, handshake) = self.parse_url(url, request.handshake)?;
        self.check_room(request.connection.buffer.is_some())?;
        let stack = &mut self.context.stack;
        let scope = match url.zone {
            None => 0,
            Some(zone) => match number(zone) {
                Some(number) => number,
                None => stack.scope_id(zone).ok_or(ConnectError::Zone)?,
            },
        };
        let socket = match url.host {
            UrlHost::Ip(address) => self.race::<1>(Some(address), url.port, scope, deadline),
            UrlHost::Name(name) => self.race::<M>(All::new(name), url.port, scope, deadline),
        }?;
        self.upgrade_or_close(socket, &handshake, request.connection, deadline)
    }

    /// What is to be connected to, and what is asked there.
    fn parse_url<'u>(
        &self,
        url: &'u str,
        request: Request<'u>,
    ) -> Result<(Url<'u>, Request<'u>), ConnectError<S::Error>> {
        let url = Url::parse(url)?;
        if url.secure && !self.context.config.secure {
            return Err(ConnectError::NotSecure);
        }
        let handshake = Request {
            host: url.host_header(),
            target: url.target,
            ..request
        };
        handshake.validate()?;
        Ok((url, handshake))
    }

    /// Is there a free slot, and a buffer for it? What is in want of one is not to be dialed for.
    pub(super) fn check_room(&self, brings_buffer: bool) -> Result<(), ConnectError<S::Error>> {
        match self.slots.vacancy() {
            None => Err(ConnectError::NoFreeSlot),
            Some(false) if !brings_buffer => Err(ConnectError::NoBuffer),
            Some(_) => Ok(()),
        }
    }

    fn dial(
        &mut self,
        remote: SocketAddr,
        handshake: &Request<'_>,
        options: ConnectionOptions<'_, 'buf>,
        deadline: &mut Deadline,
    ) -> Result<WebSocketId, ConnectError<S::Error>> {
        handshake.validate()?;
        self.check_room(options.buffer.is_some())?;
        let mut socket = self.open_socket(deadline)?;
        let dialed = self.wait_for(deadline, |table| {
            table.context.wait_to_write();
            table.context.stack.connect(&mut socket, remote)
        });
        match dialed {
            Ok(Some(())) => self.upgrade_or_close(socket, handshake, options, deadline),
            Ok(None) => self.give_up(socket, ConnectError::Timeout),
            Err(error) => self.give_up(socket, ConnectError::Stack(error)),
        }
    }

    /// A socket of the stack, when there is one: those of connections before may still be closing.
    fn open_socket(
        &mut self,
        deadline: &mut Deadline,
    ) -> Result<S::TcpSocket, ConnectError<S::Error>> {
        let mut failed = None;
        let opened = self.wait_for(deadline, |table| {
            table.context.stack.socket().map_err(|error| {
                failed = Some(error);
                nb::Error::<HandleError>::WouldBlock
            })
        });
        opened
            .ok()
            .flatten()
            .ok_or_else(|| failed.map_or(ConnectError::Timeout, ConnectError::Stack))
    }

    fn upgrade_or_close(
        &mut self,
        socket: S::TcpSocket,
        handshake: &Request<'_>,
        options: ConnectionOptions<'_, 'buf>,
        deadline: &mut Deadline,
    ) -> Result<WebSocketId, ConnectError<S::Error>> {
        let failed = match self.upgrade(socket, handshake, options, deadline) {
            Ok(ws) => return Ok(ws),
            Err(failed) => failed,
        };
        let Context {
            stack, platform, ..
        } = &mut self.context;
        match failed.socket {
            // It is another connection's.
            Some(_) if matches!(failed.error, ConnectError::AlreadyWrapped) => {}
            Some(socket) if failed.begun => platform.abort(stack, socket),
            Some(socket) => {
                let _ = stack.close(socket);
            }
            None => {}
        }
        Err(failed.error)
    }

    fn upgrade(
        &mut self,
        socket: S::TcpSocket,
        handshake: &Request<'_>,
        options: ConnectionOptions<'_, 'buf>,
        deadline: &mut Deadline,
    ) -> Result<WebSocketId, Failed<S>> {
        let before = |error, socket| Failed {
            error,
            socket: Some(socket),
            begun: false,
        };
        if self.has(&socket) {
            return Err(before(ConnectError::AlreadyWrapped, socket));
        }
        if let Err(error) = handshake.validate() {
            return Err(before(error.into(), socket));
        }
        let ConnectionOptions {
            on_response,
            on_connect,
            buffer,
        } = options;
        let nonce = match self.context.nonce() {
            Ok(nonce) => nonce,
            Err(error) => return Err(before(error.into(), socket)),
        };
        let Some(ws) = self.slots.take_free(buffer.is_none()) else {
            return Err(before(ConnectError::NoFreeSlot, socket));
        };
        let mut upgraded = Err(ConnectError::Timeout);
        self.enter(ws, |entry, context| {
            entry.lend(buffer);
            context.begin_client(entry, socket, &nonce);
        });
        let mut ignore = |_: HeadPart<'_>| {};
        let on_response = on_response.unwrap_or(&mut ignore);
        let reached = self.repeat(ws, deadline, &mut |entry, context| {
            match entry.client(context, handshake, on_response) {
                Ok(()) => upgraded = Ok(()),
                Err(nb::Error::Other(error)) => upgraded = Err(error),
                Err(nb::Error::WouldBlock) => return false,
            }
            true
        });
        let mut opened = reached.map_err(ConnectError::Handle).and(upgraded);
        if opened.is_ok()
            && let Some(on_connect) = on_connect
        {
            opened = on_connect(ws).map_err(ConnectError::ByProgram);
        }
        match opened {
            Ok(()) => Ok(ws),
            Err(error) => Err(Failed {
                error,
                socket: self.slots.vacate(ws, Entry::vacate).ok().flatten(),
                begun: true,
            }),
        }
    }

    fn give_up<T>(
        &mut self,
        socket: S::TcpSocket,
        error: ConnectError<S::Error>,
    ) -> Result<T, ConnectError<S::Error>> {
        let _ = self.context.stack.close(socket);
        Err(error)
    }
}

/// Why there is no WebSocket, and the TCP socket of which none was made.
struct Failed<S: TcpClientStack> {
    error: ConnectError<S::Error>,
    socket: Option<S::TcpSocket>,
    /// The handshake had begun.
    begun: bool,
}

/// The number in a zone.
pub(crate) fn number(zone: &str) -> Option<u32> {
    let mut number = 0u32;
    for byte in zone.bytes() {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte & 0xF))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    (number > 0).then_some(number)
}
