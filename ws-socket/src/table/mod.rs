//! The table: ids, and the calls on them.

mod accept;
mod broadcast;
mod connect;
mod disconnect;
mod nal;
mod poll;
mod receive;
mod register;
mod send;
mod stream;

pub use accept::{Accepting, Polled};
pub use broadcast::{Progress, Recipient, SlowPolicy};
pub use disconnect::Disconnected;
pub use nal::StreamOptions;
pub use poll::{Events, PollItem};
pub use stream::Stream;

use core::marker::PhantomData;

use embedded_nal::{TcpClientStack, nb};
use ws_core::CloseCode;

use crate::error::HandleError;
use crate::session::{Context, Entry};
use crate::slots::{Direction, LocalSlots, SlotStore, Unavailable};
use crate::timeout::{Deadline, Waiting};
use crate::{Config, Platform, Timeout, WebSocketId};

/// `N` WebSockets over one stack, in one owner's hands: see [`Table`].
pub type WebSockets<'buf, S, P, const N: usize> =
    Table<'buf, S, P, LocalSlots<'buf, <S as TcpClientStack>::TcpSocket, N>>;

/// Is the socket in the table already? A function only of tables that ask, so that others do
/// without it.
type IsTaken<T, L> = fn(&mut L, &T) -> bool;

/// WebSockets over a TCP stack `S`, with a platform `P`; `L` is where their slots live: in the
/// table itself ([`WebSockets`]) or shared between tasks
/// (`SharedWebSockets`, feature `critical-section`).
///
/// The calls of Zephyr are methods here, and functions of the same names in the crate root. Each
/// blocks at most for its timeout; while it waits, the platform's [`wait`](Platform::wait) runs.
///
/// The table is an [`embedded_nal::TcpClientStack`] itself, whose socket is a WebSocket id: what
/// speaks to sockets runs over WebSockets by being given the table in place of the stack.
#[derive(Debug)]
pub struct Table<'buf, S, P, L>
where
    S: TcpClientStack,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    slots: L,
    context: Context<S, P>,
    stream: StreamOptions<'buf>,
    is_taken: Option<IsTaken<S::TcpSocket, L>>,
    /// The slot whose request is the next to have its turn.
    turn: usize,
    buffers: PhantomData<&'buf mut [u8]>,
}

