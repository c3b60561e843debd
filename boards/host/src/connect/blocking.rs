//! Connecting by the table of blocking calls.

use super::dial::{Dial, Failure, Opened};
use super::race::{Dialer, Step};
use crate::echo::OnTable;
use crate::exit::Exit;
use crate::os::{OsPlatform, OsSocket, OsStack, WebSockets};
use crate::tls::TlsOptions;
use crate::wire::Wake;
use embedded_nal::TcpClientStack;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ws_socket::stack::{StdError, StdStack};
use ws_socket::url::Url;
use ws_socket::{Buffer, Config, ConnectError, HeadPart, Request, WebSocketRequest};

/// A table for one connection.
pub(super) struct Blocking<'buf> {
    table: WebSockets<'buf, 1>,
    buffer: Option<Buffer<'buf>>,
}

impl<'buf> Blocking<'buf> {
    /// With the buffer to lend; and what ends its waits.
    ///
    /// # Errors
    /// What the system says where it has no way to wait for sockets left.
    pub(super) fn new(config: Config, buffer: Buffer<'buf>) -> io::Result<(Self, Wake)> {
        let stack = OsStack::new(StdStack::new())?;
        let wake = stack.waker();
        let table = WebSockets::new(stack, OsPlatform::new()).with_config(config);
        let buffer = Some(buffer);
        Ok((Self { table, buffer }, wake))
    }
}

impl Dialer for OsStack {
    type Attempt = (OsSocket, SocketAddr);
    type Socket = OsSocket;

    fn begin(&mut self, to: SocketAddr) -> Result<Self::Attempt, StdError> {
        Ok((self.socket()?, to))
    }

    fn step(&mut self, (mut socket, to): Self::Attempt) -> Step<Self::Attempt, OsSocket> {
        match self.connect(&mut socket, to) {
            Ok(()) => Step::Through(socket),
            Err(nb::Error::WouldBlock) => Step::Pending((socket, to)),
            Err(nb::Error::Other(error)) => {
                Dialer::close(self, (socket, to));
                Step::Failed(error)
            }
        }
    }

    fn close(&mut self, (socket, _): Self::Attempt) {
        if let Err(error) = TcpClientStack::close(self, socket) {
            log::debug!("closing: {error}");
        }
    }

    fn wait(&mut self, at_most: Duration) {
        Self::wait(self, Some(at_most));
    }
}

impl<'buf> Dial for Blocking<'buf> {
    type Socket = OsSocket;
    type Error = StdError;
    type Wire<'d>
        = OnTable<'d, 'buf, OsStack, OsPlatform, 1>
    where
        Self: 'd;

    fn dialer(&mut self) -> &mut impl Dialer<Socket = OsSocket> {
        self.table.stack()
    }

    fn secure(
        &mut self,
        socket: OsSocket,
        _url: &Url<'_>,
        _options: &TlsOptions,
        _deadline: Instant,
    ) -> Result<OsSocket, Failure> {
        // `ws connect` goes over the async calls there.
        drop(socket);
        let detail = "TLS is for the async calls".to_owned();
        Err(Failure::new(Exit::Usage, "usage", detail))
    }

    fn upgrade(
        &mut self,
        socket: OsSocket,
        request: Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
        within: Duration,
    ) -> Result<Opened<Self::Wire<'_>>, ConnectError<StdError>> {
        let mut on_response = |part: HeadPart<'_>| on_response(part);
        let mut request = WebSocketRequest::from_handshake(request).on_response(&mut on_response);
        if let Some(buffer) = self.buffer.take() {
            request = request.buffer(buffer);
        }
        let ws = self.table.connect(socket, request, within)?;
        let subprotocol = self.table.subprotocol(ws)?;
        let wire = OnTable {
            table: &mut self.table,
            ws,
        };
        Ok((wire, subprotocol))
    }
}
