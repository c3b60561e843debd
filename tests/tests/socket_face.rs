//! The table in place of a TCP stack: a table over a table, and what is generic over embedded-nal.

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};
use ws_socket::{ConnectError, SocketError};
use ws_tests::net::{Net, SERVER, Size, echo};

/// Code that knows nothing of WebSockets.
fn exchange<S: TcpClientStack>(
    stack: &mut S,
    remote: std::net::SocketAddr,
    mut pass: impl FnMut(&mut S),
) -> Vec<u8>
where
    S::Error: std::fmt::Debug,
{
    let mut socket = stack.socket().unwrap();
    while let Err(error) = stack.connect(&mut socket, remote) {
        assert!(matches!(error, nb::Error::WouldBlock), "{error:?}");
        pass(stack);
    }
    let message: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
    let (mut sent, mut received) = (0, Vec::new());
    let mut buffer = [0; 333];
    while received.len() < message.len() {
        if sent < message.len() {
            sent += stack.send(&mut socket, &message[sent..]).unwrap_or(0);
        }
        match stack.receive(&mut socket, &mut buffer) {
            Ok(count) => {
                assert!(count > 0);
                received.extend_from_slice(&buffer[..count]);
            }
            Err(nb::Error::WouldBlock) => pass(stack),
            Err(nb::Error::Other(error)) => panic!("{error:?}"),
        }
    }
    assert!(received == message);
    stack.close(socket).unwrap();
    received
}

/// The same client code over TCP's socket and over a WebSocket id.
#[test]
fn code_that_speaks_to_a_socket_runs_unchanged() {
    for lent in [256, 300, 600] {
        let mut net: Net<4, 1> = Net::new(
            Size {
                lent,
                ..Size::DEFAULT
            },
            echo(),
        );
        let clock = net.clock.clone();
        let server = net.server.clone();
        exchange(&mut net.client, SERVER, |table| {
            clock.set(clock.get() + 1);
            ws_tests::platform::Polled::poll_at(table.stack(), clock.get());
            server.borrow_mut().tick();
        });
        assert_eq!(net.client.in_use(), 0);
        net.steps(50);
        assert_eq!(
            net.server.borrow().table.in_use(),
            0,
            "it saw the Close or the end"
        );
    }
}

/// Sockets are bounded by the slots; ids that are none are errors, never somebody else's socket.
#[test]
fn sockets_run_out_and_go_stale() {
    let mut net: Net<4, 2> = Net::new(Size::DEFAULT, echo());
    let table = &mut net.client;
    let (mut one, two) = (table.socket().unwrap(), table.socket().unwrap());
    let error = table.socket().unwrap_err();
    assert_eq!(error, SocketError::Connect(ConnectError::NoFreeSlot));
    assert_eq!(error.kind(), TcpErrorKind::Other);
    table.close(two).unwrap();
    let three = table.socket().unwrap();
    assert_ne!(two, three);
    assert!(table.close(two).is_err());
    assert!(
        matches!(
            TcpClientStack::send(table, &mut one, b"x"),
            Err(nb::Error::Other(_))
        ),
        "not connected"
    );
    table.close(one).unwrap();
    table.close(three).unwrap();
    assert_eq!((table.in_use(), table.stack().free_sockets()), (0, 4));
}
