//! A page on `/`, and an echo on `/echo`.

use embassy_net::Stack;
use embassy_net::tcp::{self, TcpSocket};
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use ws_socket::asynch::{AsyncPlatform, WebSocket};
use ws_socket::handshake::{Asked, Page, Response, Rules};
use ws_socket::{
    Config, Handler, Keepalive, Opcode, ReceiveError, SendError, Timeout, WebSocketId,
};

/// Where it listens.
pub const PORT: u16 = 80;

/// Bytes that TCP holds for each direction.
const BUFFER: usize = 1024;
/// A visitor who does not take an echo for as long is let go, in milliseconds.
const SEND_MS: i32 = 10_000;
/// For the closing handshake, and for TCP's.
const CLOSE_MS: i32 = 2_000;

const CONFIG: Config = Config {
    keepalive: Some(Keepalive {
        interval: 30_000,
        timeout: 10_000,
    }),
    // embassy-net's flush waits for the peer's acknowledgement; TCP sends without.
    flush: false,
    ..Config::DEFAULT
};

const PAGE: &[u8] = include_bytes!("page.html");
const HTML: &[(&str, &str)] = &[("Content-Type", "text/html; charset=utf-8")];
const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// What is where.
struct Site;

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules {
            targets: &["/", "/echo"],
            ..Rules::NONE
        }
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let (status, headers, body) = match (asked.target(), asked.upgrade()) {
            (Some(1), true) => {
                return Response::Upgrade {
                    subprotocol: None,
                    headers: &[],
                };
            }
            (Some(0), false) => (200, HTML, PAGE),
            (Some(1), false) => (426, TEXT, &b"a WebSocket\n"[..]),
            _ => (404, TEXT, &b"not here\n"[..]),
        };
        Response::Page(Page {
            // There are few sockets, and the page opens another connection.
            close: true,
            ..Page::new(status, headers, body)
        })
    }
}

/// What became of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// The echo begins.
    Connected,
    /// The echo ended like this.
    Ended(ReceiveError<tcp::Error>),
    /// The visitor does not take the echo.
    Slow,
    /// The echo could not be sent.
    Failed(SendError<tcp::Error>),
    /// A page, a refusal, or nothing at all.
    NoWebSocket,
}

/// Serves one visitor after another. For as many at a time there is one of these each.
pub async fn visitors(
    stack: Stack<'_>,
    mut platform: impl AsyncPlatform,
    mut visit: impl FnMut(Visit),
) -> ! {
    let (mut receive, mut send, mut lent) = ([0; BUFFER], [0; BUFFER], [0; 512]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
        if socket.accept(PORT).await.is_err() {
            // Not with a socket that is new and a port that is none.
            Timer::after_secs(1).await;
            continue;
        }
        serve(&mut socket, &mut lent, &mut platform, &mut visit).await;
        // A socket that is dropped says nothing more, not even that it is gone.
        socket.close();
        let closing = Duration::from_millis(CLOSE_MS.unsigned_abs().into());
        if !matches!(with_timeout(closing, socket.flush()).await, Ok(Ok(()))) {
            socket.abort();
            let _ = with_timeout(closing, socket.flush()).await;
        }
    }
}

/// One visitor, from request to Close.
async fn serve<T>(
    socket: T,
    lent: &mut [u8; 512],
    platform: impl AsyncPlatform,
    visit: &mut impl FnMut(Visit),
) where
    T: Read<Error = tcp::Error> + Write<Error = tcp::Error>,
{
    let accepted = WebSocket::accept(socket, Site, lent, platform, CONFIG).await;
    let Ok(Some(mut ws)) = accepted else {
        return visit(Visit::NoWebSocket);
    };
    visit(Visit::Connected);
    let ended = echo(&mut ws).await;
    let _ = ws.disconnect(CLOSE_MS).await;
    visit(ended);
}

/// Sends back what comes, a fragment for each piece, until that ends.
async fn echo<T, P>(ws: &mut WebSocket<'_, T, P>) -> Visit
where
    T: Read<Error = tcp::Error> + Write<Error = tcp::Error>,
    P: AsyncPlatform,
{
    let mut piece = [0; 512];
    loop {
        let received = match ws.recv_msg(&mut piece, Timeout::Forever).await {
            Ok(received) if received.opcode().is_control() => continue,
            Ok(received) => received,
            Err(error) => return Visit::Ended(error),
        };
        let opcode = if ws.in_message() {
            Opcode::Continuation
        } else {
            received.opcode()
        };
        let bytes = piece.get(..received.length).unwrap_or_default();
        match ws
            .send_msg(bytes, opcode, received.is_complete(), SEND_MS)
            .await
        {
            Ok(sent) if sent == bytes.len() => {}
            Ok(_) | Err(SendError::Timeout) => return Visit::Slow,
            Err(error) => return Visit::Failed(error),
        }
    }
}
