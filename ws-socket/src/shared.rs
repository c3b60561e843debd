//! The table that tasks, threads and interrupts share.

use core::cell::RefCell;

use critical_section::Mutex;
use embedded_nal::TcpClientStack;

use crate::error::HandleError;
use crate::session::Entry;
use crate::slots::{Direction, SlotStore, Slots, Unavailable};
use crate::{Buffer, Platform, Table, WebSocketId};

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
    inner: Mutex<RefCell<Inner<'buf, T, N>>>,
}

#[derive(Debug)]
struct Inner<'buf, T, const N: usize> {
    slots: Slots<'buf, T, N>,
    /// The directions in which somebody is in each slot.
    claims: [u8; N],
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
            inner: Mutex::new(RefCell::new(Inner {
                slots: Slots::new(),
                claims: [0; N],
            })),
        }
    }

    /// Lends a buffer to each slot: see
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer). To be done before there are
    /// connections: one that is open keeps what it has.
    pub fn lend<B: Into<Buffer<'buf>>>(&self, buffers: [B; N]) {
        self.lock(|inner| inner.slots.lend(buffers));
    }

    #[doc(hidden)]
    /// Has the ids of free slots begin with this generation, for tests.
    pub fn begin_at(&self, generation: u32) {
        self.lock(|inner| inner.slots.begin_at(generation));
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
    fn lock<R>(&self, work: impl FnOnce(&mut Inner<'buf, T, N>) -> R) -> Option<R> {
        critical_section::with(|token| {
            let mut inner = self.inner.borrow(token).try_borrow_mut().ok()?;
            Some(work(&mut inner))
        })
    }
}

impl<'buf, T, const N: usize> SlotStore<'buf> for &SharedWebSockets<'buf, T, N> {
    type Socket = T;

    const SHARED: bool = true;

    fn index(id: WebSocketId) -> usize {
        Slots::<T, N>::index(id)
    }

    fn take_free(&mut self, with_buffer: bool) -> Option<WebSocketId> {
        self.lock(|inner| {
            let id = inner.slots.take_free(with_buffer)?;
            if let Some(claims) = inner.claims.get_mut(Self::index(id)) {
                *claims = 0;
            }
            Some(id)
        })
        .flatten()
    }

    fn vacancy(&self) -> Option<bool> {
        self.lock(|inner| inner.slots.vacancy()).flatten()
    }

    fn with<R>(
        &mut self,
        id: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        let mut entry = None;
        let checked_out = self.lock(|inner| inner.slots.check_out(id, &mut entry));
        checked_out.unwrap_or(Err(Unavailable::CheckedOut))?;
        let result = entry.as_mut().map(work).ok_or(Unavailable::CheckedOut);
        self.lock(|inner| inner.slots.check_in(id, &mut entry));
        result
    }

    fn vacate<R>(
        &mut self,
        id: WebSocketId,
        last: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        match self.lock(|inner| inner.slots.vacate(id, last)) {
            None | Some(Err(HandleError::Busy)) => Err(Unavailable::CheckedOut),
            Some(vacated) => vacated.map_err(Unavailable::Handle),
        }
    }

    fn claim(&mut self, id: WebSocketId, direction: Direction) -> Result<(), HandleError> {
        let claimed = self.lock(|inner| {
            inner.slots.check(id)?;
            match inner.claims.get_mut(Self::index(id)) {
                Some(claims) if *claims & direction as u8 == 0 => {
                    *claims |= direction as u8;
                    Ok(())
                }
                _ => Err(HandleError::Busy),
            }
        });
        claimed.unwrap_or(Err(HandleError::Busy))
    }

    fn unclaim(&mut self, id: WebSocketId, direction: Direction) {
        self.lock(|inner| {
            if let (Ok(()), Some(claims)) =
                (inner.slots.check(id), inner.claims.get_mut(Self::index(id)))
            {
                *claims &= !(direction as u8);
            }
        });
    }

    fn taken(&self, index: usize) -> Result<Option<WebSocketId>, HandleError> {
        self.lock(|inner| inner.slots.taken(index))
            .unwrap_or(Ok(None))
    }
}
