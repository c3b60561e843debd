//! A TCP stack that does what a script says: every cut, every partial write, every failure.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, nb};

use crate::platform::{Clock, Polled};

/// What comes in on a connection.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// Bytes; one `receive` returns at most one of these.
    Bytes(Vec<u8>),
    /// Bytes over and over, as many as are asked for, without end.
    Endless(VecDeque<u8>),
    /// "Nothing yet", once.
    Nothing,
    /// The end of the stream, for good.
    Eof,
    /// The connection is reset, for good.
    Reset,
}

/// One connection.
#[derive(Debug)]
pub struct Line {
    /// What is to be received.
    pub incoming: VecDeque<Incoming>,
    /// What was sent.
    pub outgoing: Vec<u8>,
    /// All that was sent goes there too, and outlives the connection.
    pub copy: Option<Rc<RefCell<Vec<u8>>>>,
    /// How many bytes `send` still takes.
    pub window: usize,
    /// How many bytes one `send` takes at most.
    pub piece: usize,
    /// How often `connect` still would block.
    pub dial: usize,
    /// The connection was reset: `send` fails.
    pub reset: bool,
    /// `Ok(0)` and `PipeClosed` mean what they mean in smoltcp-nal.
    pub zero_is_nothing: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            incoming: VecDeque::new(),
            outgoing: Vec::new(),
            copy: None,
            window: usize::MAX,
            piece: usize::MAX,
            dial: 0,
            reset: false,
            zero_is_nothing: false,
        }
    }
}

impl Line {
    /// `bytes` come in, cut into pieces of `piece` bytes.
    pub fn feed(&mut self, bytes: &[u8], piece: usize) {
        self.incoming.extend(
            bytes
                .chunks(piece)
                .map(|piece| Incoming::Bytes(piece.to_vec())),
        );
    }

    /// `bytes` come in over and over, without end.
    pub fn flood(&mut self, bytes: &[u8]) {
        let bytes = bytes.iter().copied().collect();
        self.incoming.push_back(Incoming::Endless(bytes));
    }

    /// What was sent so far, and is not looked at again.
    pub fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }
}

/// Answers what was sent: runs whenever the stack is polled.
type Answerer = Box<dyn FnMut(&mut Line)>;

#[derive(Default)]
struct Inner {
    lines: BTreeMap<u8, Line>,
    next: u8,
    opened: usize,
    dial: usize,
    refuse_sockets: bool,
    waiting: VecDeque<u8>,
    answerer: Option<Answerer>,
    crowd: Option<Vec<u8>>,
    cost: Option<(Clock, usize)>,
    calls: Calls,
    records: Option<Vec<Rc<RefCell<Vec<u8>>>>>,
}

/// How often the stack was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// `receive`.
    pub reads: usize,
    /// `send`.
    pub writes: usize,
    /// `accept`.
    pub accepts: usize,
}

/// More calls than any test has a use for: what makes them would go on for ever.
const TOO_MANY: usize = 1_000_000;

impl Inner {
    /// Counts a call, which takes its time.
    fn called(&mut self, count: impl FnOnce(&mut Calls) -> &mut usize) {
        let count = count(&mut self.calls);
        *count += 1;
        assert!(*count < TOO_MANY, "work without bounds");
        let all = self.calls.reads + self.calls.writes + self.calls.accepts;
        if let Some((clock, calls)) = &self.cost
            && all.is_multiple_of(*calls)
        {
            clock.set(clock.get().wrapping_add(1));
        }
    }

    fn connected(&mut self) -> u8 {
        // Numbers of closed sockets come round.
        self.next = (1..=u8::MAX)
            .map(|step| self.next.wrapping_add(step))
            .find(|number| !self.lines.contains_key(number))
            .expect("256 connections at once");
        self.opened += 1;
        let copy = self.records.as_mut().map(|records| {
            records.push(Rc::default());
            records[records.len() - 1].clone()
        });
        let line = Line {
            copy,
            dial: self.dial,
            ..Line::default()
        };
        self.lines.insert(self.next, line);
        self.next
    }
}

/// The stack; its clones are the same stack. Sockets are numbers, which can be copied.
#[derive(Clone, Default)]
pub struct ScriptStack(Rc<RefCell<Inner>>);

