//! The two roles that Autobahn|Testsuite judges, over one of three transports or by the async calls;
//! both send back what comes:
//!
//! ```text
//! autobahn client std|small|dripping|async ws://ADDR:PORT    goes through the cases of a fuzzing server
//! autobahn server std|small|dripping|async                   prints its port, serves until it is ended
//! ```

mod asynch;
mod client;
mod conversation;
// The same echo as that of `ws serve`.
#[allow(dead_code)] // not all that `ws serve` needs of it
#[path = "../../../boards/host/src/echo.rs"]
mod echo;
mod host;
mod server;

use std::error::Error;
use std::process::ExitCode;

use embedded_nal::TcpClientStack;
use host::Host;
use ws_socket::stack::StdStack;
use ws_socket::{Config, Platform, WebSockets};
use ws_tests::drip::Dripping;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The cases come one after the other, but a server may still be closing the one before.
const SLOTS: usize = 4;

type Table<S> = WebSockets<'static, S, Host, SLOTS>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["client", transport, url] => client(transport, url),
        ["server", transport] => server(transport),
        _ => Err("usage: autobahn client|server std|small|dripping|async [ws://ADDR:PORT]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn: {error}");
            ExitCode::FAILURE
        }
    }
}

fn buffers<const M: usize>() -> [&'static mut [u8; M]; SLOTS] {
    std::array::from_fn(|_| Box::leak(Box::new([0; M])))
}

/// The shortest buffer there is, and a caller who answers Pings.
fn small<S: TcpClientStack>(stack: S) -> Table<S>
where
    Host: Platform<S>,
{
    let config = Config {
        answer_pings: false,
        report_pings: true,
        ..Config::DEFAULT
    };
    let table = WebSockets::new(stack, Host::new()).with_config(config);
    table.with_buffers(buffers::<256>())
}

fn stack() -> StdStack {
    StdStack::new().with_bind_addr([127, 0, 0, 1].into())
}

fn client(transport: &str, url: &str) -> Result {
    let host = Host::new();
    match transport {
        "async" => asynch::run(url),
        "std" => client::run(
            WebSockets::new(stack(), host).with_buffers(buffers::<4096>()),
            url,
        ),
        "small" => client::run(small(stack()), url),
        "dripping" => {
            let table = WebSockets::new(Dripping(stack()), host).with_buffers(buffers::<4096>());
            client::run(table, url)
        }
        other => Err(format!("no transport `{other}`").into()),
    }
}

fn server(transport: &str) -> Result {
    let host = Host::new();
    match transport {
        "async" => asynch::serve(),
        "std" => server::run(WebSockets::new(stack(), host).with_buffers(buffers::<4096>())),
        "small" => server::run(small(stack())),
        "dripping" => {
            server::run(WebSockets::new(Dripping(stack()), host).with_buffers(buffers::<4096>()))
        }
        other => Err(format!("no transport `{other}`").into()),
    }
}
