//! The example of docs/tls.md runs, over the system's TCP.

use async_io::block_on;
use tls::authority::{Authority, HOST};
use tls::client::{AsyncMemory, Place, random};
use tls::peer::Echo;
use tls::tcp::{self, AsyncTcp, System, Tcp, serve};
use tls::wss;
use ws_socket::CloseCode;
use ws_socket::url::Url;
use ws_tls::Memory;

const URL: &str = "wss://server.example/echo";

/// 2026-12-01.
const TODAY: Option<u64> = Some(1_796_083_200);

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
    let url = Url::parse(URL).unwrap();
    let ca = authority.der();
    let tls = wss::secure(tcp, &mut memory, &url, ca, TODAY, random, tcp::now);
    let said = wss::hello(tls.unwrap(), &url, System::new());
    assert_eq!(said, Ok(CloseCode::NORMAL));
    as_it_should_be(&server.join().unwrap());
}

#[test]
fn asynch() {
    let authority = Authority::new();
    let (address, server) = serve(Echo::new(authority.server()));
    let mut memory: AsyncMemory = AsyncMemory::new();
    let url = Url::parse(URL).unwrap();
    block_on(async {
        let tcp = AsyncTcp::connect(address).await;
        let mut place = Place::new();
        let (ca, clock) = (authority.der(), System::new());
        let tls =
            wss::secure_async(tcp, &mut memory, &mut place, &url, ca, TODAY, random, clock).await;
        let said = wss::hello_async(tls.unwrap(), &url, System::new()).await;
        assert_eq!(said, Ok(CloseCode::NORMAL));
    });
    as_it_should_be(&server.join().unwrap());
}
