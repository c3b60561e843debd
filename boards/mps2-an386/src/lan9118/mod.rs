//! SMSC's LAN9118 Ethernet controller: one frame at a time, moved by the core. For smoltcp it is a
//! device that is polled, for embassy-net a driver that wakes whoever waits for a frame.

mod embassy;
mod smoltcp;

use core::ptr;

pub use embassy::{INTERRUPT, interrupt};

/// Where the boards have it.
pub const BASE: usize = if cfg!(feature = "an505") {
    0x4200_0000
} else {
    0x4020_0000
};

/// An Ethernet frame without its checksum, which the controller makes and checks.
const MAX_FRAME: usize = 1514;
const CHECKSUM: usize = 4;
/// A frame with its checksum, in whole words.
const BUFFER: usize = (MAX_FRAME + CHECKSUM).next_multiple_of(4);

/// The registers that are needed, by their offsets.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Register {
    RxData = 0x00,
    TxData = 0x20,
    RxStatus = 0x40,
    TxStatus = 0x48,
    InterruptConfig = 0x54,
    InterruptStatus = 0x58,
    InterruptEnable = 0x5c,
    ByteTest = 0x64,
    TxConfig = 0x70,
    HardwareConfig = 0x74,
    RxControl = 0x78,
    RxInformation = 0x7c,
    TxInformation = 0x80,
    MacCommand = 0xa4,
    MacData = 0xa8,
}

/// Registers of the MAC behind [`Register::MacCommand`].
#[derive(Clone, Copy)]
#[repr(u32)]
enum Mac {
    Control = 1,
    AddressHigh = 2,
    AddressLow = 3,
}

const BYTE_ORDER: u32 = 0x8765_4321;
const TX_ON: u32 = 1 << 1;
const SOFT_RESET: u32 = 1;
const MUST_BE_ONE: u32 = 1 << 20;
/// 5 of 16 KiB for what is to be sent, which leaves 10.5 for what was received.
const TX_FIFO_5_KIB: u32 = 5 << 16;
/// The line is driven high while there is an interrupt that is enabled: low, as after a reset, is
/// one for the core.
const INTERRUPT_HIGH: u32 = 1 << 8 | 1 << 4 | 1;
const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
const MAC_TX_AND_RX: u32 = 1 << 3 | 1 << 2;
const RX_DISCARD: u32 = 1 << 31;
const RX_ERROR: u32 = 1 << 15;
const TX_WHOLE_FRAME: u32 = 1 << 13 | 1 << 12;

/// Polls of a flag before the controller counts as broken.
const PATIENCE: usize = 100_000;

/// Why there is no Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Nothing like this controller is at the address.
    NotThere,
    /// The reset does not end.
    Reset,
    /// The MAC does not take a command.
    Mac,
}

#[derive(Clone, Copy)]
struct Registers(usize);

impl Registers {
    fn read(self, register: Register) -> u32 {
        // SAFETY: whoever made `self` says that the controller is there; it has the register.
        unsafe { ptr::read_volatile((self.0 + register as usize) as *const u32) }
    }

    fn write(self, register: Register, value: u32) {
        // SAFETY: as in `read`.
        unsafe { ptr::write_volatile((self.0 + register as usize) as *mut u32, value) }
    }

    fn until(
        self,
        register: Register,
        done: impl Fn(u32) -> bool,
        or: Broken,
    ) -> Result<(), Broken> {
        for _ in 0..PATIENCE {
            if done(self.read(register)) {
                return Ok(());
            }
        }
        Err(or)
    }

    fn mac(self, command: u32) -> Result<(), Broken> {
        self.write(Register::MacCommand, MAC_BUSY | command);
        self.until(Register::MacCommand, |it| it & MAC_BUSY == 0, Broken::Mac)
    }

    fn mac_read(self, register: Mac) -> Result<u32, Broken> {
        self.mac(MAC_READ | register as u32)?;
        Ok(self.read(Register::MacData))
    }

    fn mac_write(self, register: Mac, value: u32) -> Result<(), Broken> {
        self.write(Register::MacData, value);
        self.mac(register as u32)
    }
}

/// Memory for a frame in each direction.
pub struct Frames {
    rx: [u8; BUFFER],
    tx: [u8; BUFFER],
}

