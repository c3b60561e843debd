//! embedded-websocket by its codec: its framer ends where a read ends inside of a header, and the
//! codec itself does not get out of a fragment that it is given in pieces.
//!
//! What is added here: what has come is kept until a frame is whole; fragments are put together;
//! Pings are answered; the closing handshake; text is checked for UTF-8 as a whole; and what the
//! codec refuses is answered with a Close.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;

use embedded_websocket::{
    Error, WebSocket, WebSocketClient, WebSocketCloseStatusCode as Code, WebSocketOptions,
    WebSocketReadResult, WebSocketReceiveMessageType as Received, WebSocketSendMessageType as Sent,
    WebSocketServer, WebSocketType, read_http_header,
};
use rand::RngCore;
use rand::rngs::ThreadRng;
use ws_peers::{Peer, Result};

struct EmbeddedWebSocket;

impl Peer for EmbeddedWebSocket {
    fn serve(stream: TcpStream) -> Result {
        let mut pipe = Pipe::new(stream);
        let mut codec = WebSocketServer::new_server();
        let (length, context) = loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(length) = request.parse(pipe.came())? {
                let headers = request.headers.iter().map(|it| (it.name, it.value));
                break (
                    length,
                    read_http_header(headers)?.ok_or("no WebSocket request")?,
                );
            }
            pipe.more()?;
        };
        pipe.taken += length;
        let mut answer = [0; 1024];
        let length = codec.server_accept(&context.sec_websocket_key, None, &mut answer)?;
        pipe.stream.write_all(&answer[..length])?;
        Connection::new(codec, pipe).echo()
    }

    fn message(address: &str, path: &str) -> Result<String> {
        let mut connection = connect(address, path)?;
        let Some((_, message)) = connection.next()? else {
            return Err("closed without a message".into());
        };
        let length = connection
            .codec
            .close(Code::NormalClosure, None, &mut connection.out)?;
        connection
            .pipe
            .stream
            .write_all(&connection.out[..length])?;
        while connection.next()?.is_some() {}
        Ok(String::from_utf8(message)?)
    }

    fn echo(address: &str, path: &str) -> Result {
        connect(address, path)?.echo()
    }
}

