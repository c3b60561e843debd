//! Frames, both roles: everything a codec does.

use core::arch::asm;

use ws_core::{Connection, Opcode, Receiver, Role, Transmitter};

use crate::{array, bytes, flag, word};

/// A connection of a role that is known only when it runs.
pub fn connection() -> Connection {
    Connection::new(if flag() { Role::Client } else { Role::Server })
}

/// Takes what came in apart, and puts together what goes out.
pub fn frames(connection: &mut Connection) {
    receive(&mut connection.rx);
    send(&mut connection.tx);
}

/// Not inlined, as in a driver, which has work of its own between one and the other.
#[inline(never)]
fn receive(rx: &mut Receiver) {
    match rx.decode(bytes(), word()) {
        Ok(decoded) => {
            know(decoded.consumed);
            know(decoded.payload.as_ptr() as usize);
            know(decoded.payload.len());
            know(decoded.end.into());
            if let Some(frame) = decoded.frame {
                know(frame.opcode as usize);
                know(frame.fin.into());
            }
        }
        Err(error) => know(error.close_code().0.into()),
    }
}

#[inline(never)]
fn send(tx: &mut Transmitter) {
    if let Err(error) = tx.begin(opcode(), flag(), word(), *array()) {
        know(error as usize);
    }
    know(tx.fill(bytes(), bytes()));
    know(tx.sent(word()));
    know(tx.rollback().into());
}

/// An opcode that nobody knows.
#[inline(never)]
fn opcode() -> Opcode {
    // SAFETY: never run.
    unsafe { core::ptr::with_exposed_provenance::<Opcode>(0x4000_0000).read_volatile() }
}

/// Something has come of it: in a register, where the driver has it. Takes no instruction, so that
/// what is measured is the codec.
#[inline(always)]
fn know(result: usize) {
    // SAFETY: does nothing.
    unsafe { asm!("/* {0} */", in(reg) result, options(nostack, preserves_flags)) }
}
