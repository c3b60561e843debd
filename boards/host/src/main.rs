//! The program `ws`: the table of microcontrollers on a host. `ws` alone is a demo over smoltcp's
//! loopback, `ws connect` a client over the system's sockets, `ws mqtt` one of MQTT
//! over it, `ws serve` a server.
#![deny(unsafe_code)]

mod arguments;
mod asynch;
mod connect;
mod demo;
mod echo;
mod exit;
mod logger;
mod mqtt;
mod os;
mod serve;
mod wire;

use arguments::Command;
use exit::Exit;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    run().into()
}

fn run() -> Exit {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Demo) => demo::run(&mut std::io::stdout().lock()),
        Ok(Command::Connect(options)) => connect::run(&options),
        Ok(Command::Mqtt(options)) => mqtt::run(&options),
        Ok(Command::Serve(options)) => serve::run(&options),
        Ok(Command::Print(text)) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Clean,
            Err(_) => Exit::Failed,
        },
        Err(error) => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            connect::usage(json, &error.message, error.help)
        }
    }
}
