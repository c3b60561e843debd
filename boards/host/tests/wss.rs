//! `ws connect wss://` and `ws mqtt` over TLS, against servers of rustls with certificates of this run.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{Run, ws};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ws_core::handshake::{SoftSha1, accept_value};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn server(&self, params: CertificateParams, clients: Option<&Self>) -> (ServerConfig, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&ring))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der.clone()).unwrap();
                let asks = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring);
                builder.with_client_cert_verifier(asks.build().unwrap())
            }
        };
        let chain = vec![certificate.der().clone()];
        (builder.with_single_cert(chain, der).unwrap(), key)
    }
}

/// A file that goes with its test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("ws-wss-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves one connection: an upgrade, then each message back. The port.
fn serve(config: ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        // A client that refuses is a client that goes.
        let _ = echo(&mut StreamOwned::new(tls, tcp));
    });
    port
}

fn echo(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.split_once("Sec-WebSocket-Key: ").unwrap().1;
    let key: [u8; 24] = key.as_bytes()[..24].try_into().unwrap();
    let accept = accept_value(&key, &mut SoftSha1);
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        str::from_utf8(&accept).unwrap()
    )?;
    loop {
        let mut header = [0; 2];
        stream.read_exact(&mut header)?;
        let length = match header[1] & 0x7F {
            126 => {
                let mut long = [0; 2];
                stream.read_exact(&mut long)?;
                usize::from(u16::from_be_bytes(long))
            }
            length => usize::from(length),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask)?;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let mut back = vec![header[0]];
        match u8::try_from(length) {
            Ok(short @ ..=125) => back.push(short),
            _ => {
                back.push(126);
                back.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        back.extend(payload);
        stream.write_all(&back)?;
        if header[0] & 15 == 8 {
            stream.conn.send_close_notify();
            return stream.flush();
        }
    }
}

fn connect(config: ServerConfig, host: &str, options: &[&str]) -> Run {
    let url = format!("wss://{host}:{}/", serve(config));
    let arguments = [&["connect", &url, "--timeout", "10000"], options].concat();
    let long = "l".repeat(20_000);
    ws(&arguments, format!("over TLS\n{long}\n"))
}

#[track_caller]
fn echoes(run: &Run) {
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.stdout.starts_with("over TLS\n"), "{run:?}");
    assert_eq!(run.stdout.len(), 9 + 20_001);
}

#[track_caller]
fn refused(run: &Run, why: &str) {
    assert_eq!(run.exit, Some(3), "{run:?}");
    assert!(run.stderr.contains(why), "{run:?}");
    assert!(run.stdout.is_empty(), "{run:?}");
}

#[test]
fn a_server_that_is_verified() {
    let authority = Authority::new("authority");
    let file = File::new("good", &authority.pem);
    for host in ["localhost", "127.0.0.1"] {
        let (server, _) = authority.server(params(&["localhost", "127.0.0.1"]), None);
        echoes(&connect(server, host, &["--cacert", file.path()]));
    }
}

#[test]
fn servers_that_are_not() {
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let file = File::new("bad", &authority.pem);
    let trusting = ["--cacert", file.path()];
    let localhost = || params(&["localhost"]);
    let (server, _) = authority.server(params(&["other.example"]), None);
    refused(&connect(server, "localhost", &trusting), "another name");
    let (server, _) = other.server(localhost(), None);
    refused(&connect(server, "localhost", &trusting), "--cacert");
    let mut expired = localhost();
    expired.not_after = date_time_ymd(2021, 1, 1);
    let (server, _) = authority.server(expired, None);
    refused(&connect(server, "localhost", &trusting), "expired");
    let mut later = localhost();
    later.not_before = date_time_ymd(2090, 1, 1);
    let (server, _) = authority.server(later, None);
    refused(&connect(server, "localhost", &trusting), "not valid yet");
    // By the system's authorities, if there are any.
    let (server, _) = authority.server(localhost(), None);
    refused(&connect(server, "localhost", &[]), "--cacert");
    let (server, _) = other.server(localhost(), None);
    let run = connect(server, "localhost", &[&trusting[..], &["--json"]].concat());
    assert_eq!(run.exit, Some(3), "{run:?}");
    assert_eq!(run.events()[0]["kind"], "tls");
}

#[test]
fn pins() {
    let authority = Authority::new("authority");
    let file = File::new("pin", &authority.pem);
    let (server, key) = authority.server(params(&["localhost"]), None);
    let ring = rustls::crypto::ring::default_provider();
    let sha256 = ring.cipher_suites.iter().find_map(|suite| {
        let hash = suite.tls13()?.common.hash_provider;
        (hash.output_len() == 32).then_some(hash)
    });
    let hash = sha256.unwrap().hash(&key.subject_public_key_info());
    let pin: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let wrong = "00".repeat(32);
    let trusting = ["--cacert", file.path(), "--pin", &wrong];
    refused(&connect(server.clone(), "localhost", &trusting), "--pin");
    let trusting = [&trusting[..], &["--pin", &pin]].concat();
    echoes(&connect(server, "localhost", &trusting));
}

#[test]
fn insecure_says_so() {
    let authority = Authority::new("authority");
    let (server, _) = authority.server(params(&["other.example"]), None);
    let run = connect(server, "localhost", &["--insecure"]);
    echoes(&run);
    assert!(run.stderr.contains("not verified"), "{run:?}");
}

#[test]
fn a_client_with_a_certificate() {
    let authority = Authority::new("authority");
    let file = File::new("ca", &authority.pem);
    let key = KeyPair::generate().unwrap();
    let client = params(&["client.example"]).signed_by(&key, &authority.issuer);
    let certificate = File::new("cert", &client.unwrap().pem());
    let key = File::new("key", &key.serialize_pem());
    let server = || authority.server(params(&["localhost"]), Some(&authority)).0;
    let with = [
        "--cacert",
        file.path(),
        "--cert",
        certificate.path(),
        "--key",
        key.path(),
    ];
    echoes(&connect(server(), "localhost", &with));
    let run = connect(server(), "localhost", &with[..2]);
    assert_eq!(run.exit, Some(3), "{run:?}");
}

#[test]
fn no_tls_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = tcp.read(&mut [0; 4096]);
    });
    let url = format!("wss://127.0.0.1:{port}/");
    refused(
        &ws(&["connect", &url, "--insecure"], ""),
        "does not speak TLS",
    );
}

#[test]
fn mqtt_says_why_too() {
    let authority = Authority::new("authority");
    let (server, _) = authority.server(params(&["localhost"]), None);
    let url = format!("wss://localhost:{}/mqtt", serve(server));
    refused(&ws(&["mqtt", "pub", &url, "topic", "text"], ""), "--cacert");
}
