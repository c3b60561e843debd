//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the program.

use crate::wire::Wake;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

/// Was the end asked for?
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// The signals are taken.
#[derive(Debug, Clone)]
pub(crate) struct Signals(());

impl Signals {
    /// [`came`].
    #[allow(clippy::unused_self)] // who has none gets none
    pub(crate) fn came(&self) -> bool {
        came()
    }
}

/// Takes the signals from here on; `wake` is called at the first.
#[cfg(unix)]
pub(crate) fn watch(wake: Wake) -> io::Result<Signals> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::low_level::emulate_default_handler;

    let mut source = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for signal in &mut source {
            if CAME.swap(true, Ordering::Relaxed)
                && let Err(error) = emulate_default_handler(signal)
            {
                log::warn!("signal {signal}: {error}");
            }
            wake();
        }
    });
    Ok(Signals(()))
}

/// The system has no signals: it ends the program as it does any other.
#[cfg(not(unix))]
pub(crate) fn watch(_: Wake) -> io::Result<Signals> {
    Ok(Signals(()))
}
