//! tungstenite: messages, Pings and the closing handshake are its own; back goes what it hands out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use tungstenite::{Error, Message, WebSocket};
use ws_peers::{Peer, Result};

struct Tungstenite;

impl Peer for Tungstenite {
    fn serve(stream: TcpStream) -> Result {
        echo(tungstenite::accept(stream).map_err(|error| error.to_string())?)
    }

    fn message(address: &str, path: &str) -> Result<String> {
        let mut socket = connect(address, path)?;
        let message = socket.read()?.into_text()?.to_string();
        socket.close(None)?;
        // Until the closing handshake is done.
        while socket.read().is_ok() {}
        Ok(message)
    }

    fn echo(address: &str, path: &str) -> Result {
        echo(connect(address, path)?)
    }
}

fn connect(address: &str, path: &str) -> Result<WebSocket<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (socket, _) = tungstenite::client(format!("ws://{address}{path}"), stream)
        .map_err(|error| error.to_string())?;
    Ok(socket)
}

fn echo<S: Read + Write>(mut socket: WebSocket<S>) -> Result {
    loop {
        let outcome = match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {}
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn main() -> ExitCode {
    ws_peers::main::<Tungstenite>()
}
