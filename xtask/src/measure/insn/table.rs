//! The tables for people.

use super::budgets;
use super::firmware::{Case, Counts, OURS, STACK};

const LIBRARIES: [&str; 5] = [
    OURS,
    "embedded-websocket",
    "edge-ws",
    "ws-framer",
    "websocket-sans-io",
];

/// Group, case, what it is.
const ROWS: &[(&str, &str, &str)] = &[
    ("decode", "0", "decode a masked frame of 0 bytes"),
    ("decode", "5", "5 bytes"),
    ("decode", "125", "125 bytes"),
    ("decode", "1024", "1 KiB"),
    ("decode", "65536", "64 KiB"),
    ("encode", "0", "encode a masked frame of 0 bytes"),
    ("encode", "5", "5 bytes"),
    ("encode", "125", "125 bytes"),
    ("encode", "1024", "1 KiB"),
    ("encode", "65536", "64 KiB"),
    ("endpoint", "0", "`Endpoint`: receive 0 bytes"),
    ("endpoint", "5", "5 bytes"),
    ("endpoint", "125", "125 bytes"),
    ("endpoint", "1024", "1 KiB"),
    ("handshake", "client", "handshake of a client"),
    ("handshake", "server", "handshake of a server"),
];

/// The bytes of the frames of the group `text`.
const TEXT: u64 = 1020;

/// What checking text takes: the case, and what it is.
const TEXTS: &[(&str, &str)] = &[
    ("ascii", "check of UTF-8, a byte of ASCII"),
    ("three", "check of UTF-8, a byte of 3-byte characters"),
];

/// The counts of one level.
pub(super) fn markdown(counts: &Counts, level: &str) -> String {
    let mut text = format!("| `opt-level` {level} | at most |");
    for library in LIBRARIES {
        text += &format!(" {library} |");
    }
    text += &format!("\n| --- | --: |{}\n", " --: |".repeat(LIBRARIES.len()));
    for &(group, case, what) in ROWS {
        let case = Case { level, group, case };
        text += &format!("| {what} | {} |", or_empty(budgets::of(case)));
        for library in LIBRARIES {
            text += &format!(" {} |", or_empty(counts.of(library, case)));
        }
        text += "\n";
    }
    for (case, what) in TEXTS {
        text += &format!("| {what} | |");
        for library in LIBRARIES {
            text += &format!(" {} |", or_empty(per_byte(counts, level, library, case)));
        }
        text += "\n";
    }
    text
}

/// Calls whose stack is measured, and what they are.
const STACKS: &[(&str, &str)] = &[
    ("decode", "decode a masked frame"),
    ("encode", "encode a masked frame"),
    ("text", "decode text"),
    ("endpoint", "`Endpoint`: receive"),
    ("client", "handshake of a client"),
    ("server", "handshake of a server"),
];

/// The most stack that calls of a kind took, of all levels.
pub(super) fn stack(counts: &Counts, levels: &[&str]) -> String {
    let mut text = format!(
        "| stack of a call, bytes, `opt-level` {} |",
        levels.join(" / ")
    );
    for library in LIBRARIES {
        text += &format!(" {library} |");
    }
    text += &format!("\n| --- |{}\n", " --: |".repeat(LIBRARIES.len()));
    for &(case, what) in STACKS {
        text += &format!("| {what} |");
        for library in LIBRARIES {
            let of = |level: &&str| {
                let (level, group) = (*level, STACK);
                counts.of(library, Case { level, group, case })
            };
            let bytes: Vec<String> = levels
                .iter()
                .filter_map(of)
                .map(|it| it.to_string())
                .collect();
            text += &format!(" {} |", bytes.join(" / "));
        }
        text += "\n";
    }
    text
}

/// What a frame takes more as text than as binary, a byte. Nothing where it is not checked.
fn per_byte(counts: &Counts, level: &str, library: &str, case: &str) -> Option<String> {
    let of = |case| {
        let group = "text";
        counts.of(library, Case { level, group, case })
    };
    let checking = of(case)?.saturating_sub(of("binary")?);
    (checking > TEXT / 10).then(|| format!("{:.2}", checking as f64 / TEXT as f64))
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_case() {
        let mut counts = Counts::default();
        counts
            .take("s", OURS, "decode 0 77\ntext binary 1000\ntext ascii 2020")
            .unwrap();
        counts
            .take("s", "edge-ws", "text binary 1000\ntext ascii 1001")
            .unwrap();
        let text = markdown(&counts, "s");
        assert!(
            text.contains("| decode a masked frame of 0 bytes | 110 | 77 |"),
            "{text}"
        );
        assert!(
            text.contains("| check of UTF-8, a byte of ASCII | | 1.00 |  |  |"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2 + ROWS.len() + TEXTS.len());
        counts
            .take("s", OURS, "stack handshake/client 480")
            .unwrap();
        counts
            .take("3", OURS, "stack handshake/client 440")
            .unwrap();
        let text = stack(&counts, &["s", "3"]);
        assert!(
            text.contains("| handshake of a client | 480 / 440 |  |"),
            "{text}"
        );
    }
}
