//! What is seen of the server's records before anybody decrypts them.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering::Relaxed};

use embedded_io::{ErrorType, Read, Write};

use crate::suite::OPEN;

/// More records than an opening has.
const MOST: u8 = 64;

/// What was seen, for the constructor.
#[derive(Debug)]
pub(crate) struct Notes {
    /// TLS is open.
    open: AtomicBool,
    /// The first byte of all is that of no record of TLS.
    foreign: AtomicBool,
    /// Records that came while TLS opens.
    records: AtomicU8,
    /// The longest of their bodies.
    longest: AtomicU16,
}

impl Notes {
    pub(crate) const fn new() -> Self {
        Self {
            open: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            records: AtomicU8::new(0),
            longest: AtomicU16::new(0),
        }
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Relaxed);
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign.load(Relaxed)
    }

    pub(crate) fn is_flood(&self) -> bool {
        self.records.load(Relaxed) > MOST
    }

    pub(crate) fn longest(&self) -> usize {
        self.longest.load(Relaxed).into()
    }
}

/// TCP, whose records are looked at as they come by. It ends where they are none, or too many before
/// TLS is open.
#[derive(Debug)]
pub(crate) struct Watch<'m, T> {
    pub(crate) stream: T,
    notes: &'m Notes,
    /// Bytes of this record's header that came.
    at: u8,
    /// The first byte of its length.
    high: u8,
    /// Bytes of its body that are due.
    due: u16,
}

impl<'m, T> Watch<'m, T> {
    pub(crate) const fn new(stream: T, notes: &'m Notes) -> Self {
        Self {
            stream,
            notes,
            at: 0,
            high: 0,
            due: 0,
        }
    }

    /// Bytes came: how many of them count.
    fn came(&mut self, buffer: &mut [u8], count: usize) -> usize {
        let open = self.notes.open.load(Relaxed);
        let mut bytes = buffer.iter_mut().take(count);
        loop {
            if self.due > 0 {
                let left = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                let body = self.due.min(left);
                self.due -= body;
                if body > 0 {
                    bytes.nth(usize::from(body - 1));
                }
            }
            let Some(byte) = bytes.next() else {
                return count;
            };
            match self.at {
                0 if !open => {
                    let records = self.notes.records.load(Relaxed);
                    if records == 0 && !matches!(*byte, 20..=23) {
                        self.notes.foreign.store(true, Relaxed);
                        return 0;
                    }
                    if records > MOST {
                        return 0;
                    }
                    self.notes.records.store(records + 1, Relaxed);
                }
                2 if open => *byte = OPEN,
                3 => self.high = *byte,
                4 => {
                    self.due = u16::from_be_bytes([self.high, *byte]);
                    if !open && self.notes.longest.load(Relaxed) < self.due {
                        self.notes.longest.store(self.due, Relaxed);
                    }
                }
                _ => {}
            }
            self.at = (self.at + 1) % 5;
        }
    }
}

impl<T: ErrorType> ErrorType for Watch<'_, T> {
    type Error = T::Error;
}

impl<T: Read> Read for Watch<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        let count = self.stream.read(buffer)?;
        Ok(self.came(buffer, count))
    }
}

impl<T: Write> Write for Watch<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> Result<(), T::Error> {
        self.stream.flush()
    }
}

#[cfg(feature = "async")]
impl<T: embedded_io_async::Read> embedded_io_async::Read for Watch<'_, T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        let count = self.stream.read(buffer).await?;
        Ok(self.came(buffer, count))
    }
}

#[cfg(feature = "async")]
impl<T: embedded_io_async::Write> embedded_io_async::Write for Watch<'_, T> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        self.stream.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), T::Error> {
        self.stream.flush().await
    }
}
