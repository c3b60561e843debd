//! An async stream that does what a script says: every cut, every wait, every failure.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// What a [`Wire`] fails with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset")
    }
}

impl std::error::Error for Reset {}

impl Error for Reset {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

impl embedded_nal::TcpError for Reset {
    fn kind(&self) -> embedded_nal::TcpErrorKind {
        embedded_nal::TcpErrorKind::Other
    }
}

/// What comes behind the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tail {
    /// Nothing, until more is fed.
    #[default]
    Silence,
    /// The end of the stream.
    Eof,
    /// An error.
    Reset,
    /// The same bytes again, without end.
    Flood(&'static [u8]),
}

/// Sees what was written, and may feed an answer.
type Answerer = Box<dyn FnMut(&mut Line)>;

/// More calls than any test has a use for: what makes them within one poll would go on for ever.
const TOO_MANY: usize = 200_000;

/// The script of a [`Wire`], and what became of it.
pub struct Line {
    /// What is to be read.
    pub incoming: VecDeque<u8>,
    /// What comes behind it.
    pub tail: Tail,
    /// How many bytes a read gives at most.
    pub cut: usize,
    /// How many bytes a write takes at most.
    pub take: usize,
    /// How many bytes all writes still take; then they wait.
    pub window: usize,
    /// Writes take nothing, and say so, or fail.
    pub broken: Option<Result<(), Reset>>,
    /// How often each call is pending before it completes.
    pub pends: usize,
    /// Holds back what is written until it is flushed.
    pub holds: bool,
    /// What is held back.
    pub held: Vec<u8>,
    /// A flush waits.
    pub flush_waits: bool,
    /// What went out.
    pub out: Vec<u8>,
    /// How many flushes completed.
    pub flushes: usize,
    /// How many calls were polled.
    pub calls: usize,
    /// The stream was dropped.
    pub dropped: bool,
    owed: [usize; 3],
    wakers: [Option<Waker>; 3],
    answer: Option<Answerer>,
}

/// Which call.
#[derive(Clone, Copy)]
enum Call {
    Read = 0,
    Write = 1,
    Flush = 2,
}

impl Line {
    /// More to read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.incoming.extend(bytes);
        self.wake();
    }

    /// What comes behind the last byte.
    pub fn end(&mut self, tail: Tail) {
        self.tail = tail;
        self.wake();
    }

    /// So many bytes more can be written.
    pub fn open(&mut self, window: usize) {
        self.window = window;
        self.wake();
    }

    /// What went out so far, and is not looked at again.
    pub fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn wake(&mut self) {
        self.wakers
            .iter_mut()
            .filter_map(Option::take)
            .for_each(Waker::wake);
    }

    /// Is the call to wait once more before it goes on?
    fn waits(&mut self, call: Call, context: &Context<'_>) -> bool {
        self.calls += 1;
        assert!(self.calls < TOO_MANY, "work without bounds");
        let owed = &mut self.owed[call as usize];
        if *owed > 0 {
            *owed -= 1;
            context.waker().wake_by_ref();
            return true;
        }
        false
    }

    fn park<R>(&mut self, call: Call, context: &Context<'_>) -> Poll<R> {
        self.wakers[call as usize] = Some(context.waker().clone());
        Poll::Pending
    }

    fn done<R>(&mut self, call: Call, value: R) -> Poll<R> {
        self.owed[call as usize] = self.pends;
        Poll::Ready(value)
    }

    fn read(&mut self, buffer: &mut [u8], context: &Context<'_>) -> Poll<Result<usize, Reset>> {
        assert!(
            !buffer.is_empty(),
            "a read of nothing cannot be told from the end"
        );
        if self.waits(Call::Read, context) {
            return Poll::Pending;
        }
        if self.incoming.is_empty() {
            match self.tail {
                Tail::Silence => return self.park(Call::Read, context),
                Tail::Eof => return self.done(Call::Read, Ok(0)),
                Tail::Reset => return self.done(Call::Read, Err(Reset)),
                Tail::Flood(bytes) => {
                    while self.incoming.len() < buffer.len() {
                        self.incoming.extend(bytes);
                    }
                }
            }
        }
        let count = buffer.len().min(self.incoming.len()).min(self.cut);
        for (to, from) in buffer.iter_mut().zip(self.incoming.drain(..count)) {
            *to = from;
        }
        self.done(Call::Read, Ok(count))
    }

