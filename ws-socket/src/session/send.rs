//! Sending: as much of a frame as the wire takes.

use core::fmt::Debug;

use embedded_nal::{TcpClientStack, nb};
use ws_core::{Endpoint, FrameError, Lent, Opcode, check_close};

use super::{Context, Entry, Open, STACK_SCRATCH, State, Stop};
use crate::Platform;
use crate::error::SendError;

/// A payload, and whether it may be masked where it stands.
pub(crate) enum Payload<'a> {
    Keep(&'a [u8]),
    Mask(&'a mut [u8]),
}

impl Payload<'_> {
    #[inline(always)]
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
    /// How much of the frame's payload comes behind what is at hand.
    pub(crate) behind: usize,
    /// What the caller says of masking; `None` on the stream face, where the role alone decides.
    pub(crate) mask: Option<bool>,
}

impl Outgoing {
    /// A frame all of whose payload, or the rest of it, is at hand.
    pub(crate) const fn whole(opcode: Opcode, fin: bool, mask: Option<bool>) -> Self {
        Self {
            opcode,
            fin,
            behind: 0,
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
    #[cfg(feature = "async")]
    pub(crate) fn begin<E: Debug>(
        endpoint: &mut Endpoint,
        frame: Outgoing,
        payload: Payload<'p>,
        key: impl FnOnce() -> [u8; 4],
    ) -> Result<Self, SendError<E>> {
        let mut sending = Self::new(payload);
        sending.begin_rest(endpoint, frame, key)?;
        Ok(sending)
    }

    /// Nothing of it is sent yet.
    pub(crate) const fn new(payload: Payload<'p>) -> Self {
        Self { payload, taken: 0 }
    }

    /// [`begin`](Self::begin) with what is left of the payload.
    fn begin_rest<E: Debug>(
        &mut self,
        endpoint: &mut Endpoint,
        frame: Outgoing,
        key: impl FnOnce() -> [u8; 4],
    ) -> Result<(), SendError<E>> {
        let rest = self.rest();
        let length = rest.len().saturating_add(frame.behind);
        if endpoint.frame_open() {
            let tx = &endpoint.connection().tx;
            // The stream face may go on with any data, not with what only looks like it.
            let stream = frame.mask.is_none() && !tx.opcode().is_some_and(Opcode::is_control);
            if !stream && !tx.awaits(frame.opcode, frame.fin, length) {
                return Err(FrameError::FrameOpen.into());
            }
        } else {
            if frame.opcode == Opcode::Close {
                // Checked whole, so that it cannot begin in part.
                if frame.behind > 0 {
                    return Err(FrameError::Control.into());
                }
                check_close(rest).map_err(SendError::Close)?;
            }
            endpoint.begin(frame.opcode, frame.fin, length, key)?;
            self.mask_in_place(endpoint);
        }
        Ok(())
    }

    // Inlined, the masked form costs those who do not use it nothing.
    #[inline(always)]
    fn mask_in_place(&mut self, endpoint: &mut Endpoint) {
        if let Payload::Mask(bytes) = &mut self.payload {
            endpoint.mask_in_place(bytes.get_mut(self.taken..).unwrap_or_default());
        }
    }

    #[inline(always)]
    fn rest(&self) -> &[u8] {
        self.payload.bytes().get(self.taken..).unwrap_or_default()
    }

    /// What goes to the wire next; nothing where the frame is out, or the payload that is at hand.
    #[cfg(feature = "async")]
    pub(crate) fn bytes<'s>(&'s self, endpoint: &Endpoint, scratch: &'s mut [u8]) -> &'s [u8] {
        endpoint.bytes(self.rest(), scratch)
    }

    /// The wire took so much of it.
    #[cfg(feature = "async")]
    pub(crate) fn sent(&mut self, endpoint: &mut Endpoint, count: usize) {
        self.taken += endpoint.sent(count);
    }

    /// How many bytes of the payload are out.
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    /// No more goes out for now: is all of the payload out? A frame that has not begun to go out is
    /// taken back.
    pub(crate) fn end(&mut self, endpoint: &mut Endpoint) -> bool {
        let tx = &endpoint.connection().tx;
        if tx.header_due() == 0 && self.rest().is_empty() {
            return true;
        }
        if tx.is_untouched() {
            self.mask_in_place(endpoint);
            endpoint.rollback();
        }
        false
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
        let behind = rest.checked_sub(part.len());
        Ok(Self {
            behind: behind.ok_or(SendError::PartTooLong)?,
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
    /// Sends what the wire takes of a frame's payload; `WouldBlock` where that is not all.
    pub(crate) fn send<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        frame: Outgoing,
        sending: &mut Sending<'_>,
    ) -> nb::Result<(), SendError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        match self.try_send(context, frame, sending) {
            Ok(None) => Ok(()),
            Ok(Some(Stop::Blocked)) => {
                if let Some(State::Open { full_at, .. }) = self.state_mut() {
                    *full_at = Some(context.platform.now_ms());
                }
                Err(nb::Error::WouldBlock)
            }
            Ok(Some(_)) => Err(nb::Error::Other(match context.error.take() {
                Some(error) => SendError::Stack(error),
                None => SendError::NotConnected,
            })),
            Err(error) => Err(nb::Error::Other(error)),
        }
    }

    /// Says where it stopped before the end.
    fn try_send<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        frame: Outgoing,
        sending: &mut Sending<'_>,
    ) -> Result<Option<Stop>, SendError<S::Error>>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let stop = self.flush(context);
        let Some(endpoint) = self.endpoint_mut() else {
            return Err(SendError::NotConnected);
        };
        // What is wrong with the call is said also where the wire is full.
        frame.check(endpoint)?;
        if stop.is_some() {
            return Ok(stop);
        }
        sending.begin_rest(endpoint, frame, || context.key())?;
        let (taken, stop) = self.push(context, Some(sending.rest()));
        sending.taken += taken;
        match stop {
            Some(_) => {
                if let Some(endpoint) = self.endpoint_mut() {
                    let _ = sending.end(endpoint);
                }
            }
            // On the stream face the frame may have been one of less, left open before.
            None if !sending.rest().is_empty() => return Ok(Some(Stop::Blocked)),
            _ => {}
        }
        Ok(stop)
    }

    /// Writes the control frames that are due, as far as they go out at once.
    pub(crate) fn flush<S, P>(&mut self, context: &mut Context<S, P>) -> Option<Stop>
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        if self.endpoint()?.control_ready() {
            self.push(context, None).1
        } else {
            None
        }
    }

