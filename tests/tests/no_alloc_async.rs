//! No async call allocates: each is made with an allocator that counts, over a stream in arrays.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, ReadReady, Write};
use ws_socket::asynch::{AsyncPlatform, AsyncRequest, AsyncWebSockets, Clock, WebSocket};
use ws_socket::{
    AcceptOptions, CloseCode, Config, Events, Keepalive, Opcode, PollItem, Role, Timeout,
};
use ws_tests::counting::{Counting, Queue, counted};
use ws_tests::frames::{frame, head, plain, request, switching};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Polls a future over and over, which must not allocate, nor free.
fn free_of_it<F: Future>(what: &str, call: F) -> F::Output {
    let (output, count) = counted(|| {
        let mut call = pin!(call);
        let mut context = Context::from_waker(Waker::noop());
        (0..1000).find_map(|_| match call.as_mut().poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    });
    assert_eq!(count, 0, "{what} allocates");
    output.expect(what)
}

/// What comes in, what went out.
struct Line(RefCell<(Queue, Queue)>);

impl Line {
    const fn new() -> Self {
        Self(RefCell::new((Queue::EMPTY, Queue::EMPTY)))
    }

    fn feed(&self, bytes: &[u8]) {
        assert_eq!(self.0.borrow_mut().0.put(bytes), bytes.len());
    }

    fn sent(&self) -> Vec<u8> {
        let out = &mut self.0.borrow_mut().1;
        out.bytes[..std::mem::take(&mut out.length)].to_vec()
    }
}

struct Stream<'l>(&'l Line);

impl ErrorType for Stream<'_> {
    type Error = Infallible;
}

impl Read for Stream<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        std::future::poll_fn(|_| match self.0.0.borrow_mut().0.take(buffer) {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        })
        .await
    }
}

impl Write for Stream<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.0.0.borrow_mut().1.put(bytes))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A millisecond for each look at the clock.
#[derive(Clone, Copy)]
struct Host<'c>(&'c std::cell::Cell<u32>);

impl AsyncPlatform for Host<'_> {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(7);
        Ok(())
    }
}

impl Clock for Host<'_> {
    fn now_ms(&self) -> u32 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    async fn sleep_ms(&self, ms: u32) {
        let start = self.0.get();
        std::future::poll_fn(|_| {
            if self.now_ms() - start >= ms {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[test]
fn no_async_call_allocates() {
    // The counter counts.
    assert!(counted(|| drop(vec![1])).1 > 0);
    let time = std::cell::Cell::new(0);
    let host = Host(&time);
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 500,
            timeout: 500,
        }),
        ..Config::DEFAULT
    };
    let (near, far) = (Line::new(), Line::new());
    let mut buffers = [[0; 300]; 2];
    let buffers = buffers.each_mut();
    let mut table = AsyncWebSockets::<_, _, 2>::new(host)
        .with_buffers(buffers)
        .with_config(config);
    // The key is always the same, and so is the answer.
    let asked = AsyncRequest::new("host", "/");
    let end = free_of_it("connect", table.connect(Stream(&near), &asked, 5));
    assert!(end.is_err());
    let sent = near.sent();
    near.feed(switching(head(&sent).unwrap().0, "").as_bytes());
    let client = free_of_it("connect", table.connect(Stream(&near), &asked, 50)).unwrap();
    far.feed(request("").as_bytes());
    let options = AcceptOptions::default();
    let server = free_of_it("accept", table.accept(Stream(&far), &options));
    let server = server.unwrap().unwrap();
    near.sent();
    far.sent();
    let text = Opcode::Text;
    let forever = Timeout::Forever;
    let mut payload = *b"mask me";
    free_of_it("send_msg", table.send_msg(client, b"text", text, true, 50)).unwrap();
    free_of_it(
        "send_msg_mut",
        table.send_msg_mut(client, &mut payload, text, true, 50),
    )
    .unwrap();
    free_of_it("send", table.send(server, b"data", forever)).unwrap();
    assert_eq!(plain(&near.sent()).len(), 2);
    assert_eq!(plain(&far.sent()).len(), 1);
    near.feed(&frame(true, 9, false, b"ping"));
    near.feed(&frame(true, 1, false, b"text"));
    far.feed(&frame(true, 2, true, b"data"));
    let mut items = [client, server].map(|ws| PollItem::new(ws, Events::IN));
    assert_eq!(free_of_it("poll", table.poll(&mut items, forever)), 2);
    let mut piece = [0; 9];
    let got = free_of_it("recv_msg", table.recv_msg(client, &mut piece, forever));
    assert_eq!(got.unwrap().length, 4);
    assert_eq!(
        free_of_it("recv", table.recv(server, &mut piece, 50)),
        Ok(4)
    );
    assert_eq!(plain(&near.sent()), [(true, 10, b"ping".to_vec())]);
    // Keepalive, to its end.
    assert!(free_of_it("recv_msg", table.recv_msg(client, &mut piece, forever)).is_err());
    assert_eq!(plain(&near.sent()), [(true, 9, vec![])]);
    far.feed(&frame(true, 8, true, &[0x03, 0xE8]));
    assert!(
        free_of_it("disconnect", table.disconnect(server, 50))
            .unwrap()
            .clean
    );
    let code = CloseCode::GOING_AWAY;
    let end = table.disconnect_with(client, code, "bye", 50);
    assert!(!free_of_it("disconnect_with", end).unwrap().clean);
    assert_eq!(plain(&near.sent()), [(true, 8, b"\x03\xE9bye".to_vec())]);
    // One connection, and its socket face.
    let line = Line::new();
    let mut buffer = [0; 256];
    let mut ws = WebSocket::from_upgraded(
        Stream(&line),
        Role::Client,
        &mut buffer,
        0,
        host,
        Config::DEFAULT,
    );
    free_of_it("send_part", ws.send_part(b"half", 8, text, true, forever)).unwrap();
    free_of_it("send_part", ws.send_part(b"half", 4, text, true, forever)).unwrap();
    free_of_it("write", ws.write(b"bytes")).unwrap();
    free_of_it("flush", ws.flush()).unwrap();
    line.feed(&frame(true, 1, false, b"text"));
    assert_eq!(counted(|| ws.read_ready()), (Ok(true), 0));
    assert_eq!(free_of_it("read", ws.read(&mut piece)), Ok(4));
    assert_eq!(plain(&line.sent()).len(), 2);
}
