//! The demo's server: sends back what comes, 512 bytes at a time, and notes what it saw.

use super::Checksum;
use super::network::{Clock, SERVER, ServerPlatform, Stack};
use crate::echo::{Echo, OnTable, Step};
use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::stack::SmoltcpSocket;
use ws_socket::{
    AcceptError, AcceptOptions, CloseCode, Config, Opcode, ReceiveError, Received, SendError,
    Timeout, WebSocketId, WebSockets, parse_close, write_close,
};

/// Connections at once.
pub(super) const SLOTS: usize = 2;
/// Bytes of each connection's lent buffer, and of the pieces in which messages are handled.
pub(super) const BUFFER: usize = 512;
/// What it speaks.
pub(super) const SUBPROTOCOL: &str = "demo";

pub(super) type Table<'b> = WebSockets<'b, Stack, ServerPlatform, SLOTS>;

/// What the server saw on a connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Message {
        opcode: Opcode,
        length: usize,
        fragments: usize,
        checksum: Checksum,
    },
    Ping(Vec<u8>),
    Close(CloseCode, String),
    /// The connection is over; with both Close frames, if clean.
    Over {
        clean: bool,
    },
    Error(String),
}

/// The server: a table, a listening socket and an echo for each connection.
pub(super) struct Server<'b> {
    pub(super) table: Table<'b>,
    listener: SmoltcpSocket,
    peers: Vec<Peer>,
}

struct Peer {
    ws: WebSocketId,
    echo: Echo<[u8; BUFFER]>,
    seen: Vec<Seen>,
    over: bool,
    // Of the message that is coming in.
    length: usize,
    fragments: usize,
    checksum: Checksum,
    control: Vec<u8>,
}

impl<'b> Server<'b> {
    pub(super) fn new(
        mut stack: Stack,
        clock: Clock,
        lent: [&'b mut [u8; BUFFER]; SLOTS],
    ) -> Result<Self, String> {
        let mut listener = stack.socket().map_err(|e| e.to_string())?;
        stack
            .bind(&mut listener, SERVER.port())
            .map_err(|e| e.to_string())?;
        stack.listen(&mut listener).map_err(|e| e.to_string())?;
        let config = Config {
            report_pings: true,
            ..Config::DEFAULT
        };
        let table = Table::new(stack, ServerPlatform { clock })
            .with_config(config)
            .with_buffers(lent);
        Ok(Self {
            table,
            listener,
            peers: Vec::new(),
        })
    }

    /// Does what can be done at once; false where that was nothing.
    pub(super) fn run(&mut self) -> bool {
        let mut moved = false;
        let options = AcceptOptions {
            subprotocols: &[SUBPROTOCOL],
            headers: &[],
            ..AcceptOptions::default()
        };
        if self.peers.iter().filter(|peer| !peer.over).count() < SLOTS {
            match self
                .table
                .accept(&mut self.listener, &options, Timeout::NoWait)
            {
                Ok(ws) => {
                    self.peers.push(Peer::new(ws));
                    moved = true;
                }
                Err(AcceptError::Timeout) => {}
                Err(error) => log::error!("accepting: {error}"),
            }
        }
        for peer in self.peers.iter_mut().filter(|peer| !peer.over) {
            while peer.step(&mut self.table) {
                moved = true;
            }
        }
        moved
    }

    /// When the stack's next timer is due.
    pub(super) fn poll_delay_ms(&mut self, now: u32) -> Option<u32> {
        self.table.stack().poll_delay_ms(now)
    }

    /// What the `nth` client has done since this was asked last.
    pub(super) fn take_seen(&mut self, nth: usize) -> Vec<Seen> {
        let peer = self.peers.get_mut(nth);
        peer.map(|peer| std::mem::take(&mut peer.seen))
            .unwrap_or_default()
    }

    /// Sends the `nth` client a Close.
    pub(super) fn close(
        &mut self,
        nth: usize,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), String> {
        let peer = self.peers.get(nth).ok_or("no such client")?;
        let mut payload = [0; 125];
        let payload = write_close(code, reason, &mut payload).map_err(|e| e.to_string())?;
        let sent = self
            .table
            .send_msg(peer.ws, payload, Opcode::Close, true, Timeout::NoWait);
        match sent {
            Ok(count) if count == payload.len() => Ok(()),
            Ok(_) | Err(SendError::Timeout) => Err("the Close did not go out at once".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Peer {
    fn new(ws: WebSocketId) -> Self {
        Self {
            ws,
            echo: Echo::new([0; BUFFER]),
            seen: Vec::new(),
            over: false,
            length: 0,
            fragments: 0,
            checksum: Checksum::new(),
            control: Vec::new(),
        }
    }

    /// One step of the echo; false where nothing is to be done, or not any more.
    fn step(&mut self, table: &mut Table<'_>) -> bool {
        let wire = &mut OnTable { table, ws: self.ws };
        let (piece, payload) = match self.echo.step(wire) {
            Ok(Step::Idle) => return false,
            Ok(Step::Sent) => return true,
            Ok(Step::Received(piece, payload)) => (piece, payload),
            Err(error) => {
                self.seen.push(Seen::Error(ReceiveError::to_string(&error)));
                self.end(table);
                return false;
            }
        };
        if !piece.opcode().is_control() {
            self.length += payload.len();
            self.fragments += usize::from(piece.remaining == 0);
            self.checksum.update(payload);
            self.message_ends(&piece);
            return true;
        }
        self.control.extend_from_slice(payload);
        if !piece.is_complete() {
            return true;
        }
        let payload = std::mem::take(&mut self.control);
        match piece.opcode() {
            Opcode::Ping => self.seen.push(Seen::Ping(payload)),
            Opcode::Close => {
                self.seen.push(match parse_close(&payload) {
                    Ok((code, reason)) => Seen::Close(code, reason.to_owned()),
                    Err(error) => Seen::Error(error.to_string()),
                });
                self.end(table);
                return false;
            }
            _ => {}
        }
        true
    }

    fn message_ends(&mut self, piece: &Received) {
        if piece.is_complete() {
            self.seen.push(Seen::Message {
                opcode: piece.opcode(),
                length: std::mem::take(&mut self.length),
                fragments: std::mem::take(&mut self.fragments),
                checksum: std::mem::replace(&mut self.checksum, Checksum::new()),
            });
        }
    }

    /// Both Close frames have gone their way, or the connection is lost: frees the slot.
    fn end(&mut self, table: &mut Table<'_>) {
        self.over = true;
        self.seen
            .push(match table.disconnect(self.ws, Timeout::NoWait) {
                Ok(ended) => Seen::Over { clean: ended.clean },
                Err(error) => Seen::Error(error.to_string()),
            });
    }
}
