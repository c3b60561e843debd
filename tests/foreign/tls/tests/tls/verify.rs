//! Which servers are let in, and why the others are not. One that is not the one asked for hears nothing of
//! the WebSocket.

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd,
};
use rustls::ServerConfig;
use tls::authority::{self, Authority, Chain, HOST, params};
use tls::client::{AsyncMemory, BUILT, Place, random};
use tls::hand::{Hand, run};
use tls::peer::Echo;
use tls::rogue;
use tls::wire::Script;
use tls::wires::{self, Blocking, Lazy};
use ws_socket::url::Url;
use ws_tls::{
    ClientCertificate, Clock, Error, Identity, Memory, NoClockSoExpiredIsAccepted, Pin, Server,
    Time,
};

/// 2026-12-01.
const NOW: u64 = 1_796_083_200;

const CLOCK: Clock = Clock {
    now: Some(NOW),
    built: BUILT,
};

const NO_CLOCK: NoClockSoExpiredIsAccepted = NoClockSoExpiredIsAccepted { built: BUILT };

/// Whether a server is let in over a wire, by who blocks and by who does not: they agree.
fn over<I: Identity>(server: &Server<'_, I>, script: impl Fn() -> Script) -> Result<(), Error> {
    let mut memory: Memory = Memory::new();
    let tcp = Blocking(script().wire());
    let blocking = ws_tls::connect(tcp, &mut memory, server, random, 5_000, wires::now);
    let mut memory: AsyncMemory = AsyncMemory::new();
    let mut place = Place::new();
    let tcp = Lazy::new(script().wire());
    let clock = Hand::new().clock;
    let open = ws_tls::asynch::connect(tcp, &mut memory, &mut place, server, random, 5_000, clock);
    let asynch = run(open).map(|_| ());
    let blocking = blocking.map(|_| ());
    assert_eq!(format!("{blocking:?}"), format!("{asynch:?}"));
    blocking
}

/// The same against a server of rustls, which hears nothing where it is refused.
fn attempt<I: Identity>(server: &Server<'_, I>, theirs: &ServerConfig) -> Result<(), Error> {
    let echoes = std::cell::RefCell::new(Vec::new());
    let outcome = over(server, || {
        let echo = Echo::shared(theirs.clone());
        let script = Script::new();
        wires::connect(&script, &echo);
        echoes.borrow_mut().push(echo);
        script
    });
    let echoes = echoes.into_inner();
    assert!(echoes.iter().all(|echo| echo.borrow().heard == 0));
    outcome
}

/// Of who trusts one authority and has a clock.
fn trusting(authority: &Authority, theirs: &ServerConfig, host: &str) -> Result<(), Error> {
    let anchors = [authority.der()];
    attempt(&Server::new(host, &anchors, CLOCK)?, theirs)
}

macro_rules! refused {
    ($outcome:expr, $why:pat) => {{
        let outcome = $outcome;
        assert!(matches!(outcome, Err($why)), "{outcome:?}");
    }};
}

#[test]
fn the_right_server() {
    let authority = Authority::new();
    trusting(&authority, &authority.server(), HOST).unwrap();
    trusting(&authority, &authority.server(), "SERVER.example").unwrap();
    trusting(&authority, &authority.server(), "server.example.").unwrap();
    let wildcard = authority.server_named(&["*.server.example"]);
    trusting(&authority, &wildcard, "eu.server.example").unwrap();
    let names = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
    ];
    trusting(&authority, &authority.server_named(&names), names[4]).unwrap();
}

#[test]
fn by_a_url_and_by_an_address() {
    let authority = Authority::new();
    let anchors = [authority.der()];
    let theirs = authority.server_named(&["192.0.2.7", "2001:db8::7", HOST]);
    for url in [
        "wss://server.example:8443/x",
        "wss://192.0.2.7/",
        "wss://[2001:db8::7]/",
    ] {
        let url = Url::parse(url).unwrap();
        attempt(&Server::new(&url, &anchors, CLOCK).unwrap(), &theirs).unwrap();
    }
    for host in ["192.0.2.7", "2001:db8::7"] {
        trusting(&authority, &theirs, host).unwrap();
    }
    refused!(trusting(&authority, &theirs, "192.0.2.8"), Error::WrongName);
    let url = Url::parse("ws://server.example/").unwrap();
    refused!(Server::new(&url, &anchors, CLOCK), Error::InvalidHost);
    for host in ["", "a b", "[::1]", "-", "a..b"] {
        refused!(Server::new(host, &anchors, CLOCK), Error::InvalidHost);
    }
}

