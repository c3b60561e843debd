//! A fault that was found from outside: what a peer says reached the terminal as it was. Terminals
//! get controls escaped, pipes and JSON have the data. By both drivers.
#![cfg(unix)]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)] // of what they share
#[path = "common/broker.rs"]
mod broker;
#[allow(dead_code)]
mod common;
#[allow(dead_code)]
#[path = "common/servers.rs"]
mod servers;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use broker::{broker, publish};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use servers::{PATIENCE, read_head, serve, serve_raw};
use ws_socket::{CloseCode, Opcode};

/// A terminal: what a program is given, and all that it has been shown when it ends.
struct Terminal {
    end: File,
    shown: JoinHandle<String>,
}

impl Terminal {
    fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        let no_ctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(no_ctty)
            .open(name)
            .unwrap();
        let mut master = File::from(master);
        let shown = std::thread::spawn(move || {
            let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
            // An error is how a terminal ends whose programs have ended.
            while let Ok(count) = master.read(&mut buffer)
                && count > 0
            {
                shown.extend_from_slice(&buffer[..count]);
            }
            String::from_utf8(shown).unwrap().replace("\r\n", "\n")
        });
        Self { end, shown }
    }

    fn give(&self) -> Stdio {
        self.end.try_clone().unwrap().into()
    }

    /// All that was shown.
    fn shown(self) -> String {
        drop(self.end);
        self.shown.join().unwrap()
    }
}

/// All that must not get through.
const HARMFUL: &str = "\u{7}\u{8}\r\u{1b}]0;title\u{7}\u{1b}[2J\u{7f}\u{85}\u{9b}31m\u{ad}\
    \u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}";
/// And what must.
const TEXT: &str = "Gr\u{fc}\u{df}e\t\u{65e5}\u{672c} \u{1f600}";

#[track_caller]
fn assert_harmless(shown: &str) {
    let harmful = HARMFUL.chars().filter(|c| !c.is_ascii_graphic());
    for c in harmful {
        assert!(!shown.contains(c), "{c:?} in {shown:?}");
    }
}

/// `ws` with standard output and standard error, `None` for a pipe each.
fn start(arguments: &[&str], out: Option<&Terminal>, err: Option<&Terminal>) -> Child {
    let give = |to: Option<&Terminal>| to.map_or_else(Stdio::piped, Terminal::give);
    Command::new(env!("CARGO_BIN_EXE_ws"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(give(out))
        .stderr(give(err))
        .spawn()
        .unwrap()
}

/// The exit code, and what pipes have got.
fn finish(mut child: Child) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    (output.status.code(), output.stdout, output.stderr)
}

fn drivers() -> [&'static [&'static str]; 2] {
    [&[], &["--async"]]
}

/// A server that says it all: in a message, in the reason of its Close.
fn says() -> (String, JoinHandle<()>) {
    serve(|table, ws| {
        let message = format!("{TEXT}\nline {HARMFUL}");
        let sent = table.send_msg(ws, message.as_bytes(), Opcode::Text, true, PATIENCE);
        sent.unwrap();
        let reason = "bye \u{1b}[2J\u{202e}\u{9b}1m";
        table
            .disconnect_with(ws, CloseCode(4000), reason, PATIENCE)
            .unwrap();
    })
}

#[test]
fn messages_and_reasons_are_escaped_on_a_terminal_and_as_they_are_in_a_pipe() {
    for driver in drivers() {
        let (url, server) = says();
        let (out, err) = (Terminal::open(), Terminal::open());
        let arguments = [&["connect", &url, "-v"], driver].concat();
        let run = finish(start(&arguments, Some(&out), Some(&err)));
        assert_eq!(run.0, Some(0));
        let shown = out.shown();
        assert!(
            shown.starts_with(&format!("{TEXT}\nline \\u{{7}}")),
            "{shown}"
        );
        assert!(
            shown.contains("\\u{1b}[2J\\u{7f}\\u{85}\\u{9b}31m"),
            "{shown}"
        );
        assert_harmless(&shown);
        let said = err.shown();
        assert!(said.contains("code 4000: bye"), "{said}");
        assert_harmless(&said);
        server.join().unwrap();

        let (url, server) = says();
        let run = finish(start(&[&["connect", &url], driver].concat(), None, None));
        let expected = format!("{TEXT}\nline {HARMFUL}\n");
        assert_eq!(String::from_utf8(run.1).unwrap(), expected);
        server.join().unwrap();
    }
}

#[test]
fn json_is_the_same_value_on_a_terminal_and_in_a_pipe() {
    for driver in drivers() {
        let mut found = Vec::new();
        for terminal in [false, true] {
            let (url, server) = says();
            let arguments = [&["connect", &url, "--json"], driver].concat();
            let text = if terminal {
                let out = Terminal::open();
                finish(start(&arguments, Some(&out), None));
                let shown = out.shown();
                assert_harmless(&shown);
                shown
            } else {
                let run = finish(start(&arguments, None, None));
                String::from_utf8(run.1).unwrap()
            };
            let events: Vec<serde_json::Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            found.push(events);
            server.join().unwrap();
        }
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0][1]["data"], format!("{TEXT}\nline {HARMFUL}"));
    }
}

