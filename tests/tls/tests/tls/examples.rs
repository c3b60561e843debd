//! The example of docs/tls.md runs, over the system's TCP.

use std::time::SystemTime;

use async_io::block_on;
use rand_core::OsRng;
use tls::authority::{Authority, HOST};
use tls::peer::Echo;
use tls::tcp::{self, AsyncTcp, System, Tcp, serve};
use tls::wss::{self, Memory, Verify};
use ws_socket::CloseCode;
use ws_socket::asynch::TlsBelow;
use ws_socket::url::Url;

type Checked<'a> = Verify<'a, OsRng, SystemTime>;

fn as_it_should_be(echo: &Echo) {
    assert_eq!(echo.peer.failed, None);
    assert!(echo.peer.client_closed, "no close_notify came");
    assert_eq!(echo.peer.sni(), Some(HOST));
    assert!(echo.request.starts_with("GET /echo HTTP/1.1\r\n"));
    assert!(echo.request.contains("Host: server.example\r\n"));
    let opcodes: Vec<u8> = echo.found.iter().map(|found| found.opcode).collect();
    assert_eq!(opcodes, [1, 8]);
}

#[test]
fn blocking() {
    let authority = Authority::new();
    let (address, server) = serve(Echo::new(authority.server()));
    let mut memory: Memory = Memory::new();
    let tcp = Tcp::connect(address);
    tcp.patience(20);
    let verify = Checked::new(authority.der(), OsRng);
    let tls = wss::secure(tcp, &mut memory, HOST, verify, 20_000, tcp::now).unwrap();
    assert_eq!(wss::hello(tls, HOST, System::new()), Ok(CloseCode::NORMAL));
    as_it_should_be(&server.join().unwrap());
}

#[test]
fn asynch() {
    let authority = Authority::new();
    let (address, server) = serve(Echo::new(authority.server()));
    let mut memory: Memory = Memory::new();
    let url = Url::parse("wss://server.example/echo").unwrap();
    block_on(async {
        let tcp = AsyncTcp::connect(address).await;
        let host = wss::name(&url).unwrap();
        let verify = Checked::new(authority.der(), OsRng);
        let Memory {
            whole,
            read,
            write,
            out,
        } = &mut memory;
        let below = TlsBelow::new(tcp, whole, out);
        let tls = wss::secure_async(&below, read, write, host, verify, 20_000, System::new()).await;
        let said = wss::hello_async(tls.unwrap(), &url, System::new()).await;
        assert_eq!(said, Ok(CloseCode::NORMAL));
    });
    as_it_should_be(&server.join().unwrap());
}

#[test]
fn names() {
    let name = |url| wss::name(&Url::parse(url).unwrap());
    assert_eq!(name("wss://server.example:8443/x"), Some("server.example"));
    assert_eq!(name("ws://server.example/"), None);
    assert_eq!(name("wss://192.0.2.1/"), None);
}
