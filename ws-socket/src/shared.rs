//! The table that tasks, threads and interrupts share.

use core::cell::RefCell;

use critical_section::Mutex;
use embedded_nal::TcpClientStack;

use crate::error::HandleError;
use crate::session::Entry;
use crate::slots::{Direction, SlotStore, Slots, Unavailable};
use crate::{Platform, Table, WebSocketId};

/// `N` slots that several tasks share, for a `static`: each [`attach`](Self::attach)es its own
/// handle of the TCP stack and works on the same WebSockets, with the same calls.
///
/// A slot is checked out of the table for the length of one attempt on the stack and checked in
/// again before anything waits. Interrupts are masked only for checking out and in: a move of a
/// slot, independent of the length of messages and of any wait. The stack's calls run outside.
///
/// One task may send on a connection while another receives on it. A second one in the same
/// direction is `Busy`. Meeting the other direction's attempt on the stack is like a stack that
/// would block: the call goes on after the platform's [`wait`](Platform::wait).
///
/// # Examples
///
/// ```
/// use ws_socket::SharedWebSockets;
///
/// // `u8` stands for the socket handle of the stack.
/// static TABLE: SharedWebSockets<'static, u8, 4> = SharedWebSockets::new();
/// # let _ = &TABLE;
/// ```
#[derive(Debug)]
pub struct SharedWebSockets<'buf, T, const N: usize> {
    slots: Mutex<RefCell<Slots<'buf, T, N>>>,
}

impl<T, const N: usize> Default for SharedWebSockets<'_, T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'buf, T, const N: usize> SharedWebSockets<'buf, T, N> {
    /// `N` free slots.
    pub const fn new() -> Self {
        Self {
            slots: Mutex::new(RefCell::new(Slots::new())),
        }
    }

    /// Lends a buffer to each slot: see
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer). To be done before there are
    /// connections: one that is open keeps what it has.
    pub fn lend(&self, buffers: [&'buf mut [u8]; N]) {
        self.lock(|slots| slots.lend(buffers));
    }

    /// The table for one task, with its own handle of the stack and its own platform.
    pub fn attach<S, P>(&self, stack: S, platform: P) -> Table<'buf, S, P, &Self>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        Table::over(self, stack, platform)
    }

    /// `None` would be within another's `work`, which never comes back here. Not a panic, so that
    /// a firmware has none.
    fn lock<R>(&self, work: impl FnOnce(&mut Slots<'buf, T, N>) -> R) -> Option<R> {
        critical_section::with(|token| {
            let mut slots = self.slots.borrow(token).try_borrow_mut().ok()?;
            Some(work(&mut slots))
        })
    }
}

impl<'buf, T, const N: usize> SlotStore<'buf> for &SharedWebSockets<'buf, T, N> {
    type Socket = T;

    const SHARED: bool = true;

    fn take_free(&mut self, with_buffer: bool) -> Option<WebSocketId> {
        self.lock(|slots| slots.take_free(with_buffer)).flatten()
    }

    fn with<R>(
        &mut self,
        id: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        let mut entry = None;
        let checked_out = self.lock(|slots| slots.check_out(id, &mut entry));
        checked_out.unwrap_or(Err(Unavailable::CheckedOut))?;
        let result = entry.as_mut().map(work).ok_or(Unavailable::CheckedOut);
        self.lock(|slots| slots.check_in(id, &mut entry));
        result
    }

    fn vacate<R>(
        &mut self,
        id: WebSocketId,
        last: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        match self.lock(|slots| slots.vacate(id, last)) {
            None | Some(Err(HandleError::Busy)) => Err(Unavailable::CheckedOut),
            Some(vacated) => vacated.map_err(Unavailable::Handle),
        }
    }

    fn claim(&mut self, id: WebSocketId, direction: Direction) -> Result<(), HandleError> {
        self.lock(|slots| slots.claim(id, direction))
            .unwrap_or(Err(HandleError::Busy))
    }

    fn unclaim(&mut self, id: WebSocketId, direction: Direction) {
        self.lock(|slots| slots.unclaim(id, direction));
    }

    fn taken(&self, index: usize) -> Result<Option<WebSocketId>, HandleError> {
        self.lock(|slots| slots.taken(index)).unwrap_or(Ok(None))
    }
}
