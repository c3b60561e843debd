//! One WebSocket in two tasks: a receiving and a sending half.

use core::cell::RefCell;
use core::future::pending;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::Mutex as Cell;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::Mutex;
use embedded_io_async::{Read, Write};
use ws_core::{
    CloseCode, Endpoint, Face, Lent, MAX_CONTROL_PAYLOAD, Next, Opcode, Piece, ReadInto, SCRATCH,
    write_close,
};

use super::keepalive::Alive;
use super::link::key;
use super::receive::MAX_READS;
use super::send::written;
use super::wait::{at_most, within};
use super::{Clock, Platform, WebSocket};
use crate::error::{ReceiveError, SendError};
use crate::message::Received;
use crate::session::{CONTROL_SCRATCH, Open, Outgoing, Payload, SEND_SCRATCH, Sending};
use crate::{Config, Timeout};

/// A WebSocket whose stream is split, so that one task can receive while another sends:
/// [`WebSocket::halves`].
///
/// `M` is a mutex of embassy-sync: `NoopRawMutex` for two tasks of one executor,
/// `CriticalSectionRawMutex` for tasks that interrupt each other or run in different threads.
///
/// While these halves exist, the WebSocket itself is borrowed. Afterwards it goes on as one, to
/// [`disconnect`](WebSocket::disconnect) for example.
pub struct Halves<'s, M: RawMutex, R, W, P> {
    reader: R,
    /// What is read into.
    lent: &'s mut [u8],
    common: Common<'s, M, W, P>,
}

/// What both halves work with.
struct Common<'s, M: RawMutex, W, P> {
    state: Cell<M, RefCell<State<'s, P>>>,
    /// Who writes holds it for a whole frame.
    wire: Mutex<M, W>,
    config: &'s Config,
    masks: bool,
}

struct State<'s, P> {
    endpoint: &'s mut Endpoint,
    reserve: &'s mut [u8],
    alive: &'s mut Alive,
    platform: &'s mut P,
}

/// The half that receives. Pings are answered, and the peer's Close, while it waits, and by the
/// other half between its frames.
pub struct Receiver<'h, 's, M: RawMutex, R, W, P> {
    reader: &'h mut R,
    lent: &'h mut [u8],
    common: &'h Common<'s, M, W, P>,
}

/// The half that sends.
pub struct Sender<'h, 's, M: RawMutex, W, P> {
    common: &'h Common<'s, M, W, P>,
}

impl<T: Read + Write, P: Platform> WebSocket<'_, T, P> {
    /// Splits the stream by `split` (a TCP socket has a method for it) for two tasks. `None` where
    /// the WebSocket is not open.
    pub fn halves<'s, M: RawMutex, R, W>(
        &'s mut self,
        split: impl FnOnce(&'s mut T) -> (R, W),
    ) -> Option<Halves<'s, M, R, W, P>> {
        let Open {
            socket,
            endpoint,
            lent,
        } = self.entry.open()?;
        let (lent, reserve) = lent.into_parts();
        let masks = endpoint.connection().tx.masks();
        let (reader, writer) = split(socket);
        let state = State {
            endpoint,
            reserve,
            alive: &mut self.alive,
            platform: &mut self.platform,
        };
        Some(Halves {
            reader,
            lent,
            common: Common {
                state: Cell::new(RefCell::new(state)),
                wire: Mutex::new(writer),
                config: &self.config,
                masks,
            },
        })
    }
}

impl<'s, M: RawMutex, R, W, P> Halves<'s, M, R, W, P> {
    /// The two halves.
    #[allow(clippy::type_complexity)] // two types of this module
    pub fn split(&mut self) -> (Receiver<'_, 's, M, R, W, P>, Sender<'_, 's, M, W, P>) {
        let common = &self.common;
        let receiver = Receiver {
            reader: &mut self.reader,
            lent: self.lent,
            common,
        };
        (receiver, Sender { common })
    }
}

