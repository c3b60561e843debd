//! `ws serve`: a WebSocket server in one thread.

mod asynch;
mod clock;
mod connection;
mod demo;
mod events;
mod files;
mod lingering;
mod listen;
mod server;
mod site;
mod visitor;

use crate::arguments::ServeOptions;
use crate::exit::Exit;
use crate::os::WebSockets;
use crate::output;
use crate::signals::{self, Signals};
use crate::wire::Wake;
use events::{Event, Printer};
use server::Server;
use site::Site;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;
use ws_socket::Config;

/// Slots of the table: open connections, and handshakes under way.
const SLOTS: usize = 16_384;

/// All the connections there can be.
type Table = WebSockets<'static, SLOTS>;

/// The lent buffers: small frames and requests are read with one call, and Pings answered.
const LENT: usize = 1024;

/// Runs `ws serve` until a signal ends it.
pub(crate) fn run(options: &ServeOptions) -> Exit {
    if options.asynch {
        return serve_async(options);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .stack_size(listen::STACK);
        match thread.spawn_scoped(scope, || serve(options)) {
            Ok(thread) => thread.join().unwrap_or(Exit::Failed),
            Err(error) => {
                output::say(&format!("the system has no thread for the server: {error}"));
                Exit::Failed
            }
        }
    })
}

/// By the blocking calls.
fn serve(options: &ServeOptions) -> Exit {
    let mut printer = Printer::new(options.json);
    match start(options, &mut printer) {
        Ok(server) => {
            server.run(&mut printer);
            ended(&mut printer)
        }
        Err(detail) => failed(printer, detail),
    }
}

/// By the async calls.
fn serve_async(options: &ServeOptions) -> Exit {
    let mut printer = Printer::new(options.json);
    let opened = prepare(options).and_then(|site| {
        let listener = listen::open_async(options)?;
        let local = listener.get_ref().local_addr();
        let (wake, wakes) = crate::asynch::waker();
        let signals = listens(local, wake.clone(), &mut printer)?;
        Ok((listener, signals, (wake, wakes), site))
    });
    match opened {
        Ok((listener, signals, wakes, site)) => {
            let server = asynch::Server::new(listener, signals, wakes, site, printer, options);
            server.run()
        }
        Err(detail) => failed(printer, detail),
    }
}

/// It cannot begin.
fn failed(mut printer: Printer, detail: String) -> Exit {
    let (id, kind) = (None, "listen");
    printer.event(&Event::Error { id, kind, detail });
    ended(&mut printer);
    Exit::Failed
}

/// It is over.
fn ended(printer: &mut Printer) -> Exit {
    printer.flush();
    // Which is said at the end.
    match printer.failed() {
        Some(_) => Exit::Failed,
        None => Exit::Clean,
    }
}

/// What there is to serve, and the files for it. An error is a sentence that says what to do.
fn prepare(options: &ServeOptions) -> Result<Site, String> {
    let site = Site::new(options)?;
    let files = listen::raise_file_limit();
    if let (Some(files), Some(connections)) = (files, options.max_connections)
        && files < connections + listen::FILES
    {
        output::say(&format!(
            "the system allows {files} open files, too few for {connections} connections; raise \
             the limit: ulimit -n {}",
            connections + listen::FILES
        ));
    }
    Ok(site)
}

/// Opens the port. An error is a sentence that says what to do.
fn start(options: &ServeOptions, printer: &mut Printer) -> Result<Server, String> {
    let site = prepare(options)?;
    let (mut table, listener) = listen::open(options)?;
    let signals = listens(listener.local_addr(), table.stack().waker(), printer)?;
    Ok(Server::new(table, listener, signals, site, options))
}

/// The port is open: says so, and takes the signals, the first of which calls `wake`.
fn listens<E: Display>(
    local: Result<SocketAddr, E>,
    wake: Wake,
    printer: &mut Printer,
) -> Result<Signals, String> {
    let local = local.map_err(|error| error.to_string())?;
    output::wake_by(wake.clone());
    let signals =
        signals::watch(wake).map_err(|error| format!("signals cannot be taken: {error}"))?;
    printer.event(&Event::Listening {
        address: local.ip().to_string(),
        port: local.port(),
    });
    Ok(signals)
}

/// For all connections.
fn config(options: &ServeOptions) -> Config {
    Config {
        max_message: options.max_message,
        handshake_timeout: millis(options.handshake_timeout),
        answer_timeout: millis(options.answer_timeout),
        answer_rate: options.min_rate,
        report_pings: true,
        report_pongs: true,
        ..Config::DEFAULT
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
