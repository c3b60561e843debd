//! The closing handshake (RFC 6455 sections 5.5.1, 7.1).

use embedded_io_async::{Read, Write};
use ws_core::{CloseCode, Face, MAX_CONTROL_PAYLOAD, Opcode, write_close};

use super::Platform;
use super::link::Link;
use crate::error::ReceiveError;
use crate::session::{Outgoing, Payload};

impl<T: Read + Write, P: Platform> Link<'_, '_, T, P> {
    /// Sends a Close, drops what still comes until the peer's, and where it is the server's to
    /// close TCP first waits for that. Called again it goes on.
    pub(super) async fn close(&mut self, code: CloseCode, reason: &str, until_eof: bool) {
        let mut dropped = [0; 64];
        match self.entry.endpoint() {
            Some(endpoint) if !endpoint.frame_open() => {}
            // There can be no Close in the middle of a frame.
            _ => return,
        }
        if !reason.is_empty() {
            let mut payload = [0; MAX_CONTROL_PAYLOAD];
            let payload = write_close(code, reason, &mut payload);
            let frame = Outgoing::whole(Opcode::Close, true, None);
            let payload = Payload::Keep(payload.unwrap_or_default());
            // Where this fails there is a Close without a reason, or none.
            let _ = self.send(frame, payload, false, &mut 0).await;
        }
        if let Some(open) = self.entry.open() {
            open.endpoint.close(code);
        }
        let ended = loop {
            match self.receive(Face::Stream, &mut dropped).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        // The Close that says what the peer did wrong, or that answers its own.
        if self.flush_control().await.is_err() {
            return;
        }
        let Some(open) = self.entry.open() else {
            return;
        };
        // Whatever the configuration says: who drops a stream may drop what it has not sent.
        if open.socket.flush().await.is_err() {
            return;
        }
        let waits = until_eof && open.endpoint.connection().tx.masks();
        if waits && matches!(ended, ReceiveError::Closed(_)) {
            while let Ok(1..) = open.socket.read(&mut dropped).await {}
        }
    }
}
