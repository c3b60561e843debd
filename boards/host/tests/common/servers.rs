//! Servers for `ws connect` to speak to: of the same library, over the system's sockets, each in a
//! thread for one connection; and raw ones.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::stack::StdStack;
use ws_socket::{AcceptOptions, Config, Platform, Timeout, WebSocketId, WebSockets};

/// Nothing takes that long.
pub(crate) const PATIENCE: Timeout = Timeout::Millis(20_000);

pub(crate) struct TestPlatform(Instant);

impl Platform<StdStack> for TestPlatform {
    #[allow(clippy::cast_possible_truncation)]
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        getrandom::fill(bytes).map_err(|_| ws_socket::RandomError)
    }

    fn wait(&mut self, _: &mut StdStack, at_most_ms: u32) {
        if at_most_ms > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

pub(crate) type Table = WebSockets<'static, StdStack, TestPlatform, 1>;

/// A server for one connection, which `script` has in its hands. Its URL, and its result.
pub(crate) fn serve<R: Send + 'static>(
    script: impl FnOnce(&mut Table, WebSocketId) -> R + Send + 'static,
) -> (String, JoinHandle<R>) {
    let mut stack = StdStack::new().with_bind_addr(Ipv4Addr::LOCALHOST.into());
    let mut listener = stack.socket().unwrap();
    stack.bind(&mut listener, 0).unwrap();
    stack.listen(&mut listener).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let lent = Box::leak(Box::new([0; 4096]));
        let config = Config {
            report_pings: true,
            report_pongs: true,
            ..Config::DEFAULT
        };
        let mut table = Table::new(stack, TestPlatform(Instant::now()))
            .with_config(config)
            .with_buffers([lent]);
        let options = AcceptOptions {
            subprotocols: &["chat", "mqtt"],
            headers: &[],
            ..AcceptOptions::default()
        };
        let ws = table.accept(&mut listener, &options, PATIENCE).unwrap();
        let result = script(&mut table, ws);
        if table.is_open(ws) {
            table.disconnect(ws, PATIENCE).unwrap();
        }
        result
    });
    (format!("ws://127.0.0.1:{port}/"), thread)
}

/// A server that has `script` do as it likes with the TCP connection. Its URL.
pub(crate) fn serve_raw(script: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || script(listener.accept().unwrap().0));
    format!("ws://127.0.0.1:{port}/")
}

/// Reads a request's head.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
