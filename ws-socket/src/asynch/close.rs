//! The closing handshake (RFC 6455 sections 5.5.1, 7.1).

use embassy_futures::yield_now;
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
        let Some(endpoint) = self.entry.endpoint() else {
            return;
        };
        let begun = endpoint.connection().tx.opcode() == Some(Opcode::Close);
        // There can be no Close in the middle of a frame.
        if endpoint.frame_open() && !begun {
            return;
        }
        if !reason.is_empty() {
            self.send_close(code, reason).await;
        }
        if self.entry.open_frame().is_some() {
            return;
        }
        // A Pong that became due with what was received last: nothing is sent behind a Close.
        let _ = self.flush_control().await;
        if let Some(open) = self.entry.open() {
            open.endpoint.close(code);
        }
        self.end_close(until_eof).await;
    }

    /// Drops what still comes. Not a part of [`close`](Self::close), whose future would have the two
    /// buffers at once.
    async fn end_close(&mut self, until_eof: bool) {
        let mut dropped = [0; 64];
        let ended = loop {
            if let Err(error) = self.receive(Face::Stream, &mut dropped).await {
                break error;
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
            while let Ok(1..) = open.socket.read(&mut dropped).await {
                if self.alive.turn() {
                    yield_now().await;
                }
            }
        }
    }

    /// Sends a Close with a reason, or the rest of the one that a call before has begun. Where this
    /// fails there is a Close without a reason, or none.
    async fn send_close(&mut self, code: CloseCode, reason: &str) {
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let payload = write_close(code, reason, &mut payload).unwrap_or_default();
        let frame = Outgoing::whole(Opcode::Close, true, None);
        let left = self.entry.open_frame().unwrap_or(payload.len());
        let Some(mut taken) = payload.len().checked_sub(left) else {
            return;
        };
        loop {
            let rest = Payload::Keep(payload.get(taken..).unwrap_or_default());
            let sent = self.send(frame, rest, true, &mut taken).await;
            if sent.is_err() || self.entry.open_frame().is_none() {
                return;
            }
        }
    }
}
