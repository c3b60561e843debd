//! How deep the stack has been: what lies below the stack pointer is painted before, and looked at
//! behind it.

use core::arch::asm;

const PAINT: u32 = 0x5aa5_c33c;

/// How much is painted: more than any case takes.
const DEPTH: usize = 8 * 1024;

#[inline(always)]
fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Paints what lies below the stack pointer; returns where that begins.
#[inline(never)]
pub fn paint() -> usize {
    let bottom = (stack_pointer() - DEPTH) & !3;
    let mut at = bottom;
    while at < stack_pointer() {
        // SAFETY: below the stack is RAM that nobody uses: there are no statics to speak of, and no
        // interrupts.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
    bottom
}

/// How much is not painted any more of what begins at `bottom`. None if all of it is.
#[inline(never)]
pub fn used(bottom: usize) -> Option<usize> {
    let mut at = bottom;
    // SAFETY: as in `paint`.
    while at < stack_pointer() && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    (at > bottom).then(|| bottom + DEPTH - at)
}
