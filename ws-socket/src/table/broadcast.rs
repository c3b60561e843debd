//! One message to many.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{CloseCode, Opcode, Outgoing};

use super::Table;
use crate::error::{HandleError, SendError};
use crate::slots::{Direction, SlotStore};
use crate::timeout::Deadline;
use crate::{Platform, Timeout, WebSocketId};

/// What becomes of a recipient that does not take a message as fast as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It goes without: where not a byte goes out at once, the message is [`Progress::Skipped`].
    /// For readings of which the next is as good.
    Skip,
    /// It is closed when the call ends: with 1013 (try again later), or without a Close where the
    /// message is partly out. For messages of which none may be missed.
    Close,
    /// It stays as it is, for the next call to go on with.
    Wait,
}

/// How far a message has come on its way to a [`Recipient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is out.
    Waiting,
    /// So many bytes of the payload are out, and the frame is open: the rest has to follow.
    Partly(usize),
    /// All of it is out.
    Sent,
    /// It goes without ([`SlowPolicy::Skip`]).
    Skipped,
    /// It was too slow and is closed ([`SlowPolicy::Close`]); its id is stale.
    Closed,
    /// It could not be sent to: closed by the peer, lost, or the id is stale. The id is the
    /// application's to [`disconnect`](Table::disconnect).
    Gone,
}

/// A WebSocket that a message goes to, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub ws: WebSocketId,
    /// How far.
    pub progress: Progress,
}

impl Recipient {
    /// A recipient to whom nothing is sent yet.
    pub const fn new(ws: WebSocketId) -> Self {
        Self {
            ws,
            progress: Progress::Waiting,
        }
    }

    /// Is there nothing more to do for this message?
    pub const fn is_done(&self) -> bool {
        !matches!(self.progress, Progress::Waiting | Progress::Partly(_))
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Sends one message, Text or Binary, to all `recipients`, and returns how many are not
    /// [done](Recipient::is_done) with it. No copy of the payload is made; each recipient takes it
    /// at its own pace, and none waits for another. The call itself waits at most for `timeout`,
    /// and not at all where all are done before.
    ///
    /// Those who are not done go on with the next call: same `recipients`, same payload, same
    /// opcode. A recipient that is [`Progress::Partly`] through **must** be brought to its end, by
    /// this or by [`send_msg`](Self::send_msg) with the rest of the payload, before anything else
    /// can be sent to it; meanwhile another broadcast counts it as slow, and
    /// [`abort`](Self::abort) is the other way out. With `Timeout::NoWait` no recipient, however
    /// slow, delays the caller.
    pub fn broadcast(
        &mut self,
        recipients: &mut [Recipient],
        payload: &[u8],
        opcode: Opcode,
        policy: SlowPolicy,
        timeout: impl Into<Timeout>,
    ) -> usize {
        let mut deadline = Deadline::new(timeout.into());
        let done = self.wait_for(&mut deadline, |table| {
            let mut left = false;
            for recipient in recipients.iter_mut().filter(|to| !to.is_done()) {
                recipient.progress = table.offer(*recipient, payload, opcode);
                if policy == SlowPolicy::Skip && recipient.progress == Progress::Waiting {
                    recipient.progress = Progress::Skipped;
                }
                left |= !recipient.is_done();
            }
            if left {
                Err(nb::Error::<HandleError>::WouldBlock)
            } else {
                Ok(())
            }
        });
        if let Ok(Some(())) = done {
            return 0;
        }
        let mut left = 0;
        for recipient in recipients.iter_mut().filter(|to| !to.is_done()) {
            if policy == SlowPolicy::Close {
                let ws = recipient.ws;
                let code = CloseCode(1013);
                // One that another task is busy with is closed by the next call.
                let closed = self.disconnect_with(ws, code, "", Timeout::NoWait);
                recipient.progress = match closed {
                    Ok(_) => Progress::Closed,
                    Err(_) if self.is_open(ws) => recipient.progress,
                    Err(_) => Progress::Gone,
                };
            }
            left += usize::from(!recipient.is_done());
        }
        left
    }

    /// One attempt to get more of the message out.
    fn offer(&mut self, to: Recipient, payload: &[u8], opcode: Opcode) -> Progress {
        let taken = match to.progress {
            Progress::Partly(taken) => taken,
            _ => 0,
        };
        let begun = matches!(to.progress, Progress::Partly(_));
        let sent = self.claimed(to.ws, Direction::Send, |table| {
            match (begun, table.open_frame(to.ws)?.is_some()) {
                (true, false) => return Ok(Progress::Sent),
                // Not this message's.
                (false, true) => return Err(SendError::Timeout),
                _ => {}
            }
            let rest = payload.get(taken..).unwrap_or_default();
            let (count, sent) = match table.try_send(to.ws, Outgoing::whole(opcode, true), rest) {
                Ok(count) => (count, true),
                Err(nb::Error::WouldBlock) => (0, false),
                Err(nb::Error::Other(error)) => return Err(error),
            };
            Ok(match table.open_frame(to.ws)? {
                Some(_) => Progress::Partly(taken.saturating_add(count)),
                None if sent => Progress::Sent,
                None => Progress::Waiting,
            })
        });
        match sent {
            Ok(progress) => progress,
            // Later: another task is in it, another frame is open, a fragmented message under way.
            Err(
                SendError::<S::Error>::Timeout
                | SendError::Frame(_)
                | SendError::Random(_)
                | SendError::Handle(HandleError::Busy),
            ) => to.progress,
            Err(_) => Progress::Gone,
        }
    }
}
