//! Connecting by the async calls.

use super::dial::{Dial, Failure, Opened};
use super::race::Dialer;
use crate::asynch::{Dialing, Host, Polled, Stream, waker};
use crate::tls::{self, TlsOptions};
use crate::wire::Wake;
use async_channel::Receiver;
use async_io::block_on;
use std::io;
use std::time::{Duration, Instant};
use ws_socket::asynch::{AsyncRequest, WebSocket};
use ws_socket::url::Url;
use ws_socket::{Buffer, Config, ConnectError, HeadPart, Request};

/// What one connection is made of.
pub(super) struct Asynch<'buf> {
    config: Config,
    buffer: Option<Buffer<'buf>>,
    wakes: Receiver<()>,
    dialer: Dialing,
}

impl<'buf> Asynch<'buf> {
    /// With the buffer to lend; and what ends its waits.
    pub(super) fn new(config: Config, buffer: Buffer<'buf>) -> (Self, Wake) {
        let (wake, wakes) = waker();
        let driver = Self {
            config,
            buffer: Some(buffer),
            wakes,
            dialer: Dialing::new(),
        };
        (driver, wake)
    }
}

impl<'buf> Dial for Asynch<'buf> {
    type Socket = Stream;
    type Error = io::Error;
    type Wire<'d>
        = Polled<'buf>
    where
        Self: 'd;

    fn dialer(&mut self) -> &mut impl Dialer<Socket = Stream> {
        &mut self.dialer
    }

    fn secure(
        &mut self,
        socket: Stream,
        url: &Url<'_>,
        options: &TlsOptions,
        deadline: Instant,
    ) -> Result<Stream, Failure> {
        tls::secure(socket, url, options, deadline)
    }

    fn upgrade(
        &mut self,
        socket: Stream,
        request: Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
        within: Duration,
    ) -> Result<Opened<Polled<'buf>>, ConnectError<io::Error>> {
        let mut asked =
            AsyncRequest::to(request.host, request.target).subprotocols(request.subprotocols);
        if let Some(headers) = request.headers {
            asked = asked.headers(headers);
        }
        if let Some(origin) = request.origin {
            asked = asked.origin(origin);
        }
        let buffer = self.buffer.take().ok_or(ConnectError::NoBuffer)?;
        let (host, config) = (Host::new(), self.config);
        let connected =
            WebSocket::connect_with(socket, &asked, buffer, host, config, within, on_response);
        let ws = block_on(connected)?;
        let subprotocol = ws.subprotocol();
        Ok((Polled::new(ws, self.wakes.clone()), subprotocol))
    }
}
