//! A server that is not the one asked for hears nothing of the WebSocket.

use std::time::SystemTime;

use embedded_tls::blocking::TlsConnection;
use embedded_tls::{NoClock, TlsClock, TlsConfig, TlsContext, TlsError};
use rand_core::OsRng;
use tls::authority::{Authority, HOST};
use tls::peer::Echo;
use tls::rogue;
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
    let tls = secure(
        Blocking(script.wire()),
        &mut memory,
        host,
        verify,
        5_000,
        wires::now,
    );
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
    let wildcard = authority.server_named(&["*.server.example"]);
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
    let other = authority.server_named(&["other.example"]);
    refused(attempt::<SystemTime>(&authority, other, HOST));
    let wildcard = authority.server_named(&["*.example.com"]);
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

/// embedded-tls looks at three names of a certificate. If this fails, docs/tls.md has news to tell.
#[test]
fn the_fourth_name() {
    let authority = Authority::new();
    let names = ["a.example", "b.example", "c.example", "d.example"];
    let server = || authority.server_named(&names);
    attempt::<SystemTime>(&authority, server(), names[2])
        .0
        .unwrap();
    refused(attempt::<SystemTime>(&authority, server(), names[3]));
}

/// What embedded-tls' own verifier does not look at: whether who signs a certificate is an authority.
/// If this fails, docs/tls.md has news to tell.
#[test]
fn every_certificate_counts_as_an_authority() {
    let authority = Authority::new();
    attempt::<SystemTime>(&authority, authority.server_by_a_leaf(), HOST)
        .0
        .unwrap();
}

/// A server that shows no certificate is let in by embedded-tls, and refused by who asks whether
/// one was seen. If the first fails, docs/tls.md has news to tell.
#[test]
fn no_certificate() {
    let authority = Authority::new();
    let script = || {
        let script = Script::new();
        let mut answered = false;
        script.answer(move |line| {
            let hello = line.sent();
            if !std::mem::replace(&mut answered, true) {
                line.feed(&rogue::answer(&hello));
            }
        });
        script
    };
    let mut memory: Memory = Memory::new();
    let mut verify = Verify::<_, SystemTime>::new(authority.der(), OsRng);
    let config = TlsConfig::new().with_server_name(HOST);
    let tcp = Blocking(script().wire());
    let mut tls = TlsConnection::new(tcp, &mut memory.read, &mut memory.write);
    tls.open(TlsContext::new(&config, &mut verify)).unwrap();
    assert!(verify.proven().is_err());

    let verify = Verify::<_, SystemTime>::new(authority.der(), OsRng);
    let mut memory: Memory = Memory::new();
    let tls = secure(
        Blocking(script().wire()),
        &mut memory,
        HOST,
        verify,
        5_000,
        wires::now,
    );
    assert!(matches!(tls.map(|_| ()), Err(TlsError::InvalidCertificate)));
}
