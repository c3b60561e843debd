//! A connection of the async calls, for what goes over it without waiting.

use super::{Host, Stream};
use crate::echo::Wire;
use crate::wire::{Alone, Line};
use async_channel::Receiver;
use async_io::{Timer, block_on};
use embassy_futures::poll_once;
use embassy_futures::select::{Either, select, select3};
use embedded_io_async::Write;
use futures_lite::future::yield_now;
use std::future::pending;
use std::io;
use std::task::Poll;
use std::time::Duration;
use ws_socket::asynch::WebSocket;
use ws_socket::{CloseCode, Opcode, ReceiveError, Received, SendError, Timeout};

type Ws<'buf> = WebSocket<'buf, Stream, Host>;

/// A WebSocket whose calls are polled once and dropped where they are not through: to wait for them
/// is for [`ready`](Self::ready).
pub(crate) struct Polled<'buf> {
    ws: Ws<'buf>,
    /// The last receive since the last wait found nothing.
    reading: bool,
    /// The last send since the last wait found no room.
    writing: bool,
    wakes: Receiver<()>,
}

impl<'buf> Polled<'buf> {
    /// `wakes` is for [`Alone::wait`].
    pub(crate) const fn new(ws: Ws<'buf>, wakes: Receiver<()>) -> Self {
        Self {
            ws,
            reading: false,
            writing: false,
            wakes,
        }
    }

    /// Waits until what found nothing, or no room, may go on.
    pub(crate) async fn ready(&mut self) {
        let (reading, writing) = (self.reading, self.writing);
        let handle = self.ws.stream().map(|stream| stream.handle());
        let writable = async {
            match &handle {
                // What is wrong with it, the next call says.
                Some(handle) if writing => drop(handle.writable().await),
                _ => pending().await,
            }
        };
        match (reading, writing) {
            (true, _) => match select(self.ws.readable(), writable).await {
                Either::First(()) | Either::Second(()) => {}
            },
            (false, true) => writable.await,
            (false, false) => yield_now().await,
        }
        (self.reading, self.writing) = (false, false);
    }
}

/// Waits for so long, or for ever.
async fn over(at_most: Option<Duration>) {
    match at_most {
        Some(time) => drop(Timer::after(time).await),
        None => pending().await,
    }
}

/// What a call comes to that does not wait.
fn at_once<T, E>(call: impl Future<Output = Result<T, E>>, late: E) -> Result<T, E> {
    match poll_once(call) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(late),
    }
}

impl Wire for Polled<'_> {
    type Error = io::Error;

    fn recv_msg(&mut self, buffer: &mut [u8]) -> Result<Received, ReceiveError<io::Error>> {
        let received = at_once(
            self.ws.recv_msg(buffer, Timeout::NoWait),
            ReceiveError::Timeout,
        );
        self.reading = matches!(received, Err(ReceiveError::Timeout));
        received
    }

    fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<io::Error>> {
        let send = self.ws.send_part(part, rest, opcode, fin, Timeout::NoWait);
        let sent = at_once(send, SendError::Timeout);
        self.writing = matches!(sent, Err(SendError::Timeout));
        sent
    }
}

impl Line for Polled<'_> {
    fn send_msg(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<io::Error>> {
        let send = self.ws.send_msg_mut(payload, opcode, fin, Timeout::NoWait);
        let sent = at_once(send, SendError::Timeout);
        self.writing = matches!(sent, Err(SendError::Timeout));
        sent
    }

    fn flush(&mut self) -> bool {
        self.writing = poll_once(self.ws.flush()).is_pending();
        !self.writing
    }

    fn frame_open(&mut self) -> bool {
        self.ws.open_frame().is_some()
    }

    fn is_blocked(&mut self) -> bool {
        self.reading || self.writing
    }

    fn disconnect(&mut self) -> bool {
        let ended = poll_once(self.ws.disconnect(Timeout::NoWait));
        matches!(ended, Poll::Ready(Ok(ended)) if ended.clean)
    }

    fn abort(&mut self) {
        // The stream is dropped with the WebSocket, which is over.
    }
}

impl Alone for Polled<'_> {
    fn wait(&mut self, at_most: Option<Duration>) {
        let wakes = self.wakes.clone();
        block_on(select3(self.ready(), over(at_most), wakes.recv()));
    }

    fn pause(&mut self, at_most: Option<Duration>) {
        let wakes = self.wakes.clone();
        self.reading = false;
        let writable = async {
            match self.writing {
                true => self.ready().await,
                false => pending().await,
            }
        };
        block_on(select3(writable, over(at_most), wakes.recv()));
    }

    fn send_within(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        within: Duration,
    ) -> Result<usize, SendError<io::Error>> {
        block_on(self.ws.send_msg_mut(payload, opcode, fin, within))
    }

    fn disconnect_within(&mut self, code: CloseCode, within: Duration) -> bool {
        let ended = block_on(self.ws.disconnect_with(code, "", within));
        log::debug!("disconnected: {ended:?}");
        ended.is_ok_and(|ended| ended.clean)
    }

    fn linger(&mut self, at_most: Duration) {
        block_on(self.ws.close_tcp(at_most));
    }
}
