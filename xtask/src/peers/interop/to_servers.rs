//! `ws connect` against servers: the table of scenarios.

use super::scenario::Check::*;
use super::scenario::Place::{Raw, Real, Refusing, Url};
use super::scenario::{Scenario, Step};

const MIB: usize = 1 << 20;

/// Every scenario, in the order in which they run.
pub(super) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(messages());
    all.extend(control_frames());
    all.extend(closes());
    all.extend(handshakes());
    all.extend(refusals());
    all.extend(segments());
    all.extend(violations());
    all.extend(usage());
    all
}

fn messages() -> Vec<Scenario> {
    let echo = |name| {
        Scenario::clean(name, Real("/echo"))
            .check(PrintedAllSent)
            .check(PeerGotInput)
            .check(PeerSawClose(Some(1000)))
    };
    let big = || [text_of(MIB), "short".to_owned(), text_of(MIB + 1)];
    vec![
        echo("text").lines(["hello", "a longer line, with \"quotes\" and \\"].map(str::to_owned)),
        echo("text-empty-line").lines(["", "after", ""].map(str::to_owned)),
        echo("text-unicode").lines(["äöü → 🦀", "\u{7f}\u{80}\u{7ff}\u{800}"].map(str::to_owned)),
        echo("text-125-126-127").lines([125, 126, 127, 65_535, 65_536].map(text_of)),
        echo("text-1mib").lines(big()).deadline(30),
        echo("binary")
            .args(&["--binary"])
            .lines(["hello", "", "äöü"].map(str::to_owned)),
        echo("binary-1mib")
            .args(&["--binary"])
            .lines(big())
            .deadline(30),
        Scenario::clean("receive-1mib-whole-and-fragmented", Real("/push"))
            .check(PrintedAllSent)
            .deadline(30),
        Scenario::clean("echo-every-kind", Real("/kinds"))
            .args(&["--echo"])
            .check(PeerGotEcho)
            .deadline(60),
        Scenario::clean("end-of-input-at-once", Real("/echo"))
            .input(vec![Step::Eof])
            .check(PeerSawClose(Some(1000))),
    ]
}

fn control_frames() -> Vec<Scenario> {
    let payloads = vec![
        b"idle".to_vec(),
        b"between fragments".to_vec(),
        Vec::new(),
        (0..125).collect::<Vec<u8>>(),
    ];
    vec![
        Scenario::clean("ping-from-server", Real("/ping"))
            .check(PrintedAllSent)
            .check(PrintedPings(payloads)),
        Scenario::clean("ping-from-client", Real("/pinged"))
            .args(&["--ping", "1"])
            .check(PeerSawPings(2))
            .check(PrintedPongs(1)),
    ]
}

fn closes() -> Vec<Scenario> {
    let coded = |name, path, code, reason| {
        Scenario::clean(name, Real(path))
            .check(Closed {
                code,
                reason,
                clean: true,
            })
            .check(PeerSawClose(Some(code)))
    };
    // Exit 3 and 4 both describe a connection that went away.
    let dropped = |name, path| {
        let gone = Closed {
            code: 1006,
            reason: "",
            clean: false,
        };
        Scenario::new(
            name,
            Raw(path),
            &[3, 4],
            vec![Open(None), PrintedAllSent, gone],
        )
    };
    vec![
        coded("close-1000", "/close/1000", 1000, "because 1000 é"),
        coded("close-1001", "/close/1001", 1001, "because 1001 é"),
        coded("close-1011", "/close/1011", 1011, "because 1011 é"),
        coded("close-3000", "/close/3000", 3000, "because 3000 é"),
        coded("close-4999", "/close/4999", 4999, "because 4999 é"),
        Scenario::clean("close-no-code", Raw("/close-no-code"))
            .check(Closed {
                code: 1005,
                reason: "",
                clean: true,
            })
            .check(PeerSawClose(None)),
        dropped("drop-by-fin", "/drop"),
        dropped("drop-by-reset", "/reset"),
        dropped("drop-in-a-frame", "/drop-mid-frame"),
        Scenario::clean("message-after-our-close", Raw("/late"))
            .input(vec![Step::Until("open", 1), Step::Eof])
            .check(PeerSawClose(Some(1000))),
        Scenario::new(
            "close-unanswered",
            Raw("/close-unanswered"),
            &[5],
            vec![Open(None)],
        )
        .args(&["--timeout", "700"])
        .input(vec![Step::Until("open", 1), Step::Eof]),
    ]
}

