//! What `ws serve` has besides WebSockets: files, the page of the demo, refusals.
#![cfg(unix)]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use common::{start, ws};
use rustix::process::{Pid, Signal, kill_process};

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut child = start(&[&["serve", "127.0.0.1:0"], options].concat());
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let port = line.trim_end().trim_end_matches('/').rsplit_once(':');
        let port = port.unwrap().1.parse().unwrap();
        Self { child, port }
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let patience = Duration::from_secs(20);
        stream.set_read_timeout(Some(patience)).unwrap();
        Connection(BufReader::new(stream))
    }

    /// A request's answer: head and body.
    fn get(&self, target: &str) -> (String, Vec<u8>) {
        self.connect().ask("GET", target, "")
    }

    fn status(&self, target: &str) -> u16 {
        status(&self.get(target).0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn ask(&mut self, method: &str, target: &str, headers: &str) -> (String, Vec<u8>) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let mut body = Vec::new();
        if method != "HEAD" && status(&head) != 101 {
            body = vec![0; header(&head, "Content-Length").map_or(0, |it| it.parse().unwrap())];
            self.0.read_exact(&mut body).unwrap();
        }
        (head, body)
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A folder with files in it, beside others that nobody is to get at.
fn folder(name: &str) -> PathBuf {
    let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&outside);
    let inside = outside.join("www");
    std::fs::create_dir_all(inside.join("sub folder")).unwrap();
    std::fs::write(outside.join("secret.txt"), "secret").unwrap();
    std::fs::write(inside.join("index.html"), "<p>index").unwrap();
    std::fs::write(inside.join(".hidden"), "secret").unwrap();
    std::fs::write(inside.join("sub folder/index.html"), "<p>below").unwrap();
    std::fs::write(inside.join("large.bin"), large()).unwrap();
    std::fs::write(inside.join("empty.txt"), "").unwrap();
    let link = |to: &Path, name| std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
    link(&outside.join("secret.txt"), "link.txt");
    link(&outside, "up");
    link(&inside.join("index.html"), "inner.html");
    inside
}

fn large() -> Vec<u8> {
    (0..3 << 20).map(|at: u32| at.to_be_bytes()[1]).collect()
}

#[test]
fn files_below_the_folder() {
    let folder = folder("files");
    let server = Server::start(&["--www", folder.to_str().unwrap()]);
    for (target, kind, expected) in [
        ("/", "text/html; charset=utf-8", &b"<p>index"[..]),
        ("/index.html?x=1", "text/html; charset=utf-8", b"<p>index"),
        ("/inner.html", "text/html; charset=utf-8", b"<p>index"),
        ("/sub%20folder/", "text/html; charset=utf-8", b"<p>below"),
        ("/empty.txt", "text/plain; charset=utf-8", b""),
        ("/large.bin", "application/octet-stream", &large()),
    ] {
        let (head, body) = server.get(target);
        assert_eq!(status(&head), 200, "{target}");
        assert_eq!(header(&head, "Content-Type"), Some(kind), "{target}");
        assert!(body == expected, "{target}: {} bytes", body.len());
    }
    let (head, body) = server.get("/sub%20folder");
    assert_eq!(status(&head), 404);
    assert!(String::from_utf8(body).unwrap().contains("add a slash"));
}

#[test]
fn no_way_out_of_the_folder() {
    let folder = folder("outside");
    let server = Server::start(&["--www", folder.to_str().unwrap()]);
    for target in [
        "/../secret.txt",
        "/sub%20folder/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "//secret.txt",
        "/link.txt",
        "/up/secret.txt",
        "/up",
        "/.hidden",
        "/%2ehidden",
        "/nothing",
        "/index.html/",
        "/index.html/x",
        "/large.bin%00.html",
        "/etc/passwd",
        "//etc/passwd",
    ] {
        let (head, body) = server.get(target);
        let found = (status(&head), body.starts_with(b"secret"));
        assert!(
            matches!(found, (404 | 400, false)),
            "{target}: {found:?} {}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[test]
fn a_connection_is_kept_for_pages_and_then_a_websocket() {
    let folder = folder("kept");
    let server = Server::start(&["--www", folder.to_str().unwrap()]);
    let mut connection = server.connect();
    let (head, body) = connection.ask("HEAD", "/large.bin", "");
    assert_eq!((status(&head), body.len()), (200, 0));
    assert_eq!(header(&head, "Content-Length"), Some("3145728"));
    assert_eq!(connection.ask("GET", "/", "").1, b"<p>index");
    assert_eq!(status(&connection.ask("GET", "/nothing", "").0), 404);
    let (head, _) = connection.ask("GET", "/any/path", UPGRADE);
    assert_eq!(status(&head), 101);
    let stream = connection.0.get_mut();
    stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut echo = [0; 4];
    connection.0.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"\x81\x02hi");
}

#[test]
fn a_download_is_finished_when_the_server_ends() {
    let folder = folder("ends");
    std::fs::write(folder.join("huge.bin"), vec![7; 24 << 20]).unwrap();
    let mut server = Server::start(&["--www", folder.to_str().unwrap()]);
    let mut connection = server.connect();
    let request = b"GET /huge.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    connection.0.get_mut().write_all(request).unwrap();
    connection.0.read_exact(&mut [0; 100]).unwrap();
    let pid = Pid::from_raw(i32::try_from(server.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let mut rest = Vec::new();
    connection.0.read_to_end(&mut rest).unwrap();
    assert!(rest.len() >= 24 << 20, "{}", rest.len());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_files_there_is_nothing_but_websockets() {
    let server = Server::start(&[]);
    let (head, _) = server.get("/");
    assert_eq!(status(&head), 426);
    assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13"));
    let (head, _) = server.connect().ask("POST", "/", "");
    assert_eq!(status(&head), 405);
}

#[test]
fn scripts_of_other_origins_are_refused() {
    let server = Server::start(&["--origin", "http://mine:8080", "--origin", "https://also"]);
    let connect = |origin: &str| {
        let headers = format!("{UPGRADE}{origin}");
        status(&server.connect().ask("GET", "/", &headers).0)
    };
    assert_eq!(connect("Origin: http://mine:8080\r\n"), 101);
    assert_eq!(connect("Origin: https://also\r\n"), 101);
    assert_eq!(connect(""), 101);
    for other in [
        "http://mine",
        "https://mine:8080",
        "null",
        "http://mine:8080.evil",
    ] {
        assert_eq!(connect(&format!("Origin: {other}\r\n")), 403, "{other}");
    }
}

#[test]
fn the_demo_has_a_page_and_readings_beside_the_echo() {
    let server = Server::start(&["--demo", "--subprotocol", "v1"]);
    let (head, page) = server.get("/");
    assert_eq!(status(&head), 200);
    assert_eq!(header(&head, "Content-Encoding"), None);
    assert!(page.starts_with(b"<!doctype html>"));
    let (head, packed) = server
        .connect()
        .ask("GET", "/", "Accept-Encoding: br, gzip\r\n");
    assert_eq!(header(&head, "Content-Encoding"), Some("gzip"));
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    assert_eq!(server.status("/readings"), 426);
    assert_eq!(server.status("/other"), 426);

    let ask = |target: &str, protocols: &str| {
        let mut connection = server.connect();
        let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: {protocols}\r\n");
        let (head, _) = connection.ask("GET", target, &headers);
        let chosen = header(&head, "Sec-WebSocket-Protocol").map(str::to_owned);
        (connection, chosen)
    };
    assert_eq!(ask("/other", "readings.v1").1, None);
    assert_eq!(ask("/other", "v1").1.as_deref(), Some("v1"));
    assert_eq!(ask("/readings", "v1").1, None);
    let (mut live, chosen) = ask("/readings?x", "readings.v1");
    assert_eq!(chosen.as_deref(), Some("readings.v1"));
    let mut frame = |opcode: u8| loop {
        let mut head = [0; 2];
        live.0.read_exact(&mut head).unwrap();
        let mut payload = vec![0; usize::from(head[1])];
        live.0.read_exact(&mut payload).unwrap();
        if head[0] == 0x80 | opcode {
            break String::from_utf8_lossy(&payload).into_owned();
        }
    };
    assert!(frame(1).contains("\"device\":\"ws "));
    assert!(frame(1).contains("\"temp\":"));
    assert!(frame(1).contains("\"temp\":"));
}

#[test]
fn a_folder_that_is_none_is_named() {
    let arguments = ["serve", "127.0.0.1:0", "--www", "/no/such/folder", "--json"];
    let run = ws(&arguments, "");
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert_eq!(run.events()[0]["kind"], "listen");
    assert!(run.stderr.contains("/no/such/folder"), "{run:?}");
    assert!(!run.stdout.contains("listening"), "{run:?}");
}