#[test]
fn another_authority() {
    let (trusted, other) = (Authority::new(), Authority::new());
    // Both have the same name.
    refused!(
        trusting(&trusted, &other.server(), HOST),
        Error::BadSignature
    );
    let other = Authority::named("other");
    refused!(
        trusting(&trusted, &other.server(), HOST),
        Error::UnknownIssuer
    );
    // Any of several does, in any order.
    for anchors in [[trusted.der(), other.der()], [other.der(), trusted.der()]] {
        let server = Server::new(HOST, &anchors, CLOCK).unwrap();
        attempt(&server, &other.server()).unwrap();
        attempt(&server, &trusted.server()).unwrap();
        let strange = Authority::named("strange");
        refused!(attempt(&server, &strange.server()), Error::UnknownIssuer);
    }
    refused!(Server::new(HOST, &[], CLOCK), Error::InvalidAnchor);
    refused!(Server::new(HOST, &[b"none"], CLOCK), Error::InvalidAnchor);
}

#[test]
fn self_signed() {
    let trusted = Authority::new();
    let theirs = authority::self_signed(params(vec![HOST.to_owned()], HOST));
    refused!(trusting(&trusted, &theirs, HOST), Error::UnknownIssuer);
}

#[test]
fn another_name() {
    let authority = Authority::new();
    let other = authority.server_named(&["other.example"]);
    refused!(trusting(&authority, &other, HOST), Error::WrongName);
    let wildcard = authority.server_named(&["*.example.com"]);
    for host in [
        "a.b.example.com",
        "example.com",
        "aexample.com",
        "a.example.org",
    ] {
        refused!(trusting(&authority, &wildcard, host), Error::WrongName);
    }
}

/// Names are those of the SAN.
#[test]
fn a_common_name_is_no_name() {
    let authority = Authority::new();
    let theirs = authority.server_for(params(Vec::new(), HOST));
    refused!(trusting(&authority, &theirs, HOST), Error::WrongName);
}

#[test]
fn another_time() {
    let authority = Authority::new();
    let expired = authority.server_until(2021);
    refused!(trusting(&authority, &expired, HOST), Error::Expired);
    let mut later = params(vec![HOST.to_owned()], HOST);
    later.not_before = date_time_ymd(2050, 1, 1);
    let later = authority.server_for(later);
    refused!(trusting(&authority, &later, HOST), Error::NotYetValid);

    let anchors = [authority.der()];
    let by = |time: Time, theirs: &ServerConfig| {
        attempt(&Server::new(HOST, &anchors, time).unwrap(), theirs)
    };
    // Who has no clock cannot tell, but for what was expired when the firmware was built.
    by(NO_CLOCK.into(), &expired).unwrap();
    by(NO_CLOCK.into(), &later).unwrap();
    let built = |built| NoClockSoExpiredIsAccepted { built }.into();
    refused!(by(built(NOW), &expired), Error::Expired);
    by(built(NOW), &authority.server()).unwrap();
    // A clock that is not set, or has lost its time.
    for now in [None, Some(0), Some(BUILT - 1)] {
        let clock = Clock { now, built: BUILT };
        refused!(by(clock.into(), &authority.server()), Error::NoClock);
    }
    let clock = Clock {
        now: Some(BUILT),
        built: BUILT,
    };
    by(clock.into(), &authority.server()).unwrap();
}

/// Without a clock: certificates that were never valid at the same time.
#[test]
fn no_clock_and_no_time_for_all_of_them() {
    let root = Authority::new();
    let mut between = authority::ca("between");
    between.not_before = date_time_ymd(2050, 1, 1);
    let between = root.authority(between);
    let chain = Chain::of(&[&between]);
    let anchors = [root.der()];
    let server = Server::new(HOST, &anchors, NO_CLOCK).unwrap();
    let mut leaf = params(vec![HOST.to_owned()], HOST);
    attempt(&server, &between.server_with(leaf.clone(), &chain)).unwrap();
    leaf.not_after = date_time_ymd(2040, 1, 1);
    let theirs = between.server_with(leaf, &chain);
    refused!(attempt(&server, &theirs), Error::Expired);
}

