//! An allocator that counts: to be a test's `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what this thread allocates and frees while it is armed.
pub struct Counting;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    if ARMED.get() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: all of it is the system's allocator, which is handed what came unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs a call, and says how often it allocated or freed.
pub fn counted<R>(call: impl FnOnce() -> R) -> (R, usize) {
    COUNT.set(0);
    ARMED.set(true);
    let result = call();
    ARMED.set(false);
    (result, COUNT.get())
}

/// A queue of bytes in an array.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// They, first.
    pub bytes: [u8; 2048],
    /// How many there are.
    pub length: usize,
}

impl Queue {
    /// None.
    pub const EMPTY: Self = Self {
        bytes: [0; 2048],
        length: 0,
    };

    /// Takes what fits, and says how much.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.bytes.len() - self.length);
        self.bytes[self.length..][..count].copy_from_slice(&bytes[..count]);
        self.length += count;
        count
    }

    /// Gives the first bytes, as many as fit.
    pub fn take(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.length);
        out[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.copy_within(count..self.length, 0);
        self.length -= count;
        count
    }
}
