//! Semihosting: what a firmware asks of the debugger it runs under, here QEMU.

use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hprintln, nr};

/// Prints a line on the host.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::semihosting::line(format_args!($($argument)*)) };
}

/// What [`say!`](crate::say) calls.
pub fn line(text: core::fmt::Arguments<'_>) {
    hprintln!("{}", text);
}

/// Ends the run with exit code 0.
pub fn succeed() -> ! {
    debug::exit(debug::EXIT_SUCCESS);
    stop()
}

/// Ends the run with exit code 1.
pub fn fail() -> ! {
    debug::exit(debug::EXIT_FAILURE);
    stop()
}

/// Where no debugger is attached, that is all there is to do.
fn stop() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}

/// The command line.
pub struct CommandLine {
    buffer: [u8; 256],
    length: usize,
}

impl CommandLine {
    /// Asks for it. Empty where there is none, or one longer than 255 bytes.
    pub fn get() -> Self {
        #[repr(C)]
        struct Block {
            buffer: *mut u8,
            length: usize,
        }
        let mut line = Self {
            buffer: [0; 256],
            length: 0,
        };
        let mut block = Block {
            buffer: line.buffer.as_mut_ptr(),
            length: line.buffer.len(),
        };
        // SAFETY: GET_CMDLINE writes at most `length` bytes to `buffer`, and the length into the
        // block, which therefore is one of our own and behind a mutable pointer.
        let failed =
            unsafe { cortex_m_semihosting::syscall1(nr::GET_CMDLINE, &raw mut block as usize) };
        // SAFETY: it was initialised above; volatile, because only the debugger changes it.
        let length = unsafe { (&raw const block.length).read_volatile() };
        if failed == 0 {
            line.length = length.min(line.buffer.len());
        }
        line
    }

    /// Its words: the program's name, then the arguments.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let text = self.buffer.get(..self.length).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or_default();
        text.trim_end_matches('\0').split_ascii_whitespace()
    }

    /// The argument `index`, from 0, as a number.
    pub fn number(&self, index: usize) -> Option<u16> {
        self.words().nth(index + 1)?.parse().ok()
    }
}

/// The host's source of randomness, since these boards have none. A chip has one of its own.
pub struct Random {
    file: usize,
}

impl Random {
    /// Opens it.
    ///
    /// # Panics
    /// On a host without `/dev/urandom`: a mask key that can be guessed is no mask key.
    pub fn open() -> Self {
        const NAME: &[u8] = b"/dev/urandom\0";
        const READ_BINARY: usize = 1;
        let block = [NAME.as_ptr() as usize, READ_BINARY, NAME.len() - 1];
        // SAFETY: OPEN only reads the block and the name, which ends with a zero.
        let file = unsafe { cortex_m_semihosting::syscall(nr::OPEN, &block) };
        assert!(file != usize::MAX, "the host has no /dev/urandom");
        Self { file }
    }

    /// Fills `bytes`.
    ///
    /// # Panics
    /// If the host does not give as many.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let block = [self.file, bytes.as_mut_ptr() as usize, bytes.len()];
        // SAFETY: READ writes at most as many bytes as `bytes` has.
        let missing = unsafe { cortex_m_semihosting::syscall(nr::READ, &block) };
        assert!(missing == 0, "/dev/urandom is {missing} bytes short");
    }

    /// A number.
    pub fn word(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// A longer one, for a seed.
    pub fn long(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    hprintln!("{}", info);
    fail()
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    hprintln!("hard fault at {:#010x}", frame.pc());
    fail()
}
