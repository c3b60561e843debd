//! Client and server of this board, with each other and with peers that misbehave, on two embassy-net
//! stacks in one process with a clock that is moved by hand.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, PoisonError};

use embassy_futures::select::{select, select3};
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::Write;
use ws_socket::asynch::{AsyncRequest, WebSocket};
use ws_socket::{AcceptOptions, CloseCode, Config, Opcode, ReceiveError, Timeout};
use ws_tests::embassy::{Resources, address, platform, run, stack, wire};

use crate::client::{self, Ended, Event, Station};
use crate::server::{self, Visit};

const CONFIG: Config = Config {
    flush: false,
    ..Config::DEFAULT
};

/// The clock is one for all tests of this process.
static CLOCK: Mutex<()> = Mutex::new(());

/// Runs `there` and `here` on a stack each until `here` is done.
fn on_two_stacks(there: impl AsyncFnOnce(Stack<'_>), here: impl AsyncFnOnce(Stack<'_>)) {
    let _clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut resources = [const { Resources::new() }; 2];
    let [near, far] = &mut resources;
    let (one, other) = wire();
    let (near, mut near_runs) = stack(one, 1, near);
    let (far, mut far_runs) = stack(other, 2, far);
    run(600_000, async {
        let work = async {
            // A server that is done leaves the rest to the client.
            let there = async {
                there(far).await;
                std::future::pending::<()>().await;
            };
            select(there, here(near)).await;
        };
        select3(near_runs.run(), far_runs.run(), work).await;
    });
}

/// A board whose sensor always says 27.1 °C, and that notes what happens.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl Notes {
    fn count(&self, of: &str) -> usize {
        let notes = self.0.borrow();
        notes.iter().filter(|note| note.starts_with(of)).count()
    }

    /// Waits for as many of them.
    async fn wait_for(&self, count: usize, of: &str) {
        while self.count(of) < count {
            Timer::after_millis(10).await;
        }
    }
}

impl Station for &Notes {
    async fn sample(&mut self) -> u16 {
        876
    }

    fn event(&mut self, event: Event<'_>) {
        self.0.borrow_mut().push(match event {
            Event::Connected => "connected".to_owned(),
            Event::Sent(json) => format!("> {json}"),
            Event::Received(_, piece) => format!("< {}", String::from_utf8_lossy(piece)),
            Event::Ended(why, wait) => format!("{why}; {wait}"),
        });
    }
}

/// A server's end of the next connection.
async fn accepted<'b>(
    stack: Stack<'b>,
    receive: &'b mut [u8],
    send: &'b mut [u8],
) -> TcpSocket<'b> {
    let mut socket = TcpSocket::new(stack, receive, send);
    socket.accept(80).await.unwrap();
    socket
}

