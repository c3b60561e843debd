//! A server for the suite.

use embedded_nal::{TcpClientStack, TcpFullStack};
use std::io::Write;
use std::net::SocketAddr;

use ws_socket::stack::StdError;
use ws_socket::{AcceptError, AcceptOptions, Platform, Timeout};
use ws_tests::drip::Dripping;

use crate::conversation::{CALL, Conversation, Turn};
use crate::host::{Host, idle};
use crate::{Result, Table};

/// A stack that says where it listens.
pub(crate) trait Listens: TcpFullStack + TcpClientStack<Error = StdError> {
    fn address(&self, listener: &Self::TcpSocket) -> std::result::Result<SocketAddr, StdError>;
}

impl Listens for ws_socket::stack::StdStack {
    fn address(&self, listener: &Self::TcpSocket) -> std::result::Result<SocketAddr, StdError> {
        listener.local_addr()
    }
}

impl Listens for Dripping {
    fn address(&self, listener: &Self::TcpSocket) -> std::result::Result<SocketAddr, StdError> {
        listener.local_addr()
    }
}

/// Prints its port, and serves until it is ended.
pub(crate) fn run<S>(mut table: Table<S>) -> Result
where
    S: Listens,
    Host: Platform<S>,
{
    let mut listener = table.stack().socket()?;
    table.stack().bind(&mut listener, 0)?;
    table.stack().listen(&mut listener)?;
    let address = table.stack().address(&listener)?;
    println!("{}", address.port());
    std::io::stdout().flush()?;

    let options = AcceptOptions::default();
    let mut open: Vec<Conversation> = Vec::new();
    loop {
        let mut busy = false;
        match table.accept(&mut listener, &options, Timeout::NoWait) {
            Ok(ws) => {
                open.push(Conversation::new(ws));
                busy = true;
            }
            Err(AcceptError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
        let mut over = Vec::new();
        for (index, conversation) in open.iter_mut().enumerate() {
            // A turn is many steps: accepting is a system call.
            for _ in 0..1024 {
                match conversation.step(&mut table)? {
                    Turn::Busy => busy = true,
                    Turn::Idle => break,
                    Turn::Over => {
                        over.push(index);
                        break;
                    }
                }
            }
        }
        for index in over.into_iter().rev() {
            table.disconnect(open.swap_remove(index).ws, CALL)?;
            busy = true;
        }
        if !busy {
            idle();
        }
    }
}