/// What a [`ScriptStack`] fails with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptError {
    /// Reset by the script.
    Reset,
    /// The peer closed, as smoltcp-nal says it.
    Closed,
    /// No such socket.
    NoSocket,
    /// The script gives no sockets.
    Refused,
}

impl TcpError for ScriptError {
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Closed => TcpErrorKind::PipeClosed,
            _ => TcpErrorKind::Other,
        }
    }
}

impl ScriptStack {
    /// A stack without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connected socket.
    pub fn connected(&self) -> u8 {
        self.0.borrow_mut().connected()
    }

    /// A peer connects; `accept` will find it.
    pub fn arrive(&self) -> u8 {
        let socket = self.connected();
        self.0.borrow_mut().waiting.push_back(socket);
        socket
    }

    /// Works on a connection's script.
    pub fn line<R>(&self, socket: u8, work: impl FnOnce(&mut Line) -> R) -> R {
        work(
            self.0
                .borrow_mut()
                .lines
                .get_mut(&socket)
                .expect("the socket is open"),
        )
    }

    /// Works on the script of the connection opened last.
    pub fn last<R>(&self, work: impl FnOnce(&mut Line) -> R) -> R {
        let socket = self.0.borrow().next;
        self.line(socket, work)
    }

    /// Is the socket open?
    pub fn is_open(&self, socket: u8) -> bool {
        self.0.borrow().lines.contains_key(&socket)
    }

    /// How many sockets are open.
    pub fn open(&self) -> usize {
        self.0.borrow().lines.len()
    }

    /// How many sockets there ever were.
    pub fn opened(&self) -> usize {
        self.0.borrow().opened
    }

    /// From here on each `connect` blocks so often.
    pub fn dials(&self, blocks: usize) {
        self.0.borrow_mut().dial = blocks;
    }

    /// `socket` fails from here on.
    pub fn refuse_sockets(&self) {
        self.0.borrow_mut().refuse_sockets = true;
    }

    /// A crowd of peers without end connects, each sends `bytes`.
    pub fn crowd(&self, bytes: &[u8]) {
        self.0.borrow_mut().crowd = Some(bytes.to_vec());
    }

    /// So many calls of the stack take a millisecond; without this time stands still in them.
    pub fn cost(&self, clock: &Clock, calls_per_ms: usize) {
        self.0.borrow_mut().cost = Some((clock.clone(), calls_per_ms));
    }

    /// From here on every connection has a [`Line::copy`].
    pub fn record(&self) {
        self.0.borrow_mut().records = Some(Vec::new());
    }

    /// Those copies, in the order in which the connections were opened.
    pub fn records(&self) -> Vec<Rc<RefCell<Vec<u8>>>> {
        self.0.borrow().records.clone().unwrap_or_default()
    }

    /// How often the stack was called since this was asked last.
    pub fn calls(&self) -> Calls {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }

    /// Has `answer` see each connection whenever the stack is polled.
    pub fn answer(&self, answer: impl FnMut(&mut Line) + 'static) {
        self.0.borrow_mut().answerer = Some(Box::new(answer));
    }
}

impl Polled for ScriptStack {
    fn poll_at(&mut self, _: u32) {
        let answerer = self.0.borrow_mut().answerer.take();
        if let Some(mut answerer) = answerer {
            for line in self.0.borrow_mut().lines.values_mut() {
                answerer(line);
            }
            self.0.borrow_mut().answerer = Some(answerer);
        }
    }
}

impl TcpClientStack for ScriptStack {
    type TcpSocket = u8;
    type Error = ScriptError;

    fn socket(&mut self) -> Result<u8, ScriptError> {
        if self.0.borrow().refuse_sockets {
            return Err(ScriptError::Refused);
        }
        Ok(self.connected())
    }

