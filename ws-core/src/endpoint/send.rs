//! The job of a send: all of a frame, or as much as the wire takes.

use super::step::{Job, Step, Told};
use super::{Endpoint, Lent};
use crate::close::check_close;
use crate::error::{FrameError, ProtocolError};
use crate::opcode::Opcode;

/// The frame that a payload is for.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// Its opcode.
    pub opcode: Opcode,
    /// The frame is the last of its message.
    pub fin: bool,
    /// How much of the frame's payload comes after what is at hand.
    pub later: usize,
    /// What the caller says of masking, if it says anything: that a client masks (RFC 6455 section 5.1).
    pub mask: Option<bool>,
    /// On the stream face a payload goes on with whatever frame is open, and takes another frame for
    /// what is left.
    pub stream: bool,
    /// Stop as soon as some of the payload is out, and do not flush.
    pub at_once: bool,
}

impl Outgoing {
    /// A frame all of whose payload, or the rest of it, is at hand.
    pub const fn whole(opcode: Opcode, fin: bool) -> Self {
        Self {
            opcode,
            fin,
            later: 0,
            mask: None,
            stream: false,
            at_once: false,
        }
    }

    /// A part of a frame that has `rest` bytes still to go; `None` where the part is longer.
    pub const fn part(opcode: Opcode, fin: bool, rest: usize, part: &[u8]) -> Option<Self> {
        match rest.checked_sub(part.len()) {
            Some(later) => {
                let mut frame = Self::whole(opcode, fin);
                frame.later = later;
                Some(frame)
            }
            None => None,
        }
    }

    /// The same, where the caller says of masking.
    #[must_use]
    pub const fn masked(mut self, mask: bool) -> Self {
        self.mask = Some(mask);
        self
    }

    /// A frame of the stream face.
    pub const fn stream(opcode: Opcode) -> Self {
        Self {
            stream: true,
            ..Self::whole(opcode, true)
        }
    }
}

/// Why a frame is not sent: something about the call. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not fit what is open.
    Frame(FrameError),
    /// The payload of a Close is not one.
    Close(ProtocolError),
    /// Clients mask, servers do not.
    Mask,
}

/// A send of a payload that stays as it is.
#[derive(Debug)]
pub struct Send<'p> {
    payload: &'p [u8],
    frame: Sending,
}

/// A send of a payload that a client masks where it stands, without a copy.
#[derive(Debug)]
pub struct SendInPlace<'p> {
    payload: &'p mut [u8],
    frame: Sending,
    /// The rest of the payload is masked.
    masked: bool,
}

/// A frame on its way out, without its payload.
#[derive(Debug)]
struct Sending {
    frame: Outgoing,
    taken: usize,
    state: State,
    refusal: Option<Refusal>,
    no_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The frame has not begun, or it is not known to be the open one.
    Idle,
    /// It is open.
    Open,
    /// The wire takes no more for now.
    Blocked,
    /// All that is at hand is on the wire.
    Flushing,
    /// The call is over, one way or another.
    Over,
}

impl Sending {
    const fn new(frame: Outgoing) -> Self {
        Self {
            frame,
            taken: 0,
            state: State::Idle,
            refusal: None,
            no_key: false,
        }
    }

    /// Takes a frame back that has not begun to go out.
    fn end(&mut self, endpoint: &mut Endpoint) {
        let tx = &mut endpoint.connection.tx;
        if self.state == State::Open && tx.is_untouched() {
            tx.rollback();
            self.state = State::Idle;
        }
    }

    /// May the frame be sent, as far as that does not change with what goes out before it? It is said at
    /// once, also over a wire that takes nothing.
    fn judge(&mut self, endpoint: &Endpoint, rest: &[u8]) -> State {
        let (frame, tx) = (self.frame, &endpoint.connection.tx);
        if frame.mask.is_some_and(|mask| mask != tx.masks()) {
            return self.refuse(Refusal::Mask);
        }
        if endpoint.frame_open() {
            let length = rest.len().saturating_add(frame.later);
            // The stream face may go on with any data, not with what only looks like it.
            let stream = frame.stream && !tx.opcode().is_some_and(Opcode::is_control);
            if !stream && !tx.awaits(frame.opcode, frame.fin, length) {
                return self.refuse(Refusal::Frame(FrameError::FrameOpen));
            }
            return State::Open;
        }
        if frame.opcode == Opcode::Close {
            // Checked whole, so that it cannot begin in part.
            if frame.later > 0 {
                return self.refuse(Refusal::Frame(FrameError::Control));
            }
            if let Err(error) = check_close(rest) {
                return self.refuse(Refusal::Close(error));
            }
        }
        State::Idle
    }