fn handshakes() -> Vec<Scenario> {
    let both = &["--subprotocol", "mqtt", "--subprotocol", "v2.chat"];
    vec![
        Scenario::clean("subprotocol", Real("/subprotocol/first"))
            .args(&["--subprotocol", "mqtt"])
            .check(Open(Some("mqtt")))
            .check(PeerSawHeader("sec-websocket-protocol", "mqtt")),
        Scenario::clean("subprotocol-second-of-two", Real("/subprotocol/last"))
            .args(both)
            .check(Open(Some("v2.chat")))
            .check(PeerSawHeader("sec-websocket-protocol", "mqtt, v2.chat")),
        Scenario::clean("subprotocol-none-chosen", Real("/subprotocol/none"))
            .args(both)
            .check(Open(None)),
        Scenario::refused("subprotocol-not-offered", Raw("/subprotocol-unoffered")).args(both),
        Scenario::refused("subprotocol-none-offered", Raw("/subprotocol-unoffered")),
        Scenario::clean("headers-and-origin", Real("/hello"))
            .args(&[
                "--header",
                "X-Interop: yes: 1",
                "--header",
                "X-Other:two",
                "--origin",
                "http://interop.test",
            ])
            .check(PeerSawHeader("x-interop", "yes: 1"))
            .check(PeerSawHeader("x-other", "two"))
            .check(PeerSawHeader("origin", "http://interop.test"))
            .check(PrintedAllSent),
        Scenario::clean("response-lenient", Raw("/lenient-101")).check(PrintedAllSent),
        Scenario::clean("response-100-continue", Raw("/continue")).check(PrintedAllSent),
    ]
}

fn refusals() -> Vec<Scenario> {
    let raw = |name, path| Scenario::refused(name, Raw(path));
    let silent = |name, path| {
        Scenario::new(name, Raw(path), &[5], vec![NotOpened, PrintedError])
            .args(&["--timeout", "700"])
    };
    vec![
        Scenario::refused("refused-403", Real("/refuse")).check(ErrorSays("403")),
        Scenario::refused("redirect-302", Real("/redirect"))
            .check(ErrorSays("302"))
            .check(ErrorSays("ws://127.0.0.1:9/moved/here")),
        Scenario::refused("unauthorized-401", Real("/auth"))
            .check(ErrorSays("401"))
            .check(ErrorSays("Basic realm=\"interop\"")),
        Scenario::refused("connection-refused", Refusing),
        silent("server-never-answers", "/never"),
        silent("server-stalls-in-response", "/stall"),
        raw("server-hangs-up", "/hang-up"),
        raw("server-hangs-up-in-response", "/hang-up-midway"),
        raw("accept-wrong", "/accept-wrong"),
        raw("accept-truncated", "/accept-truncated"),
        raw("accept-longer", "/accept-longer"),
        raw("accept-empty", "/accept-empty"),
        raw("accept-missing", "/accept-missing"),
        raw("accept-twice", "/accept-twice"),
        raw("upgrade-missing", "/upgrade-missing"),
        raw("upgrade-other", "/upgrade-other"),
        raw("connection-missing", "/connection-missing"),
        raw("extension-not-offered", "/extension"),
        raw("status-200", "/status-200").check(ErrorSays("200")),
        raw("http10-401", "/http10-401")
            .check(ErrorSays("401"))
            .check(ErrorSays("Basic realm=\"old\"")),
        raw("http10-404", "/http10-404").check(ErrorSays("404")),
        raw("http10-302", "/http10-302")
            .check(ErrorSays("302"))
            .check(ErrorSays("ws://127.0.0.1:9/old")),
        raw("http10-101", "/http10-101"),
        raw("status-garbage", "/status-garbage"),
        raw("http-garbage", "/http-garbage"),
        raw("header-line-20kb", "/header-20k"),
    ]
}

