//! A server that is not the one asked for hears nothing of the WebSocket.

use std::time::SystemTime;

use embedded_tls::{NoClock, TlsClock, TlsError};
use rand_core::OsRng;
use tls::authority::{Authority, HOST};
use tls::peer::Echo;
use tls::wire::Script;
use tls::wires::{self, Blocking};
use tls::wss::{Memory, Verify, secure};

/// Whether a server is let in, by who trusts `trusted`; the server's side of it.
fn attempt<C: TlsClock>(
    trusted: &Authority,
    server: rustls::ServerConfig,
    host: &str,
) -> (Result<(), TlsError>, usize) {
    let echo = Echo::shared(server);
    let script = Script::new();
    wires::connect(&script, &echo);
    let mut memory: Memory = Memory::new();
    let verify = Verify::<_, C>::new(trusted.der(), OsRng);
    let tls = secure(Blocking(script.wire()), &mut memory, host, verify);
    let heard = echo.borrow().heard;
    (tls.map(|_| ()), heard)
}

#[track_caller]
fn refused(attempt: (Result<(), TlsError>, usize)) {
    let (outcome, heard) = attempt;
    assert!(
        matches!(outcome, Err(TlsError::InvalidCertificate)),
        "{outcome:?}"
    );
    assert_eq!(heard, 0);
}

#[test]
fn the_right_server() {
    let authority = Authority::new();
    attempt::<SystemTime>(&authority, authority.server(), HOST)
        .0
        .unwrap();
    attempt::<NoClock>(&authority, authority.server(), "SERVER.example")
        .0
        .unwrap();
    let wildcard = authority.server_named("*.server.example");
    attempt::<SystemTime>(&authority, wildcard, "eu.server.example")
        .0
        .unwrap();
}

#[test]
fn another_authority() {
    let (trusted, other) = (Authority::new(), Authority::new());
    refused(attempt::<SystemTime>(&trusted, other.server(), HOST));
}

#[test]
fn another_name() {
    let authority = Authority::new();
    let other = authority.server_named("other.example");
    refused(attempt::<SystemTime>(&authority, other, HOST));
    let wildcard = authority.server_named("*.example.com");
    refused(attempt::<SystemTime>(
        &authority,
        wildcard,
        "a.b.example.com",
    ));
}

#[test]
fn another_time() {
    let authority = Authority::new();
    refused(attempt::<SystemTime>(
        &authority,
        authority.server_until(2021),
        HOST,
    ));
    // Who has no clock cannot tell.
    attempt::<NoClock>(&authority, authority.server_until(2021), HOST)
        .0
        .unwrap();
}
