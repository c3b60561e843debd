//! embedded-websocket, with httparse for requests as its examples have it.

use embedded_websocket::{
    Error, WebSocketClient, WebSocketOptions, WebSocketReadResult, WebSocketSendMessageType,
    WebSocketServer, read_http_header,
};
use rand_core::RngCore;
use ws_probes::{bytes, done, flag, keep, text, word};

/// A source of randomness: a register.
pub struct Random;

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        word() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.next_u32().into()
    }

    #[inline(never)]
    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = word() as u8;
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

/// A client.
pub type Client = WebSocketClient<Random>;

ws_probes::entries! {
    /// A client.
    fn new_client() -> Client { Client::new_client(Random) }
    /// A server.
    fn new_server() -> WebSocketServer { WebSocketServer::new_server() }
    /// What came in at a client.
    fn client_read(it: &mut Client, from: &[u8], to: &mut [u8]) -> Result<WebSocketReadResult, Error> {
        it.read(from, to)
    }
    /// What came in at a server.
    fn server_read(it: &mut WebSocketServer, from: &[u8], to: &mut [u8]) -> Result<WebSocketReadResult, Error> {
        it.read(from, to)
    }
    /// What a client sends.
    fn client_write(it: &mut Client, kind: WebSocketSendMessageType, end: bool, from: &[u8], to: &mut [u8]) -> Result<usize, Error> {
        it.write(kind, end, from, to)
    }
    /// What a server sends.
    fn server_write(it: &mut WebSocketServer, kind: WebSocketSendMessageType, end: bool, from: &[u8], to: &mut [u8]) -> Result<usize, Error> {
        it.write(kind, end, from, to)
    }
}

fn kind() -> WebSocketSendMessageType {
    if flag() {
        WebSocketSendMessageType::Text
    } else {
        WebSocketSendMessageType::Binary
    }
}

/// The least driver there can be, of a client.
pub fn client_frames(it: &mut Client) {
    keep(client_read(it, bytes(), bytes()));
    keep(client_write(it, kind(), flag(), bytes(), bytes()));
}

/// The least driver there can be, of a server.
pub fn server_frames(it: &mut WebSocketServer) {
    keep(server_read(it, bytes(), bytes()));
    keep(server_write(it, kind(), flag(), bytes(), bytes()));
}

/// A client's handshake.
pub fn client() -> Option<Client> {
    let mut client = new_client();
    let protocols = [text(), text()];
    let headers = [text()];
    let options = WebSocketOptions {
        path: text(),
        host: text(),
        origin: text(),
        sub_protocols: Some(&protocols),
        additional_headers: Some(&headers),
    };
    let (written, key) = client.client_connect(&options, bytes()).ok()?;
    done(written);
    keep(client.client_accept(&key, bytes()).ok()?);
    Some(client)
}

/// A server's handshake.
pub fn server() -> Option<WebSocketServer> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes()).ok()?;
    let headers = request.headers.iter();
    let context = read_http_header(headers.map(|header| (header.name, header.value)));
    let context = context.ok()??;
    let protocol = context.sec_websocket_protocol_list.first();
    let mut server = new_server();
    let answer = server.server_accept(&context.sec_websocket_key, protocol, bytes());
    done(answer.ok()?);
    Some(server)
}
