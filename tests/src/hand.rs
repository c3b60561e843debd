//! Async calls under the test's hand: polled one by one, dropped anywhere, with a clock that is
//! moved.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use ws_socket::asynch::{AsyncPlatform, Clock};

use crate::platform::random;

/// A clock that is moved by hand. Its clones are the same clock.
#[derive(Clone, Copy)]
pub struct HandClock(&'static Time);

impl Default for HandClock {
    fn default() -> Self {
        Self(Box::leak(Box::default()))
    }
}

#[derive(Default)]
struct Time {
    now: Cell<u32>,
    /// Sleeps are pending once, as embassy-time's are, also where they are over.
    lazy: Cell<bool>,
    sleepers: RefCell<Vec<Waker>>,
}

impl HandClock {
    /// Sleeps are pending once even where they are over.
    pub fn lazy(&self) {
        self.0.lazy.set(true);
    }

    /// Sets the clock back by so many milliseconds.
    pub fn step_back(&self, ms: u32) {
        self.0.now.set(self.0.now.get().wrapping_sub(ms));
    }

    /// Lets so many milliseconds pass.
    pub fn advance(&self, ms: u32) {
        self.0.now.set(self.0.now.get().wrapping_add(ms));
        self.0.sleepers.take().into_iter().for_each(Waker::wake);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> u32 {
        self.0.now.get()
    }

    async fn sleep_ms(&self, ms: u32) {
        let start = self.now_ms();
        let mut lazy = self.0.lazy.get();
        poll_fn(|context| {
            let over = self.now_ms().wrapping_sub(start) >= ms;
            if over && !lazy {
                return Poll::Ready(());
            }
            lazy = false;
            if over {
                context.waker().wake_by_ref();
            } else {
                self.0.sleepers.borrow_mut().push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// A platform with that clock, whose randomness is a sequence. Its clones go on with the same.
#[derive(Clone)]
pub struct Hand {
    /// The clock.
    pub clock: HandClock,
    /// Is the source of randomness out of order?
    pub no_random: Rc<Cell<bool>>,
    state: Rc<Cell<u64>>,
}

impl Hand {
    /// At 0 ms.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            clock: HandClock::default(),
            no_random: Rc::default(),
            state: Rc::new(Cell::new(15)),
        }
    }
}

impl AsyncPlatform for Hand {
    type Clock = HandClock;

    fn clock(&self) -> HandClock {
        self.clock
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        if self.no_random.get() {
            return Err(ws_socket::RandomError);
        }
        for byte in bytes {
            let mut state = self.state.get();
            *byte = (random(&mut state) >> 32) as u8;
            self.state.set(state);
        }
        Ok(())
    }
}

/// In blocking calls time passes where they wait for it.
impl<S> ws_socket::Platform<S> for Hand {
    fn now_ms(&mut self) -> u32 {
        self.clock.now_ms()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        AsyncPlatform::fill_random(self, bytes)
    }

    fn wait(&mut self, _: &mut S, at_most_ms: u32) {
        self.clock.advance(at_most_ms.min(1));
    }
}

/// Was it woken?
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More polls than any test has a use for.
const TOO_MANY: usize = 100_000;

/// Polls once, with a waker that is told apart from none: `None` where it waits, and whether it was
/// woken meanwhile.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> (Option<F::Output>, bool) {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => (Some(output), true),
        Poll::Pending => (None, woken.0.load(Ordering::Relaxed)),
    }
}

/// Polls as long as it is woken: `None` where it waits for something else then.
pub fn settle<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    for _ in 0..TOO_MANY {
        match poll(future.as_mut()) {
            (None, true) => {}
            (output, _) => return output,
        }
    }
    panic!("woken without end");
}

/// Runs a future to its end, which may wait for nothing but the script.
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    settle(pin!(future)).expect("it waits for what never comes")
}

/// Drops futures: the n-th poll of all that it runs is the last of its future, and after that
/// each `every` polls.
pub struct Dropper {
    left: usize,
    every: usize,
    /// How many futures were dropped before their end.
    pub dropped: usize,
}

impl Dropper {
    /// Drops the future that is polled for the `nth` time (from 1), and no other.
    pub const fn once(nth: usize) -> Self {
        Self {
            left: nth,
            every: usize::MAX,
            dropped: 0,
        }
    }

    /// Drops a future each `every` polls.
    pub const fn each(every: usize) -> Self {
        Self {
            left: every,
            every,
            dropped: 0,
        }
    }

    /// Runs a future: `None` where it was dropped.
    #[track_caller]
    pub fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..TOO_MANY {
            let (output, woken) = poll(future.as_mut());
            if output.is_some() {
                return output;
            }
            assert!(woken, "it waits for what never comes");
            self.left -= 1;
            if self.left == 0 {
                self.left = self.every;
                self.dropped += 1;
                return None;
            }
        }
        panic!("woken without end");
    }

    /// Runs it again and again, until it was not dropped.
    #[track_caller]
    pub fn insist<R>(&mut self, mut call: impl AsyncFnMut() -> R) -> R {
        loop {
            if let Some(output) = self.run(call()) {
                return output;
            }
            assert!(self.dropped < TOO_MANY, "dropped without end");
        }
    }
}
