//! The buffer that a connection borrows.

use crate::close::MAX_CONTROL_PAYLOAD;

/// The buffer that a connection borrows, as Zephyr's `tmp_buf`: at least [`Buffer::MIN`] bytes. All
/// but its last 125 are read into. Those keep the payload of a Ping until its Pong is out.
///
/// The length of an array is checked where the program is compiled, that of a slice when it runs:
///
/// ```
/// # use ws_core::{Buffer, BufferTooShort};
/// let mut array = [0; 512];
/// let buffer = Buffer::from(&mut array);
///
/// let mut bytes = vec![0; 100];
/// assert_eq!(Buffer::new(&mut bytes).err(), Some(BufferTooShort { length: 100 }));
/// ```
///
/// ```compile_fail
/// # use ws_core::Buffer;
/// let mut array = [0; 255];
/// let buffer = Buffer::from(&mut array);
/// ```
#[derive(Debug)]
pub struct Buffer<'b>(&'b mut [u8]);

/// A borrowed buffer has to have at least [`Buffer::MIN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the borrowed buffer has {length} bytes and needs 256")]
pub struct BufferTooShort {
    /// What it has.
    pub length: usize,
}

impl<'b> Buffer<'b> {
    /// The shortest buffer, in bytes.
    pub const MIN: usize = 256;

    /// A slice whose length is checked here.
    ///
    /// # Errors
    /// It is too short.
    pub const fn new(bytes: &'b mut [u8]) -> Result<Self, BufferTooShort> {
        match bytes.len() {
            Self::MIN.. => Ok(Self(bytes)),
            length => Err(BufferTooShort { length }),
        }
    }

    /// The bytes.
    pub const fn into_inner(self) -> &'b mut [u8] {
        self.0
    }
}

impl<'b, const M: usize> From<&'b mut [u8; M]> for Buffer<'b> {
    fn from(array: &'b mut [u8; M]) -> Self {
        const { assert!(M >= Self::MIN, "a borrowed buffer needs 256 bytes") };
        Self(array)
    }
}

impl<'b> TryFrom<&'b mut [u8]> for Buffer<'b> {
    type Error = BufferTooShort;

    fn try_from(bytes: &'b mut [u8]) -> Result<Self, BufferTooShort> {
        Self::new(bytes)
    }
}

/// A borrowed buffer in its two parts: what is read goes into the one, the payload of a Ping stays in
/// the other until its Pong is out.
#[derive(Debug, Default)]
pub struct Lent<'a> {
    pub(super) read: &'a mut [u8],
    pub(super) reserve: &'a mut [u8],
}

impl<'a> Lent<'a> {
    /// The bytes of a [`Buffer`].
    #[inline(always)]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        match buffer.split_at_mut_checked(Self::read_capacity(buffer.len())) {
            Some((read, reserve)) => Self { read, reserve },
            None => Self::default(),
        }
    }

    /// A buffer in its two parts. `reserve` has 125 bytes.
    pub const fn from_parts(read: &'a mut [u8], reserve: &'a mut [u8]) -> Self {
        Self { read, reserve }
    }

    /// The two parts: what is read into, and the reserve.
    pub const fn into_parts(self) -> (&'a mut [u8], &'a mut [u8]) {
        (self.read, self.reserve)
    }

    /// Where to read to, for [`Step::Read`](super::Step::Read).
    pub const fn read_buffer(&mut self) -> &mut [u8] {
        self.read
    }

    /// The two parts, to work on.
    pub const fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        (self.read, self.reserve)
    }

    /// How much of a buffer of `length` bytes is read into: all but the reserve.
    pub const fn read_capacity(length: usize) -> usize {
        length.saturating_sub(MAX_CONTROL_PAYLOAD)
    }
}
