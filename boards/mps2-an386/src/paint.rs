//! How much stack a call takes: what lies below the stack pointer is painted before, and looked at
//! behind it.
//!
//! Interrupts use the same stack: where SysTick runs, its frame may be counted too.

use core::arch::asm;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::say;

const PAINT: u32 = 0x5aa5_c33c;

/// How much of the stack is looked at, from its start: more than any program here takes, and less
/// than there is.
const DEPTH: usize = 16 * 1024;
/// If that is all that was left untouched, nobody knows what was used.
const MARGIN: usize = 256;

unsafe extern "C" {
    /// Where the stack begins, by cortex-m-rt's linker script.
    static _stack_start: u32;
}

fn start() -> usize {
    &raw const _stack_start as usize
}

#[inline(always)]
fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Paints what lies below the stack pointer.
#[inline(never)]
fn paint() {
    let mut at = start() - DEPTH;
    while at < stack_pointer() {
        // SAFETY: that is RAM between the stack and the statics, of which there is more than
        // `DEPTH`; nobody uses it, since it lies below the stack pointer. An interrupt that comes
        // meanwhile is back before this goes on.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

/// The lowest address that is not painted any more.
#[inline(never)]
fn lowest() -> usize {
    let mut at = start() - DEPTH;
    // SAFETY: as in `paint`.
    while at < stack_pointer() && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    at
}

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `connect_to`, TCP and handshake.
    Connect,
    /// `accept`, `poll_accept`: handshakes, pages, and waiting for messages.
    Accept,
    /// `send_msg`, `send_part`.
    Send,
    /// `recv_msg`.
    Receive,
    /// `disconnect`.
    Disconnect,
}

const CALLS: [(Call, &str); 5] = [
    (Call::Connect, "connect"),
    (Call::Accept, "accept"),
    (Call::Send, "send"),
    (Call::Receive, "recv"),
    (Call::Disconnect, "disconnect"),
];

/// The high-water marks of a run.
pub struct Meter {
    lowest: usize,
    most: [usize; CALLS.len()],
}

impl Meter {
    /// Starts: paints.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        paint();
        Self {
            lowest: usize::MAX,
            most: [0; CALLS.len()],
        }
    }

    /// Runs `work`, which is one call, and keeps how many bytes of stack it took if that is the
    /// most of its kind so far.
    ///
    /// Everything below the caller of `work` is counted, so also what was inlined into it.
    #[inline(never)]
    pub fn of<R>(&mut self, call: Call, work: impl FnOnce() -> R) -> R {
        self.look();
        paint();
        compiler_fence(Ordering::SeqCst);
        let result = called(work);
        compiler_fence(Ordering::SeqCst);
        let used = stack_pointer() - self.look();
        let most = &mut self.most[call as usize];
        *most = used.max(*most);
        result
    }

    /// Takes note of how deep the stack has been since it was painted last.
    fn look(&mut self) -> usize {
        let lowest = lowest();
        assert!(
            lowest > start() - DEPTH + MARGIN,
            "more stack was used than was painted"
        );
        self.lowest = self.lowest.min(lowest);
        lowest
    }

    /// Prints it: a line for each kind of call that was made, and one for the whole program, what
    /// it keeps on its stack included.
    pub fn print(&mut self) {
        self.look();
        for (call, name) in CALLS {
            if self.most[call as usize] > 0 {
                say!("stack {name} {}", self.most[call as usize]);
            }
        }
        say!("stack all {}", start() - self.lowest);
    }
}

/// Has a frame of its own for what `work` needs.
#[inline(never)]
fn called<R>(work: impl FnOnce() -> R) -> R {
    work()
}
