use core::net::SocketAddr;
use ws_socket::{stack::SmoltcpStack, *};

fn hello<'a, D, P>(tcp: SmoltcpStack<'a, D, 2>, chip: P, to: SocketAddr) -> Result<CloseCode, Errno>
where
    D: smoltcp::phy::Device,
    P: Platform<SmoltcpStack<'a, D, 2>>, // a clock, a source of randomness, a way to wait
{
    let mut buffer = [0; 512];
    let mut table = WebSockets::<_, _, 1>::new(tcp, chip).with_buffers([&mut buffer]);

    let request = WebSocketRequest::new("server.example", "/echo").subprotocols(&["chat"]);
    let ws = table.connect_to(to, request, 5_000)?;
    websocket_send_msg(&mut table, ws, b"hello", Opcode::Text, true, true, 1_000)?;

    let mut text = [0; 64];
    let got = websocket_recv_msg(&mut table, ws, &mut text, 1_000)?;
    assert_eq!((&text[..got.length], got.flags), (&b"hello"[..], Flags::TEXT | Flags::FINAL));

    let end = websocket_disconnect(&mut table, ws, 2_000)?;
    Ok(end.code) // the peer's
}
