//! What both peers share: the two commands, a thread for each connection, the walk over the cases.
//!
//! ```text
//! PEER server                   prints its port, sends back what comes until it is ended
//! PEER client ws://ADDR:PORT    goes through the cases of a fuzzing server
//! ```

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

/// What went wrong.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What the suite calls each of them.
const AGENT: &str = "peer";

/// A library.
pub trait Peer: 'static {
    /// The handshake of a server, and then back what comes until the end.
    fn serve(stream: TcpStream) -> Result;

    /// The one message that the server has for its client.
    fn message(address: &str, path: &str) -> Result<String>;

    /// The handshake of a client, and then back what comes until the end.
    fn echo(address: &str, path: &str) -> Result;
}

/// The two commands.
pub fn main<P: Peer>() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["server"] => server::<P>(),
        ["client", url] => client::<P>(url),
        _ => Err("usage: server, or client ws://ADDR:PORT".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn server<P: Peer>() -> Result {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            stream.set_nodelay(true).ok();
            // How it ended the suite knows.
            if let Err(error) = P::serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn client<P: Peer>(url: &str) -> Result {
    let address = url.strip_prefix("ws://").ok_or("no ws:// URL")?;
    let address = address.trim_end_matches('/');
    let count: u32 = P::message(address, "/getCaseCount")?.parse()?;
    for case in 1..=count {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        if let Err(error) = P::echo(address, &path) {
            eprintln!("case {case} of {count}: {error}");
        }
    }
    P::echo(address, &format!("/updateReports?agent={AGENT}"))
}
