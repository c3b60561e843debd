//! A web server of one's own (`edge-http` here) answers the requests, and hands over the sockets
//! that it has upgraded: `cargo run --example own_server --features std`.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod common;

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Table, listen};
use edge_http::io::server::Connection;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use ws_socket::handshake::{SoftSha1, accept_value};
use ws_socket::stack::{StdSocket, StdStack};
use ws_socket::{Role, WebSocketId};

/// A socket as the web server wants it. Each call waits until it is done.
struct Stream<'a> {
    stack: &'a mut StdStack,
    socket: &'a mut StdSocket,
}

impl ErrorType for Stream<'_> {
    type Error = ErrorKind;
}

/// Repeats a call until it does not block, for five seconds at most.
fn patiently<T, E>(mut call: impl FnMut() -> nb::Result<T, E>) -> Result<T, ErrorKind> {
    for _ in 0..5000 {
        match call() {
            Ok(value) => return Ok(value),
            Err(nb::Error::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            Err(nb::Error::Other(_)) => return Err(ErrorKind::Other),
        }
    }
    Err(ErrorKind::TimedOut)
}

impl Read for Stream<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        patiently(|| self.stack.receive(self.socket, buf))
    }
}

impl Write for Stream<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        patiently(|| self.stack.send(self.socket, buf))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Runs a future that never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
    }
}

/// Answers one request: true if the socket is a WebSocket now.
async fn answer(io: Stream<'_>) -> Result<bool, edge_http::io::Error<ErrorKind>> {
    let mut buffer = [0; 1024];
    let mut connection: Connection<'_, _, 16> = Connection::new(&mut buffer, io).await?;
    let upgrade = connection.is_ws_upgrade_request()?;
    let headers = connection.headers()?;
    let key = headers.headers.get("Sec-WebSocket-Key");
    match key.and_then(|key| key.as_bytes().try_into().ok()) {
        Some(key) if upgrade && headers.path == "/ws" => {
            let accept = accept_value(key, &mut SoftSha1);
            let headers = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Content-Length", "0"), // or edge-http announces a chunked body
                (
                    "Sec-WebSocket-Accept",
                    str::from_utf8(&accept).unwrap_or_default(),
                ),
            ];
            connection.initiate_response(101, None, &headers).await?;
            Ok(true)
        }
        _ => {
            let headers = [("Connection", "close"), ("Content-Length", "5")];
            connection.initiate_response(200, None, &headers).await?;
            connection.write_all(b"hello").await?;
            connection.complete().await?;
            Ok(false)
        }
    }
}

/// Takes one connection; an id if it has become a WebSocket.
pub fn take_one(
    table: &mut Table,
    listener: &mut StdSocket,
) -> Result<Option<WebSocketId>, Box<dyn Error>> {
    let mut socket = match table.stack().accept(listener) {
        Ok((socket, _)) => socket,
        Err(nb::Error::WouldBlock) => return Ok(None),
        Err(nb::Error::Other(error)) => return Err(error.into()),
    };
    let io = Stream {
        stack: table.stack(),
        socket: &mut socket,
    };
    if !run(answer(io)).unwrap_or(false) {
        table.stack().close(socket)?;
        return Ok(None);
    }
    // edge-http reads no further than the blank line, so that no frame is buffered.
    match table.register(socket, Role::Server, None, 0) {
        Ok(ws) => Ok(Some(ws)),
        Err((error, socket)) => {
            table.stack().close(socket)?;
            Err(error.into())
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut table, mut listener) = listen(8080)?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        let Some(ws) = take_one(&mut table, &mut listener)? else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let mut buffer = [0; 512];
        while let Ok(piece) = table.recv_msg(ws, &mut buffer, 5000) {
            println!("{:?}", String::from_utf8_lossy(&buffer[..piece.length]));
        }
        table.disconnect(ws, 1000)?;
    }
}
