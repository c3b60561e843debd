//! The calls.

use std::net::SocketAddr;

use embedded_nal::TcpClientStack;
use ws_socket::{
    AcceptError, Buffer, CloseCode, Events, Opcode, PollItem, Progress, Recipient, Role, SendError,
    SlowPolicy, WebSocketId, WebSocketRequest, websocket_send_msg,
};
use ws_tests::script::ScriptError;

use super::{TIMEOUTS, World};
use crate::input::Input;
use crate::wire;

const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

/// A payload of so many letters.
fn letters(letter: u8, length: usize) -> Vec<u8> {
    vec![letter; length]
}

impl World<'_> {
    /// One of the ids, most often one of the latest.
    pub(super) fn an_id(&mut self, input: &mut Input<'_>) -> Option<WebSocketId> {
        let back = usize::from(input.byte() & 3);
        let at = self
            .ids
            .len()
            .checked_sub(1 + back)
            .or(self.ids.len().checked_sub(1))?;
        self.ids.get(at).copied()
    }

    fn opened(&mut self, ws: Option<WebSocketId>) {
        if let Some(ws) = ws
            && !self.ids.contains(&ws)
        {
            self.ids.push(ws);
        }
    }

    pub(super) fn call(&mut self, which: u8, input: &mut Input<'_>) {
        let timeout = input.pick(&TIMEOUTS);
        match which {
            0 | 1 => self.connect(which == 1, timeout, input),
            2 => {
                let accepted = self.accept(timeout).ok();
                self.opened(accepted);
            }
            3 => self.poll_accept(timeout),
            4 => {
                let Self {
                    table,
                    listener,
                    site,
                    ..
                } = self;
                let taken = table.take_in(listener, &mut &mut *site).ok().flatten();
                self.opened(taken);
            }
            5 => self.register(input),
            6 => self.nal_socket(),
            7 => self.broadcast(timeout, input),
            which => {
                if let Some(ws) = self.an_id(input) {
                    self.on_an_id(which, ws, timeout, input);
                }
            }
        }
    }

    fn on_an_id(&mut self, which: u8, mut ws: WebSocketId, timeout: i32, input: &mut Input<'_>) {
        match which {
            8 | 9 => self.send_msg(ws, timeout, input),
            10 => self.send_part(ws, timeout, input),
            11 => self.send_msg_mut(ws, timeout, input),
            12 => {
                let payload = letters(b'b', input.up_to(600));
                let sent = self.timed(timeout, |world| world.table.send(ws, &payload, timeout));
                assert!(sent.is_ok_and(|sent| sent <= payload.len()) || sent.is_err());
            }
            13..=15 => {
                let mut buffer = vec![0; input.up_to(300)];
                let received = self.timed(timeout, |world| {
                    world.table.recv_msg(ws, &mut buffer, timeout)
                });
                assert!(
                    received.is_ok_and(|piece| piece.length <= buffer.len()) || received.is_err()
                );
            }
            16 => {
                let mut buffer = vec![0; input.up_to(300)];
                let received =
                    self.timed(timeout, |world| world.table.recv(ws, &mut buffer, timeout));
                assert!(received.is_ok_and(|count| count <= buffer.len()) || received.is_err());
            }
            17 => {
                let mut items = [PollItem::new(ws, Events(input.byte().into())); 2];
                let ready = self.timed(timeout, |world| world.table.poll(&mut items, timeout));
                assert_eq!(
                    ready,
                    items.iter().filter(|item| item.revents.0 != 0).count()
                );
            }
            18 => {
                let code = input.pick(&[1000, 1001, 1005, 4000, 0, 1006, 1015]);
                let reason = input
                    .pick(&["", "bye", "\u{e4}\u{1f980}"])
                    .repeat(input.up_to(40));
                let _ = self.timed(timeout, |world| {
                    world
                        .table
                        .disconnect_with(ws, CloseCode(code), &reason, timeout)
                });
            }
            19 => {
                let kept = self.timed(timeout, |world| {
                    world
                        .table
                        .disconnect_keeping_socket(ws, CloseCode::NORMAL, "", timeout)
                });
                if let Ok((_, socket)) = kept {
                    self.stack.close(socket).expect("it is open");
                }
            }
            20 => {
                if let Ok(socket) = self.table.unregister(ws) {
                    self.stack.close(socket).expect("it is open");
                }
            }
            21 => {
                let _ = self.table.abort(ws);
            }
            22 => self.nal(&mut ws, input),
            _ => {
                let Self { table, site, .. } = self;
                table.advance(ws, &mut &mut *site);
            }
        }
    }

    fn connect(&mut self, url: bool, timeout: i32, input: &mut Input<'_>) {
        let kind = input.byte();
        let mut request = WebSocketRequest::new("host", "/chat").subprotocols(&["chat", "mqtt"]);
        if kind & 1 != 0 {
            request = request.headers(&[("X-More", "yes")]).origin("http://host");
        }
        let socket = self.connected();
        let mut answer = Vec::new();
        if kind & 2 != 0 {
            // In place of what the peer would answer, or in front of it.
            answer.extend(b"HTTP/1.1 1");
            let count = input.up_to(80);
            answer.extend(input.bytes(count));
        }
        self.stack.line(socket, |line| {
            if kind & 4 != 0 {
                (line.window, line.piece) = (input.up_to(300), 1 + input.up_to(20));
            }
            if !answer.is_empty() {
                line.feed(&answer, 1 + input.up_to(50));
            }
        });
        let connected = self.timed(timeout, |world| {
            if url {
                let _ = world.stack.close(socket);
                world
                    .table
                    .connect_url("ws://host:8080/chat?x", request, timeout)
            } else if kind & 8 != 0 {
                let _ = world.stack.close(socket);
                world.table.connect_to(REMOTE, request, timeout)
            } else {
                world.table.connect(socket, request, timeout)
            }
        });
        match connected {
            Ok(ws) => self.opened(Some(ws)),
            Err(_) => assert!(
                !self.stack.is_open(socket),
                "a failed connect keeps its socket"
            ),
        }
    }

    pub(super) fn accept(&mut self, timeout: i32) -> Result<WebSocketId, AcceptError<ScriptError>> {
        self.timed(timeout, |world| {
            let World {
                table,
                listener,
                site,
                ..
            } = world;
            table.accept(listener, site, timeout)
        })
    }

    fn poll_accept(&mut self, timeout: i32) {
        let mut items: Vec<PollItem> = self
            .ids
            .iter()
            .map(|ws| PollItem::new(*ws, Events::IN))
            .collect();
        let polled = self.timed(timeout, |world| {
            let World {
                table,
                listener,
                site,
                ..
            } = world;
            table.poll_accept(listener, site, &mut items, timeout)
        });
        self.opened(polled.ok().and_then(|polled| polled.accepted));
    }

    fn register(&mut self, input: &mut Input<'_>) {
        let role = input.pick(&[Role::Client, Role::Server]);
        let socket = self.connected();
        let copy = self
            .stack
            .line(socket, |line| line.copy.clone())
            .expect("it is recorded");
        let (mut buffer, mut buffered) = (None, 0);
        if input.flag() {
            let mut bytes = Vec::new();
            wire::element(input, role == Role::Server, &mut bytes);
            buffer = self.spare.take().map(|buffer| {
                let buffer = buffer.into_inner();
                buffered = bytes.len();
                for (place, byte) in buffer.iter_mut().zip(bytes) {
                    *place = byte;
                }
                Buffer::new(buffer).expect("as long as before")
            });
        }
        match self.table.register(socket, role, buffer, buffered) {
            Ok(ws) => {
                self.registered.push((copy, role));
                self.opened(Some(ws));
            }
            Err((_, socket)) => self.stack.close(socket).expect("it is open"),
        }
    }

    fn nal_socket(&mut self) {
        let open = self.stack.open();
        match self.table.socket() {
            Ok(ws) => self.opened(Some(ws)),
            Err(_) => assert_eq!(self.stack.open(), open, "a failed socket() keeps one"),
        }
    }

    /// The table as a TCP stack: no call waits.
    fn nal(&mut self, ws: &mut WebSocketId, input: &mut Input<'_>) {
        let kind = input.byte() & 7;
        let count = input.up_to(300);
        self.timed(0, |world| match kind {
            0..=3 => {
                let _ = TcpClientStack::connect(&mut world.table, ws, REMOTE);
            }
            4 => {
                let _ = TcpClientStack::send(&mut world.table, ws, &letters(b'n', count));
            }
            5 | 6 => {
                let _ = TcpClientStack::receive(&mut world.table, ws, &mut vec![0; count]);
            }
            _ => {
                let _ = TcpClientStack::close(&mut world.table, *ws);
            }
        });
    }

    fn send_msg(&mut self, ws: WebSocketId, timeout: i32, input: &mut Input<'_>) {
        let kind = input.byte();
        let Some(opcode) = Opcode::from_wire(kind & 0x0F) else {
            // Goes on with the frame that is open, as a careful caller does.
            if let Ok(Some(rest)) = self.table.open_frame(ws) {
                let rest = letters(b'c', rest.min(10_000));
                let _ = self.timed(timeout, |world| world.table.send(ws, &rest, timeout));
            }
            return;
        };
        let mut payload = letters(b'a', input.up_to(600));
        if opcode == Opcode::Close {
            if kind & 0x10 == 0 {
                payload.splice(..0, [0x03, 0xE8]);
            }
            // Checked when it begins, so that what follows has to be the rest of it.
            self.carry_through(ws, &mut payload, opcode, kind, timeout, false);
            return;
        }
        let (mask, fin) = (kind & 0x20 == 0, kind & 0x40 == 0);
        // What the role demands, most often.
        for mask in [mask, !mask] {
            let sent = self.timed(timeout, |world| {
                websocket_send_msg(&mut world.table, ws, &payload, opcode, mask, fin, timeout)
            });
            match sent {
                Ok(count) => assert!(count <= payload.len()),
                Err(SendError::Mask) => continue,
                Err(_) => {}
            }
            break;
        }
    }

    fn send_part(&mut self, ws: WebSocketId, timeout: i32, input: &mut Input<'_>) {
        let kind = input.byte();
        let part = letters(b'p', input.up_to(300));
        let rest = match self.table.open_frame(ws) {
            Ok(Some(rest)) if kind & 8 == 0 => rest,
            _ => input.up_to(100_000),
        };
        let opcode = input.pick(&[Opcode::Text, Opcode::Binary, Opcode::Continuation]);
        let part = &part[..if kind & 16 == 0 {
            part.len().min(rest)
        } else {
            part.len()
        }];
        let sent = self.timed(timeout, |world| {
            world
                .table
                .send_part(ws, part, rest, opcode, kind & 1 == 0, timeout)
        });
        if let Ok(count) = sent {
            assert!(count <= part.len().min(rest));
        }
    }

    fn send_msg_mut(&mut self, ws: WebSocketId, timeout: i32, input: &mut Input<'_>) {
        let kind = input.byte();
        let opcodes = [
            Opcode::Text,
            Opcode::Binary,
            Opcode::Continuation,
            Opcode::Ping,
        ];
        let opcode = input.pick(&opcodes);
        let mut payload = letters(b'm', input.up_to(600));
        // Masked in place, the rest is the only thing that may follow.
        self.carry_through(ws, &mut payload, opcode, kind, timeout, true);
    }

    /// Sends a frame until all of it is out or its connection is given up.
    fn carry_through(
        &mut self,
        ws: WebSocketId,
        payload: &mut [u8],
        opcode: Opcode,
        kind: u8,
        timeout: i32,
        in_place: bool,
    ) {
        if self.table.open_frame(ws) != Ok(None) {
            return;
        }
        let fin = kind & 0x40 == 0;
        let mut rest = payload;
        for _ in 0..8 {
            let before = rest.to_vec();
            let sent = self.timed(timeout, |world| {
                if in_place {
                    world.table.send_msg_mut(ws, rest, opcode, fin, timeout)
                } else {
                    world.table.send_msg(ws, rest, opcode, fin, timeout)
                }
            });
            match self.table.open_frame(ws) {
                Ok(Some(open)) => {
                    rest = &mut rest[sent.unwrap_or(0)..];
                    assert_eq!(open, rest.len());
                }
                _ => {
                    if sent.is_err() && self.table.is_open(ws) {
                        assert_eq!(rest, before, "taken back, and changed");
                    }
                    return;
                }
            }
            if let Ok(Some(socket)) = self.table.with_socket(ws, |_, socket| *socket) {
                self.stack
                    .line(socket, |line| line.window = line.window.max(100));
            }
        }
        let _ = self.table.abort(ws);
    }

    fn broadcast(&mut self, timeout: i32, input: &mut Input<'_>) {
        let kind = input.byte();
        let policy = match kind & 3 {
            0 => SlowPolicy::Skip,
            1 => SlowPolicy::Close,
            _ => SlowPolicy::Wait,
        };
        let (mut recipients, payload) = match self.broadcast.take() {
            Some(under_way) if kind & 4 == 0 => under_way,
            _ => {
                let recipients = self.ids.iter().map(|ws| Recipient::new(*ws)).collect();
                (recipients, letters(b'r', input.up_to(600)))
            }
        };
        let left = self.timed(timeout, |world| {
            world
                .table
                .broadcast(&mut recipients, &payload, Opcode::Text, policy, timeout)
        });
        assert_eq!(left, recipients.iter().filter(|to| !to.is_done()).count());
        for to in &recipients {
            match to.progress {
                Progress::Partly(count) => assert!(count <= payload.len()),
                Progress::Closed => assert!(!self.table.is_open(to.ws)),
                _ => {}
            }
        }
        self.broadcast = Some((recipients, payload));
    }

    /// Closes it one way or the other.
    pub(super) fn close(&mut self, ws: WebSocketId, keep: bool) {
        if !keep {
            let _ = self.timed(3, |world| world.table.disconnect(ws, 3));
            return;
        }
        let kept = self.timed(3, |world| {
            world
                .table
                .disconnect_keeping_socket(ws, CloseCode::NORMAL, "", 3)
        });
        if let Ok((_, socket)) = kept {
            self.stack.close(socket).expect("it is open");
        }
    }
}
