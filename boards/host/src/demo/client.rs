//! The demo's client: the table's calls, counted, with errors as text and a limit on their time.

use super::network::{ClientPlatform, Clock, SERVER, Stack};
use super::server::{BUFFER, SLOTS, SUBPROTOCOL, Seen, Server};
use super::wire::Carried;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use ws_socket::{
    Config, Flags, Opcode, ReceiveError, Received, SendError, Timeout, WebSocketId,
    WebSocketRequest, WebSockets,
};

/// Nothing takes that long: in the demo's time, which passes only while everybody waits.
pub(super) const PATIENCE: Timeout = Timeout::Millis(30_000);

type Table<'b, const N: usize> = WebSockets<'b, Stack, ClientPlatform<'b>, N>;

/// Bytes of a table that each of its slots adds.
pub(super) const fn slot_size() -> usize {
    size_of::<Table<'_, 2>>() - size_of::<Table<'_, 1>>()
}

/// What went through the client.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) messages: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// The client, and the server that runs while it waits.
pub(super) struct Client<'b> {
    pub(super) table: Table<'b, SLOTS>,
    server: Rc<RefCell<Server<'b>>>,
    /// The connections, in the order in which they were made.
    pub(super) open: Vec<WebSocketId>,
    pub(super) sent: Count,
    pub(super) received: Count,
    /// Messages a second there and back.
    pub(super) rate: Option<u64>,
}

impl<'b> Client<'b> {
    pub(super) fn new(
        stack: Stack,
        clock: Clock,
        carried: Rc<Cell<Carried>>,
        server: Rc<RefCell<Server<'b>>>,
        lent: [&'b mut [u8; BUFFER]; SLOTS],
    ) -> Self {
        let platform = ClientPlatform {
            clock,
            carried,
            server: Rc::clone(&server),
        };
        let config = Config {
            report_pongs: true,
            ..Config::DEFAULT
        };
        Self {
            table: Table::new(stack, platform)
                .with_config(config)
                .with_buffers(lent),
            server,
            open: Vec::new(),
            sent: Count::default(),
            received: Count::default(),
            rate: None,
        }
    }

    /// Works on the server.
    pub(super) fn server<R>(&self, work: impl FnOnce(&mut Server<'b>) -> R) -> R {
        work(&mut self.server.borrow_mut())
    }

    /// What the server saw of the `nth` connection since it was asked last.
    pub(super) fn seen(&self, nth: usize) -> Vec<Seen> {
        self.server(|server| server.take_seen(nth))
    }

    /// The `nth` connection.
    pub(super) fn nth(&self, nth: usize) -> Result<WebSocketId, String> {
        let ws = self.open.get(nth).copied();
        ws.ok_or_else(|| format!("connection {nth} is not there"))
    }

    pub(super) fn connect(&mut self) -> Result<WebSocketId, String> {
        let request = WebSocketRequest::new("server.demo", "/demo").subprotocols(&[SUBPROTOCOL]);
        let ws = self
            .table
            .connect_to(SERVER, request, PATIENCE)
            .map_err(|error| format!("connecting: {error}"))?;
        self.open.push(ws);
        Ok(ws)
    }

    /// Sends a frame, whole.
    pub(super) fn send(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
    ) -> Result<(), String> {
        let sent = self
            .table
            .send_msg(ws, payload, opcode, fin, PATIENCE)
            .map_err(|error| format!("sending: {error}"))?;
        same("bytes sent", &payload.len(), &sent)?;
        self.count_sent(opcode, sent, fin);
        Ok(())
    }

    pub(super) fn count_sent(&mut self, opcode: Opcode, bytes: usize, fin: bool) {
        self.sent.frames += 1;
        self.sent.bytes += bytes as u64;
        self.sent.messages += u64::from(fin && !opcode.is_control());
    }

    /// Sends as much of a frame as goes out at once.
    pub(super) fn send_some(
        &mut self,
        ws: WebSocketId,
        rest: &[u8],
        opcode: Opcode,
    ) -> Result<usize, String> {
        match self.table.send_msg(ws, rest, opcode, true, Timeout::NoWait) {
            Err(SendError::Timeout) => Ok(0),
            result => result.map_err(|error| format!("sending: {error}")),
        }
    }

    /// Receives a piece; `None` where none comes within `timeout`.
    pub(super) fn receive(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Option<Received>, String> {
        let piece = match self.table.recv_msg(ws, buffer, timeout) {
            Err(ReceiveError::Timeout) => return Ok(None),
            result => result.map_err(|error| format!("receiving: {error}"))?,
        };
        let control = piece.opcode().is_control();
        self.received.frames += u64::from(piece.remaining == 0);
        self.received.bytes += piece.length as u64;
        self.received.messages += u64::from(piece.is_complete() && !control);
        Ok(Some(piece))
    }

    /// Receives a frame, whole: its flags and its payload.
    pub(super) fn receive_frame(&mut self, ws: WebSocketId) -> Result<(Flags, Vec<u8>), String> {
        let mut payload = Vec::new();
        let mut buffer = [0; BUFFER];
        loop {
            let piece = self.receive(ws, &mut buffer, PATIENCE)?;
            let piece = piece.ok_or("nothing came back")?;
            payload.extend_from_slice(buffer.get(..piece.length).unwrap_or_default());
            if piece.remaining == 0 {
                return Ok((piece.flags, payload));
            }
        }
    }

    /// Receives a message, whole: the server sends it back in as many fragments as it took.
    pub(super) fn receive_message(&mut self, ws: WebSocketId) -> Result<(Opcode, Vec<u8>), String> {
        let mut message = Vec::new();
        loop {
            let (flags, payload) = self.receive_frame(ws)?;
            message.extend_from_slice(&payload);
            let opcode = if flags.contains(Flags::TEXT) {
                Opcode::Text
            } else {
                Opcode::Binary
            };
            if flags.contains(Flags::FINAL) {
                return Ok((opcode, message));
            }
        }
    }

    /// Lets the demo's time pass with nothing to do but what the stacks have to.
    pub(super) fn idle(&mut self, millis: u32) {
        self.table.poll(&mut [], Timeout::Millis(millis));
    }
}

/// Says what differs, if it does.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let show = |value: &T| {
        let text = format!("{value:?}");
        let short: String = text.chars().take(200).collect();
        if short.len() < text.len() {
            short + "…"
        } else {
            short
        }
    };
    let (expected, found) = (show(expected), show(found));
    Err(format!(
        "{what} differ:\n  expected {expected}\n  found    {found}"
    ))
}
