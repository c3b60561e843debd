//! The table: ids, and the calls on them.

mod accept;
mod broadcast;
mod connect;
mod dial;
mod disconnect;
mod nal;
mod poll;
mod receive;
mod register;
mod send;
mod stream;

pub use accept::{Accepting, Polled};
pub use broadcast::{Progress, Recipient, SlowPolicy};
#[cfg(feature = "async")]
pub(crate) use connect::number;
#[cfg(feature = "async")]
pub(crate) use dial::{HEAD_START, LONG};
pub use disconnect::Disconnected;
#[cfg(feature = "async")]
pub(crate) use disconnect::check_code;
pub use nal::StreamOptions;
pub use poll::{Events, PollItem};
pub use stream::Stream;

use core::marker::PhantomData;

use embedded_nal::{TcpClientStack, nb};
use ws_core::{CloseCode, Job};

use crate::error::HandleError;
use crate::session::{Context, Driven, Entry};
use crate::slots::{Direction, LocalSlots, SlotStore, Unavailable};
use crate::timeout::Deadline;
use crate::{Buffer, Config, Platform, WebSocketId};

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
    pub fn with_buffers<B: Into<Buffer<'buf>>>(mut self, buffers: [B; N]) -> Self {
        self.slots.0.lend(buffers);
        self
    }

    #[doc(hidden)]
    /// Has the ids of free slots begin with this generation, for tests.
    pub fn begin_at(&mut self, generation: u32) {
        self.slots.0.begin_at(generation);
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
            context: Context::new(stack, platform),
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

    /// The slot of a connection, 0 to N - 1: [`WebSocketId::slot`], also of an id that was made of a
    /// number.
    ///
    /// # Errors
    /// An invalid id.
    pub fn slot(&mut self, ws: WebSocketId) -> Result<usize, HandleError> {
        self.look(ws, |_| L::index(ws))
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
    /// An invalid id.
    pub fn subprotocol(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        self.look(ws, |entry| entry.subprotocol())
    }

    /// The code of the peer's Close, once it has been received.
    ///
    /// # Errors
    /// An invalid id.
    pub fn close_code(&mut self, ws: WebSocketId) -> Result<Option<CloseCode>, HandleError> {
        self.look(ws, |entry| {
            entry.endpoint().and_then(|endpoint| endpoint.peer_close())
        })
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    ///
    /// # Errors
    /// An invalid id.
    pub fn open_frame(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        self.look(ws, |entry| entry.open_frame())
    }

    /// Is a message of ours partly sent as fragments, so that the next data frame has to be a
    /// [`Continuation`](crate::Opcode::Continuation)?
    ///
    /// # Errors
    /// An invalid id.
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
    /// An invalid id.
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

    /// Repeats `step` until it does not block any more, at most until the deadline: then `None`.
    /// The stack gets its turn between, at least once.
    fn wait_for<T, E>(
        &mut self,
        deadline: &mut Deadline,
        mut step: impl FnMut(&mut Self) -> nb::Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.context.blocked = 0;
        loop {
            match step(self) {
                Ok(value) => return Ok(Some(value)),
                Err(nb::Error::Other(error)) => return Err(error),
                Err(nb::Error::WouldBlock) => {}
            }
            if !self.context.wait(deadline, None) {
                return Ok(None);
            }
        }
    }

    /// Repeats a step on a slot until it is done, at most until the deadline. The stack gets its turn
    /// between, at least once; so do others that have the slot.
    // Once for all calls, whatever they do; each keeps its outcome to itself.
    #[inline(always)]
    fn repeat(
        &mut self,
        ws: WebSocketId,
        deadline: &mut Deadline,
        step: &mut impl FnMut(&mut Entry<'buf, S::TcpSocket>, &mut Context<S, P>) -> bool,
    ) -> Result<(), HandleError> {
        let Self { slots, context, .. } = self;
        context.blocked = 0;
        loop {
            match slots.with(ws, |entry| step(entry, context)) {
                Ok(true) => return Ok(()),
                Ok(false) | Err(Unavailable::CheckedOut) => {}
                Err(Unavailable::Handle(error)) => return Err(error),
            }
            if !wait_on(slots, context, ws, deadline) {
                return Ok(());
            }
        }
    }

    /// Has a job done, at most until the deadline. The stack gets its turn between, at least once; so
    /// do others that have the slot: `None` where they had it all the while. What the stack failed with
    /// is in [`Context::error`].
    // Once for all calls on an open connection.
    #[inline(never)]
    fn run(
        &mut self,
        ws: WebSocketId,
        deadline: &mut Deadline,
        job: &mut dyn Job,
    ) -> Result<Option<Driven>, HandleError> {
        let Self { slots, context, .. } = self;
        (context.error, context.blocked) = (None, 0);
        let mut driven = None;
        let mut begun = false;
        loop {
            let go_on = |entry: &mut Entry<'buf, S::TcpSocket>| {
                if !begun && let Some(endpoint) = entry.endpoint_mut() {
                    endpoint.begin_turn(false);
                }
                begun = true;
                entry.drive(context, job)
            };
            match slots.with(ws, go_on) {
                Ok(Driven::Blocked) => driven = Some(Driven::Blocked),
                Ok(end) => return Ok(Some(end)),
                Err(Unavailable::CheckedOut) => {}
                Err(Unavailable::Handle(error)) => return Err(error),
            }
            if !wait_on(slots, context, ws, deadline) {
                return Ok(driven);
            }
        }
    }

    /// Goes on with a job as far as it goes without waiting. A slot that is checked out is as good as
    /// a wire that blocks.
    fn run_once(&mut self, ws: WebSocketId, job: &mut dyn Job) -> Result<Driven, HandleError> {
        self.context.error = None;
        let run = |entry: &mut Entry<'buf, S::TcpSocket>, context: &mut Context<S, P>| {
            if let Some(endpoint) = entry.endpoint_mut() {
                endpoint.begin_turn(false);
            }
            entry.drive(context, job)
        };
        match self.at(ws, run) {
            Ok(driven) => Ok(driven),
            Err(Unavailable::CheckedOut) => Ok(Driven::Blocked),
            Err(Unavailable::Handle(error)) => Err(error),
        }
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

/// [`Context::wait`] for a connection. A slot that others use meanwhile is not checked out for so long.
#[inline(never)]
fn wait_on<'buf, S, P, L>(
    slots: &mut L,
    context: &mut Context<S, P>,
    ws: WebSocketId,
    deadline: &mut Deadline,
) -> bool
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    if L::SHARED {
        return context.wait(deadline, None);
    }
    slots
        .with(ws, |entry| context.wait(deadline, entry.socket()))
        .unwrap_or(false)
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
