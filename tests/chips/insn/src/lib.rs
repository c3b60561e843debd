//! What the counting firmwares share: start code, the counter, the way out.
#![no_std]

pub mod cases;
mod paint;
mod semihosting;

use core::arch::{asm, naked_asm};
use core::hint::black_box;

pub use semihosting::{fail, pass, print};

/// Start of TIM2's registers. With `-icount shift=0` an instruction takes a nanosecond of QEMU's
/// time, and QEMU's timer counts those.
const TIM2: *mut u32 = 0x4000_0000 as *mut u32;
const ENABLE: usize = 0;
const COUNT: usize = 9;
const RELOAD: usize = 11;

#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [unsafe extern "C" fn() -> !; 15] = {
    let mut vectors: [unsafe extern "C" fn() -> !; 15] = [fault; 15];
    vectors[0] = reset;
    vectors
};

unsafe extern "C" {
    /// What a firmware does; see [`firmware`].
    fn work();
}

/// Switches the FPU on, which compiled code may use from its first instruction.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn reset() -> ! {
    naked_asm!(
        "movw r0, #0xED88",
        "movt r0, #0xE000",
        "ldr r1, [r0]",
        "orr r1, r1, #0xF00000",
        "str r1, [r0]",
        "dsb",
        "isb",
        "b {start}",
        start = sym start,
    )
}

extern "C" fn start() -> ! {
    // SAFETY: the registers of a timer that nothing else uses; `work` is a firmware's.
    unsafe {
        TIM2.add(RELOAD).write_volatile(u32::MAX);
        TIM2.add(ENABLE).write_volatile(1);
        work();
    }
    pass()
}

unsafe extern "C" fn fault() -> ! {
    fail("fault")
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail("panic")
}

#[inline(always)]
fn now() -> u32 {
    let count;
    // SAFETY: reads a register. An assembler block, so that no access to memory crosses it.
    unsafe { asm!("ldr {0}, [{0}]", inlateout(reg) TIM2.add(COUNT) => count, options(nostack)) }
    count
}

#[inline(never)]
fn elapsed(work: impl FnOnce()) -> u32 {
    let began = now();
    work();
    now().wrapping_sub(began)
}

/// Instructions of `work`, and bytes of stack.
#[inline(always)]
fn measured(work: impl FnOnce()) -> (u32, u32) {
    let bottom = paint::paint();
    let taken = elapsed(work);
    match paint::used(bottom) {
        Some(used) => (taken, used as u32),
        None => fail("more stack was used than was painted"),
    }
}

/// Prints how many instructions `work` takes, and how much stack, without what measuring takes.
#[inline(never)]
pub fn count(group: &str, case: &str, work: impl FnOnce()) {
    let (taken, stack) = measured(work);
    let (counting, least) = measured(|| {});
    let mut digits = [0; 10];
    let number = decimal(taken - counting, &mut digits);
    for text in [group, " ", case, " ", number, "\n"] {
        print(text);
    }
    let number = decimal(stack.saturating_sub(least), &mut digits);
    for text in ["stack ", group, "/", case, " ", number, "\n"] {
        print(text);
    }
}

fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    core::str::from_utf8(&digits[at..]).unwrap_or("?")
}

/// The firmware has come to know a value; costs no instruction but those that compute it.
#[inline(always)]
pub fn know(value: usize) {
    // SAFETY: does nothing.
    unsafe { asm!("/* {0} */", in(reg) value, options(nostack, preserves_flags)) }
}

/// The firmware has come to know a payload.
#[inline(always)]
pub fn know_bytes(bytes: &[u8]) {
    know(bytes.as_ptr() as usize);
    know(bytes.len());
}

/// A slice of which the compiler knows nothing.
#[inline(always)]
pub fn unknown(bytes: &[u8]) -> &[u8] {
    black_box(bytes)
}

/// A slice of which the compiler knows nothing.
#[inline(always)]
pub fn unknown_mut(bytes: &mut [u8]) -> &mut [u8] {
    black_box(bytes)
}

/// Ends the firmware unless `holds`: a wrong result is not counted.
pub fn check(holds: bool, what: &str) {
    if !holds {
        fail(what);
    }
}

/// Says what a firmware does.
#[macro_export]
macro_rules! firmware {
    ($work:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn work() {
            $work
        }
    };
}