    fn connect(&mut self, socket: &mut u8, _: SocketAddr) -> nb::Result<(), ScriptError> {
        let mut inner = self.0.borrow_mut();
        let line = inner.lines.get_mut(socket).ok_or(ScriptError::NoSocket)?;
        if line.reset {
            return Err(nb::Error::Other(ScriptError::Reset));
        }
        match line.dial.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                line.dial = left;
                Err(nb::Error::WouldBlock)
            }
        }
    }

    fn send(&mut self, socket: &mut u8, buffer: &[u8]) -> nb::Result<usize, ScriptError> {
        let mut inner = self.0.borrow_mut();
        inner.called(|calls| &mut calls.writes);
        let line = inner.lines.get_mut(socket).ok_or(ScriptError::NoSocket)?;
        if line.reset {
            return Err(nb::Error::Other(ScriptError::Reset));
        }
        let count = buffer.len().min(line.window).min(line.piece);
        if count == 0 && !line.zero_is_nothing {
            return Err(nb::Error::WouldBlock);
        }
        line.window -= count;
        line.outgoing.extend_from_slice(&buffer[..count]);
        if let Some(copy) = &line.copy {
            copy.borrow_mut().extend_from_slice(&buffer[..count]);
        }
        Ok(count)
    }

    fn receive(&mut self, socket: &mut u8, buffer: &mut [u8]) -> nb::Result<usize, ScriptError> {
        let mut inner = self.0.borrow_mut();
        inner.called(|calls| &mut calls.reads);
        let line = inner.lines.get_mut(socket).ok_or(ScriptError::NoSocket)?;
        assert!(
            !buffer.is_empty(),
            "a read of nothing cannot be told from the end of the stream"
        );
        match line.incoming.front_mut() {
            None => {
                if line.zero_is_nothing {
                    return Ok(0);
                }
                Err(nb::Error::WouldBlock)
            }
            Some(Incoming::Nothing) => {
                line.incoming.pop_front();
                Err(nb::Error::WouldBlock)
            }
            Some(Incoming::Bytes(bytes)) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if bytes.is_empty() {
                    line.incoming.pop_front();
                }
                Ok(count)
            }
            Some(Incoming::Endless(bytes)) => {
                for place in &mut *buffer {
                    *place = bytes[0];
                    bytes.rotate_left(1);
                }
                Ok(buffer.len())
            }
            Some(Incoming::Eof) if line.zero_is_nothing => {
                Err(nb::Error::Other(ScriptError::Closed))
            }
            Some(Incoming::Eof) => Ok(0),
            Some(Incoming::Reset) => {
                line.reset = true;
                Err(nb::Error::Other(ScriptError::Reset))
            }
        }
    }

    fn close(&mut self, socket: u8) -> Result<(), ScriptError> {
        let line = self.0.borrow_mut().lines.remove(&socket);
        line.map(|_| ()).ok_or(ScriptError::NoSocket)
    }
}

impl TcpFullStack for ScriptStack {
    fn bind(&mut self, _: &mut u8, _: u16) -> Result<(), ScriptError> {
        Ok(())
    }

    fn listen(&mut self, _: &mut u8) -> Result<(), ScriptError> {
        Ok(())
    }

    fn accept(&mut self, listener: &mut u8) -> nb::Result<(u8, SocketAddr), ScriptError> {
        let mut inner = self.0.borrow_mut();
        inner.called(|calls| &mut calls.accepts);
        if inner.lines.get(listener).is_none_or(|line| line.reset) {
            return Err(nb::Error::Other(ScriptError::Reset));
        }
        if let Some(bytes) = inner.crowd.clone().filter(|_| inner.waiting.is_empty()) {
            let socket = inner.connected();
            inner.waiting.push_back(socket);
            if let Some(line) = inner.lines.get_mut(&socket) {
                line.feed(&bytes, usize::MAX);
            }
        }
        let socket = inner.waiting.pop_front().ok_or(nb::Error::WouldBlock)?;
        Ok((socket, SocketAddr::from(([10, 0, 0, 9], 9))))
    }
}

/// Every name is 10.0.0.1.
impl Dns for ScriptStack {
    type Error = ScriptError;

    fn get_host_by_name(&mut self, _: &str, _: AddrType) -> nb::Result<IpAddr, ScriptError> {
        Ok(IpAddr::from([10, 0, 0, 1]))
    }

    fn get_host_by_address(&mut self, _: IpAddr, _: &mut [u8]) -> nb::Result<usize, ScriptError> {
        Err(nb::Error::Other(ScriptError::Refused))
    }
}