    /// Writes the control frames that are due, or else what is at hand of the user's open frame. Says
    /// how much that was of its payload, and where it stopped before the end.
    #[inline(never)]
    fn push<S, P>(
        &mut self,
        context: &mut Context<S, P>,
        user: Option<&[u8]>,
    ) -> (usize, Option<Stop>)
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let mut taken = 0;
        let Some(Open {
            endpoint,
            socket,
            lent,
        }) = self.open()
        else {
            return (0, None);
        };
        let (read, reserve) = lent.into_parts();
        let lent = Lent::from_parts(&mut [], reserve);
        let mut scratch = [0; STACK_SCRATCH];
        let unused = endpoint.unused(read);
        let scratch = if unused.len() > STACK_SCRATCH {
            unused
        } else {
            &mut scratch
        };
        loop {
            let rest = match user {
                Some(rest) => rest.get(taken..).unwrap_or_default(),
                None if endpoint.begin_control(|| context.key()) => endpoint.control_rest(&lent),
                None => return (0, None),
            };
            let bytes = endpoint.bytes(rest, scratch);
            if bytes.is_empty() {
                return (taken, None);
            }
            let written = context.write(socket, bytes);
            taken += endpoint.written(written.unwrap_or(0));
            if let Err(stop) = written {
                return (taken, Some(stop));
            }
        }
    }
}
