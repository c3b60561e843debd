//! How little memory does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use embedded_io::ErrorKind;
use embedded_tls::blocking::TlsConnection;
use embedded_tls::{
    Aes128GcmSha256, MaxFragmentLength, TlsConfig, TlsContext, TlsError, UnsecureProvider,
};
use rand_core::OsRng;
use rustls::ServerConfig;
use tls::authority::{Authority, HOST};
use tls::client::secure;
use tls::peer::Echo;
use tls::tcp::{self, Tcp};
use tls::wire::Script;
use tls::wires::{self, Blocking};
use ws_tls::{Error, Memory};

/// rustls is told how long its records may be by who runs it, and does not listen to the client.
#[test]
fn a_server_with_short_records() {
    let authority = Authority::new();
    for (fragment, asked, goes) in [
        (Some(1_024), None, true),
        (None, None, false),
        (None, Some(MaxFragmentLength::Bits10), false),
    ] {
        let mut server = authority.server();
        server.max_fragment_size = fragment;
        let echo = Echo::shared(server);
        let script = Script::new();
        wires::connect(&script, &echo);
        let (mut read, mut write) = ([0; 1_024 + 256], [0; 512]);
        let verify = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
        let mut config = TlsConfig::new().with_server_name(HOST);
        if let Some(length) = asked {
            config = config.with_max_fragment_length(length);
        }
        let tcp = Blocking(script.wire());
        let mut tls = TlsConnection::new(tcp, &mut read, &mut write);
        tls.open(TlsContext::new(&config, verify)).unwrap();
        let bytes = echo.borrow_mut().peer.say(&[b'l'; 10_000]);
        script.line(|line| line.feed(&bytes));
        let mut came = 0;
        let mut out = [0; 4_096];
        let outcome = loop {
            match tls.read(&mut out) {
                Ok(count) => came += count,
                Err(error) => break error,
            }
            if came == 10_000 {
                break TlsError::Io(embedded_io::ErrorKind::TimedOut);
            }
        };
        assert_eq!(came == 10_000, goes, "{outcome:?}");
        assert!(goes || matches!(outcome, TlsError::InsufficientSpace));
    }
}

/// A message of the handshake, as the server's certificates are, has to come in one record: 0.19 does
/// not put it together. If this fails, docs/tls.md has news to tell.
#[test]
fn a_certificate_in_two_records() {
    let authority = Authority::new();
    let mut server = authority.server();
    server.max_fragment_size = Some(256);
    let echo = Echo::shared(server);
    let script = Script::new();
    wires::connect(&script, &echo);
    let mut memory: Memory = Memory::new();
    let tls = secure(
        Blocking(script.wire()),
        &mut memory,
        HOST,
        authority.der(),
        5_000,
        wires::now,
    );
    assert!(matches!(tls.map(|_| ()), Err(Error::Protocol(_))));
    assert_eq!(echo.borrow().heard, 0);
}

/// The error says what is missing.
#[test]
fn a_buffer_that_is_too_short() {
    let authority = Authority::new();
    fn by<const RECORD: usize>(authority: &Authority, server: ServerConfig) -> Option<usize> {
        let echo = Echo::shared(server);
        let script = Script::new();
        wires::connect(&script, &echo);
        let mut memory = Memory::<RECORD>::new();
        let tcp = Blocking(script.wire());
        let ca = authority.der();
        match secure(tcp, &mut memory, HOST, ca, 5_000, wires::now).map(|_| ()) {
            Ok(()) => None,
            Err(Error::BufferTooSmall { by }) => Some(by),
            Err(error) => panic!("{error:?}"),
        }
    }
    let server = authority.server();
    let missing = by::<400>(&authority, server.clone()).unwrap();
    assert!((50..1_000).contains(&missing), "{missing}");
    // A signature has not always the same length.
    let more = by::<300>(&authority, server.clone()).unwrap() - missing;
    assert!((90..=110).contains(&more), "{more}");
    assert_eq!(by::<1_400>(&authority, server), None);
}

/// The least that a handshake takes of the buffer for writing: it does not depend on the server.
#[test]
fn the_buffer_for_writing() {
    fn opens<const WRITE: usize>(host: &str) -> Result<(), Error> {
        let authority = Authority::new();
        let echo = Echo::shared(authority.server_named(&[host]));
        let script = Script::new();
        wires::connect(&script, &echo);
        let mut memory = Memory::<16_640, WRITE>::new();
        secure(
            Blocking(script.wire()),
            &mut memory,
            host,
            authority.der(),
            5_000,
            wires::now,
        )
        .map(|_| ())
    }
    let longest = ["a"; 32].join("."); // with a letter more: 64 bytes
    let longest = format!("{longest}a");
    assert_eq!(longest.len(), 64);
    opens::<512>(&longest).unwrap();
    opens::<256>(HOST).unwrap();
    let short = opens::<160>(HOST);
    assert!(
        matches!(short, Err(Error::WriteBufferTooSmall)),
        "{short:?}"
    );
}

/// OpenSSL of Python.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SERVER: &str = "
import socket, ssl, sys
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1], sys.argv[2])
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    tcp, _ = server.accept()
    try:
        client = tls.wrap_socket(tcp, server_side=True)
        client.sendall(b'l' * 16384)
        client.recv(1)
    except OSError:
        pass
    tcp.close()
";

/// OpenSSL makes its records as short as it is asked to (RFC 6066 section 4).
#[test]
#[ignore = "needs python3: `cargo xtask tls` runs it"]
fn a_server_that_is_asked_for_short_records() {
    let authority = Authority::new();
    let (certificate, key) = authority.server_pem(HOST);
    let file = |name: &str, text: &str| {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = (file("server.crt", &certificate), file("server.key", &key));
    let mut python = Command::new("python3");
    python.args(["-c", SERVER]).arg(&certificate).arg(&key);
    let python = python.stdout(Stdio::piped()).spawn();
    let mut python = Python(python.unwrap());
    let mut port = String::new();
    let stdout = python.0.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut port).unwrap();
    let address = format!("127.0.0.1:{}", port.trim()).parse().unwrap();

    let came = |asked: Option<MaxFragmentLength>| {
        let (mut read, mut write) = ([0; 1_024 + 256], [0; 512]);
        let verify = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
        let mut config = TlsConfig::new().with_server_name(HOST);
        if let Some(length) = asked {
            config = config.with_max_fragment_length(length);
        }
        let mut tls = TlsConnection::new(Tcp::connect(address), &mut read, &mut write);
        tls.open(TlsContext::new(&config, verify))?;
        let mut came = 0;
        while came < 16_384 {
            came += tls.read(&mut [0; 4_096])?;
        }
        Ok::<_, TlsError>(came)
    };
    assert_eq!(came(Some(MaxFragmentLength::Bits10)).unwrap(), 16_384);
    let whole = came(None);
    assert!(
        matches!(whole, Err(TlsError::InsufficientSpace)),
        "{whole:?}"
    );

    // `ws-tls` asks for what its buffer holds.
    let mut memory = Memory::<{ 1_024 + 256 }, 512>::new();
    let tcp = Tcp::connect(address);
    tcp.patience(20);
    let mut tls = secure(tcp, &mut memory, HOST, authority.der(), 20_000, tcp::now).unwrap();
    let mut came = 0;
    while came < 16_384 {
        match embedded_io::Read::read(&mut tls, &mut [0; 4_096]) {
            Ok(count) => came += count,
            Err(TlsError::Io(ErrorKind::TimedOut | ErrorKind::Interrupted)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    std::fs::remove_file(certificate).unwrap();
    std::fs::remove_file(key).unwrap();
}