#[test]
fn certificates_between() {
    let root = Authority::new();
    let mut authorities = vec![];
    for depth in 0..=ws_tls::INTERMEDIATES {
        let params = authority::ca(&format!("between {depth}"));
        let next = authorities.last().unwrap_or(&root).authority(params);
        authorities.push(next);
        let last = authorities.last().unwrap();
        let leaf = params_of_host();
        let all: Vec<&Authority> = authorities.iter().rev().collect();
        let theirs = last.server_with(leaf.clone(), &Chain::of(&all));
        let outcome = trusting(&root, &theirs, HOST);
        if depth < ws_tls::INTERMEDIATES {
            outcome.unwrap();
        } else {
            refused!(outcome, Error::ChainTooLong);
        }
        // One is missing.
        let theirs = last.server_with(leaf, &Chain::of(&all[1..]));
        refused!(trusting(&root, &theirs, HOST), Error::UnknownIssuer);
    }
}

fn params_of_host() -> CertificateParams {
    params(vec![HOST.to_owned()], HOST)
}

/// Who has a certificate of the authority's for one name cannot vouch for another.
#[test]
fn a_server_is_no_authority() {
    let authority = Authority::new();
    let theirs = authority.server_by_a_leaf();
    refused!(trusting(&authority, &theirs, HOST), Error::NotAnAuthority);
    // Nor is an authority a server.
    let mut ca = params_of_host();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let theirs = authority.server_for(ca);
    refused!(trusting(&authority, &theirs, HOST), Error::BadCertificate);
}

#[test]
fn a_certificate_for_clients() {
    let authority = Authority::new();
    let mut client = params_of_host();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let theirs = authority.server_for(client);
    refused!(trusting(&authority, &theirs, HOST), Error::BadCertificate);
}

#[test]
fn other_kinds_of_keys() {
    for kind in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let authority = Authority::new();
        let theirs = authority.server_of(kind);
        trusting(&authority, &theirs, HOST).unwrap();
        let authority = Authority::of(kind);
        trusting(&authority, &authority.server(), HOST).unwrap();
        trusting(&authority, &authority.server_of(kind), HOST).unwrap();
    }
}

#[test]
fn pinned_keys() {
    let authority = Authority::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let theirs = authority.server_by(params_of_host(), &key);
    let pin = authority::pin(&key);
    let other: Pin = [7; 32];
    for pins in [&[pin][..], &[other, pin], &[pin, other]] {
        attempt(&Server::pinned("any.name", pins).unwrap(), &theirs).unwrap();
        let anchors = [authority.der()];
        let both = Server::new(HOST, &anchors, CLOCK).unwrap().pins(pins);
        attempt(&both.unwrap(), &theirs).unwrap();
        let wrong = Server::new("other.example", &anchors, CLOCK).unwrap();
        refused!(
            attempt(&wrong.pins(pins).unwrap(), &theirs),
            Error::WrongName
        );
    }
    let pins = [other];
    refused!(
        attempt(&Server::pinned(HOST, &pins).unwrap(), &theirs),
        Error::NotPinned
    );
    let anchors = [authority.der()];
    let both = Server::new(HOST, &anchors, CLOCK).unwrap().pins(&pins);
    refused!(attempt(&both.unwrap(), &theirs), Error::NotPinned);
    refused!(Server::pinned(HOST, &[]), Error::NoPins);
    // Its own certificate does, by nobody.
    let theirs = authority::self_signed_by(params_of_host(), &key);
    let pins = [pin];
    attempt(&Server::pinned(HOST, &pins).unwrap(), &theirs).unwrap();
}

#[test]
fn nobody_is_verified_where_it_says_dangerous() {
    let theirs = authority::self_signed(params(Vec::new(), "nobody"));
    let server = Server::dangerous_without_verification(HOST).unwrap();
    attempt(&server, &theirs).unwrap();
    // But it has to be a server of TLS.
    refused!(
        over(&server, || script(rogue::answer)),
        Error::NoCertificate
    );
}

#[test]
fn a_client_with_a_certificate() {
    let authority = Authority::new();
    let (certificate, key) = authority.client_der();
    let theirs = authority.server_that_asks();
    let anchors = [authority.der()];
    let server = || Server::new(HOST, &anchors, CLOCK).unwrap();
    let pkcs8 = key.serialize_der();
    let client = ClientCertificate::new(&certificate, &pkcs8).unwrap();
    opens_and_hears(&server().client(client.clone()), &theirs, true);
    opens_and_hears(&server(), &theirs, false);
    // Nobody asks.
    attempt(&server().client(client), &authority.server()).unwrap();
    // Another's key.
    let other = rcgen::KeyPair::generate().unwrap().serialize_der();
    let client = ClientCertificate::new(&certificate, &other).unwrap();
    opens_and_hears(&server().client(client), &theirs, false);
    for key in [&b""[..], b"key", &[0; 32], &[255; 32]] {
        refused!(
            ClientCertificate::new(&certificate, key),
            Error::InvalidClientKey
        );
    }
}

