//! An in-memory stream with two ends, for one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use ws_socket::asynch::{AsyncPlatform, Clock};

/// One direction: at most `room` bytes are under way.
struct Lane {
    bytes: VecDeque<u8>,
    room: usize,
    closed: bool,
    wakers: Vec<Waker>,
}

/// One end; dropped, it closes both directions.
pub struct End {
    from: Rc<RefCell<Lane>>,
    to: Rc<RefCell<Lane>>,
}

/// A stream's two ends, with `room` bytes under way at most in each direction.
pub fn pipe(room: usize) -> (End, End) {
    let lane = || {
        Rc::new(RefCell::new(Lane {
            bytes: VecDeque::new(),
            room,
            closed: false,
            wakers: Vec::new(),
        }))
    };
    let (one, other) = (lane(), lane());
    let end = |from: &Rc<_>, to: &Rc<_>| End {
        from: Rc::clone(from),
        to: Rc::clone(to),
    };
    (end(&one, &other), end(&other, &one))
}

impl Lane {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if !self
            .wakers
            .iter()
            .any(|waker| waker.will_wake(context.waker()))
        {
            self.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl ErrorType for End {
    type Error = Infallible;
}

impl Read for End {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let mut lane = self.from.borrow_mut();
            let count = buffer.len().min(lane.bytes.len());
            if count == 0 && !lane.closed && !buffer.is_empty() {
                return lane.wait(context);
            }
            for (to, from) in buffer.iter_mut().zip(lane.bytes.drain(..count)) {
                *to = from;
            }
            lane.wake();
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for End {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let mut lane = self.to.borrow_mut();
            let count = bytes.len().min(lane.room - lane.bytes.len());
            if count == 0 && !lane.closed && !bytes.is_empty() {
                return lane.wait(context);
            }
            lane.bytes.extend(&bytes[..count]);
            lane.wake();
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl End {
    /// A half to read from and a half to write to.
    pub fn split(&mut self) -> (Half<'_>, Half<'_>) {
        (
            Half(self.clone(), PhantomData),
            Half(self.clone(), PhantomData),
        )
    }

    // A second handle on the same end, which closes nothing when it is dropped.
    fn clone(&self) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Self {
            from: Rc::clone(&self.from),
            to: Rc::clone(&self.to),
        })
    }
}

/// One direction of an [`End`].
pub struct Half<'a>(ManuallyDrop<End>, PhantomData<&'a mut End>);

impl ErrorType for Half<'_> {
    type Error = Infallible;
}

impl Read for Half<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.0.read(buffer).await
    }
}

impl Write for Half<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for lane in [&self.from, &self.to] {
            let mut lane = lane.borrow_mut();
            lane.closed = true;
            lane.wake();
        }
    }
}

/// A clock that stands still, and a counter for randomness.
#[derive(Clone, Copy)]
pub struct Host;

impl AsyncPlatform for Host {
    type Clock = Self;

    fn clock(&self) -> Self {
        Self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for (byte, random) in bytes.iter_mut().zip(1..) {
            *byte = random;
        }
        Ok(())
    }
}

impl Clock for Host {
    fn now_ms(&self) -> u32 {
        0
    }

    async fn sleep_ms(&self, _: u32) {
        std::future::pending().await
    }
}
