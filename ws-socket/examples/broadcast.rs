//! The same reading for everybody, ten times a second; who is slow misses some, who does not read
//! at all is left: `cargo run --example broadcast --features std`.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod common;

use common::{Table, listen};
use ws_socket::stack::StdSocket;
use ws_socket::{
    AcceptError, AcceptOptions, Opcode, Progress, ReceiveError, Recipient, SlowPolicy, WebSocketId,
};

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
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut number = 0;
    while go_on() {
        match table.accept(listener, &options, 100) {
            Ok(ws) => recipients.push(Recipient::new(ws)),
            Err(AcceptError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
        number += 1;
        let reading = format!("reading {number}");
        for recipient in &mut recipients {
            *recipient = Recipient::new(recipient.ws);
        }
        // One who has not the whole of it within these milliseconds has a frame cut in two.
        let (payload, policy) = (reading.as_bytes(), SlowPolicy::Skip);
        table.broadcast(&mut recipients, payload, Opcode::Text, policy, 20);
        recipients.retain(|to| match to.progress {
            Progress::Sent | Progress::Skipped if !has_left(table, to.ws) => true,
            Progress::Closed => false,
            Progress::Partly(_) => table.abort(to.ws).is_err(),
            _ => table.disconnect(to.ws, 0).is_err(),
        });
    }
    Ok(())
}

/// Drops what a peer says, until it says that it goes.
fn has_left(table: &mut Table, ws: WebSocketId) -> bool {
    !matches!(
        table.recv_msg(ws, &mut [0; 64], 0),
        Ok(_) | Err(ReceiveError::Timeout)
    )
}