impl<'s, M: RawMutex, W: Write, P: Platform> Common<'s, M, W, P> {
    /// Works on the state; never across an await.
    fn with<Y>(&self, work: impl FnOnce(&mut State<'s, P>) -> Y) -> Y {
        self.state.lock(|state| work(&mut state.borrow_mut()))
    }

    fn clock(&self) -> P::Clock {
        self.with(|state| state.platform.clock())
    }

    /// Writes the control frames that are due.
    async fn flush_control(&self, wire: &mut W) -> Result<(), SendError<W::Error>> {
        loop {
            let mut scratch = [0; CONTROL_SCRATCH];
            let count = self.with(|state| {
                let lent = Lent::from_parts(&mut [], state.reserve);
                let platform = &mut *state.platform;
                state
                    .endpoint
                    .control(&lent, || key(platform), &mut scratch)
            });
            if count == 0 {
                return self.flush(wire).await.map_err(SendError::Stack);
            }
            let sent = wire.write(scratch.get(..count).unwrap_or_default()).await;
            let count = *sent.as_ref().unwrap_or(&0);
            let clock = self.clock();
            self.with(|state| {
                let pinging = state.endpoint.ping_due();
                state.endpoint.control_sent(count);
                state.alive.unflushed |= count > 0;
                if pinging && !state.endpoint.ping_due() {
                    state.alive.ping_sent(clock.now_ms());
                }
            });
            written(sent)?;
        }
    }

    /// The peer was not heard for as long as it may be silent.
    fn late<E: core::fmt::Debug>(&self) -> Result<(), ReceiveError<E>> {
        let now = self.clock().now_ms();
        let late = self.with(|state| state.alive.is_late(state.endpoint, now));
        late.map_err(|_| ReceiveError::NoPong)
    }

    async fn flush(&self, wire: &mut W) -> Result<(), W::Error> {
        if !self.with(|state| state.alive.unflushed) {
            return Ok(());
        }
        let flushed = if self.config.flush {
            wire.flush().await
        } else {
            Ok(())
        };
        self.with(|state| state.alive.unflushed = false);
        flushed
    }
}

impl<M: RawMutex, R, W, P> Receiver<'_, '_, M, R, W, P>
where
    R: Read,
    W: Write<Error = R::Error>,
    P: Platform,
{
    /// Receives a piece of a message: see [`WebSocket::recv_msg`], also for what a drop means.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<R::Error>> {
        let clock = self.common.clock();
        let piece = self.receive(Face::Messages, buffer);
        let piece = within(&clock, timeout.into(), piece).await;
        Ok(piece.ok_or(ReceiveError::Timeout)??.into())
    }