    fn write(&mut self, bytes: &[u8], context: &Context<'_>) -> Poll<Result<usize, Reset>> {
        if self.waits(Call::Write, context) {
            return Poll::Pending;
        }
        if let Some(broken) = self.broken {
            return self.done(Call::Write, broken.map(|()| 0));
        }
        let count = bytes.len().min(self.take).min(self.window);
        if count == 0 {
            return self.park(Call::Write, context);
        }
        self.window -= count;
        if self.holds {
            self.held.extend(&bytes[..count]);
        } else {
            self.out.extend(&bytes[..count]);
            self.answered();
        }
        self.done(Call::Write, Ok(count))
    }

    fn flush(&mut self, context: &Context<'_>) -> Poll<Result<(), Reset>> {
        if self.waits(Call::Flush, context) {
            return Poll::Pending;
        }
        if self.flush_waits {
            return self.park(Call::Flush, context);
        }
        let held = std::mem::take(&mut self.held);
        self.out.extend(held);
        self.flushes += 1;
        self.answered();
        self.done(Call::Flush, Ok(()))
    }

    fn answered(&mut self) {
        if let Some(mut answer) = self.answer.take() {
            answer(self);
            self.answer = Some(answer);
        }
    }
}

/// A stream that follows a script; dropped, it says so there.
pub struct Wire(Script);

/// The script of a [`Wire`].
#[derive(Clone)]
pub struct Script(Rc<RefCell<Line>>);

impl Script {
    /// A script: nothing comes, all that is written goes out at once.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(Line {
            incoming: VecDeque::new(),
            tail: Tail::Silence,
            cut: usize::MAX,
            take: usize::MAX,
            window: usize::MAX,
            broken: None,
            pends: 0,
            holds: false,
            held: Vec::new(),
            flush_waits: false,
            out: Vec::new(),
            flushes: 0,
            calls: 0,
            dropped: false,
            owed: [0; 3],
            wakers: [const { None }; 3],
            answer: None,
        })))
    }

    /// Reads give at most `cut` bytes, writes take at most `take`, each call is pending `pends`
    /// times first.
    pub fn cut(cut: usize, take: usize, pends: usize) -> Self {
        let script = Self::new();
        script.line(|line| {
            (line.cut, line.take, line.pends) = (cut, take, pends);
            line.owed = [pends; 3];
        });
        script
    }

    /// Works on it.
    pub fn line<R>(&self, work: impl FnOnce(&mut Line) -> R) -> R {
        work(&mut self.0.borrow_mut())
    }

    /// Has `answer` see it whenever something went out.
    pub fn answer(&self, answer: impl FnMut(&mut Line) + 'static) {
        self.line(|line| line.answer = Some(Box::new(answer)));
    }

    /// A stream of it.
    pub fn wire(&self) -> Wire {
        self.line(|line| line.dropped = false);
        Wire(self.clone())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.line(|line| line.dropped = true);
    }
}

impl ErrorType for Wire {
    type Error = Reset;
}

impl Read for Wire {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Reset> {
        poll_fn(|context| self.0.line(|line| line.read(buffer, context))).await
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        poll_fn(|context| self.0.line(|line| line.write(bytes, context))).await
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        poll_fn(|context| self.0.line(|line| line.flush(context))).await
    }
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, Reset> {
        Ok(self
            .0
            .line(|line| !line.incoming.is_empty() || line.tail != Tail::Silence))
    }
}

impl WriteReady for Wire {
    fn write_ready(&mut self) -> Result<bool, Reset> {
        Ok(self.0.line(|line| line.window > 0))
    }
}
