//! A client's end of a wire in memory, at whose other end the server is: what comes, and when, is in
//! the test's hands.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use embedded_io::{ErrorKind, ErrorType, Read, Write};

use crate::hand::poll;
use crate::peer::Echo;
use crate::wire::{Reset, Script, Wire};

/// Connects a server: it hears what is written, and answers at once.
pub fn connect(script: &Script, echo: &Rc<RefCell<Echo>>) {
    let echo = echo.clone();
    script.answer(move |line| {
        let heard = line.sent();
        let answer = echo.borrow_mut().take(&heard);
        line.feed(&answer);
    });
}

thread_local!(static ASKED: Cell<u32> = const { Cell::new(0) });

/// A clock for who blocks over a wire: a millisecond passes each time that it is asked.
pub fn now() -> u32 {
    ASKED.replace(ASKED.get().wrapping_add(1))
}

/// The same wire for who blocks: where nothing comes its reads run out of time.
pub struct Blocking(pub Wire);

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing came.
    TimedOut,
    /// It is gone.
    Reset,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failure {}

impl embedded_io::Error for Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Reset => ErrorKind::ConnectionReset,
        }
    }
}

impl Blocking {
    fn once<R>(future: impl Future<Output = Result<R, Reset>>) -> Result<R, Failure> {
        match poll(pin!(future)).0 {
            Some(result) => result.map_err(|_| Failure::Reset),
            None => Err(Failure::TimedOut),
        }
    }
}

impl ErrorType for Blocking {
    type Error = Failure;
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        Self::once(embedded_io_async::Read::read(&mut self.0, buffer))
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        Self::once(embedded_io_async::Write::write(&mut self.0, bytes))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The wire with reads of which each waits once, also where one that waited was dropped; its writes
/// do not wait.
pub struct Lazy {
    wire: Wire,
    waited: bool,
}

impl Lazy {
    /// The wire so.
    pub fn new(wire: Wire) -> Self {
        let waited = false;
        Self { wire, waited }
    }
}

impl ErrorType for Lazy {
    type Error = Reset;
}

impl embedded_io_async::Read for Lazy {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Reset> {
        if !std::mem::replace(&mut self.waited, true) {
            embassy_futures::yield_now().await;
        }
        let count = embedded_io_async::Read::read(&mut self.wire, buffer).await;
        self.waited = false;
        count
    }
}

impl embedded_io_async::Write for Lazy {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        embedded_io_async::Write::write(&mut self.wire, bytes).await
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        embedded_io_async::Write::flush(&mut self.wire).await
    }
}
