//! What the peers and the stack do.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ws_tests::frames::request;
use ws_tests::script::{Incoming, Line, ScriptStack};
use ws_tests::site::get;
use ws_tests::table::upgrade;

use super::World;
use crate::input::Input;
use crate::wire;

/// Answers the requests of our clients.
pub(super) struct Peer {
    /// Whether it does.
    answers: Rc<Cell<bool>>,
    /// What it sends behind its answer.
    behind: Rc<RefCell<Vec<u8>>>,
    /// `Ok(0)` means "nothing yet".
    pub(super) zero_is_nothing: bool,
}

impl Peer {
    pub(super) fn new(stack: &ScriptStack, zero_is_nothing: bool) -> Self {
        let answers = Rc::new(Cell::new(true));
        let behind = Rc::new(RefCell::new(Vec::new()));
        let (does, what) = (answers.clone(), behind.clone());
        stack.answer(move |line| {
            line.zero_is_nothing = zero_is_nothing;
            if does.get() && line.outgoing.starts_with(b"GET ") {
                upgrade(line, &what.borrow());
            }
        });
        Self {
            answers,
            behind,
            zero_is_nothing,
        }
    }
}

/// Bytes that come in, in pieces of some length.
fn feed(line: &mut Line, bytes: &[u8], input: &mut Input<'_>) {
    line.feed(bytes, input.pick(&[usize::MAX, 1, 2, 3, 7, 100]));
}

impl World<'_> {
    /// A connected socket of a client, or of one to be registered.
    pub(super) fn connected(&self) -> u8 {
        let socket = self.stack.connected();
        let zero_is_nothing = self.peer.zero_is_nothing;
        self.stack
            .line(socket, |line| line.zero_is_nothing = zero_is_nothing);
        socket
    }

    /// Something happens on the wire.
    pub(super) fn happening(&mut self, what: u8, input: &mut Input<'_>) {
        match what {
            0 => self.arrival(input),
            1 => self.answer(input),
            2 => {
                let ms = input.byte();
                self.clock.set(self.clock.get().wrapping_add(ms.into()));
            }
            what => self.on_a_line(what, input),
        }
    }

    /// A peer connects to the server, with the first of what it says.
    fn arrival(&mut self, input: &mut Input<'_>) {
        let socket = self.stack.arrive();
        let zero_is_nothing = self.peer.zero_is_nothing;
        let kind = input.byte();
        let mut bytes = match kind & 7 {
            0 | 1 => request(""),
            2 => request("Sec-WebSocket-Protocol: x, chat\r\n").replace("/chat", "/ws"),
            3 => get("/numbers") + &get("/log"),
            4 => get("/") + &request("").replace("/chat", "/ws"),
            5 => get("/refused"),
            6 => request("").replace("/chat", "/ws"),
            _ => String::new(),
        }
        .into_bytes();
        if kind & 7 < 2 {
            // The site upgrades there.
            bytes = String::from_utf8_lossy(&bytes)
                .replace("/chat", "/ws")
                .into_bytes();
        }
        if kind & 0x08 != 0 {
            let count = input.up_to(40);
            bytes.extend(input.bytes(count));
        }
        if kind & 0x10 != 0 {
            wire::element(input, true, &mut bytes);
        }
        if kind & 0x20 != 0 && !bytes.is_empty() {
            let at = input.up_to(bytes.len() - 1);
            bytes[at] = input.byte();
        }
        self.stack.line(socket, |line| {
            line.zero_is_nothing = zero_is_nothing;
            if !bytes.is_empty() {
                feed(line, &bytes, input);
            }
            if kind & 0x40 != 0 {
                line.incoming.push_back(Incoming::Eof);
            }
        });
    }

    /// How the servers that our clients speak to answer from here on.
    fn answer(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        self.peer.answers.set(kind & 1 == 0);
        let mut behind = self.peer.behind.borrow_mut();
        behind.clear();
        if kind & 2 != 0 {
            wire::element(input, false, &mut behind);
        }
    }

    /// Something happens on one of the connections.
    fn on_a_line(&mut self, what: u8, input: &mut Input<'_>) {
        let Some(ws) = self.an_id(input) else { return };
        let Ok(Some(socket)) = self.table.with_socket(ws, |_, socket| *socket) else {
            return;
        };
        let masked = self.stack.line(socket, |line| {
            // What the peer of a client sends is not masked.
            let copy = line
                .copy
                .as_ref()
                .map(|copy| copy.borrow().starts_with(b"GET "));
            copy != Some(true)
        });
        let masked = masked != (input.byte() & 0x1F == 0x1F);
        self.stack.line(socket, |line| {
            let over = |what: &Incoming| matches!(what, Incoming::Eof | Incoming::Reset);
            let over = line.incoming.back().is_some_and(over);
            match what {
                3 | 4 if !over => {
                    let mut bytes = Vec::new();
                    for _ in 0..=input.up_to(3) {
                        wire::element(input, masked, &mut bytes);
                    }
                    if !bytes.is_empty() {
                        feed(line, &bytes, input);
                    }
                }
                5 => {
                    line.window = input.pick(&[usize::MAX, 0, 1, 2, 5, 14, 100, 300]);
                    line.piece = input.pick(&[usize::MAX, 1, 2, 7, 0]);
                }
                6 if !over => {
                    let pick = input.up_to(7);
                    line.incoming.push_back(match pick {
                        0..=3 => Incoming::Nothing,
                        4 | 5 => Incoming::Eof,
                        _ => Incoming::Reset,
                    });
                }
                7 if !over => {
                    let mut bytes = Vec::new();
                    wire::element(input, masked, &mut bytes);
                    if !bytes.is_empty() {
                        line.flood(&bytes);
                    }
                }
                _ => {}
            }
        });
    }
}
