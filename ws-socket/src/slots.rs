//! The slots of a table: where they live, and who may touch them.

use embedded_nal::nb;

use crate::error::HandleError;
use crate::session::Entry;
use crate::{Buffer, WebSocketId};

/// A direction of a connection: one task may be in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Receive = 1,
    Send = 2,
}

/// Why a slot cannot be worked with right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    Handle(HandleError),
    /// It is checked out for the moment: as if it would block.
    CheckedOut,
}

impl From<Unavailable> for nb::Error<HandleError> {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Handle(error) => Self::Other(error),
            Unavailable::CheckedOut => Self::WouldBlock,
        }
    }
}

impl From<Unavailable> for HandleError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Handle(error) => error,
            Unavailable::CheckedOut => Self::Busy,
        }
    }
}

/// Where slots live: in the table itself, or shared. It is a bound for what is generic over both,
/// and not for others to implement or call: what it speaks of has no name outside of this crate.
pub trait SlotStore<'buf> {
    /// The TCP stack's socket.
    type Socket;

    #[doc(hidden)]
    /// May a slot be checked out by somebody else?
    const SHARED: bool;

    #[doc(hidden)]
    /// The slot in an id, whatever else is right with it.
    fn index(id: WebSocketId) -> usize;

    #[doc(hidden)]
    /// Takes a free slot, preferably with a lent buffer or preferably without.
    fn take_free(&mut self, with_buffer: bool) -> Option<WebSocketId>;

    #[doc(hidden)]
    /// Has a slot that is free a lent buffer? `None` where none is free.
    fn vacancy(&self) -> Option<bool>;

    #[doc(hidden)]
    /// Works on a slot.
    fn with<R>(
        &mut self,
        id: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, Self::Socket>) -> R,
    ) -> Result<R, Unavailable>;

    #[doc(hidden)]
    /// Works on a slot for the last time, to [empty](Entry::vacate) it, and gives it back: its id is
    /// stale from here on. All at once, so that nobody has the slot in between.
    fn vacate<R>(
        &mut self,
        id: WebSocketId,
        last: impl FnOnce(&mut Entry<'buf, Self::Socket>) -> R,
    ) -> Result<R, Unavailable>;

    #[doc(hidden)]
    /// Claims a direction for the length of a call.
    fn claim(&mut self, id: WebSocketId, direction: Direction) -> Result<(), HandleError>;

    #[doc(hidden)]
    /// Ends a claim; nothing happens where the connection is gone.
    fn unclaim(&mut self, id: WebSocketId, direction: Direction);

    #[doc(hidden)]
    /// The id in slot `index` if it is taken; an error beyond the last slot.
    fn taken(&self, index: usize) -> Result<Option<WebSocketId>, HandleError>;
}

/// One slot.
#[derive(Debug)]
pub(crate) struct Slot<'buf, T> {
    /// The generation, where it stands in an id, and [`FREE`].
    tag: u32,
    /// `None` while it is checked out.
    entry: Option<Entry<'buf, T>>,
}

/// The slot is free; its generation is that of the next id. No id has this bit.
const FREE: u32 = 1 << 31;

impl<'buf, T> Slot<'buf, T> {
    const fn new() -> Self {
        Self {
            tag: FREE,
            entry: Some(Entry::new()),
        }
    }

    const fn is_taken(&self) -> bool {
        self.tag & FREE == 0
    }

    fn id(&self, index: usize) -> Option<WebSocketId> {
        let slot = u32::try_from(index).ok()?;
        self.is_taken().then(|| WebSocketId::new(self.tag, slot))
    }
}

/// An array of slots: what both stores have in common.
#[derive(Debug)]
pub(crate) struct Slots<'buf, T, const N: usize>([Slot<'buf, T>; N]);

impl<'buf, T, const N: usize> Slots<'buf, T, N> {
    const FITS: () = assert!(N <= 1 << 16, "a table has at most 65,536 slots");

