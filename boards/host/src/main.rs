//! The program `ws`: the table of microcontrollers on a host. `ws` alone is a demo over smoltcp's
//! loopback, `ws connect` a client over the system's sockets, `ws mqtt` one of MQTT
//! over it, `ws serve` a server.
#![deny(unsafe_code)]
// A print that fails panics, one that is not read blocks: `output` is what writes.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod asynch;
mod connect;
mod demo;
mod echo;
mod exit;
mod logger;
mod mqtt;
mod os;
mod output;
mod serve;
mod signals;
mod tls;
mod wire;

use arguments::{Command, UsageError};
use exit::Exit;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parsed = arguments::parse(std::env::args_os().skip(1));
    // What a server says may be dropped where nobody reads it.
    let events = matches!(parsed, Ok(Command::Serve(_)));
    output::finish(run(parsed), events).into()
}

fn run(parsed: Result<Command, UsageError>) -> Exit {
    match parsed {
        Ok(Command::Demo) => demo::run(&mut output::Data),
        Ok(Command::Connect(options)) => connect::run(&options),
        Ok(Command::Mqtt(options)) => mqtt::run(&options),
        Ok(Command::Serve(options)) => serve::run(&options),
        Ok(Command::Print(text)) => match output::Data.write_all(text.as_bytes()) {
            Ok(()) => Exit::Clean,
            Err(_) => Exit::Failed,
        },
        Err(error) => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            connect::usage(json, &error.message, error.help)
        }
    }
}
