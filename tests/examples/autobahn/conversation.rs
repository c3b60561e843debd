//! What both roles do with a connection.

use embedded_nal::TcpClientStack;
use ws_socket::{Opcode, Platform, ReceiveError, Received, WebSocketId};

use crate::echo::{Echo, OnTable, Step};
use crate::host::Host;
use crate::{Result, Table};

/// How long a single call may take, in milliseconds.
pub(crate) const CALL: i32 = 10_000;

/// An open connection.
pub(crate) struct Conversation {
    pub(crate) ws: WebSocketId,
    echo: Echo<[u8; 4096]>,
    ping: Ping,
}

/// What came of a step.
pub(crate) enum Turn {
    Busy,
    Idle,
    /// Whatever ended it: the suite knows whether it had to end like this.
    Over,
}

impl Conversation {
    pub(crate) fn new(ws: WebSocketId) -> Self {
        Self {
            ws,
            echo: Echo::new([0; 4096]),
            ping: Ping {
                payload: [0; 125],
                length: 0,
            },
        }
    }

    /// Receives a piece, or sends something back.
    pub(crate) fn step<S>(&mut self, table: &mut Table<S>) -> Result<Turn>
    where
        S: TcpClientStack,
        S::Error: 'static,
        Host: Platform<S>,
    {
        let wire = &mut OnTable { table, ws: self.ws };
        match self.echo.step(wire) {
            Ok(Step::Received(piece, payload)) if piece.opcode() == Opcode::Ping => {
                if let Some(payload) = self.ping.piece(&piece, payload) {
                    pong(table, self.ws, payload)?;
                }
                Ok(Turn::Busy)
            }
            Ok(Step::Received(..) | Step::Sent) => Ok(Turn::Busy),
            Ok(Step::Idle) => Ok(Turn::Idle),
            Err(error @ ReceiveError::Handle(_)) => Err(error.into()),
            Err(_) => Ok(Turn::Over),
        }
    }
}

/// A Ping that comes to the caller, in pieces as every frame, where the caller is to answer it.
struct Ping {
    payload: [u8; 125],
    length: usize,
}

impl Ping {
    /// The payload, when this piece was the last.
    fn piece(&mut self, piece: &Received, payload: &[u8]) -> Option<&[u8]> {
        self.payload[self.length..][..payload.len()].copy_from_slice(payload);
        self.length += payload.len();
        if piece.remaining > 0 {
            return None;
        }
        Some(&self.payload[..std::mem::take(&mut self.length)])
    }
}

/// Answers a Ping.
fn pong<S>(table: &mut Table<S>, ws: WebSocketId, payload: &[u8]) -> Result
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    let mut rest = payload;
    loop {
        let sent = table.send_msg(ws, rest, Opcode::Pong, true, CALL)?;
        rest = &rest[sent..];
        if rest.is_empty() {
            return Ok(());
        }
    }
}
