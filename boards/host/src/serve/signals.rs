//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the program.

use crate::wire::Wake;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Was the end asked for?
#[derive(Debug, Clone, Default)]
pub(super) struct Signals(Arc<AtomicBool>);

impl Signals {
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes the signals from here on; `wake` is called at the first.
#[cfg(unix)]
pub(super) fn watch(wake: Wake) -> io::Result<Signals> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::low_level::emulate_default_handler;

    let signals = Signals::default();
    let came = signals.clone();
    let mut source = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for signal in &mut source {
            if came.0.swap(true, Ordering::Relaxed)
                && let Err(error) = emulate_default_handler(signal)
            {
                log::warn!("signal {signal}: {error}");
            }
            wake();
        }
    });
    Ok(signals)
}

/// The system has no signals: it ends the program as it does any other.
#[cfg(not(unix))]
pub(super) fn watch(_: Wake) -> io::Result<Signals> {
    Ok(Signals::default())
}
