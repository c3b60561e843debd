//! The shared table: two threads on one connection, and how long interrupts are masked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::stack::{StdSocket, StdStack};
use ws_socket::{
    AcceptOptions, HandleError, Opcode, Platform, ReceiveError, SendError, SharedWebSockets,
    WebSocketRequest, WebSockets,
};

/// The operating system's clock; it yields to wait.
struct Host(Instant, u8);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.1 = self.1.wrapping_mul(5).wrapping_add(77);
            *byte = self.1;
        }
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        std::thread::yield_now();
    }
}

fn host() -> Host {
    Host(Instant::now(), 1)
}

/// One thread receives while another sends on the same connection, a third closes it: over real
/// sockets, a thousand messages each way.
#[test]
fn one_sends_while_another_receives() {
    const MESSAGES: u32 = 1000;
    static SHARED: SharedWebSockets<'static, StdSocket, 2> = SharedWebSockets::new();
    let lent = || &mut *Box::leak(vec![0; 500].into_boxed_slice());
    SHARED.lend([lent(), lent()]);

    let mut stack = StdStack::new().with_bind_addr([127, 0, 0, 1].into());
    let mut listener = stack.socket().unwrap();
    stack.bind(&mut listener, 0).unwrap();
    stack.listen(&mut listener).unwrap();
    let address = stack.local_addr(&listener).unwrap();
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    let server = std::thread::spawn(move || {
        let mut table: WebSockets<'_, _, _, 1> =
            WebSockets::new(stack, host()).with_buffers([lent()]);
        let ws = table
            .accept(&mut listener, &AcceptOptions::default(), 10_000)
            .unwrap();
        let mut buffer = [0; 64];
        for _ in 0..MESSAGES {
            let piece = table.recv_msg(ws, &mut buffer, 10_000).unwrap();
            assert!(piece.is_complete());
            let payload = &buffer[..piece.length];
            table
                .send_msg(ws, payload, Opcode::Text, false, true, 10_000)
                .unwrap();
        }
        let close = table.recv_msg(ws, &mut buffer, 10_000).unwrap();
        assert_eq!(close.opcode(), Opcode::Close);
        assert!(table.disconnect(ws, 10_000).unwrap().clean);
    });

    let mut table = SHARED.attach(StdStack::new(), host());
    let ws = table
        .connect_to(address, WebSocketRequest::new("x", "/"), 10_000)
        .unwrap();
    let receiver = std::thread::spawn(move || {
        let mut table = SHARED.attach(StdStack::new(), host());
        let mut buffer = [0; 64];
        for number in 0..MESSAGES {
            let piece = table.recv_msg(ws, &mut buffer, 10_000).unwrap();
            assert_eq!(&buffer[..piece.length], number.to_string().as_bytes());
        }
        ENOUGH.store(true, Ordering::Release);
        // Waits on until the other closes: the id goes stale under it, or it sees the Close.
        let error = loop {
            match table.recv_msg(ws, &mut buffer, 10_000) {
                Ok(piece) => assert_eq!(piece.opcode(), Opcode::Close),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(
                error,
                ReceiveError::Handle(HandleError::Stale)
                    | ReceiveError::Closed(_)
                    | ReceiveError::Lost
            ),
            "{error:?}"
        );
    });
    for number in 0..MESSAGES {
        let text = number.to_string();
        match table.send_msg(ws, text.as_bytes(), Opcode::Text, true, true, 10_000) {
            Ok(count) => assert_eq!(count, text.len()),
            Err(error) => panic!("{error}"),
        }
    }
    while !ENOUGH.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    table.disconnect(ws, 10_000).unwrap();
    receiver.join().unwrap();
    server.join().unwrap();
    assert_eq!(table.in_use(), 0);
    let gone = table.send_msg(ws, b"x", Opcode::Text, true, true, 0);
    assert_eq!(
        gone.unwrap_err().errno(),
        SendError::<()>::Handle(HandleError::Stale).errno()
    );
}
