//! The tables for people.

use super::peers::{PEERS, Peer};
use super::probes::{Build, Measured, PROBES, Sizes, ours};
use crate::Result;

/// Sizes of types: the symbol in the probe, and what it is.
pub(super) const TYPES: &[(&str, &str)] = &[
    (
        "connection",
        "one connection's protocol state, both directions",
    ),
    (
        "endpoint",
        "the same with what it has read and the control frames due",
    ),
    (
        "client_handshake",
        "a client's handshake, in their place while it lasts",
    ),
    (
        "server_handshake",
        "a server's handshake, in their place while it lasts",
    ),
    (
        "slot",
        "a slot of the table, all of this in it, with a TCP socket of 4 bytes",
    ),
    ("table", "the table without its slots"),
    (
        "async_websocket",
        "a WebSocket of the async calls, on a stream of 0 bytes",
    ),
    ("async_connect", "the future of its connect"),
    ("async_send", "of its send"),
    ("async_receive", "of its receive"),
    ("async_disconnect", "of its disconnect"),
    (
        "mqtt_stream",
        "an `MqttStream`, the WebSocket in it, on a stream of 0 bytes",
    ),
    (
        "mqtt_place",
        "a connection of an `MqttStack`, with a TCP socket of 4 bytes",
    ),
    ("mqtt_stack", "an `MqttStack` without connections"),
    (
        "smoltcp_socket",
        "a TCP socket's place in the adapter for smoltcp",
    ),
];

/// This library among its peers.
const OURS: Peer = Peer {
    name: "this one, `compact`",
    frames: "frames",
    client: Some("client"),
    both: Some("client-server"),
    context: "connection",
};

/// A row for each probe, a column for each build.
pub(super) fn flash(sizes: &Sizes) -> Result<String> {
    let mut text = head("own flash, bytes");
    text += &flash_of(sizes, |measured| measured.own)?;
    text += "| not counted: `memcpy` and its kin, at most |";
    for build in PROBES.builds {
        let flash = sizes.flash.iter();
        let of_build = flash.filter(|((_, other), _)| other == build);
        let runtime = of_build.map(|(_, measured)| measured.runtime).max();
        text += &format!(" {} |", runtime.unwrap_or(0));
    }
    Ok(text + "\n")
}

/// The same with what comes with the compiler, as far as each uses it.
pub(super) fn all_flash(sizes: &Sizes) -> Result<String> {
    let all = flash_of(sizes, |measured| measured.own + measured.runtime)?;
    Ok(head("all flash, bytes") + &all)
}

fn flash_of(sizes: &Sizes, of: fn(&Measured) -> u64) -> Result<String> {
    let mut text = String::new();
    for (probe, builds) in ours() {
        text += &format!("| {} |", probe.what);
        for build in builds {
            text += &format!(" {} |", of(sizes.of(probe.name, *build)?));
        }
        text += "\n";
    }
    Ok(text)
}

/// The calls whose stack is measured, in order.
const CALLS: [&str; 5] = ["connect", "accept", "send", "recv", "disconnect"];

/// A row for each call, a column for each build.
pub(super) fn stack(sizes: &Sizes) -> Result<String> {
    let mut text = head("worst stack of a call, bytes");
    for call in CALLS {
        text += &format!("| {call} |");
        for build in PROBES.builds {
            text += &format!(" {} |", sizes.stack(call, *build)?);
        }
        text += "\n";
    }
    Ok(text)
}

/// The first lines of a table with a column for each build.
fn head(what: &str) -> String {
    let builds = PROBES.builds;
    let mut text = format!("| {what} |");
    for build in builds {
        text += &format!(" `{}`, {} |", build.features, build.level);
    }
    text + &format!("\n| --- |{}\n", " --: |".repeat(builds.len()))
}

/// A row for each library: `s` / `z`.
pub(super) fn peers(sizes: &Sizes) -> Result<String> {
    let mut text = String::from(
        "| library | frames | + client's handshake | + both handshakes | RAM of a connection |\n\
         | --- | --: | --: | --: | --: |\n",
    );
    let peers = PEERS.iter().map(|peer| (peer, ""));
    for (peer, features) in [(&OURS, "compact")].into_iter().chain(peers) {
        text += &format!("| {} |", peer.name);
        for probe in [Some(peer.frames), peer.client, peer.both] {
            text += &match probe {
                None => " – |".to_owned(),
                Some(probe) => {
                    let own = |level| sizes.own(probe, Build::new(features, level));
                    format!(" {} / {} |", own("s")?, own("z")?)
                }
            };
        }
        text += &format!(" {} |\n", sizes.size(peer.context)?);
    }
    Ok(text)
}

/// A row for each type.
pub(super) fn types(sizes: &Sizes) -> Result<String> {
    let mut text = String::from("| RAM | bytes |\n| --- | --: |\n");
    for (symbol, what) in TYPES {
        text += &format!("| {what} | {} |\n", sizes.size(symbol)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_probe() {
        let mut sizes = Sizes::default();
        for (probe, builds) in ours() {
            for build in builds {
                let measured = Measured {
                    own: 1234,
                    runtime: 7,
                    ..Measured::default()
                };
                sizes.flash.insert((probe.name, *build), measured);
            }
        }
        let text = flash(&sizes).unwrap();
        let rows = text
            .lines()
            .filter(|line| line.ends_with("| 1234 | 1234 |"));
        assert_eq!(rows.count(), ours().count());
        assert!(text.ends_with("at most | 7 | 7 | 7 | 7 |\n"), "{text}");
        let all = all_flash(&sizes).unwrap();
        assert!(all.ends_with("| 1241 | 1241 | 1241 | 1241 |\n"), "{all}");
    }

    #[test]
    fn what_was_not_measured_is_no_table() {
        let sizes = Sizes::default();
        assert!(all_flash(&sizes).is_err() && stack(&sizes).is_err());
        assert!(flash(&sizes).is_err() && peers(&sizes).is_err() && types(&sizes).is_err());
    }
}