    /// The call is over before the job is. Is all of the frame on the wire? That is said now.
    fn say(&self, endpoint: &mut Endpoint) -> bool {
        let out = self.state == State::Flushing;
        if out {
            endpoint.unsaid = None;
        }
        out
    }

    /// Begins the frame that was judged; it stays idle where it lacks a mask key.
    #[inline(never)] // 216 bytes less at s, 8 at z.
    fn begin(&mut self, endpoint: &mut Endpoint, rest: &[u8]) -> State {
        let frame = self.frame;
        if endpoint.closing() || endpoint.connection.rx.has_ended() {
            return self.refuse(Refusal::Frame(FrameError::Closed));
        }
        if endpoint.needs_key() {
            return State::Idle;
        }
        let length = rest.len().saturating_add(frame.later);
        let tx = &mut endpoint.connection.tx;
        let key = tx.next_key();
        if let Err(error) = tx.begin(frame.opcode, frame.fin, length, key) {
            return self.refuse(Refusal::Frame(error));
        }
        endpoint.key_taken();
        State::Open
    }

    /// Nothing is sent, and this is why.
    // Not through a `Result`: packing the two enums, and taking them apart again, takes 52 bytes at z.
    const fn refuse(&mut self, refusal: Refusal) -> State {
        self.refusal = Some(refusal);
        State::Over
    }

    /// The frame has nothing more to go out of what is at hand: what is next?
    fn frame_out(&mut self, endpoint: &mut Endpoint, rest: &[u8]) {
        if self.frame.stream && !rest.is_empty() {
            // The frame was one of less, left open before.
            self.state = State::Idle;
            return;
        }
        self.state = State::Flushing;
        if !endpoint.frame_open() && !self.frame.at_once {
            endpoint.unsaid = Some((self.frame.opcode, self.frame.fin));
        }
    }

    /// Takes in what happened.
    fn hear(&mut self, endpoint: &mut Endpoint, lent: &Lent<'_>, told: Told) {
        let payload = endpoint.take_in(lent, told);
        self.taken += payload;
        self.state = match told {
            Told::Written(_) if self.frame.at_once && payload > 0 => State::Over,
            // The frame is out. What has to wait after it stays due.
            Told::WriteBlocked | Told::NoKey if self.state == State::Flushing => {
                endpoint.unsaid = None;
                State::Over
            }
            Told::WriteBlocked | Told::WriteFailed | Told::NoKey | Told::Busy => {
                self.end(endpoint);
                self.no_key = told == Told::NoKey;
                match told {
                    Told::WriteBlocked => State::Blocked,
                    _ => State::Over,
                }
            }
            _ => return,
        };
    }

    fn step(&mut self, endpoint: &mut Endpoint, reserve: &mut [u8], rest: &[u8]) -> Step {
        loop {
            match self.state {
                State::Idle => {
                    // What a call before has sent without saying so only has to be flushed.
                    let unsaid =
                        endpoint.unsaid.take() == Some((self.frame.opcode, self.frame.fin));
                    if unsaid && rest.is_empty() && !self.frame.at_once {
                        self.frame_out(endpoint, rest);
                        continue;
                    }
                    let judged = self.judge(endpoint, rest);
                    if judged == State::Over {
                        self.state = judged;
                        continue;
                    }
                    if endpoint.control_ready() {
                        return endpoint.control_step(reserve);
                    }
                    // Not between here and the first byte: who gives the call up has nothing to take
                    // back.
                    if endpoint.in_turn(Step::Write) == Step::Yield {
                        return Step::Yield;
                    }
                    self.state = match judged {
                        State::Idle => self.begin(endpoint, rest),
                        open => open,
                    };
                    if self.state == State::Idle {
                        return Step::Key;
                    }
                }
                State::Open => {
                    let tx = &endpoint.connection.tx;
                    if tx.header_due() == 0 && (tx.remaining() == 0 || rest.is_empty()) {
                        self.frame_out(endpoint, rest);
                    } else if tx.is_untouched() {
                        return Step::Write;
                    } else {
                        return endpoint.in_turn(Step::Write);
                    }
                }
                State::Blocked => {
                    self.state = State::Idle;
                    return Step::Blocked;
                }
                // What came due meanwhile, for a peer that is not to wait for the next send.
                State::Flushing if endpoint.control_ready() && !self.frame.at_once => {
                    return endpoint.control_step(reserve);
                }
                State::Flushing if endpoint.is_unflushed() && !self.frame.at_once => {
                    return Step::Flush;
                }
                State::Flushing => {
                    endpoint.unsaid = None;
                    self.state = State::Over;
                }
                State::Over => return Step::Done,
            }
        }
    }
}