#[test]
fn headers_of_a_refusal_are_escaped_on_a_terminal() {
    // What is a control in ASCII no header has.
    let hidden = "ws://else\u{9b}31m\u{202e}where\u{200b}/";
    for (status, header) in [(302, "Location"), (401, "WWW-Authenticate")] {
        for driver in drivers() {
            for terminal in [true, false] {
                let url = serve_raw(move |mut stream| {
                    read_head(&mut stream);
                    let answer = format!(
                        "HTTP/1.1 {status} No\u{9b}2J\r\n{header}: {hidden}\r\nX-Other: {hidden}\r\n\
                         Content-Length: 0\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                    let _ = stream.read(&mut [0]);
                });
                let arguments = [&["connect", &url, "-v"], driver].concat();
                let err = Terminal::open();
                let run = finish(start(&arguments, None, terminal.then_some(&err)));
                assert_eq!(run.0, Some(3));
                let shown = err.shown();
                if terminal {
                    assert!(shown.contains("\\u{9b}31m\\u{202e}where"), "{shown}");
                    assert_harmless(&shown);
                } else {
                    let said = String::from_utf8(run.2).unwrap();
                    assert!(said.contains(hidden), "{said}");
                }
            }
        }
    }
}

#[test]
fn topics_payloads_and_reasons_of_a_broker_are_escaped_on_a_terminal() {
    let topic = "t/\u{202e}\u{9b}2J\u{200b}";
    let said = || {
        broker(move |broker| {
            broker.welcome();
            broker.grant("t/#", 0);
            let payload = format!("{TEXT}{HARMFUL}");
            broker.say(&publish(0, topic, None, payload.as_bytes()));
            broker.say(&publish(0, topic, None, b"\xff\x9b2J\x1b"));
            broker.goodbye();
        })
    };
    let (url, server) = said();
    let arguments = ["mqtt", "sub", &url, "t/#", "-v", "-C2", "-d"];
    let (out, err) = (Terminal::open(), Terminal::open());
    let run = finish(start(&arguments, Some(&out), Some(&err)));
    assert_eq!(run.0, Some(0));
    let shown = out.shown();
    let begin = format!("t/\\u{{202e}}\\u{{9b}}2J\\u{{200b}} {TEXT}\\u{{7}}");
    assert!(shown.starts_with(&begin), "{shown}");
    assert!(shown.ends_with(" \\xff\\x9b2J\\u{1b}\n"), "{shown}");
    assert_harmless(&shown);
    assert_harmless(&err.shown());
    server.join().unwrap();

    let (url, server) = said();
    let arguments = ["mqtt", "sub", &url, "t/#", "-v", "-C2"];
    let run = finish(start(&arguments, None, None));
    let mut expected = format!("{topic} {TEXT}{HARMFUL}\n{topic} ").into_bytes();
    expected.extend_from_slice(b"\xff\x9b2J\x1b\n");
    assert_eq!(run.1, expected);
    server.join().unwrap();

    let (url, server) = broker(|broker| {
        broker.next().unwrap();
        let reason = "no\u{202e}\u{9b}1m";
        let length = u8::try_from(reason.len()).unwrap();
        let head = [0x20, length + 6, 0, 0x86, length + 3, 0x1f, 0, length];
        broker.say(&[&head[..], reason.as_bytes()].concat());
        while broker::drained(broker) {}
    });
    let err = Terminal::open();
    let run = finish(start(&["mqtt", "sub", &url, "t", "-d"], None, Some(&err)));
    assert_eq!(run.0, Some(6));
    let shown = err.shown();
    assert!(shown.contains("bad user name"), "{shown}");
    assert_harmless(&shown);
    server.join().unwrap();
}

#[test]
fn what_clients_ask_a_server_for_is_escaped_on_a_terminal() {
    for driver in drivers() {
        let port = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let (out, err) = (Terminal::open(), Terminal::open());
        let directory = env!("CARGO_MANIFEST_DIR");
        let arguments = [
            &["serve", &address, "--json", "-v", "--www", directory],
            driver,
        ]
        .concat();
        let child = start(&arguments, Some(&out), Some(&err));
        let connect = || loop {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                return stream;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let upgrade = "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                       Sec-WebSocket-Version: 13\r\n\r\n";
        for target in ["/\u{9b}2J\u{202e}", "/plain"] {
            for rest in [upgrade, "Host: h\r\n\r\n"] {
                let mut stream = connect();
                let request = format!("GET {target} HTTP/1.1\r\n{rest}");
                stream.write_all(request.as_bytes()).unwrap();
                let mut head = [0; 12];
                stream.read_exact(&mut head).unwrap();
                // A Close with a reason.
                let reason = "bye\u{9b}2J\u{202e}".as_bytes();
                let length = u8::try_from(reason.len()).unwrap() + 2;
                let close = [&[0x88, 0x80 | length, 0, 0, 0, 0, 0x0f, 0xa0], reason].concat();
                let _ = stream.write_all(&close);
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(finish(child).0, Some(0));
        let shown = out.shown();
        let events: Vec<serde_json::Value> = shown
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let reason = |event: &&serde_json::Value| event["reason"] == "bye\u{9b}2J\u{202e}";
        assert!(events.iter().find(reason).is_some(), "{shown}");
        assert_harmless(&shown);
        let said = err.shown();
        assert!(said.contains("/plain"), "{said}");
        assert_harmless(&said);
    }
}
