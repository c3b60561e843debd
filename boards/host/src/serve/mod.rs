//! `ws serve`: a WebSocket server in one thread.

mod clock;
mod connection;
mod demo;
mod events;
mod files;
mod listen;
mod server;
mod signals;
mod site;

use crate::arguments::ServeOptions;
use crate::exit::Exit;
use crate::os::WebSockets;
use events::{Event, Printer};
use server::Server;
use site::Site;

/// Slots of the table: open connections, and handshakes under way.
const SLOTS: usize = 16_384;

/// All the connections there can be.
type Table = WebSockets<'static, SLOTS>;

/// Runs `ws serve` until a signal ends it.
pub(crate) fn run(options: &ServeOptions) -> Exit {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .stack_size(listen::STACK);
        match thread.spawn_scoped(scope, || serve(options)) {
            Ok(thread) => thread.join().unwrap_or(Exit::Failed),
            Err(error) => {
                eprintln!("ws: the system has no thread for the server: {error}");
                Exit::Failed
            }
        }
    })
}

fn serve(options: &ServeOptions) -> Exit {
    let mut printer = Printer::new(options.json);
    let exit = match start(options, &mut printer) {
        Ok(server) => server.run(&mut printer),
        Err(detail) => {
            let (id, kind) = (None, "listen");
            printer.event(&Event::Error { id, kind, detail });
            Exit::Failed
        }
    };
    printer.flush();
    match printer.failed() {
        Some(error) => {
            eprintln!("ws: standard output cannot be written to: {error}");
            Exit::Failed
        }
        None => exit,
    }
}

/// Opens the port. An error is a sentence that says what to do.
fn start(options: &ServeOptions, printer: &mut Printer) -> Result<Server, String> {
    let site = Site::new(options)?;
    let files = listen::raise_file_limit();
    if let (Some(files), Some(connections)) = (files, options.max_connections)
        && files < connections + listen::FILES
    {
        eprintln!(
            "ws: the system allows {files} open files, too few for {connections} connections; \
             raise the limit: ulimit -n {}",
            connections + listen::FILES
        );
    }
    let (mut table, listener) = listen::open(options)?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    let signals = signals::watch(table.stack().waker())
        .map_err(|error| format!("signals cannot be taken: {error}"))?;
    printer.event(&Event::Listening {
        address: local.ip().to_string(),
        port: local.port(),
    });
    Ok(Server::new(table, listener, signals, site, options))
}