impl Frames {
    /// For a static.
    pub const fn new() -> Self {
        Self {
            rx: [0; BUFFER],
            tx: [0; BUFFER],
        }
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// The controller, and a frame for each direction.
pub struct Lan9118 {
    registers: Registers,
    address: [u8; 6],
    frames: &'static mut Frames,
}

impl Lan9118 {
    /// Resets and starts the controller.
    ///
    /// # Safety
    /// There is a LAN9118 at `base` or at least memory that may be read and written, and nobody
    /// else uses it.
    ///
    /// # Errors
    /// See [`Broken`].
    pub unsafe fn start(base: usize, frames: &'static mut Frames) -> Result<Self, Broken> {
        let registers = Registers(base);
        if registers.read(Register::ByteTest) != BYTE_ORDER {
            return Err(Broken::NotThere);
        }
        registers.write(Register::HardwareConfig, SOFT_RESET);
        let reset = |it| it & SOFT_RESET == 0;
        registers.until(Register::HardwareConfig, reset, Broken::Reset)?;
        registers.write(Register::HardwareConfig, MUST_BE_ONE | TX_FIFO_5_KIB);
        registers.write(Register::InterruptConfig, INTERRUPT_HIGH);
        registers.write(Register::TxConfig, TX_ON);
        let control = registers.mac_read(Mac::Control)?;
        registers.mac_write(Mac::Control, control | MAC_TX_AND_RX)?;
        let low = registers.mac_read(Mac::AddressLow)?.to_le_bytes();
        let high = registers.mac_read(Mac::AddressHigh)?.to_le_bytes();
        Ok(Self {
            registers,
            address: [low[0], low[1], low[2], low[3], high[0], high[1]],
            frames,
        })
    }

    /// The address that it was given.
    pub const fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Moves the next good frame into memory; its length, without the checksum.
    fn receive_frame(&mut self) -> Option<usize> {
        loop {
            let waiting = self.registers.read(Register::RxInformation) >> 16 & 0xff;
            if waiting == 0 {
                return None;
            }
            let status = self.registers.read(Register::RxStatus);
            let length = (status >> 16 & 0x3fff) as usize;
            let words = length.div_ceil(4);
            if status & RX_ERROR != 0 || !(CHECKSUM..=BUFFER).contains(&length) {
                self.discard(words);
                continue;
            }
            for word in self.frames.rx.chunks_exact_mut(4).take(words) {
                word.copy_from_slice(&self.registers.read(Register::RxData).to_le_bytes());
            }
            return Some(length - CHECKSUM);
        }
    }

    /// Takes a frame out of the FIFO. The controller does so on its own for four words and more.
    fn discard(&self, words: usize) {
        if words >= 4 {
            self.registers.write(Register::RxControl, RX_DISCARD);
            let done = |it| it & RX_DISCARD == 0;
            // One that does not end shows in what is received next.
            let _ = self
                .registers
                .until(Register::RxControl, done, Broken::Reset);
        } else {
            for _ in 0..words {
                self.registers.read(Register::RxData);
            }
        }
    }

    /// Is there room for a frame of any length? Also makes room for what became of earlier ones.
    fn can_send(&self) -> bool {
        let information = self.registers.read(Register::TxInformation);
        for _ in 0..information >> 16 & 0xff {
            self.registers.read(Register::TxStatus);
        }
        // Two words of command stand before each frame.
        information as usize & 0xffff >= BUFFER + 8
    }

    /// The frame that [`receive_frame`](Self::receive_frame) moved, and the right to answer it.
    fn tokens(&mut self, length: usize) -> (Incoming<'_>, Outgoing<'_>) {
        let Frames { rx, tx } = &mut *self.frames;
        let outgoing = Outgoing {
            registers: self.registers,
            buffer: tx,
        };
        (Incoming(&mut rx[..length]), outgoing)
    }

    fn outgoing(&mut self) -> Outgoing<'_> {
        Outgoing {
            registers: self.registers,
            buffer: &mut self.frames.tx,
        }
    }
}

/// The right to take the frame that was received.
pub struct Incoming<'a>(&'a mut [u8]);

/// The right to send a frame.
pub struct Outgoing<'a> {
    registers: Registers,
    buffer: &'a mut [u8; BUFFER],
}

impl Outgoing<'_> {
    /// Sends `length` bytes that `work` makes.
    fn send<R>(self, length: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
        let Self { registers, buffer } = self;
        let result = work(&mut buffer[..length]);
        let length = length as u32;
        registers.write(Register::TxData, TX_WHOLE_FRAME | length);
        registers.write(Register::TxData, length);
        for word in buffer.chunks_exact(4).take(length.div_ceil(4) as usize) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            registers.write(Register::TxData, word);
        }
        result
    }
}