fn connect(address: &str, path: &str) -> Result<Connection<ThreadRng, embedded_websocket::Client>> {
    let mut pipe = Pipe::new(TcpStream::connect(address)?);
    pipe.stream.set_nodelay(true)?;
    let mut codec = WebSocketClient::new_client(rand::thread_rng());
    let options = WebSocketOptions {
        path,
        host: address,
        origin: "",
        sub_protocols: None,
        additional_headers: None,
    };
    let mut request = [0; 1024];
    let (length, key) = codec.client_connect(&options, &mut request)?;
    pipe.stream.write_all(&request[..length])?;
    loop {
        match codec.client_accept(&key, pipe.came()) {
            Ok((length, _)) => {
                pipe.taken += length;
                return Ok(Connection::new(codec, pipe));
            }
            Err(Error::HttpHeaderIncomplete) => pipe.more()?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// TCP, and what has come and is not used yet.
struct Pipe {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
}

impl Pipe {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    fn came(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Is a frame there as a whole (RFC 6455 section 5.2), or one that is refused for its opcode?
    fn has_frame(&self) -> bool {
        let came = self.came();
        let Some((&[first, second], rest)) = came.split_first_chunk() else {
            return false;
        };
        if !matches!(first & 0xF, 0..=2 | 8..=10) {
            return true;
        }
        let (length, extended) = match second & 0x7F {
            126 => (
                rest.first_chunk()
                    .map(|it| u64::from(u16::from_be_bytes(*it))),
                2,
            ),
            127 => (rest.first_chunk().map(|it| u64::from_be_bytes(*it)), 8),
            length => (Some(length.into()), 0),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        length.is_some_and(|length| (rest.len() - extended) as u64 >= length + mask)
    }

    fn more(&mut self) -> Result {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        let before = self.buffer.len();
        self.buffer.resize(before + 64 * 1024, 0);
        let count = self.stream.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *count.as_ref().unwrap_or(&0));
        match count? {
            0 => Err("TCP ended without a Close".into()),
            _ => Ok(()),
        }
    }
}

/// A message and its type; none at the end.
type Next = Option<(Sent, Vec<u8>)>;

struct Connection<R: RngCore, T: WebSocketType> {
    codec: WebSocket<R, T>,
    pipe: Pipe,
    /// Where payload goes.
    piece: Vec<u8>,
    message: Vec<u8>,
    out: Vec<u8>,
}

impl<R: RngCore, T: WebSocketType> Connection<R, T> {
    fn new(codec: WebSocket<R, T>, pipe: Pipe) -> Self {
        Self {
            codec,
            pipe,
            piece: Vec::new(),
            message: Vec::new(),
            out: vec![0; 1024],
        }
    }

    /// Sends back what comes until the end.
    fn echo(mut self) -> Result {
        while let Some((kind, message)) = self.next()? {
            self.send(kind, &message)?;
        }
        Ok(())
    }

    fn send(&mut self, kind: Sent, payload: &[u8]) -> Result {
        let room = self.out.len().max(payload.len() + 14);
        self.out.resize(room, 0);
        let length = self.codec.write(kind, true, payload, &mut self.out)?;
        Ok(self.pipe.stream.write_all(&self.out[..length])?)
    }

    /// The next message; none behind the closing handshake.
    fn next(&mut self) -> Result<Next> {
        loop {
            while !self.pipe.has_frame() {
                self.pipe.more()?;
            }
            self.piece.resize(self.pipe.came().len(), 0);
            let read = match self.codec.read(self.pipe.came(), &mut self.piece) {
                Ok(read) => read,
                Err(error) => {
                    self.refuse(Code::ProtocolError)?;
                    return Err(error.into());
                }
            };
            self.pipe.taken += read.len_from;
            if let Some(done) = self.take(&read)? {
                return Ok(done);
            }
        }
    }

    /// What a piece comes to: nothing yet, a message, or the end.
    fn take(&mut self, read: &WebSocketReadResult) -> Result<Option<Next>> {
        let piece = &self.piece[..read.len_to];
        if matches!(read.message_type, Received::Text | Received::Binary) {
            self.message.extend_from_slice(piece);
            if !read.end_of_message {
                return Ok(None);
            }
            let message = std::mem::take(&mut self.message);
            if read.message_type == Received::Binary {
                return Ok(Some(Some((Sent::Binary, message))));
            }
            if std::str::from_utf8(&message).is_err() {
                self.refuse(Code::InvalidPayloadData)?;
                return Err("text is not UTF-8".into());
            }
            return Ok(Some(Some((Sent::Text, message))));
        }
        let payload = piece.to_vec();
        match read.message_type {
            Received::Ping => self.send(Sent::Pong, &payload)?,
            Received::CloseMustReply => {
                self.send(Sent::CloseReply, &payload)?;
                self.end();
                return Ok(Some(None));
            }
            Received::CloseCompleted => return Ok(Some(None)),
            _ => {}
        }
        Ok(None)
    }

    /// Closes with a code of its own.
    fn refuse(&mut self, code: Code) -> Result {
        let length = self.codec.close(code, None, &mut self.out)?;
        self.pipe.stream.write_all(&self.out[..length])?;
        self.end();
        Ok(())
    }

    /// Nothing more goes out; what still comes is thrown away, so that TCP is not reset.
    fn end(&mut self) {
        self.pipe.stream.shutdown(Shutdown::Write).ok();
        let limit = std::time::Duration::from_secs(1);
        self.pipe.stream.set_read_timeout(Some(limit)).ok();
        self.piece.resize(4096, 0);
        while self
            .pipe
            .stream
            .read(&mut self.piece)
            .is_ok_and(|count| count > 0)
        {}
    }
}

fn main() -> ExitCode {
    ws_peers::main::<EmbeddedWebSocket>()
}
