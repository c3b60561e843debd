//! `ws connect`: a WebSocket on standard input and output.

mod asynch;
mod blocking;
pub(crate) mod dial;
mod end;
pub(crate) mod events;
pub(crate) mod input;
pub(crate) mod race;
pub(crate) mod response;
mod session;

use crate::arguments::ConnectOptions;
use crate::exit::Exit;
use crate::output;
use crate::signals;
use crate::wire::Wake;
use asynch::Asynch;
use blocking::Blocking;
use dial::Dial;
use events::{Printer, Trouble};
use session::Session;
use ws_socket::Config;
use ws_socket::url::Url;

/// The lent buffer: what one read takes at most, handshake included, while a message is small.
const LENT: usize = 16 * 1024;
/// The longest answer to the handshake. Large cookies fit, an endless line does not.
const MAX_HANDSHAKE: u16 = 16 * 1024;
/// The longest message that is kept to be printed.
const MAX_MESSAGE: usize = 64 << 20;

/// Runs `ws connect`.
pub(crate) fn run(options: &ConnectOptions) -> Exit {
    let mut printer = Printer::new(options.json);
    let mut lent = [0; LENT];
    let config = Config {
        max_message: if options.echo {
            usize::MAX
        } else {
            MAX_MESSAGE
        },
        max_handshake: MAX_HANDSHAKE,
        report_pings: true,
        report_pongs: true,
        ..Config::DEFAULT
    };
    // TLS is below the async calls only.
    if options.asynch || Url::parse(&options.url).is_ok_and(|url| url.secure) {
        let (mut dialer, wake) = Asynch::new(config, (&mut lent).into());
        return run_over(&mut dialer, wake, options, printer);
    }
    match Blocking::new(config, (&mut lent).into()) {
        Ok((mut dialer, wake)) => run_over(&mut dialer, wake, options, printer),
        Err(error) => {
            let detail = format!("the system has no way to wait for sockets left: {error}");
            let _ = printer.trouble(&Trouble::new("system", detail));
            Exit::Failed
        }
    }
}

fn run_over<D: Dial>(
    dialer: &mut D,
    wake: Wake,
    options: &ConnectOptions,
    mut printer: Printer,
) -> Exit {
    match dial::open(dialer, options) {
        Ok((wire, subprotocol)) => {
            output::wake_by(wake.clone());
            if let Err(error) = signals::watch(wake.clone()) {
                // Then a signal ends the program as it does any other.
                log::warn!("signals cannot be taken: {error}");
            }
            Session::new(wire, wake, options, printer).run(subprotocol)
        }
        Err(failure) => {
            // The exit code says it even where the output does not take it any more.
            let _ = printer.trouble(&failure.trouble);
            failure.exit
        }
    }
}

/// A usage error, for programs too where they asked for `--json`.
pub(crate) fn usage(json: bool, message: &str, help: &str) -> Exit {
    let trouble = Trouble::new("usage", format!("{message}\nsee: {help}"));
    say(json, &trouble);
    Exit::Usage
}

/// Says what went wrong, as far as the output takes it.
pub(crate) fn say(json: bool, trouble: &Trouble) {
    let _ = Printer::new(json).trouble(trouble);
}
