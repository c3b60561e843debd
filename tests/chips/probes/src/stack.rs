//! The least TCP stack and platform there can be: registers.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, nb};
use ws_socket::{Opcode, Platform, WebSockets};

use crate::{array, done, flag, word};

/// A stack whose socket is a number.
pub struct Registers;

/// Its one error.
#[derive(Debug)]
pub struct Broken;

impl TcpError for Broken {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::PipeClosed
    }
}

fn count() -> nb::Result<usize, Broken> {
    if flag() {
        return Err(nb::Error::WouldBlock);
    }
    if flag() {
        Ok(word())
    } else {
        Err(Broken.into())
    }
}

impl TcpClientStack for Registers {
    type TcpSocket = u32;
    type Error = Broken;

    #[inline(never)]
    fn socket(&mut self) -> Result<u32, Broken> {
        Ok(word() as u32)
    }

    #[inline(never)]
    fn connect(&mut self, _: &mut u32, _: SocketAddr) -> nb::Result<(), Broken> {
        count().map(done)
    }

    #[inline(never)]
    fn send(&mut self, _: &mut u32, buffer: &[u8]) -> nb::Result<usize, Broken> {
        done(buffer.as_ptr() as usize + buffer.len());
        count()
    }

    #[inline(never)]
    fn receive(&mut self, _: &mut u32, buffer: &mut [u8]) -> nb::Result<usize, Broken> {
        done(buffer.as_mut_ptr() as usize + buffer.len());
        count()
    }

    #[inline(never)]
    fn close(&mut self, socket: u32) -> Result<(), Broken> {
        done(socket as usize);
        Ok(())
    }
}

impl TcpFullStack for Registers {
    fn bind(&mut self, _: &mut u32, _: u16) -> Result<(), Broken> {
        Ok(())
    }

    fn listen(&mut self, _: &mut u32) -> Result<(), Broken> {
        Ok(())
    }

    #[inline(never)]
    fn accept(&mut self, _: &mut u32) -> nb::Result<(u32, SocketAddr), Broken> {
        let socket = count()? as u32;
        Ok((socket, (Ipv4Addr::LOCALHOST, 80).into()))
    }
}

impl Dns for Registers {
    type Error = Broken;

    #[inline(never)]
    fn get_host_by_name(&mut self, name: &str, _: AddrType) -> nb::Result<IpAddr, Broken> {
        done(name.as_ptr() as usize + name.len());
        Ok(Ipv4Addr::from_bits(count()? as u32).into())
    }

    #[inline(never)]
    fn get_host_by_address(&mut self, _: IpAddr, out: &mut [u8]) -> nb::Result<usize, Broken> {
        done(out.as_mut_ptr() as usize + out.len());
        count()
    }
}

/// A clock, a source of randomness.
pub struct Chip;

impl Platform<Registers> for Chip {
    fn now_ms(&mut self) -> u32 {
        word() as u32
    }

    #[inline(never)]
    fn fill_random(&mut self, out: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for byte in out {
            *byte = word() as u8;
        }
        Ok(())
    }

    fn wait(&mut self, _: &mut Registers, at_most_ms: u32) {
        done(at_most_ms as usize);
    }
}

/// A table of `N` slots.
pub type Table<const N: usize> = WebSockets<'static, Registers, Chip, N>;

/// A table of two slots, with buffers.
pub fn table() -> Table<2> {
    WebSockets::new(Registers, Chip).with_buffers([array::<512>(), array()])
}

/// The messages that a plain program sends.
#[inline]
pub const fn opcode(text: bool) -> Opcode {
    if text { Opcode::Text } else { Opcode::Binary }
}
