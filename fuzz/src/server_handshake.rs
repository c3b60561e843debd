//! The server's handshake: one outcome whatever the cuts, upgrades only of requests for one.

use ws_core::handshake::{
    HeadPart, Requested, Response, Rules, ServerError, ServerHandshake, SoftSha1,
};

use crate::head::{self, Parts};
use crate::input::{Cuts, Input};

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    result: Option<Result<Requested, ServerError>>,
    consumed: usize,
    parts: Parts,
    /// What is answered.
    answer: Vec<u8>,
}

const TARGETS: &[&str] = &["/", "/chat", "/chat/2", ""];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let lists = input.byte();
    let limit = match input.byte() {
        0 => u16::MAX,
        byte => u16::from(byte) * 8,
    };
    let cuts = input.cuts();
    let supported: Vec<String> = (0..input.up_to(3))
        .map(|_| {
            let length = input.up_to(15);
            String::from_utf8_lossy(input.bytes(length)).into_owned()
        })
        .collect();
    let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
    let upgrade = |name| Response::Upgrade {
        subprotocol: Some(name),
        headers: &[],
    };
    let tokens = supported
        .iter()
        .all(|name| upgrade(name).validate().is_ok());
    let rules = Rules {
        subprotocols: if tokens {
            &supported
        } else {
            &["chat", "mqtt", "chat2"]
        },
        targets: TARGETS,
        hosts: if lists & 1 != 0 {
            &["h", "server.example.com"]
        } else {
            &[]
        },
        origins: if lists & 2 != 0 { &["http://h"] } else { &[] },
    };
    let bytes = input.rest();

    let once = received(
        &rules,
        limit,
        bytes,
        &[bytes.len()],
        &Input::new(&[]).cuts(),
    );
    assert_eq!(
        once,
        received(&rules, limit, bytes, &cuts.ends(bytes.len()), &cuts)
    );
    assert_eq!(once, wanted(&rules, limit, bytes, &cuts));
    check(&rules, bytes, &once);
}

fn received(rules: &Rules<'_>, limit: u16, bytes: &[u8], ends: &[usize], room: &Cuts) -> Outcome {
    let mut handshake = ServerHandshake::new(limit);
    let mut parts = Parts::default();
    let (mut result, mut from) = (None, 0);
    for &to in ends {
        let mut part = |part: HeadPart<'_>| parts.part(part);
        match handshake.receive(rules, &mut SoftSha1, &bytes[from..to], &mut part) {
            Ok((consumed, None)) => assert_eq!(consumed, to - from),
            Ok((consumed, Some(requested))) => {
                assert_eq!(from + consumed, usize::from(limit - handshake.limit_left()));
                assert_eq!(handshake.want(), 0);
                result = Some(Ok(requested));
            }
            Err(error) => result = Some(Err(error)),
        }
        if result.is_some() {
            break;
        }
        from = to;
    }
    outcome(rules, result, handshake, limit, parts, room)
}

/// By reads of exactly [`ServerHandshake::want`] bytes: all of them are taken.
fn wanted(rules: &Rules<'_>, limit: u16, bytes: &[u8], room: &Cuts) -> Outcome {
    let mut handshake = ServerHandshake::new(limit);
    let mut parts = Parts::default();
    let (mut result, mut rest) = (None, bytes);
    while result.is_none() && !rest.is_empty() {
        let want = handshake.want();
        assert!(matches!(want, 1..=4));
        let (read, behind) = rest.split_at(want.min(rest.len()));
        rest = behind;
        let mut part = |part: HeadPart<'_>| parts.part(part);
        match handshake.receive(rules, &mut SoftSha1, read, &mut part) {
            Ok((consumed, requested)) => {
                assert_eq!(
                    consumed,
                    read.len(),
                    "it wanted more than there is of the head"
                );
                result = requested.map(Ok);
            }
            Err(error) => result = Some(Err(error)),
        }
    }
    outcome(rules, result, handshake, limit, parts, room)
}

fn outcome(
    rules: &Rules<'_>,
    result: Option<Result<Requested, ServerError>>,
    mut handshake: ServerHandshake,
    limit: u16,
    parts: Parts,
    room: &Cuts,
) -> Outcome {
    let mut answer = Vec::new();
    if let Some(result) = result {
        let response = match result {
            Ok(requested) => {
                let asked = handshake.asked(Ok(requested)).expect("it is in order");
                assert!(asked.upgrade());
                assert_eq!(asked.subprotocol(), requested.subprotocol.map(usize::from));
                Response::Upgrade {
                    subprotocol: requested
                        .subprotocol
                        .map(|at| rules.subprotocols[usize::from(at)]),
                    headers: &[("X-More", "yes")],
                }
            }
            Err(error) => {
                assert!(
                    handshake
                        .asked(Err(error))
                        .is_ok_and(|asked| !asked.upgrade())
                        || handshake.asked(Err(error)).is_err()
                );
                Response::Refuse {
                    status: error.status(),
                    headers: &[],
                }
            }
        };
        assert_eq!(response.validate(), Ok(()));
        let ends = room.ends(512);
        let mut lengths = ends
            .iter()
            .scan(0, |last, end| Some(end - std::mem::replace(last, *end)));
        loop {
            let mut piece = vec![0; lengths.next().unwrap_or(512).max(1)];
            let count = handshake.fill(&response, &mut piece);
            if count == 0 {
                break;
            }
            answer.extend_from_slice(&piece[..count]);
            handshake.sent(count);
        }
    }
    let whole = !matches!(result, None | Some(Err(ServerError::Head(_))));
    Outcome {
        result,
        consumed: usize::from(limit - handshake.limit_left()),
        parts: if whole { parts } else { parts.settled() },
        answer,
    }
}