/// What `client` does against `server`, which gets one connection after another with its number.
fn client_against(
    url: &str,
    server: impl AsyncFn(usize, TcpSocket<'_>),
    done: impl AsyncFnOnce(&Notes),
) -> Vec<String> {
    let notes = Notes::default();
    on_two_stacks(
        async |stack| {
            for number in 0.. {
                let (mut receive, mut send) = ([0; 1024], [0; 1024]);
                server(number, accepted(stack, &mut receive, &mut send).await).await;
            }
        },
        async |stack| {
            select(
                client::run(stack, url, platform(), &mut &notes),
                done(&notes),
            )
            .await;
        },
    );
    notes.0.into_inner()
}

#[test]
fn the_boards_report_to_each_other() {
    let notes = Notes::default();
    let visits = RefCell::new(Vec::new());
    on_two_stacks(
        async |stack| {
            server::visitors(stack, platform(), |visit| visits.borrow_mut().push(visit)).await;
        },
        async |stack| {
            let url = "ws://10.0.0.2/echo";
            let began = Instant::now();
            let mut station = &notes;
            let work = client::run(stack, url, platform(), &mut station);
            // The echo of the three hundredth reading: receives were dropped by as many ticks.
            select(work, notes.wait_for(300, "< ")).await;
            let took = began.elapsed().as_millis();
            assert!((300_000..301_000).contains(&took), "{took}");
        },
    );
    let notes = notes.0.into_inner();
    assert_eq!(notes[0], "connected");
    for (n, pair) in notes[1..].chunks(2).enumerate() {
        let json = format!(r#"{{"n":{n},"celsius":27.1}}"#);
        assert_eq!(pair, [format!("> {json}"), format!("< {json}")]);
    }
    assert_eq!(*visits.borrow(), [Visit::Connected]);
}

#[test]
fn a_refusal_is_tried_again_ever_later() {
    let attempts = RefCell::new(Vec::new());
    let notes = client_against(
        "ws://10.0.0.2/",
        async |_, mut socket| {
            attempts.borrow_mut().push(Instant::now());
            let mut head = [0; 512];
            let _ = socket.read(&mut head).await;
            let _ = socket
                .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                .await;
            // The client is gone before it has acknowledged that: not waiting for it, this can take
            // the next connection at once, as a listener with a backlog does.
            let _ = with_timeout(Duration::from_millis(20), socket.flush()).await;
        },
        async |notes| notes.wait_for(9, "no connection: ").await,
    );
    assert!(notes.iter().all(|note| note.contains("403")), "{notes:?}");
    let attempts = attempts.into_inner();
    let waits: Vec<u64> = attempts
        .windows(2)
        .map(|two| (two[1] - two[0]).as_millis())
        .collect();
    assert_eq!(waits.len(), 8);
    let longest = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000];
    for (wait, longest) in waits.iter().zip(longest) {
        // What a connection takes comes on top.
        assert!((longest / 2..=longest + 200).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_server_that_hangs_up_at_once_does_not_make_waits_short_again() {
    let notes = client_against(
        "ws://10.0.0.2/",
        async |_, mut socket| {
            let mut lent = [0; 300];
            let options = AcceptOptions::default();
            let ws = WebSocket::accept(&mut socket, &options, &mut lent, platform(), CONFIG).await;
            let mut ws = ws.unwrap().unwrap();
            ws.disconnect_with(CloseCode(1013), "later", 1_000)
                .await
                .unwrap();
        },
        async |notes| notes.wait_for(5, "the peer closed with code 1013").await,
    );
    let waits = notes
        .iter()
        .filter_map(|note| note.split_once("; ")?.1.parse().ok());
    let waits: Vec<u32> = waits.collect();
    for (wait, longest) in waits.iter().zip([500, 1000, 2000, 4000, 8000]) {
        assert!((longest / 2..=longest).contains(wait), "{waits:?}");
    }
}

/// The radio keeps the link while the server's machine is gone.
#[test]
fn a_silent_server_is_found_and_one_that_is_back_is_used() {
    let back = Cell::new(false);
    let notes = client_against(
        "ws://10.0.0.2/",
        async |number, mut socket| {
            let mut lent = [0; 300];
            let options = AcceptOptions::default();
            let ws = WebSocket::accept(&mut socket, &options, &mut lent, platform(), CONFIG).await;
            let mut ws = ws.unwrap().unwrap();
            if number == 0 {
                // TCP takes what comes, and nobody reads it.
                Timer::after_secs(100).await;
                return;
            }
            back.set(true);
            ws.send_msg("grüß".as_bytes(), Opcode::Text, true, 1_000)
                .await
                .unwrap();
            while ws.recv_msg(&mut [0; 100], Timeout::Forever).await.is_ok() {}
        },
        async |notes| notes.wait_for(1, "< grüß").await,
    );
    assert!(back.get());
    let silent = notes
        .iter()
        .filter(|note| note.starts_with("the peer does not answer"));
    assert_eq!(silent.count(), 1, "{notes:?}");
}

#[test]
fn a_name_without_dns_is_an_error_as_others() {
    let notes = client_against(
        "ws://device.example/",
        async |_, _| unreachable!("nobody knows the address"),
        async |notes| notes.wait_for(2, "no connection: ").await,
    );
    assert!(notes[0].contains("could not be resolved"), "{notes:?}");
}

/// One request, and all of the answer until the server closes.
async fn fetch(stack: Stack<'_>, request: &str) -> String {
    let (mut receive, mut send) = ([0; 1024], [0; 1024]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.connect((address(2), 80)).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 256]);
    loop {
        match socket.read(&mut piece).await.unwrap() {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    socket.close();
    let _ = socket.flush().await;
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_server_has_a_page_and_an_echo() {
    on_two_stacks(
        async |stack| server::visitors(stack, platform(), |_| {}).await,
        async |stack| {
            let page = fetch(stack, "GET / HTTP/1.1\r\nHost: pico\r\n\r\n").await;
            assert!(page.starts_with("HTTP/1.1 200 \r\n"), "{page}");
            assert!(page.ends_with(include_str!("page.html")), "{page}");
            for (path, status) in [("/echo", "426"), ("/other", "404")] {
                let request = format!("GET {path} HTTP/1.1\r\nHost: pico\r\n\r\n");
                let answer = fetch(stack, &request).await;
                assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{answer}"
                );
            }

            let (mut receive, mut send, mut lent) = ([0; 1024], [0; 1024], [0; 300]);
            let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
            socket.connect((address(2), 80)).await.unwrap();
            let request = AsyncRequest::new("10.0.0.2", "/echo");
            let connected =
                WebSocket::connect(&mut socket, &request, &mut lent, platform(), CONFIG, 1_000);
            let mut ws = connected.await.unwrap();
            // Longer than any buffer on the way, in fragments, and cut inside characters.
            let text = "äöü→🦀".repeat(200);
            let mut echoed = Vec::new();
            for part in text.as_bytes().chunks(700) {
                let first = echoed.is_empty();
                let last = echoed.len() + part.len() == text.len();
                let opcode = if first {
                    Opcode::Text
                } else {
                    Opcode::Continuation
                };
                let sent = ws.send_msg(part, opcode, last, Timeout::Forever).await;
                assert_eq!(sent, Ok(part.len()));
                let whole = echoed.len() + part.len();
                while echoed.len() < whole {
                    let mut piece = [0; 100];
                    let received = ws.recv_msg(&mut piece, Timeout::Forever).await.unwrap();
                    echoed.extend_from_slice(&piece[..received.length]);
                    assert_eq!(received.is_complete(), echoed.len() == text.len());
                }
            }
            assert_eq!(echoed, text.as_bytes());
            assert!(ws.disconnect(10_000).await.unwrap().clean);
        },
    );
}

/// A visitor that is gone without a word does not keep its socket.
#[test]
fn a_visitor_who_falls_silent_is_let_go() {
    let visits = RefCell::new(Vec::new());
    on_two_stacks(
        async |stack| {
            server::visitors(stack, platform(), |visit| visits.borrow_mut().push(visit)).await;
        },
        async |stack| {
            let (mut receive, mut send, mut lent) = ([0; 1024], [0; 1024], [0; 300]);
            let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
            socket.connect((address(2), 80)).await.unwrap();
            let request = AsyncRequest::new("10.0.0.2", "/echo");
            let ws =
                WebSocket::connect(&mut socket, &request, &mut lent, platform(), CONFIG, 1_000);
            let _silent = ws.await.unwrap();
            Timer::after_secs(60).await;
        },
    );
    let ended = Visit::Ended(ReceiveError::NoPong);
    assert_eq!(visits.into_inner(), [Visit::Connected, ended]);
}

#[test]
fn what_ended_it_is_said() {
    let ended = Ended::Receive(ReceiveError::Closed(CloseCode::NORMAL));
    assert_eq!(ended.to_string(), "the peer closed with code 1000");
    assert_eq!(Ended::Slow.to_string(), "the peer takes nothing");
}
