//! Output and the way out, by calls of Arm's semihosting that QEMU answers.

use core::arch::asm;

const WRITE0: usize = 0x04;
const EXIT: usize = 0x18;
const APPLICATION_EXIT: usize = 0x2_0026;
const RUN_TIME_ERROR: usize = 0x2_0023;

fn call(operation: usize, argument: usize) {
    // SAFETY: a call that reads memory at most.
    unsafe { asm!("bkpt 0xAB", inout("r0") operation => _, in("r1") argument, options(nostack)) }
}

/// Text on QEMU's console.
pub fn print(text: &str) {
    let mut line = [0; 64];
    for piece in text.as_bytes().chunks(line.len() - 1) {
        line[..piece.len()].copy_from_slice(piece);
        line[piece.len()] = 0;
        call(WRITE0, line.as_ptr() as usize);
    }
}

fn exit(reason: usize) -> ! {
    call(EXIT, reason);
    loop {
        core::hint::spin_loop();
    }
}

/// Ends QEMU with status 0.
pub fn pass() -> ! {
    exit(APPLICATION_EXIT)
}

/// Ends QEMU with another status.
pub fn fail(why: &str) -> ! {
    print("FAILED: ");
    print(why);
    print("\n");
    exit(RUN_TIME_ERROR)
}