/// By an independent reading of request and response.
fn check(rules: &Rules<'_>, bytes: &[u8], outcome: &Outcome) {
    let head = &bytes[..outcome.consumed];
    let requested = match outcome.result {
        Some(Ok(requested)) => requested,
        None => {
            assert_eq!(head.len(), bytes.len());
            return;
        }
        Some(Err(error)) => {
            if !matches!(error, ServerError::Head(_)) {
                assert!(head.ends_with(b"\r\n\r\n"), "not at a blank line");
            }
            let (first, _) = head::read(&outcome.answer);
            assert_eq!(first, format!("HTTP/1.1 {} ", error.status()).as_bytes());
            return;
        }
    };
    let end = head.windows(4).position(|four| four == b"\r\n\r\n");
    assert_eq!(
        end.map(|end| end + 4),
        Some(head.len()),
        "past the blank line"
    );
    let lines = head::read(head.strip_prefix(b"\r\n").unwrap_or(head));
    let all = |name| head::values(&lines, name);
    let words: Vec<&[u8]> = lines.0.split(|byte| *byte == b' ').collect();
    assert_eq!((words.len(), words[0]), (3, &b"GET"[..]));
    assert!(matches!(
        words[2],
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9']
    ));
    let (authority, target) = target(words[1]);
    assert_eq!(outcome.parts.first_line(), (words[0], &target[..]));
    assert_eq!(outcome.parts.authority(), authority.unwrap_or_default());
    assert!(!target.contains(&b'#'));
    assert!(head::lists(&all("Upgrade"), "websocket"));
    assert!(head::lists(&all("Connection"), "upgrade"));
    assert_eq!(all("Sec-WebSocket-Version"), [b"13"]);
    let hosts = all("Host");
    assert_eq!(hosts.len(), 1);
    let is = |names: &[&str], value: &[u8]| {
        names.is_empty()
            || names
                .iter()
                .any(|name| value.eq_ignore_ascii_case(name.as_bytes()))
    };
    assert!(is(rules.hosts, authority.unwrap_or(hosts[0])));
    assert!(hosts[0].is_empty() || is_host(hosts[0]));
    assert!(authority.is_none_or(is_host));
    assert!(all("Origin").iter().all(|origin| is(rules.origins, origin)));
    assert!(all("Transfer-Encoding").is_empty());
    assert!(all("Content-Length").iter().all(|value| *value == b"0"));
    let [key] = all("Sec-WebSocket-Key")[..] else {
        panic!("not one key");
    };
    let digits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    assert!(key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digits));

    let answer = head::read(&outcome.answer);
    assert_eq!(answer.0, b"HTTP/1.1 101 Switching Protocols");
    let accept = head::accept(std::str::from_utf8(key).expect("it is ASCII"));
    assert_eq!(
        head::values(&answer, "Sec-WebSocket-Accept"),
        [accept.as_bytes()]
    );
    let chosen = requested
        .subprotocol
        .map(|at| rules.subprotocols[usize::from(at)]);
    let offered = all("Sec-WebSocket-Protocol");
    let mut offered = offered
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','));
    let first = offered.find_map(|name| {
        let name = name.trim_ascii();
        rules
            .subprotocols
            .iter()
            .copied()
            .find(|supported| supported.as_bytes() == name)
    });
    assert_eq!(chosen, first);
    let chosen: Vec<&[u8]> = chosen.iter().map(|name| name.as_bytes()).collect();
    assert_eq!(head::values(&answer, "Sec-WebSocket-Protocol"), chosen);
}

/// A target that may be a whole URL: its authority, and path and query.
fn target(target: &[u8]) -> (Option<&[u8]>, Vec<u8>) {
    if !target.first().is_some_and(u8::is_ascii_alphabetic) {
        return (None, target.to_vec());
    }
    let scheme = target.windows(3).position(|three| three == b"://");
    let rest = &target[scheme.expect("a scheme") + 3..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    (Some(authority), [slash, path].concat())
}

/// A host and perhaps a port, by its characters.
fn is_host(host: &[u8]) -> bool {
    let digits = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    if let Some(rest) = host.strip_prefix(b"[") {
        let end = rest.iter().position(|byte| *byte == b']');
        let (address, port) = rest.split_at(end.expect("a bracket that closes"));
        let colon = port[1..].strip_prefix(b":");
        return address.contains(&b':')
            && address
                .iter()
                .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
            && (port.len() == 1 || colon.is_some_and(digits));
    }
    let end = host.iter().position(|byte| *byte == b':');
    let (name, port) = host.split_at(end.unwrap_or(host.len()));
    !name.is_empty()
        && (port.is_empty() || digits(&port[1..]))
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte))
}
