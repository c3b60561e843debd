//! A thread that writes what is left with it.

use crate::wire::Wake;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is written with one call at most.
const AT_ONCE: usize = 64 * 1024;
/// Until a descriptor that whoever shares it made non-blocking is tried again.
const AGAIN: Duration = Duration::from_millis(5);
/// How often whoever drains looks at the clock.
const LOOK: Duration = Duration::from_millis(20);

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// What has become of a stream.
#[derive(Default)]
struct State {
    /// Bytes that are not written.
    pending: usize,
    failed: Option<io::Error>,
    /// What there was no room for: since that was last said, and in all.
    unsaid: u64,
    dropped: u64,
}

#[derive(Default)]
struct Queue {
    pieces: Vec<(Stream, Vec<u8>)>,
    out: State,
    err: State,
    /// Somebody waits for so little to be pending on standard output.
    wanted: Option<usize>,
    wake: Option<Wake>,
}

impl Queue {
    fn state(&mut self, stream: Stream) -> &mut State {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.state(stream).pending += bytes.len();
        match self.pieces.last_mut() {
            Some((of, piece)) if *of == stream => piece.extend_from_slice(bytes),
            _ => self.pieces.push((stream, bytes.to_vec())),
        }
    }

    /// Whom to wake, if what is wanted is there, or never will be.
    fn woken(&mut self) -> Option<Wake> {
        let wanted = self.wanted?;
        if self.out.pending >= wanted && self.out.failed.is_none() {
            return None;
        }
        self.wanted = None;
        self.wake.clone()
    }
}

/// One or both of the streams, and what is to be written to them.
#[derive(Default)]
pub(super) struct Lane {
    queue: Mutex<Queue>,
    /// There is something to be written.
    work: Condvar,
    /// Something was written.
    written: Condvar,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_by(&self, wake: Wake) {
        let mut queue = self.lock();
        queue.wake = Some(wake);
        if queue.out.failed.is_some() {
            queue.wanted = Some(0);
        }
        let woken = queue.woken();
        drop(queue);
        if let Some(wake) = woken {
            wake();
        }
    }

    /// Takes it, or, where not less than `limit` would be pending, drops and counts it. `notice`
    /// says how often that was, in front of what is taken next.
    ///
    /// # Errors
    /// What writing failed with.
    pub(super) fn offer(
        &self,
        stream: Stream,
        bytes: &[u8],
        limit: usize,
        notice: Option<&dyn Fn(u64) -> String>,
    ) -> io::Result<()> {
        let mut queue = self.lock();
        let state = queue.state(stream);
        if let Some(error) = &state.failed {
            return Err(again(error));
        }
        // One that is longer than all there may be goes where nothing is pending.
        if state.pending > 0 && state.pending.saturating_add(bytes.len()) >= limit {
            state.unsaid += 1;
            state.dropped += 1;
            return Ok(());
        }
        let unsaid = mem::take(&mut state.unsaid);
        if let Some(notice) = notice.filter(|_| unsaid > 0) {
            queue.push(stream, notice(unsaid).as_bytes());
        }
        queue.push(stream, bytes);
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    /// Is less than that pending on standard output? If not, whoever asked is woken when it is.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        let mut queue = self.lock();
        let room = queue.out.pending < limit || queue.out.failed.is_some();
        queue.wanted = (!room).then_some(limit / 2);
        room
    }

    pub(super) fn failed(&self, stream: Stream) -> Option<io::Error> {
        self.lock().state(stream).failed.as_ref().map(again)
    }

    pub(super) fn dropped(&self, stream: Stream) -> u64 {
        self.lock().state(stream).dropped
    }

    /// Waits until nothing is pending, while `goes_on`. How many bytes are.
    pub(super) fn drain(&self, stream: Stream, mut goes_on: impl FnMut() -> bool) -> usize {
        let mut queue = self.lock();
        loop {
            let left = queue.state(stream).pending;
            if left == 0 || !goes_on() {
                return left;
            }
            let waited = self.written.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes, for ever.
    fn run(&self, files: &mut Files) {
        loop {
            let mut queue = self.lock();
            while queue.pieces.is_empty() {
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let pieces = mem::take(&mut queue.pieces);
            drop(queue);
            for (stream, piece) in pieces {
                self.write(stream, &piece, files.of(stream));
            }
        }
    }

    fn write(&self, stream: Stream, mut rest: &[u8], file: &mut dyn Write) {
        let mut failed = self.failed(stream);
        while !rest.is_empty() {
            let piece = rest.get(..AT_ONCE).unwrap_or(rest);
            let count = match failed.take() {
                Some(error) => {
                    self.lock().state(stream).failed = Some(error);
                    rest.len()
                }
                None => match file.write(piece) {
                    Ok(0) => {
                        failed = Some(ErrorKind::WriteZero.into());
                        continue;
                    }
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(AGAIN);
                        continue;
                    }
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                },
            };
            rest = rest.get(count..).unwrap_or_default();
            let mut queue = self.lock();
            let state = queue.state(stream);
            state.pending = state.pending.saturating_sub(count);
            if stream == Stream::Out && state.failed.is_some() {
                // Whether anybody asked or not.
                queue.wanted = Some(0);
            }
            let wake = queue.woken();
            drop(queue);
            self.written.notify_all();
            if let Some(wake) = wake {
                wake();
            }
        }
    }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

struct Files {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Files {
    fn of(&mut self, stream: Stream) -> &mut dyn Write {
        match stream {
            Stream::Out => &mut *self.out,
            Stream::Err => &mut *self.err,
        }
    }
}

/// The lanes of both streams: one, where both are the same file, pipe or terminal.
pub(super) fn open() -> (Arc<Lane>, Arc<Lane>) {
    let (files, same) = files();
    let out = start(files);
    let err = if same {
        Arc::clone(&out)
    } else {
        start(self::files().0)
    };
    (out, err)
}

fn start(mut files: Files) -> Arc<Lane> {
    let lane = Arc::new(Lane::default());
    let of_thread = Arc::clone(&lane);
    // It ends with the program, in the middle of a write if need be.
    let thread = std::thread::Builder::new().name("output".to_owned());
    if let Err(error) = thread.spawn(move || of_thread.run(&mut files)) {
        let mut queue = lane.lock();
        queue.err.failed = Some(again(&error));
        queue.out.failed = Some(error);
    }
    lane
}

/// Handles without a buffer, and whether both are of the same file.
#[cfg(unix)]
fn files() -> (Files, bool) {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    let file = |of: &dyn AsFd| of.as_fd().try_clone_to_owned().map(File::from);
    let (Ok(out), Ok(err)) = (file(&io::stdout()), file(&io::stderr())) else {
        return buffered();
    };
    let id = |file: &File| file.metadata().map(|it| (it.dev(), it.ino())).ok();
    let same = id(&out).is_some() && id(&out) == id(&err);
    let files = Files {
        out: Box::new(out),
        err: Box::new(err),
    };
    (files, same)
}

#[cfg(not(unix))]
fn files() -> (Files, bool) {
    buffered()
}

fn buffered() -> (Files, bool) {
    let files = Files {
        out: Box::new(Flushed(io::stdout())),
        err: Box::new(io::stderr()),
    };
    (files, false)
}

/// Keeps nothing back.
struct Flushed<W>(W);

impl<W: Write> Write for Flushed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        self.0.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