fn segments() -> Vec<Scenario> {
    let raw = |name, path| Scenario::clean(name, Raw(path)).check(PrintedAllSent);
    vec![
        raw("first-message-with-101", "/first-with-101"),
        raw("two-messages-in-one-segment", "/two-in-one"),
        raw("all-in-one-segment", "/all-in-one").check(PrintedPings(vec![b"now".to_vec()])),
        raw("byte-dripping-server", "/drip")
            .check(Closed {
                code: 1000,
                reason: "dry",
                clean: true,
            })
            .check(PrintedPings(vec![b"drip".to_vec()])),
    ]
}

fn violations() -> Vec<Scenario> {
    let rows = [
        ("masked-frame", "/masked", 1002),
        ("rsv1", "/rsv1", 1002),
        ("rsv2", "/rsv2", 1002),
        ("rsv3", "/rsv3", 1002),
        ("reserved-data-opcode", "/opcode-3", 1002),
        ("reserved-control-opcode", "/opcode-11", 1002),
        ("control-oversized", "/control-oversized", 1002),
        ("control-fragmented", "/control-fragmented", 1002),
        ("continuation-of-nothing", "/continuation-first", 1002),
        ("message-in-message", "/message-in-message", 1002),
        ("length-not-minimal-16", "/length-not-minimal-16", 1002),
        ("length-not-minimal-64", "/length-not-minimal-64", 1002),
        ("length-top-bit", "/length-msb", 1002),
        ("utf8-invalid", "/utf8", 1007),
        ("utf8-truncated", "/utf8-truncated", 1007),
        ("utf8-broken-across-fragments", "/utf8-across", 1007),
        ("close-one-byte", "/close-one-byte", 1002),
        ("close-code-1005", "/close-code-1005", 1002),
        ("close-code-999", "/close-code-999", 1002),
        ("close-code-1016", "/close-code-1016", 1002),
        ("close-reason-not-utf8", "/close-reason-utf8", 1007),
    ];
    rows.map(|(name, path, code)| Scenario::violation(name, path, code))
        .into()
}

fn usage() -> Vec<Scenario> {
    let here = "ws://127.0.0.1:9/";
    vec![
        Scenario::usage("no-url", ""),
        Scenario::usage("url-not-websocket", "http://127.0.0.1/"),
        Scenario::usage("url-without-host", "ws://"),
        Scenario::usage("url-port-too-large", "ws://127.0.0.1:65536/"),
        Scenario::usage("url-with-fragment", "ws://127.0.0.1:9/#part"),
        Scenario::usage("url-with-line-break", "ws://127.0.0.1:9/\r\nX-Evil: yes"),
        Scenario::new("url-wss", Url("wss://127.0.0.1:9/"), &[3], vec![NotOpened])
            .check(StderrSays("refused")),
        Scenario::usage("option-unknown", here).args(&["--no-such-option"]),
        Scenario::usage("option-timeout-not-a-number", here).args(&["--timeout", "soon"]),
        Scenario::usage("option-ping-without-value", here).args(&["--ping"]),
        Scenario::usage("header-without-colon", here).args(&["--header", "no colon"]),
        Scenario::usage("header-with-line-break", here)
            .args(&["--header", "X-A: b\r\nX-Evil: yes"]),
    ]
}

/// Text of just this many bytes, no line break in it.
fn text_of(len: usize) -> String {
    "0123456789 abcdefghijklmnopqrstuvwxyz;"
        .chars()
        .cycle()
        .take(len)
        .collect()
}
