//! Connects, reports a reading each second, shows what comes, and connects again.

use core::fmt;

use embassy_futures::select::{Either, select};
use embassy_net::{Stack, tcp};
use embassy_time::{Duration, Instant, Ticker, Timer};
use embedded_io_async::{Read, Write};
use ws_socket::asynch::{AsyncPlatform, AsyncRequest, WebSocket};
use ws_socket::{
    Config, ConnectError, Keepalive, Opcode, ReceiveError, Received, SendError, Timeout,
};

use crate::backoff::Backoff;
use crate::net::{Net, State};
use crate::reading;

/// Between two readings.
const PERIOD: Duration = Duration::from_secs(1);
/// For name, TCP and handshake, in milliseconds.
const CONNECT_MS: i32 = 15_000;
/// A reading that TCP does not take as long has nobody who reads it.
const SEND_MS: i32 = 5_000;
/// For the closing handshake.
const CLOSE_MS: i32 = 2_000;
/// The first wait before connecting again, and the longest.
const FIRST_WAIT_MS: u32 = 500;
const LONGEST_WAIT_MS: u32 = 60_000;
/// A connection that lasted as long was a good one: the next wait is short again. One that is ended
/// sooner, by a server that accepts and hangs up, say, makes waits longer as a refusal does.
const GOOD: Duration = Duration::from_secs(60);

const CONFIG: Config = Config {
    keepalive: Some(Keepalive {
        interval: 15_000,
        timeout: 5_000,
    }),
    // embassy-net's flush waits for the peer's acknowledgement; TCP sends without.
    flush: false,
    ..Config::DEFAULT
};

/// What it reports, and to whom it tells what happens.
#[allow(async_fn_in_trait)] // one core, one executor
pub trait Station {
    /// A sample of the temperature sensor, in steps of the converter.
    async fn sample(&mut self) -> u16;

    /// Something happened.
    fn event(&mut self, event: Event<'_>);
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The opening handshake is done.
    Connected,
    /// A reading is on its way.
    Sent(&'a str),
    /// A piece of a message came.
    Received(Received, &'a [u8]),
    /// There is no connection, or no longer, and the next attempt is after that many milliseconds.
    Ended(&'a Ended, u32),
}

/// Why there is no connection, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did not come about.
    Connect(ConnectError<tcp::Error>),
    /// Nothing more can be received: closed, lost, silent.
    Receive(ReceiveError<tcp::Error>),
    /// Nothing more can be sent.
    Send(SendError<tcp::Error>),
    /// The peer does not take what is sent.
    Slow,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Receive(error) => error.fmt(f),
            Self::Send(error) => write!(f, "sending: {error}"),
            Self::Slow => f.write_str("the peer takes nothing"),
        }
    }
}

/// Reports to the server of `url`, over as many connections as it takes.
pub async fn run(
    stack: Stack<'_>,
    url: &str,
    mut platform: impl AsyncPlatform,
    station: &mut impl Station,
) -> ! {
    let state = State::new();
    let net = Net::new(stack, &state);
    let mut backoff = Backoff::new(FIRST_WAIT_MS, LONGEST_WAIT_MS);
    loop {
        stack.wait_config_up().await;
        let began = Instant::now();
        let ended = connection(&net, url, &mut platform, station).await;
        if began.elapsed() >= GOOD {
            backoff.reset();
        }
        let mut random = [0; 4];
        // Without randomness there is no spread, and no connection either.
        let _ = platform.fill_random(&mut random);
        let wait = backoff.wait(u32::from_ne_bytes(random));
        station.event(Event::Ended(&ended, wait));
        Timer::after_millis(wait.into()).await;
    }
}

/// One connection, to its end.
async fn connection(
    net: &Net<'_>,
    url: &str,
    platform: impl AsyncPlatform,
    station: &mut impl Station,
) -> Ended {
    let mut lent = [0; 512];
    let request = AsyncRequest::for_url();
    let ws = WebSocket::connect_url(net, url, &request, &mut lent, platform, CONFIG, CONNECT_MS);
    let mut ws = match ws.await {
        Ok(ws) => ws,
        Err(error) => return Ended::Connect(error),
    };
    station.event(Event::Connected);
    let ended = report(&mut ws, station).await;
    // Whatever the reason: where a Close can still be said, it is.
    let _ = ws.disconnect(CLOSE_MS).await;
    ended
}

/// Sends and receives until that ends.
async fn report<T, P>(ws: &mut WebSocket<'_, T, P>, station: &mut impl Station) -> Ended
where
    T: Read<Error = tcp::Error> + Write<Error = tcp::Error>,
    P: AsyncPlatform,
{
    let mut ticker = Ticker::every(PERIOD);
    let mut piece = [0; 256];
    for n in 0.. {
        loop {
            // The receive that loses is dropped, which takes nothing away; the next goes on.
            let receive = ws.recv_msg(&mut piece, Timeout::Forever);
            match select(receive, ticker.next()).await {
                Either::First(Ok(received)) => {
                    let bytes = piece.get(..received.length).unwrap_or_default();
                    station.event(Event::Received(received, bytes));
                }
                Either::First(Err(error)) => return Ended::Receive(error),
                Either::Second(()) => break,
            }
        }
        let json = reading::json(n, station.sample().await);
        match ws
            .send_msg(json.as_bytes(), Opcode::Text, true, SEND_MS)
            .await
        {
            Ok(sent) if sent == json.len() => station.event(Event::Sent(&json)),
            Ok(_) | Err(SendError::Timeout) => return Ended::Slow,
            Err(error) => return Ended::Send(error),
        }
    }
    Ended::Slow // after 136 years
}
