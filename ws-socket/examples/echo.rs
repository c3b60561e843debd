//! Sends every message back, in one thread, whatever its length: `cargo run --example echo
//! --features std`, then `ws connect ws://127.0.0.1:8080/`.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod common;

use common::{Table, listen};
use ws_socket::stack::StdSocket;
use ws_socket::{AcceptOptions, Events, Opcode, PollItem, ReceiveError, WebSocketId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut table, mut listener) = listen(8080)?;
    println!("ws://{}/", listener.local_addr()?);
    serve(&mut table, &mut listener, || true)
}

/// Serves as long as `go_on` says so.
pub fn serve(
    table: &mut Table,
    listener: &mut StdSocket,
    mut go_on: impl FnMut() -> bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let options = AcceptOptions::default();
    let mut open: Vec<PollItem> = Vec::new();
    while go_on() {
        // New connections, and messages on those that are open.
        let found = table.poll_accept(listener, &options, &mut open, 100)?;
        for item in std::mem::take(&mut open) {
            if item.revents == Events(0) || echo(table, item.ws) {
                open.push(item);
            } else {
                table.disconnect(item.ws, 0)?;
            }
        }
        if let Some(ws) = found.accepted {
            open.push(PollItem::new(ws, Events::IN));
        }
    }
    Ok(())
}

/// Sends a piece back; false where the connection is over.
fn echo(table: &mut Table, ws: WebSocketId) -> bool {
    let mut buffer = [0; 512];
    let piece = match table.recv_msg(ws, &mut buffer, 0) {
        Ok(piece) if piece.opcode().is_control() => return true,
        Ok(piece) => piece,
        Err(ReceiveError::Timeout) => return true,
        Err(_) => return false,
    };
    // The first piece of a message says what it is, the others continue it.
    let opcode = match table.in_message(ws) {
        Ok(true) => Opcode::Continuation,
        _ => piece.opcode(),
    };
    let payload = &buffer[..piece.length];
    // A peer that does not read for a second is left.
    let sent = table.send_msg(ws, payload, opcode, piece.is_complete(), 1000);
    sent.is_ok_and(|count| count == payload.len())
}