impl<'buf, S, P, const N: usize> WebSockets<'buf, S, P, N>
where
    S: TcpClientStack,
    P: Platform<S>,
{
    /// A table of `N` slots, all free, with [`Config::DEFAULT`].
    pub fn new(stack: S, platform: P) -> Self {
        Self::over(LocalSlots::new(), stack, platform)
    }

    /// Lends a buffer to each slot, for all connections there that bring none of their own: see
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer).
    #[must_use]
    pub fn with_buffers(mut self, buffers: [&'buf mut [u8]; N]) -> Self {
        self.slots.0.lend(buffers);
        self
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    pub(crate) fn over(slots: L, stack: S, platform: P) -> Self {
        Self {
            slots,
            context: Context {
                stack,
                platform,
                config: Config::DEFAULT,
                unfinished: false,
                error: None,
            },
            stream: StreamOptions::new(),
            is_taken: None,
            turn: 0,
            buffers: PhantomData,
        }
    }

    /// Another configuration. It holds for connections that begin from here on.
    #[must_use]
    pub const fn with_config(mut self, config: Config) -> Self {
        self.context.config = config;
        self
    }

    /// What the socket face asks for when it connects, and what its frames are.
    #[must_use]
    pub const fn with_stream_options(mut self, options: StreamOptions<'buf>) -> Self {
        self.stream = options;
        self
    }

    /// Has [`register`](Self::register) and [`connect`](Self::connect) refuse a socket that is in
    /// the table already (`EEXIST`). Only where the stack's sockets are plain handles that can be
    /// copied can it be given twice.
    #[must_use]
    pub fn refusing_duplicates(mut self) -> Self
    where
        S::TcpSocket: PartialEq,
    {
        self.is_taken = Some(|slots, socket| {
            let wanted = |entry: &Entry<'buf, S::TcpSocket>| entry.socket() == Some(socket);
            find(slots, wanted).is_some()
        });
        self
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.context.config
    }

    /// The TCP stack: to poll it, to open and close sockets of one's own.
    pub const fn stack(&mut self) -> &mut S {
        &mut self.context.stack
    }

    /// The platform.
    pub const fn platform(&mut self) -> &mut P {
        &mut self.context.platform
    }

    /// The stack and the platform back. Connections that are open are dropped as they are:
    /// [`disconnect`](Self::disconnect) them before.
    pub fn into_parts(self) -> (S, P) {
        (self.context.stack, self.context.platform)
    }

    /// How many slots are taken: open connections, and handshakes and pages under way.
    pub fn in_use(&self) -> usize {
        self.ids_from(0).count()
    }

    /// The ids of the taken slots, from slot `first` on.
    fn ids_from(&self, first: usize) -> impl Iterator<Item = WebSocketId> {
        (first..)
            .map_while(|index| self.slots.taken(index).ok())
            .flatten()
    }

    /// Is this the id of an open connection? An id is that too when the peer has closed, until
    /// [`disconnect`](Self::disconnect).
    pub fn is_open(&mut self, ws: WebSocketId) -> bool {
        self.slots
            .with(ws, |entry| entry.endpoint().is_some())
            .unwrap_or(false)
    }

    /// The subprotocol agreed on, as its index in the list that was offered (client) or supported
    /// (server).
    ///
    /// # Errors
    /// An id that is none.
    pub fn subprotocol(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        self.look(ws, |entry| entry.subprotocol())
    }

    /// The code of the peer's Close, once it has been received.
    ///
    /// # Errors
    /// An id that is none.
    pub fn close_code(&mut self, ws: WebSocketId) -> Result<Option<CloseCode>, HandleError> {
        self.look(ws, |entry| {
            entry.endpoint().and_then(|endpoint| endpoint.peer_close())
        })
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    ///
    /// # Errors
    /// An id that is none.
    pub fn open_frame(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        self.look(ws, |entry| entry.open_frame())
    }

    /// Is a message of ours partly sent as fragments, so that the next data frame has to be a
    /// [`Continuation`](crate::Opcode::Continuation)?
    ///
    /// # Errors
    /// An id that is none.
    pub fn in_message(&mut self, ws: WebSocketId) -> Result<bool, HandleError> {
        self.look(ws, |entry| {
            entry
                .endpoint()
                .is_some_and(|endpoint| endpoint.connection().tx.in_message())
        })
    }

    /// Works with the TCP socket under a WebSocket: its addresses, its options. Not to receive or
    /// send by it, nor to close it.
    ///
    /// # Errors
    /// An id that is none.
    pub fn with_socket<R>(
        &mut self,
        ws: WebSocketId,
        work: impl FnOnce(&mut S, &S::TcpSocket) -> R,
    ) -> Result<Option<R>, HandleError> {
        let Self { slots, context, .. } = self;
        Ok(slots.with(ws, |entry| {
            entry
                .socket()
                .map(|socket| work(&mut context.stack, socket))
        })?)
    }

    fn look<R>(
        &mut self,
        ws: WebSocketId,
        look: impl FnOnce(&Entry<'buf, S::TcpSocket>) -> R,
    ) -> Result<R, HandleError> {
        Ok(self.slots.with(ws, |entry| look(entry))?)
    }

    /// Works on a slot with the stack and the platform.
    fn at<R>(
        &mut self,
        ws: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, S::TcpSocket>, &mut Context<S, P>) -> R,
    ) -> Result<R, Unavailable> {
        let Self { slots, context, .. } = self;
        slots.with(ws, |entry| work(entry, context))
    }

    /// One step on a slot. One that is checked out is as good as one that would block.
    fn step<T, E: From<HandleError>>(
        &mut self,
        ws: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, S::TcpSocket>, &mut Context<S, P>) -> nb::Result<T, E>,
    ) -> nb::Result<T, E> {
        match self.at(ws, work) {
            Ok(result) => result,
            Err(Unavailable::CheckedOut) => Err(nb::Error::WouldBlock),
            Err(Unavailable::Handle(error)) => Err(nb::Error::Other(error.into())),
        }
    }

    /// Puts something into a slot that was just taken, so that nobody else has its id.
    fn enter(
        &mut self,
        ws: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, S::TcpSocket>, &mut Context<S, P>),
    ) {
        let entered = self.at(ws, work);
        debug_assert!(entered.is_ok());
    }

    fn deadline(&mut self, timeout: Timeout) -> Deadline {
        Deadline::new(self.context.platform.now_ms(), timeout)
    }

    /// Repeats `step` until it does not block any more, at most until the deadline: then `None`.
    /// The stack gets its turn between, at least once.
    fn wait_for<T, E>(
        &mut self,
        deadline: Deadline,
        mut step: impl FnMut(&mut Self) -> nb::Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.wait_at_most(deadline, |table, _| step(table))
    }

    /// [`wait_for`](Self::wait_for) for a step that may lower how many milliseconds it has time
    /// until it has something to do without anything having happened.
    fn wait_at_most<T, E>(
        &mut self,
        deadline: Deadline,
        mut step: impl FnMut(&mut Self, &mut u32) -> nb::Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut waiting = Waiting::new(deadline);
        while self.context.again(&mut waiting) {
            match step(self, &mut waiting.at_most) {
                Ok(value) => return Ok(Some(value)),
                Err(nb::Error::Other(error)) => return Err(error),
                Err(nb::Error::WouldBlock) => {}
            }
        }
        Ok(None)
    }

    /// Repeats a step on a slot until it is done, at most until the deadline. The stack gets its turn
    /// between, at least once; so do others that have the slot.
    // Once for all calls, whatever they do; each keeps its outcome to itself.
    #[inline(always)]
    fn repeat(
        &mut self,
        ws: WebSocketId,
        deadline: Deadline,
        step: &mut impl FnMut(&mut Entry<'buf, S::TcpSocket>, &mut Context<S, P>) -> bool,
    ) -> Result<(), HandleError> {
        let Self { slots, context, .. } = self;
        let mut waiting = Waiting::new(deadline);
        while context.again(&mut waiting) {
            match slots.with(ws, |entry| step(entry, context)) {
                Ok(true) => break,
                Ok(false) | Err(Unavailable::CheckedOut) => {}
                Err(Unavailable::Handle(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Runs `work` with a direction of the connection claimed.
    fn claimed<T, E: From<HandleError>>(
        &mut self,
        ws: WebSocketId,
        direction: Direction,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.slots.claim(ws, direction)?;
        let result = work(self);
        self.slots.unclaim(ws, direction);
        result
    }

    /// Frees a slot and closes its socket.
    fn drop_connection(&mut self, ws: WebSocketId) -> Result<(), Unavailable> {
        let socket = self.slots.vacate(ws, Entry::vacate)?;
        self.close_socket(socket);
        Ok(())
    }

    fn close_socket(&mut self, socket: Option<S::TcpSocket>) {
        if let Some(socket) = socket {
            // Nothing is left to do with a socket that will not close.
            let _ = self.context.stack.close(socket);
        }
    }
}

/// The first slot that is as wanted.
fn find<'buf, L: SlotStore<'buf>>(
    slots: &mut L,
    mut wanted: impl FnMut(&Entry<'buf, L::Socket>) -> bool,
) -> Option<WebSocketId> {
    let mut index = 0;
    while let Ok(taken) = slots.taken(index) {
        index += 1;
        if let Some(ws) = taken
            && slots.with(ws, |entry| wanted(entry)) == Ok(true)
        {
            return Some(ws);
        }
    }
    None
}