impl<'p> Send<'p> {
    /// A send of `payload`.
    pub const fn new(frame: Outgoing, payload: &'p [u8]) -> Self {
        Self {
            payload,
            frame: Sending::new(frame),
        }
    }

    /// How many bytes of the payload are on the wire.
    pub const fn taken(&self) -> usize {
        self.frame.taken
    }

    /// Why nothing is sent, after [`Step::Done`].
    pub const fn refusal(&self) -> Option<Refusal> {
        self.frame.refusal
    }

    /// The frame could not begin for want of a mask key.
    pub const fn lacks_key(&self) -> bool {
        self.frame.no_key
    }

    /// The call is over before the job is: its time is up, or it is dropped. A frame that has not
    /// begun to go out is taken back.
    pub fn end(&mut self, endpoint: &mut Endpoint) {
        self.frame.end(endpoint);
    }

    /// The call is over before the job is. Is all of the frame on the wire? It is not to be sent again
    /// then.
    pub fn say(&self, endpoint: &mut Endpoint) -> bool {
        self.frame.say(endpoint)
    }
}

impl Job for Send<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        self.frame.hear(endpoint, lent, told);
        let rest = self.payload.get(self.frame.taken..).unwrap_or_default();
        self.frame.step(endpoint, lent.reserve, rest)
    }

    fn listens(&self) -> bool {
        false
    }

    fn rest(&self) -> &[u8] {
        self.payload.get(self.frame.taken..).unwrap_or_default()
    }
}

impl<'p> SendInPlace<'p> {
    /// A send of `payload`, whose content is unspecified afterwards, except that a frame that was
    /// taken back leaves it as it was.
    pub const fn new(frame: Outgoing, payload: &'p mut [u8]) -> Self {
        Self {
            payload,
            frame: Sending::new(frame),
            masked: false,
        }
    }

    /// How many bytes of the payload are on the wire.
    pub const fn taken(&self) -> usize {
        self.frame.taken
    }

    /// Why nothing is sent, after [`Step::Done`].
    pub const fn refusal(&self) -> Option<Refusal> {
        self.frame.refusal
    }

    /// The frame could not begin for want of a mask key.
    pub const fn lacks_key(&self) -> bool {
        self.frame.no_key
    }

    /// As [`Send::say`].
    pub fn say(&self, endpoint: &mut Endpoint) -> bool {
        self.frame.say(endpoint)
    }

    /// As [`Send::end`].
    pub fn end(&mut self, endpoint: &mut Endpoint) {
        self.unmask(endpoint);
        self.frame.end(endpoint);
    }

    fn mask(&mut self, endpoint: &mut Endpoint) {
        let rest = self.payload.get_mut(self.frame.taken..).unwrap_or_default();
        endpoint.connection.tx.mask_in_place(rest);
        self.masked = !self.masked;
    }

    /// Takes the mask off where the frame is about to be taken back.
    fn unmask(&mut self, endpoint: &mut Endpoint) {
        let untouched = endpoint.connection.tx.is_untouched();
        if self.masked && self.frame.state == State::Open && untouched {
            self.mask(endpoint);
        }
    }
}

impl Job for SendInPlace<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        if !matches!(told, Told::Resumed | Told::Flushed | Told::Written(_)) {
            self.unmask(endpoint);
        }
        self.frame.hear(endpoint, lent, told);
        let begun = self.frame.state == State::Open;
        let rest = self.payload.get(self.frame.taken..).unwrap_or_default();
        let step = self.frame.step(endpoint, lent.reserve, rest);
        let untouched = endpoint.connection.tx.is_untouched();
        if !begun && self.frame.state == State::Open && untouched && !self.masked {
            self.mask(endpoint);
        }
        step
    }

    fn listens(&self) -> bool {
        false
    }

    fn rest(&self) -> &[u8] {
        self.payload.get(self.frame.taken..).unwrap_or_default()
    }
}