/// The client's side is open before the server has said what it thinks of it.
#[track_caller]
fn opens_and_hears<I: Identity>(server: &Server<'_, I>, theirs: &ServerConfig, takes: bool) {
    let echo = Echo::shared(theirs.clone());
    let script = Script::new();
    wires::connect(&script, &echo);
    let mut memory: Memory = Memory::new();
    let tcp = Blocking(script.wire());
    let tls = ws_tls::connect(tcp, &mut memory, server, random, 5_000, wires::now);
    let mut tls = tls.unwrap();
    assert_eq!(echo.borrow().peer.is_open(), takes);
    assert_eq!(echo.borrow().peer.failed.is_none(), takes);
    if !takes {
        let read = (0..9).find_map(|_| match embedded_io::Read::read(&mut tls, &mut [0; 9]) {
            Err(ws_tls::TlsError::Io(embedded_io::ErrorKind::Interrupted)) => None,
            read => Some(read),
        });
        assert!(read.unwrap().is_err());
    }
}

/// A wire to a server that gives one answer, to the first words.
fn script(answer: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Script {
    let script = Script::new();
    let mut answered = false;
    script.answer(move |line| {
        let hello = line.sent();
        if !std::mem::replace(&mut answered, true) {
            line.feed(&answer(&hello));
            line.end(tls::wire::Tail::Eof);
        }
    });
    script
}

fn of_one(authority: &Authority, answer: fn(&[u8]) -> Vec<u8>) -> Result<(), Error> {
    let anchors = [authority.der()];
    let server = Server::new(HOST, &anchors, CLOCK).unwrap();
    over(&server, || script(answer))
}

#[test]
fn no_certificate() {
    let authority = Authority::new();
    refused!(of_one(&authority, rogue::answer), Error::NoCertificate);
}

#[test]
fn no_tls_at_all() {
    let authority = Authority::new();
    let http = |_: &[u8]| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    refused!(of_one(&authority, http), Error::NotTls);
    refused!(of_one(&authority, |_| b"\0".to_vec()), Error::NotTls);
    refused!(of_one(&authority, |_| Vec::new()), Error::Ended);
    // Alerts: protocol_version, handshake_failure.
    let old = |_: &[u8]| rogue::record(21, &[2, 70]);
    refused!(of_one(&authority, old), Error::OldVersion);
    let failure = |_: &[u8]| rogue::record(21, &[2, 40]);
    refused!(
        of_one(&authority, failure),
        Error::Refused(ws_tls::AlertDescription::HandshakeFailure)
    );
    // Records without end, none of which says anything.
    let flood = |hello: &[u8]| {
        let rogue = rogue::Rogue::new(hello);
        [rogue.hello, rogue::record(20, &[1]).repeat(100)].concat()
    };
    refused!(of_one(&authority, flood), Error::Flood);
}

/// A server that knows the key, and one that knows another, or none.
#[test]
fn a_pre_shared_key() {
    const KEY: [u8; 32] = [0x5A; 32];
    const OTHER: [u8; 32] = [0xA5; 32];
    let server = Server::psk(HOST, b"device 7", &KEY).unwrap();
    over(&server, || script(|hello| rogue::psk_answer(hello, &KEY))).unwrap();
    refused!(
        over(&server, || script(|hello| rogue::psk_answer(hello, &OTHER))),
        Error::Protocol(_)
    );
    refused!(over(&server, || script(rogue::answer)), Error::Protocol(_));
    let authority = Authority::new();
    refused!(attempt(&server, &authority.server()), Error::Protocol(_));
    for (identity, key) in [
        (&b""[..], &KEY[..]),
        (b"device 7", &[]),
        (b"device 7", &[0; 32]),
        (b"device 7", &[9; 15]),
    ] {
        refused!(Server::psk(HOST, identity, key), Error::WeakKey);
    }
}

/// Where there is no randomness nothing goes out.
#[test]
fn no_randomness() {
    let authority = Authority::new();
    let anchors = [authority.der()];
    let server = Server::new(HOST, &anchors, CLOCK).unwrap();
    let script = Script::new();
    let mut memory: Memory = Memory::new();
    let none = |_: &mut [u8]| Err(ws_tls::RandomError);
    let tcp = Blocking(script.wire());
    let outcome = ws_tls::connect(tcp, &mut memory, &server, none, 5_000, wires::now);
    refused!(outcome.map(|_| ()), Error::Random);
    assert_eq!(script.line(|line| line.calls), 0);
}
