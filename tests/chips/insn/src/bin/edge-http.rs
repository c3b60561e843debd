//! edge-http: the handshakes for edge-ws, by its headers alone, as its own client and server read and
//! write them.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use edge_http::ws::{MAX_BASE64_KEY_LEN, MAX_BASE64_KEY_RESPONSE_LEN};
use edge_http::{RequestHeaders, ResponseHeaders};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use ws_insn::cases::{ACCEPT, HOST, NONCE, REQUEST, RESPONSE, TARGET};
use ws_insn::{check, count, know, unknown, unknown_mut};

/// Headers that a request or a response can have.
const HEADERS: usize = 16;

ws_insn::firmware!({
    let (mut out, mut buffer) = ([0; 512], [0; 1024]);
    client(&mut out, &mut buffer);
    server(&mut out, &mut buffer);
});

fn client(out: &mut [u8], buffer: &mut [u8]) {
    let mut accepted = None;
    count("handshake", "client", || {
        accepted = now(async {
            let mut wire = Wire::new(unknown(RESPONSE), unknown_mut(out));
            let mut key = [0; MAX_BASE64_KEY_LEN];
            let mut request: RequestHeaders<'_, HEADERS> = RequestHeaders::new();
            request.path = black_box(TARGET);
            let (headers, host) = (&mut request.headers, Some(black_box(HOST)));
            headers.set_ws_upgrade_request_headers(host, None, None, black_box(NONCE), &mut key);
            request.send(true, &mut wire).await.ok()?;
            let mut response: ResponseHeaders<'_, HEADERS> = ResponseHeaders::new();
            let received = response.receive(unknown_mut(buffer), &mut wire, true);
            received.await.ok()?;
            let mut accept = [0; MAX_BASE64_KEY_RESPONSE_LEN];
            Some(response.is_ws_upgrade_accepted(NONCE, &mut accept))
        });
    });
    check(accepted == Some(true), "client");
}

fn server(out: &mut [u8], buffer: &mut [u8]) {
    let mut sent = None;
    count("handshake", "server", || {
        sent = now(async {
            let mut wire = Wire::new(unknown(REQUEST), unknown_mut(out));
            let mut request: RequestHeaders<'_, HEADERS> = RequestHeaders::new();
            let received = request.receive(unknown_mut(buffer), &mut wire, true);
            received.await.ok()?;
            let (connection, _) = request.resolve::<ErrorKind>().ok()?;
            know(request.is_ws_upgrade_request().into());
            let mut accept = [0; MAX_BASE64_KEY_RESPONSE_LEN];
            let mut response: ResponseHeaders<'_, HEADERS> = ResponseHeaders::new();
            response.code = 101;
            let (asked, headers) = (request.headers.iter(), &mut response.headers);
            let answer = headers.set_ws_upgrade_response_headers(asked, None, &mut accept);
            answer.ok()?;
            response.send(connection, true, &mut wire).await.ok()?;
            Some(wire.written)
        });
    });
    let response = out.get(..sent.unwrap_or_default()).unwrap_or_default();
    check(
        response.windows(28).any(|part| part == ACCEPT.as_bytes()),
        "server",
    );
}

/// Nothing here waits.
fn now<F: Future<Output = Option<T>>, T>(future: F) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => None,
    }
}

/// A stream in memory.
struct Wire<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
    written: usize,
}

impl<'a> Wire<'a> {
    fn new(from: &'a [u8], to: &'a mut [u8]) -> Self {
        let written = 0;
        Self { from, to, written }
    }
}

impl ErrorType for Wire<'_> {
    type Error = ErrorKind;
}

impl Read for Wire<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let count = buffer.len().min(self.from.len());
        let (front, rest) = self.from.split_at(count);
        buffer[..count].copy_from_slice(front);
        self.from = rest;
        Ok(count)
    }
}

impl Write for Wire<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let end = self.written + bytes.len();
        let to = self.to.get_mut(self.written..end);
        to.ok_or(ErrorKind::OutOfMemory)?.copy_from_slice(bytes);
        self.written = end;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
