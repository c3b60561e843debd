//! Sending: as much of a frame as the wire takes.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{FrameError, Opcode, check_close};

use super::{Context, Entry, SEND_SCRATCH};
use crate::Platform;
use crate::error::SendError;

/// A payload, and whether it may be masked where it stands.
pub(crate) enum Payload<'a> {
    Keep(&'a [u8]),
    Mask(&'a mut [u8]),
}

impl Payload<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Keep(bytes) => bytes,
            Self::Mask(bytes) => bytes,
        }
    }
}

/// The frame that a payload is for.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    /// How much of the frame's payload is still to go out, where the caller says so: what it gives
    /// is a part of that.
    pub(crate) rest: Option<usize>,
    /// What the caller says of masking; `None` on the stream face, where the role alone decides.
    pub(crate) mask: Option<bool>,
}

impl Outgoing {
    /// A frame all of whose payload, or the rest of it, is at hand.
    pub(crate) const fn whole(opcode: Opcode, fin: bool, mask: Option<bool>) -> Self {
        Self {
            opcode,
            fin,
            rest: None,
            mask,
        }
    }
}

impl<T> Entry<'_, T> {
    /// Begins a frame, or goes on with the one that is open, and returns how many bytes of the
    /// payload went out: of a frame that went out whole, all of them. A frame of which not even
    /// the first byte went out is taken back.
    ///
    /// On the message face the payload has to be the rest of the open frame; on the stream face
    /// (where nothing is said of masking) it is whatever comes next.
    pub(crate) fn send<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        frame: Outgoing,
        mut payload: Payload<'_>,
    ) -> nb::Result<usize, SendError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some((socket, endpoint)) = self.open() else {
            return Err(nb::Error::Other(SendError::NotConnected));
        };
        if frame
            .mask
            .is_some_and(|mask| mask != endpoint.connection().tx.masks())
        {
            return Err(nb::Error::Other(SendError::Mask));
        }
        let stack_error = |error| nb::Error::Other(SendError::Stack(error));
        if !context.flush(socket, endpoint).map_err(stack_error)? {
            return Err(nb::Error::WouldBlock);
        }
        let length = frame.rest.unwrap_or(payload.bytes().len());
        if endpoint.frame_open() {
            let tx = &endpoint.connection().tx;
            let continued = tx.opcode() == Some(frame.opcode)
                && tx.fin() == frame.fin
                && tx.remaining() == length;
            if frame.mask.is_some() && !continued {
                return Err(nb::Error::Other(FrameError::FrameOpen.into()));
            }
        } else {
            if frame.opcode == Opcode::Close {
                check_close(payload.bytes())
                    .map_err(|error| nb::Error::Other(SendError::Close(error)))?;
            }
            endpoint
                .begin(frame.opcode, frame.fin, length, || context.key())
                .map_err(|error| nb::Error::Other(error.into()))?;
            if let Payload::Mask(bytes) = &mut payload {
                endpoint.mask_in_place(bytes);
            }
        }
        let mut scratch = [0; SEND_SCRATCH];
        let mut taken = 0;
        while endpoint.frame_open() {
            let rest = payload.bytes().get(taken..).unwrap_or_default();
            let bytes = if endpoint.is_plain() {
                let open = endpoint.connection().tx.remaining();
                rest.get(..open).unwrap_or(rest)
            } else {
                let count = endpoint.fill(rest, &mut scratch);
                scratch.get(..count).unwrap_or_default()
            };
            // The payload may end before the frame does, where the caller gives it in parts.
            if bytes.is_empty() {
                break;
            }
            match context.write(socket, bytes) {
                Ok(count) => taken += endpoint.sent(count),
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(error)) => return Err(stack_error(error)),
            }
        }
        let all = taken == payload.bytes().len() && endpoint.connection().tx.header_due() == 0;
        if taken > 0 || all {
            return Ok(taken);
        }
        if let Payload::Mask(bytes) = &mut payload
            && endpoint.connection().tx.is_untouched()
        {
            endpoint.mask_in_place(bytes);
        }
        endpoint.rollback();
        Err(nb::Error::WouldBlock)
    }
}
