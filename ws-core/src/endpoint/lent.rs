//! The buffer that a connection is lent.

use crate::close::MAX_CONTROL_PAYLOAD;

/// The buffer that a connection is lent, in its two parts: what is read goes into the one, the
/// payload of a Ping stays in the other until its Pong is out.
#[derive(Debug, Default)]
pub struct Lent<'a> {
    pub(super) read: &'a mut [u8],
    pub(super) reserve: &'a mut [u8],
}

/// Where a read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadInto {
    /// Into the lent buffer.
    Lent,
    /// Straight into the user's buffer, so many bytes at most.
    User(usize),
    /// Into a scratch buffer, so many bytes at most.
    Scratch(usize),
}

impl<'a> Lent<'a> {
    /// A buffer of any length: beyond 125 bytes, its last 125 are the reserve for a Ping's payload.
    #[inline(always)]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let at = Self::read_capacity(buffer.len());
        match buffer.split_at_mut_checked(at) {
            Some((read, reserve)) => Self { read, reserve },
            None => Self::default(),
        }
    }

    /// A buffer in its two parts. `reserve` has 125 bytes or none.
    pub const fn from_parts(read: &'a mut [u8], reserve: &'a mut [u8]) -> Self {
        Self { read, reserve }
    }

    /// The two parts: what is read into, and the reserve.
    pub const fn into_parts(self) -> (&'a mut [u8], &'a mut [u8]) {
        (self.read, self.reserve)
    }

    /// The two parts, to work on.
    pub const fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        (self.read, self.reserve)
    }

    /// How much of a buffer of `length` bytes is read into: all but the reserve.
    pub const fn read_capacity(length: usize) -> usize {
        if length > MAX_CONTROL_PAYLOAD {
            length - MAX_CONTROL_PAYLOAD
        } else {
            length
        }
    }

    pub(super) const fn has_reserve(&self) -> bool {
        !self.reserve.is_empty()
    }
}

impl ReadInto {
    /// The buffer to read into: all of it may be filled, none of it is beyond what can be taken.
    #[inline(always)]
    pub fn buffer<'b>(
        self,
        lent: &'b mut [u8],
        user: &'b mut [u8],
        scratch: &'b mut [u8],
    ) -> &'b mut [u8] {
        let (buffer, count) = match self {
            Self::Lent => return lent,
            Self::User(count) => (user, count),
            Self::Scratch(count) => (scratch, count),
        };
        let count = count.min(buffer.len());
        buffer.get_mut(..count).unwrap_or_default()
    }
}
