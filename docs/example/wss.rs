//! `wss://` by ws-tls: TLS 1.3, the server verified, no heap.

use embassy_futures::select::select;
use ws_socket::asynch::{self, Clock as _};
use ws_socket::stack::BlockingStreams;
use ws_socket::url::Url;
use ws_socket::{CloseCode, Config, Errno, Keepalive, Opcode, Request, Timeout};
use ws_tls::{Clock, Error, Memory, RandomError, Server, Stream};

/// Milliseconds from any origin; they may wrap.
pub type Now = fn() -> u32;

/// TLS over a stream that blocks, to the server of a URL, within 10 s.
pub fn secure<'m, T>(
    tcp: T, // connected to the URL's host and port
    memory: &'m mut Memory,
    url: &Url<'_>,
    authority: &[u8], // its certificate, DER
    seconds: Option<u64>,
    random: fn(&mut [u8]) -> Result<(), RandomError>,
    now: Now,
) -> Result<Stream<'m, T, Now>, Error>
where
    T: embedded_io::Read + embedded_io::Write,
{
    let time = Clock {
        now: seconds,         // since 1970; None: the clock is not set
        built: 1_790_000_000, // when the firmware was
    };
    let anchors = [authority];
    let server = Server::new(url, &anchors, time)?;
    ws_tls::connect(tcp, memory, &server, random, 10_000, now)
}

/// Says hello over it. The stream's reads say `TimedOut` where nothing comes: timeouts hold.
pub fn hello<T, P>(tls: Stream<'_, T, Now>, url: &Url<'_>, chip: P) -> Result<CloseCode, Errno>
where
    T: embedded_io::Read + embedded_io::Write,
    P: for<'m> ws_socket::Platform<BlockingStreams<Stream<'m, T, Now>>>,
{
    let mut buffer = [0; 512];
    let mut table = ws_socket::WebSockets::<_, _, 1>::new(BlockingStreams::new(), chip);
    let request = Request::new(url.host_header(), url.target);
    let request = ws_socket::WebSocketRequest::from_handshake(request);
    let ws = table.connect(tls, request.buffer(&mut buffer), 5_000)?;

    table.send_msg(ws, b"hello", Opcode::Text, true, Timeout::Forever)?;
    let mut text = [0; 64];
    let got = table.recv_msg(ws, &mut text, 1_000)?;
    assert_eq!(&text[..got.length], b"hello");

    let (end, tls) = table.disconnect_keeping_socket(ws, CloseCode::NORMAL, "", 2_000)?;
    let _ = tls.close(); // close_notify, and TCP back
    Ok(end.code) // the server's
}

/// TLS over an async stream, to the server of a URL, within 10 s. Dropped, it drops the connection.
#[allow(clippy::too_many_arguments)]
pub async fn secure_async<'m, 'b, T>(
    tcp: T,
    memory: &'b mut ws_tls::asynch::Memory,
    place: &'m mut ws_tls::asynch::Place<'b, T>,
    url: &Url<'_>,
    authority: &[u8],
    seconds: Option<u64>,
    random: fn(&mut [u8]) -> Result<(), RandomError>,
    clock: impl asynch::Clock,
) -> Result<ws_tls::asynch::Stream<'m, 'b, T>, Error>
where
    T: embedded_io_async::Read + embedded_io_async::Write,
{
    let time = Clock {
        now: seconds,
        built: 1_790_000_000,
    };
    let anchors = [authority];
    let server = Server::new(url, &anchors, time)?;
    ws_tls::asynch::connect(tcp, memory, place, &server, random, 10_000, clock).await
}

/// Says hello over it. Every call may be dropped, and have a timeout.
pub async fn hello_async<T, P>(
    tls: ws_tls::asynch::Stream<'_, '_, T>,
    url: &Url<'_>,
    chip: P,
) -> Result<CloseCode, Errno>
where
    T: embedded_io_async::Read + embedded_io_async::Write,
    P: asynch::AsyncPlatform,
{
    let mut buffer = [0; 512];
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 30_000,
            timeout: 10_000,
        }),
        ..Config::DEFAULT // flush: TLS makes a record of it then
    };
    let clock = chip.clock();
    let request = asynch::AsyncRequest::to(url.host_header(), url.target);
    let ws = asynch::WebSocket::connect(tls, &request, &mut buffer, chip, config, 5_000);
    let mut ws = ws.await?;

    ws.send_msg(b"hello", Opcode::Text, true, 1_000).await?;
    let mut text = [0; 64];
    let got = ws.recv_msg(&mut text, 1_000).await?;
    assert_eq!(&text[..got.length], b"hello");

    let end = ws
        .disconnect_keeping_stream(CloseCode::NORMAL, "", 2_000)
        .await?;
    if let Some(stream) = ws.into_stream() {
        let _ = select(stream.close(), clock.sleep_ms(2_000)).await; // close_notify
    }
    Ok(end.code) // the server's
}