    /// One generation, above the bits that a slot takes.
    const STEP: u32 = if N < 2 {
        1
    } else {
        1 << (usize::BITS - (N - 1).leading_zeros())
    };

    #[cfg(any(feature = "critical-section", feature = "async"))]
    pub(crate) const fn new() -> Self {
        let () = Self::FITS;
        Self([const { Slot::new() }; N])
    }

    /// [`new`](Self::new) written field by field, without an image of a slot in flash.
    fn fresh() -> Self {
        let () = Self::FITS;
        Self(core::array::from_fn(|_| Slot::new()))
    }

    /// Has the ids of free slots begin with this generation.
    pub(crate) fn begin_at(&mut self, generation: u32) {
        for slot in self.0.iter_mut().filter(|slot| !slot.is_taken()) {
            slot.tag = generation.wrapping_mul(Self::STEP) | FREE;
        }
    }

    /// The slot in an id, whatever else is right with it.
    pub(crate) const fn index(id: WebSocketId) -> usize {
        (id.bits() & (Self::STEP - 1)) as usize
    }

    pub(crate) fn lend<B: Into<Buffer<'buf>>>(&mut self, buffers: [B; N]) {
        for (slot, buffer) in self.0.iter_mut().zip(buffers) {
            if let Some(entry) = &mut slot.entry {
                entry.lend(Some(buffer.into()));
            }
        }
    }

    #[cfg(any(feature = "critical-section", feature = "async"))]
    fn get(&mut self, id: WebSocketId) -> Result<&mut Slot<'buf, T>, HandleError> {
        let error = self.error(id);
        self.find(id).ok_or(error)
    }

    fn find(&mut self, id: WebSocketId) -> Option<&mut Slot<'buf, T>> {
        let slot = self.0.get_mut(Self::index(id))?;
        let tag = id.bits() & !(Self::STEP - 1);
        (slot.is_taken() && slot.tag == tag).then_some(slot)
    }

    /// Why there is no such slot: it was given out before, or is still to come.
    fn error(&self, id: WebSocketId) -> HandleError {
        match self.0.get(Self::index(id)) {
            Some(slot) if id.bits() < slot.tag & !FREE => HandleError::Stale,
            _ => HandleError::Unknown,
        }
    }

    /// What an id stands for, to work on.
    #[cfg(feature = "async")]
    pub(crate) fn entry(&mut self, id: WebSocketId) -> Result<&mut Entry<'buf, T>, HandleError> {
        self.get(id)?.entry.as_mut().ok_or(HandleError::Busy)
    }

    /// All entries, taken or not.
    #[cfg(feature = "async")]
    pub(crate) fn each_entry(&mut self) -> [Option<&mut Entry<'buf, T>>; N] {
        self.0.each_mut().map(|slot| slot.entry.as_mut())
    }

    /// A slot that is free, preferably with a lent buffer or preferably without.
    fn find_free(&self, with_buffer: bool) -> Option<usize> {
        let mut found = None;
        for (index, slot) in self.0.iter().enumerate() {
            let Some(entry) = &slot.entry else { continue };
            if slot.is_taken() {
                continue;
            }
            found = Some(index);
            if entry.has_buffer() == with_buffer {
                break;
            }
        }
        found
    }

    pub(crate) fn vacancy(&self) -> Option<bool> {
        let entry = self.0.get(self.find_free(true)?)?.entry.as_ref();
        entry.map(Entry::has_buffer)
    }

    pub(crate) fn take_free(&mut self, with_buffer: bool) -> Option<WebSocketId> {
        let index = self.find_free(with_buffer)?;
        let slot = self.0.get_mut(index)?;
        slot.tag &= !FREE;
        #[cfg(any(feature = "log", feature = "defmt"))]
        if let (Some(id), Some(entry)) = (slot.id(index), &mut slot.entry) {
            entry.about = crate::fmt::About::id(id);
        }
        slot.id(index)
    }

    /// Moves an entry to `out`, straight: interrupts are masked meanwhile.
    #[cfg(feature = "critical-section")]
    pub(crate) fn check_out(
        &mut self,
        id: WebSocketId,
        out: &mut Option<Entry<'buf, T>>,
    ) -> Result<(), Unavailable> {
        let slot = self.get(id).map_err(Unavailable::Handle)?;
        if slot.entry.is_none() {
            return Err(Unavailable::CheckedOut);
        }
        *out = slot.entry.take();
        Ok(())
    }

    #[cfg(feature = "critical-section")]
    pub(crate) fn check_in(&mut self, id: WebSocketId, entry: &mut Option<Entry<'buf, T>>) {
        if let Some(slot) = self.0.get_mut(Self::index(id)) {
            slot.entry = entry.take();
        }
    }

    #[cfg(any(feature = "critical-section", feature = "async"))]
    pub(crate) fn vacate<R>(
        &mut self,
        id: WebSocketId,
        last: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, HandleError> {
        let entry = self.get(id)?.entry.as_mut().ok_or(HandleError::Busy)?;
        let result = last(entry);
        self.free(id);
        Ok(result)
    }

    /// The slot of an id that stands for one: it may be taken anew.
    fn free(&mut self, id: WebSocketId) {
        if let Some(slot) = self.0.get_mut(Self::index(id)) {
            slot.tag = slot.tag.wrapping_add(Self::STEP) | FREE;
        }
    }

    /// Does an id stand for a connection?
    #[cfg(feature = "critical-section")]
    pub(crate) fn check(&mut self, id: WebSocketId) -> Result<(), HandleError> {
        self.get(id).map(|_| ())
    }

    pub(crate) fn taken(&self, index: usize) -> Result<Option<WebSocketId>, HandleError> {
        let slot = self.0.get(index).ok_or(HandleError::Unknown)?;
        Ok(slot.id(index))
    }
}

