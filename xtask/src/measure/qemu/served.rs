//! The board's server, running, for whoever wants to test it.

use super::board::{AN386, Bin};
use super::firmware;
use super::good_end;
use super::machine::{Machine, free_port};
use crate::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// What the server says when it is there.
pub(super) const LISTENING: &str = "listening";

/// A running server.
pub(crate) struct Served {
    pub(crate) port: u16,
    machine: Machine,
}

impl Served {
    /// Builds and starts it; it runs at most for `within`. The inner `Err` says why that can't be
    /// done on this machine.
    pub(crate) fn start(within: Duration) -> Result<std::result::Result<Self, String>> {
        if let Err(why) = super::ready() {
            return Ok(Err(why));
        }
        let built = match firmware::build(&AN386)? {
            Ok(built) => built,
            Err(why) => return Ok(Err(why)),
        };
        let port = free_port()?;
        let mut machine = Machine::start(&AN386, &built, Bin::Server, None, Some(port), within)?;
        machine.wait_for(LISTENING)?;
        Ok(Ok(Self { port, machine }))
    }

    /// Ends it: it has to do so by itself, with exit code 0.
    pub(crate) fn end(self) -> Result {
        let ask = || {
            let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
            tcp.write_all(b"GET /quit HTTP/1.1\r\nHost: board\r\n\r\n")?;
            tcp.read_to_end(&mut Vec::new())
        };
        if let Err(error) = ask() {
            return Err(self.machine.complaint(&format!("GET /quit: {error}")));
        }
        good_end(self.machine, Bin::Server, &mut Vec::new())
    }
}