    /// Receives what a socket would: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, ReceiveError<R::Error>> {
        let clock = self.common.clock();
        let received = async {
            let mut empty = 0;
            while !buffer.is_empty() {
                let piece = self.receive(Face::Stream, buffer).await?;
                if piece.length > 0 {
                    return Ok(piece.length);
                }
                empty += 1;
                if empty % MAX_READS == 0 {
                    yield_now().await;
                }
            }
            Ok(0)
        };
        let received = within(&clock, timeout.into(), received).await;
        received.ok_or(ReceiveError::Timeout)?
    }

    async fn receive(
        &mut self,
        face: Face,
        out: &mut [u8],
    ) -> Result<Piece, ReceiveError<R::Error>> {
        let Self {
            reader,
            lent,
            common,
        } = self;
        let mut scratch = [0; SCRATCH];
        // The other half writes; or the wire has failed, which shows in the next read.
        let (mut busy, mut failed) = (false, false);
        let clock = common.clock();
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds % MAX_READS == 0 {
                yield_now().await;
            }
            let left = common.with(|state| state.alive.left(common.config, clock.now_ms()));
            let blocked = busy || failed;
            let next = common.with(|state| {
                let mut lent = Lent::from_parts(lent, state.reserve);
                let endpoint = &mut *state.endpoint;
                match endpoint.advance(&mut lent, face, out.len(), blocked) {
                    Next::Ready => match endpoint.take(&mut lent, out) {
                        Ok(Some(piece)) => Step::Done(Ok(piece)),
                        Ok(None) => Step::Done(Err(ReceiveError::NotConnected)),
                        Err(error) => Step::Done(Err(error.into())),
                    },
                    Next::Ended => Step::Done(Err(ReceiveError::ended(endpoint))),
                    Next::Write => Step::Write,
                    Next::Blocked => Step::Blocked,
                    Next::Read => Step::Read(endpoint.read_into(&lent, face, out.len())),
                }
            });
            let into = match next {
                Step::Done(result) => return result,
                Step::Write => {
                    match common.wire.try_lock() {
                        Ok(mut wire) => {
                            let flushed = common.flush_control(&mut wire);
                            match at_most(&clock, left, flushed).await {
                                Some(flushed) => failed = flushed.is_err(),
                                None => common.late()?,
                            }
                        }
                        Err(_) => busy = true,
                    }
                    continue;
                }
                Step::Blocked if failed => return Err(ReceiveError::Lost),
                Step::Blocked => {
                    let Some(_wire) = at_most(&clock, left, common.wire.lock()).await else {
                        common.late()?;
                        continue;
                    };
                    busy = false;
                    // Its holder has gone and left it so.
                    if common.with(|state| state.endpoint.frame_open()) {
                        return Err(ReceiveError::FrameOpen);
                    }
                    continue;
                }
                Step::Read(into) => into,
            };
            let read = reader.read(into.buffer(lent, out, &mut scratch));
            let wire = async {
                match busy {
                    true => common.wire.lock().await,
                    false => pending().await,
                }
            };
            let read = match at_most(&clock, left, select(read, wire)).await {
                Some(Either::First(read)) => read,
                // What is due goes out in the next round.
                Some(Either::Second(_)) => {
                    busy = false;
                    continue;
                }
                None => {
                    common.late()?;
                    continue;
                }
            };
            let piece = common.with(|state| match read {
                Ok(count) => {
                    state.alive.heard(clock.now_ms());
                    if count == 0 {
                        state.endpoint.eof();
                        return Ok(None);
                    }
                    let mut lent = Lent::from_parts(lent, state.reserve);
                    let endpoint = &mut *state.endpoint;
                    Ok(endpoint.received(&mut lent, face, out, &mut scratch, count)?)
                }
                Err(error) => {
                    state.endpoint.eof();
                    Err(ReceiveError::Stack(error))
                }
            });
            if let Some(piece) = piece? {
                return Ok(piece);
            }
        }
    }
}

/// What a receive does next.
enum Step<E: core::fmt::Debug> {
    Done(Result<Piece, ReceiveError<E>>),
    Write,
    Blocked,
    Read(ReadInto),
}