/// Slots in the table itself, for one owner.
#[derive(Debug)]
pub struct LocalSlots<'buf, T, const N: usize>(pub(crate) Slots<'buf, T, N>);

impl<'buf, T, const N: usize> LocalSlots<'buf, T, N> {
    pub(crate) fn new() -> Self {
        Self(Slots::fresh())
    }

    // A function of its own that returns a pointer is small wherever it is called.
    #[inline(never)]
    fn entry(&mut self, id: WebSocketId) -> Option<&mut Entry<'buf, T>> {
        self.0.find(id)?.entry.as_mut()
    }
}

impl<'buf, T, const N: usize> SlotStore<'buf> for LocalSlots<'buf, T, N> {
    type Socket = T;

    const SHARED: bool = false;

    fn index(id: WebSocketId) -> usize {
        Slots::<T, N>::index(id)
    }

    fn take_free(&mut self, with_buffer: bool) -> Option<WebSocketId> {
        self.0.take_free(with_buffer)
    }

    fn vacancy(&self) -> Option<bool> {
        self.0.vacancy()
    }

    fn with<R>(
        &mut self,
        id: WebSocketId,
        work: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        match self.entry(id) {
            Some(entry) => Ok(work(entry)),
            // Nobody checks out what has one owner.
            None => Err(Unavailable::Handle(self.0.error(id))),
        }
    }

    fn vacate<R>(
        &mut self,
        id: WebSocketId,
        last: impl FnOnce(&mut Entry<'buf, T>) -> R,
    ) -> Result<R, Unavailable> {
        let result = self.with(id, last)?;
        self.0.free(id);
        Ok(result)
    }

    // The table is borrowed for the whole call: nobody else can be in it. What is wrong with the id
    // shows as soon as something is done with it.
    fn claim(&mut self, _: WebSocketId, _: Direction) -> Result<(), HandleError> {
        Ok(())
    }

    fn unclaim(&mut self, _: WebSocketId, _: Direction) {}

    fn taken(&self, index: usize) -> Result<Option<WebSocketId>, HandleError> {
        self.0.taken(index)
    }
}
