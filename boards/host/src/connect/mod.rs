//! `ws connect`: a WebSocket on standard input and output.

mod dial;
mod end;
mod events;
mod input;
mod response;
mod session;

use crate::arguments::ConnectOptions;
use crate::exit::Exit;
use crate::os::{OsPlatform, OsStack, WebSockets};
use events::{Printer, Trouble};
use session::Session;
use ws_socket::Config;
use ws_socket::stack::StdStack;

/// The lent buffer: what one read takes at most, handshake included, while a message is small.
const LENT: usize = 16 * 1024;
/// The longest answer to the handshake. Large cookies fit, an endless line does not.
const MAX_HANDSHAKE: u16 = 16 * 1024;
/// The longest message that is kept to be printed.
const MAX_MESSAGE: usize = 64 << 20;

/// Runs `ws connect`.
pub(crate) fn run(options: &ConnectOptions) -> Exit {
    let mut printer = Printer::new(options.json);
    let stack = match OsStack::new(StdStack::new()) {
        Ok(stack) => stack,
        Err(error) => {
            let detail = format!("the system has no way to wait for sockets left: {error}");
            let _ = printer.trouble(&Trouble::new("system", detail));
            return Exit::Failed;
        }
    };
    let mut lent = vec![0; LENT];
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
    let mut table: WebSockets<'_, 1> =
        WebSockets::new(stack, OsPlatform::new()).with_config(config);
    let ws = match dial::open(&mut table, options, &mut lent) {
        Ok(ws) => ws,
        Err(failure) => {
            // The exit code says it even where the output does not take it any more.
            let _ = printer.trouble(&failure.trouble);
            return failure.exit;
        }
    };
    Session::new(&mut table, ws, options, printer).run()
}

/// A usage error, for programs too where they asked for `--json`.
pub(crate) fn usage(json: bool, message: &str, help: &str) -> Exit {
    let trouble = Trouble::new("usage", format!("{message}\nsee: {help}"));
    let _ = Printer::new(json).trouble(&trouble);
    Exit::Usage
}
