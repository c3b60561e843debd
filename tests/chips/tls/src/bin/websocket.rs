//! The same client without TLS.
#![no_std]
#![no_main]

use tls_chip::{Chip, Tcp};
use ws_probes::{keep, text};
use ws_socket::stack::BlockingStreams;
use ws_socket::url::Url;
use ws_socket::{CloseCode, Errno, Opcode, Request, Timeout, WebSocketRequest, WebSockets};

fn hello(url: &Url<'_>) -> Result<CloseCode, Errno> {
    let mut buffer = [0; 512];
    let mut table = WebSockets::<_, _, 1>::new(BlockingStreams::new(), Chip);
    let request = Request::new(url.host_header(), url.target);
    let request = WebSocketRequest::from_handshake(request).buffer(&mut buffer);
    let ws = table.connect(Tcp(0), request, 5_000)?;
    table.send_msg(ws, b"hello", Opcode::Text, true, Timeout::Forever)?;
    let mut text = [0; 64];
    let got = table.recv_msg(ws, &mut text, 1_000)?;
    assert_eq!(&text[..got.length], b"hello");
    let (end, _) = table.disconnect_keeping_socket(ws, CloseCode::NORMAL, "", 2_000)?;
    Ok(end.code)
}

ws_probes::firmware!({
    if let Ok(url) = Url::parse(text()) {
        keep(hello(&url));
    }
});
