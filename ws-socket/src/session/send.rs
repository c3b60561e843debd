//! Sending: as much of a frame as the wire takes.

use core::fmt::Debug;

use embedded_nal::{TcpClientStack, nb};
use ws_core::{Endpoint, FrameError, Opcode, check_close};

use super::{Context, Entry, Open, SEND_SCRATCH};
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

    #[cfg(feature = "async")]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
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

/// A frame on its way out, without the wire: what every driver loops around.
pub(crate) struct Sending<'p> {
    payload: Payload<'p>,
    taken: usize,
}

impl<'p> Sending<'p> {
    /// Begins a frame, or goes on with the one that is open. Control frames that are due have to
    /// be out.
    ///
    /// On the message face the payload has to be the rest of the open frame, or a part of it; on
    /// the stream face (where nothing is said of masking) it is whatever comes next.
    pub(crate) fn begin<E: Debug>(
        endpoint: &mut Endpoint,
        frame: Outgoing,
        mut payload: Payload<'p>,
        key: impl FnOnce() -> [u8; 4],
    ) -> Result<Self, SendError<E>> {
        let length = frame.rest.unwrap_or(payload.bytes().len());
        if endpoint.frame_open() {
            let tx = &endpoint.connection().tx;
            let continued = tx.opcode() == Some(frame.opcode)
                && tx.fin() == frame.fin
                && tx.remaining() == length;
            // The stream face may go on with any data, not with what only looks like it.
            let control = tx.opcode().is_some_and(Opcode::is_control);
            if !continued && (frame.mask.is_some() || control) {
                return Err(FrameError::FrameOpen.into());
            }
        } else {
            if frame.opcode == Opcode::Close {
                // Checked whole, so that it cannot begin in part.
                if length != payload.bytes().len() {
                    return Err(FrameError::Control.into());
                }
                check_close(payload.bytes()).map_err(SendError::Close)?;
            }
            endpoint.begin(frame.opcode, frame.fin, length, key)?;
            if let Payload::Mask(bytes) = &mut payload {
                endpoint.mask_in_place(bytes);
            }
        }
        Ok(Self { payload, taken: 0 })
    }

    /// What goes to the wire next; nothing where the frame is out, or the payload that is at hand.
    pub(crate) fn bytes<'s>(&'s self, endpoint: &Endpoint, scratch: &'s mut [u8]) -> &'s [u8] {
        let rest = self.payload.bytes().get(self.taken..).unwrap_or_default();
        if endpoint.is_plain() {
            let open = endpoint.connection().tx.remaining();
            rest.get(..open).unwrap_or(rest)
        } else {
            let count = endpoint.fill(rest, scratch);
            scratch.get(..count).unwrap_or_default()
        }
    }

    /// The wire took so much of it.
    pub(crate) fn sent(&mut self, endpoint: &mut Endpoint, count: usize) {
        self.taken += endpoint.sent(count);
    }

    /// How many bytes of the payload are out.
    #[cfg(feature = "async")]
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    /// No more goes out for now: how many bytes of the payload did. `None` where nothing of the
    /// frame did that concerns the caller: then it is taken back, if it has not begun to go out.
    pub(crate) fn end(&mut self, endpoint: &mut Endpoint) -> Option<usize> {
        let tx = &endpoint.connection().tx;
        let all = self.taken == self.payload.bytes().len() && tx.header_due() == 0;
        if self.taken > 0 || all {
            return Some(self.taken);
        }
        if let Payload::Mask(bytes) = &mut self.payload
            && tx.is_untouched()
        {
            endpoint.mask_in_place(bytes);
        }
        endpoint.rollback();
        None
    }
}

#[cfg(feature = "async")]
impl Outgoing {
    /// A frame of the message face.
    pub(crate) const fn on_messages(mut self, masks: bool) -> Self {
        self.mask = Some(masks);
        self
    }
}

impl Outgoing {
    /// A part of a frame that has `rest` bytes still to go.
    pub(crate) fn part<E: Debug>(
        opcode: Opcode,
        fin: bool,
        rest: usize,
        part: &[u8],
    ) -> Result<Self, SendError<E>> {
        if part.len() > rest {
            return Err(SendError::PartTooLong);
        }
        Ok(Self {
            rest: Some(rest),
            ..Self::whole(opcode, fin, None)
        })
    }

    /// Does the caller say of masking what the role demands?
    pub(crate) fn check<E: Debug>(&self, endpoint: &Endpoint) -> Result<(), SendError<E>> {
        match self.mask {
            Some(mask) if mask != endpoint.connection().tx.masks() => Err(SendError::Mask),
            _ => Ok(()),
        }
    }
}

impl<T> Entry<'_, T> {
    /// Sends what the wire takes of a frame, and returns how many bytes of the payload that is: of
    /// a frame that went out whole, all of them.
    pub(crate) fn send<S, P>(
        &mut self,
        context: &mut Context<'_, S, P>,
        frame: Outgoing,
        payload: Payload<'_>,
    ) -> nb::Result<usize, SendError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(mut open) = self.open() else {
            return Err(nb::Error::Other(SendError::NotConnected));
        };
        frame.check(open.endpoint).map_err(nb::Error::Other)?;
        let flushed = context.flush(&mut open).map_err(SendError::Stack);
        if !flushed.map_err(nb::Error::Other)? {
            return Err(nb::Error::WouldBlock);
        }
        let Open {
            endpoint, socket, ..
        } = open;
        let mut sending =
            Sending::begin(endpoint, frame, payload, || context.key()).map_err(nb::Error::Other)?;
        let mut scratch = [0; SEND_SCRATCH];
        loop {
            let bytes = sending.bytes(endpoint, &mut scratch);
            if bytes.is_empty() {
                break;
            }
            match context.write(socket, bytes) {
                Ok(count) => sending.sent(endpoint, count),
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(error)) => {
                    return Err(nb::Error::Other(SendError::Stack(error)));
                }
            }
        }
        sending.end(endpoint).ok_or(nb::Error::WouldBlock)
    }
}
