//! What the probes share: inputs nobody can foresee, and a place for results. So nothing of what
//! is measured is computed by the compiler or left out by it.
#![no_std]

#[cfg(feature = "no-panic")]
pub mod drive;
#[cfg(feature = "no-panic")]
pub mod entries;
#[cfg(feature = "no-panic")]
pub mod every;
pub mod stack;

#[cfg(feature = "no-panic")]
extern crate self as ws_probes;

use core::future::poll_fn;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// The register of a device that is not there.
const REGISTER: *mut usize = 0x4000_0000 as *mut usize;

/// A number.
#[inline(never)]
pub fn word() -> usize {
    // SAFETY: never run; on a chip it would be a device's register.
    unsafe { REGISTER.read_volatile() }
}

/// Bytes at an address and of a length that nobody knows.
#[inline(never)]
pub fn bytes<'a>() -> &'a mut [u8] {
    // SAFETY: never run.
    unsafe { core::slice::from_raw_parts_mut(word() as *mut u8, word()) }
}

/// An array that nobody knows.
pub fn array<'a, const N: usize>() -> &'a mut [u8; N] {
    // SAFETY: never run.
    unsafe { &mut *(word() as *mut [u8; N]) }
}

/// Text that nobody knows.
pub fn text<'a>() -> &'a str {
    // SAFETY: never run.
    unsafe { core::str::from_utf8_unchecked(bytes()) }
}

/// A yes or no.
pub fn flag() -> bool {
    word() & 1 != 0
}

/// Something has come of it.
#[inline(never)]
pub fn done(result: usize) {
    // SAFETY: as in `word`.
    unsafe { REGISTER.write_volatile(result) }
}

/// Something has come of it that is more than a number.
pub fn keep<T>(result: T) {
    black_box(&result);
}

/// Would block, as often as nobody knows.
pub async fn pending() {
    poll_fn(|_| {
        if flag() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// The least executor there can be: polls until it is ready.
pub fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// What every probe has besides what it measures, and the empty one has nothing but.
pub fn baseline() {
    done(bytes().len());
}

#[cfg(not(feature = "no-panic"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// A panic calls what is nowhere. The linker asks for that only if it keeps this function, which it
/// does only if something that runs from the entry on can panic. What the panic says goes on, so that
/// panics of different kinds stay different functions.
#[cfg(feature = "no-panic")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_is_left(info: usize) -> !;
    }
    let info = core::ptr::from_ref(info) as usize;
    // SAFETY: never linked, so never run.
    unsafe { a_panic_is_left(info) }
}

/// The entry of a firmware that does `$work` for ever.
#[macro_export]
macro_rules! firmware {
    ($work:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            loop {
                $crate::baseline();
                $work
            }
        }
    };
}

/// Numbers for `cargo xtask size`, as the lengths of symbols.
#[macro_export]
macro_rules! sizes {
    ($($name:ident = $bytes:expr;)*) => {
        $(
            #[used]
            #[unsafe(no_mangle)]
            #[unsafe(link_section = ".sizes")]
            static $name: [u8; $bytes] = [0; $bytes];
        )*
    };
}

/// Entries of a library: each a function that is linked once, whose arguments nobody knows and whose
/// results count. So a library is measured without what drives it.
///
/// Each set is a file that firmwares include, so that what is generic is compiled where it is in any
/// program, in the last crate.
#[macro_export]
macro_rules! entries {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty $work:block)*) => {
        $(
            $(#[$doc])*
            #[inline(never)]
            pub fn $name($($argument: $kind),*) -> $result $work
        )*

        /// The addresses of these entries: see [`probe!`](::ws_probes::probe).
        pub struct Entries($(pub fn($($kind),*) -> $result),*);

        impl Entries {
            /// All of them.
            pub const ALL: Self = Self($($name),*);
        }
    };
}

/// A firmware that does nothing, and in which the entries of some modules are linked.
#[macro_export]
macro_rules! probe {
    ($($module:ident),+) => {
        $(
            const _: () = {
                // Keeps them; the section is not in flash.
                #[used]
                #[unsafe(link_section = ".sizes")]
                static ENTRIES: $module::Entries = $module::Entries::ALL;
            };
        )+

        $crate::firmware!({});
    };
}