impl<M: RawMutex, W: Write, P: Platform> Sender<'_, '_, M, W, P> {
    /// Sends one frame: see [`WebSocket::send_msg`], also for what a drop means.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_msg(
        &mut self,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::whole(opcode, fin, None).on_messages(self.common.masks);
        let payload = Payload::Keep(payload);
        self.send_frame(frame, payload, timeout.into()).await
    }

    /// [`send_msg`](Self::send_msg) without a copy: see [`WebSocket::send_msg_mut`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_msg_mut(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::whole(opcode, fin, None).on_messages(self.common.masks);
        let payload = Payload::Mask(payload);
        self.send_frame(frame, payload, timeout.into()).await
    }

    /// Sends a part of a frame whose payload is not all at hand: see [`WebSocket::send_part`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::part(opcode, fin, rest, part)?.on_messages(self.common.masks);
        let payload = Payload::Keep(part);
        self.send_frame(frame, payload, timeout.into()).await
    }

    /// Begins the closing handshake: sends a Close with `code` and `reason` (the first 123 bytes of
    /// it). The other half then receives until [`ReceiveError::Closed`], and after that
    /// [`WebSocket::disconnect`] has no more to wait for than TCP.
    ///
    /// # Errors
    /// [`SendError::NotConnected`] where a Close has been sent already.
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<(), SendError<W::Error>> {
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let payload = write_close(code, reason, &mut payload);
        let frame = Outgoing::whole(Opcode::Close, true, None);
        let payload = Payload::Keep(payload.unwrap_or_default());
        let sent = self.send_frame(frame, payload, timeout.into()).await;
        sent.map(|_| ())
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    pub fn open_frame(&self) -> Option<usize> {
        self.common.with(|state| {
            let unsaid = state.alive.unsaid.map(|_| 0);
            let open = state.endpoint.frame_open();
            open.then(|| state.endpoint.connection().tx.remaining())
                .or(unsaid)
        })
    }

    /// Is a message of ours partly sent as fragments?
    pub fn in_message(&self) -> bool {
        let look = |state: &mut State<'_, P>| state.endpoint.connection().tx.in_message();
        self.common.with(look)
    }

    async fn send_frame(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        timeout: Timeout,
    ) -> Result<usize, SendError<W::Error>> {
        let clock = self.common.clock();
        let mut taken = 0;
        match within(&clock, timeout, self.send(frame, payload, &mut taken)).await {
            Some(sent) => sent.map(|()| taken),
            // All of an empty frame may be out.
            None => match self.common.with(|state| state.alive.unsaid.take()) {
                None if taken == 0 => Err(SendError::Timeout),
                _ => Ok(taken),
            },
        }
    }

    async fn send(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        taken: &mut usize,
    ) -> Result<(), SendError<W::Error>> {
        let common = self.common;
        common.with(|state| frame.check(state.endpoint))?;
        let mut wire = common.wire.lock().await;
        // What a call before has sent without saying so only has to be flushed.
        let unsaid = common.with(|state| state.alive.unsaid.take());
        if !(payload.is_empty() && unsaid == Some((frame.opcode, frame.fin))) {
            self.send_bytes(&mut wire, frame, payload, taken).await?;
        }
        common.with(|state| {
            let out = !state.endpoint.frame_open();
            state.alive.unsaid = out.then_some((frame.opcode, frame.fin));
        });
        // And what the other half has had to wait with.
        let flushed = common.flush_control(&mut wire).await;
        common.with(|state| state.alive.unsaid = None);
        flushed
    }

    async fn send_bytes(
        &mut self,
        wire: &mut W,
        frame: Outgoing,
        payload: Payload<'_>,
        taken: &mut usize,
    ) -> Result<(), SendError<W::Error>> {
        let common = self.common;
        common.flush_control(wire).await?;
        let sending = common.with(|state| {
            let platform = &mut *state.platform;
            Sending::begin(state.endpoint, frame, payload, || key(platform))
        })?;
        let mut attempt = Attempt { common, sending };
        let mut scratch = [0; SEND_SCRATCH];
        loop {
            let Attempt { sending, .. } = &mut attempt;
            let bytes = common.with(|state| sending.bytes(state.endpoint, &mut scratch));
            if bytes.is_empty() {
                break;
            }
            let count = written(wire.write(bytes).await)?;
            common.with(|state| {
                state.alive.unflushed = true;
                sending.sent(state.endpoint, count);
            });
            *taken = sending.taken();
        }
        Ok(())
    }
}

/// A frame that is being sent; dropped before a byte of it is out, it is taken back.
struct Attempt<'h, 's, 'p, M: RawMutex, W: Write, P: Platform> {
    common: &'h Common<'s, M, W, P>,
    sending: Sending<'p>,
}

impl<M: RawMutex, W: Write, P: Platform> Drop for Attempt<'_, '_, '_, M, W, P> {
    fn drop(&mut self) {
        let Self { common, sending } = self;
        let _ = common.with(|state| sending.end(state.endpoint));
    }
}

impl<M: RawMutex, R, W, P> core::fmt::Debug for Halves<'_, M, R, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Halves").finish_non_exhaustive()
    }
}

impl<M: RawMutex, R, W, P> core::fmt::Debug for Receiver<'_, '_, M, R, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<M: RawMutex, W, P> core::fmt::Debug for Sender<'_, '_, M, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
