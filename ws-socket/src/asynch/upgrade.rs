//! The opening handshakes.

use core::future::Future;
use core::marker::PhantomData;
use core::mem::take;
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_futures::poll_once;
use embedded_io_async::{Read, Write};
use ws_core::Lent;
use ws_core::handshake::{ClientError, HeadPart};

use super::link::{Hash, Link};
use super::request::AsyncRequest;
use super::wait::{Turns, at_once, within};
use super::{AsyncPlatform, Clock};
use crate::error::{AcceptError, ConnectError};
use crate::session::{Output, SEND_SCRATCH, State, Tcp};
use crate::{Handler, RandomError, Timeout, WebSocketId};

impl<T: Read + Write, P: AsyncPlatform> Link<'_, '_, T, P> {
    /// The stream is there: a client's handshake begins.
    pub(super) fn begin_client(&mut self, stream: T) -> Result<(), RandomError> {
        let mut nonce = [0; 16];
        self.platform.fill_random(&mut nonce)?;
        let now = self.platform.clock().now_ms();
        self.entry.begin_client(stream, &nonce, self.config, now);
        Ok(())
    }

    /// A client's handshake, to its end.
    pub(super) async fn client(
        &mut self,
        request: &AsyncRequest<'_>,
        mut on_response: impl FnMut(HeadPart<'_>),
    ) -> Result<(), ConnectError<T::Error>> {
        let Some(Tcp {
            socket,
            state: State::Client { handshake, .. },
        }) = &mut self.entry.tcp
        else {
            return Err(ConnectError::Handshake(ClientError::Eof));
        };
        let mut turns = Turns::NEW;
        // What was read already.
        let mut early = {
            let failed = loop {
                let count = handshake.fill(&request.request(), self.entry.lent);
                if count == 0 {
                    let flushed = match self.config.flush {
                        true => socket.flush().await,
                        false => Ok(()),
                    };
                    break flushed.map_err(ConnectError::Stack).err();
                }
                turns.take().await;
                let bytes = self.entry.lent.get(..count).unwrap_or_default();
                match socket.write(bytes).await {
                    Ok(0) => break Some(handshake.eof().into()),
                    Ok(count) => handshake.sent(count),
                    Err(error) => break Some(ConnectError::Stack(error)),
                }
            };
            match failed {
                None => 0,
                // A server that refuses may close before all of the request is there.
                Some(error) => {
                    let mut lent = Lent::new(self.entry.lent);
                    let buffer = lent.read_buffer();
                    // It waits for nothing: the error is not kept over an await.
                    match poll_once(at_once(pin!(socket.read(buffer)))) {
                        Poll::Ready(Some(Ok(count @ 1..))) => count,
                        _ => return Err(error),
                    }
                }
            }
        };
        let mut lent = Lent::new(self.entry.lent);
        let buffer = lent.read_buffer();
        loop {
            turns.take().await;
            let read = match take(&mut early) {
                0 => socket.read(buffer).await.map_err(ConnectError::Stack)?,
                count => count,
            };
            if read == 0 {
                return Err(handshake.eof().into());
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            let hash = &mut Hash(self.platform);
            let (taken, upgraded) =
                handshake.receive(&request.request(), hash, bytes, &mut on_response)?;
            if let Some(upgraded) = upgraded {
                let frames = taken..read;
                self.entry.opened(
                    ws_core::Role::Client,
                    self.config,
                    frames,
                    upgraded.subprotocol,
                );
                return Ok(());
            }
        }
    }

    /// Has a stream that buffers send what it holds back.
    async fn flush(&mut self) -> Result<(), T::Error> {
        match self.entry.socket_mut() {
            Some(stream) if self.config.flush => stream.flush().await,
            _ => Ok(()),
        }
    }

    /// The stream is there: a server's first request may begin.
    pub(super) fn begin_server(&mut self, stream: T) {
        let now = self.platform.clock().now_ms();
        self.entry.begin_server(stream, self.config, now);
    }

    /// Requests and answers, until one is the upgrade: then true. False where the connection ended
    /// otherwise: refused, lost, out of time, or its pages are out.
    pub(super) async fn server<'r>(
        &mut self,
        ws: WebSocketId,
        handler: &mut impl Handler<'r>,
    ) -> Result<bool, AcceptError<T::Error>> {
        let clock = self.platform.clock();
        let mut scratch = [0; SEND_SCRATCH];
        let answer_timeout = self.config.answer_timeout;
        let mut serving = Serving::begin(ws, handler);
        let mut turns = Turns::NEW;
        loop {
            turns.take().await;
            let now = clock.now_ms();
            let handler = &mut *serving.handler;
            let exchange = self.entry.exchange(self.config, now, ws, handler);
            let Some((stream, mut exchange, left)) = exchange else {
                break;
            };
            if exchange.is_reading() {
                let read = match exchange.read_buffer() {
                    Some(buffer) => {
                        let read = timed(&clock, left, pin!(stream.read(buffer))).await;
                        match read {
                            // The time is up, which the next round deals with.
                            None => continue,
                            Some(Ok(0)) => break,
                            Some(read) => read.map_err(AcceptError::Stack)?,
                        }
                    }
                    None => 0,
                };
                exchange.received(&mut Hash(self.platform), read);
                continue;
            }
            match exchange.output(&mut scratch) {
                Output::Bytes(bytes, part) => {
                    let written = timed(&clock, left, pin!(stream.write(bytes))).await;
                    match written {
                        None => continue,
                        Some(Ok(0)) => break,
                        Some(count) => {
                            let count = count.map_err(AcceptError::Stack)?;
                            exchange.sent(part, count, clock.now_ms(), self.config);
                        }
                    }
                }
                Output::Upgraded(subprotocol) => {
                    self.entry.upgraded(self.config, subprotocol);
                    let flush = pin!(self.flush());
                    match timed(&clock, answer_timeout, flush).await {
                        None => break,
                        Some(flushed) => flushed.map_err(AcceptError::Stack)?,
                    }
                    serving.over = true;
                    return Ok(true);
                }
                Output::Kept => {
                    self.entry
                        .next_request(self.config, now, ws, serving.handler);
                    let flush = pin!(self.flush());
                    match timed(&clock, answer_timeout, flush).await {
                        None => break,
                        Some(flushed) => flushed.map_err(AcceptError::Stack)?,
                    }
                }
                Output::Over => break,
            }
        }
        // The stream is dropped next, and with some what it has not sent.
        if let Some(stream) = self.entry.socket_mut() {
            let _ = timed(&clock, answer_timeout, pin!(stream.flush())).await;
        }
        Ok(false)
    }
}

/// A request that the handler has begun with: it hears of the end, also where the call is dropped.
struct Serving<'h, 'r, H: Handler<'r>> {
    ws: WebSocketId,
    handler: &'h mut H,
    /// Nothing is under way: a WebSocket came of it.
    over: bool,
    rules: PhantomData<fn() -> &'r ()>,
}

impl<'h, 'r, H: Handler<'r>> Serving<'h, 'r, H> {
    fn begin(ws: WebSocketId, handler: &'h mut H) -> Self {
        handler.begin(ws);
        Self {
            ws,
            handler,
            over: false,
            rules: PhantomData,
        }
    }
}

impl<'r, H: Handler<'r>> Drop for Serving<'_, 'r, H> {
    fn drop(&mut self) {
        if !self.over {
            self.handler.end(self.ws);
        }
    }
}

/// Runs `work` for at most `left` milliseconds.
fn timed<F: Future>(
    clock: &impl Clock,
    left: u32,
    work: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    within(clock, Timeout::Millis(left), work)
}
