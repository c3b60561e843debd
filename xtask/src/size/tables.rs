//! The tables for people.

use super::peers::{PEERS, Peer};
use super::probes::{Build, PROBES, Sizes, ours};
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
    let builds = PROBES.builds;
    let mut text = String::from("| own flash, bytes |");
    for build in builds {
        text += &format!(" `{}`, {} |", build.features, build.level);
    }
    text += &format!("\n| --- |{}\n", " --: |".repeat(builds.len()));
    for (probe, builds) in ours() {
        text += &format!("| {} |", probe.what);
        for build in builds {
            text += &format!(" {} |", sizes.own(probe.name, *build)?);
        }
        text += "\n";
    }
    text += "| not counted: `memcpy` and its kin, at most |";
    for build in builds {
        let flash = sizes.flash.iter();
        let of_build = flash.filter(|((_, other), _)| other == build);
        let runtime = of_build.map(|(_, measured)| measured.runtime).max();
        text += &format!(" {} |", runtime.unwrap_or(0));
    }
    Ok(text + "\n")
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
    use super::super::probes::Measured;
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
    }

    #[test]
    fn what_was_not_measured_is_no_table() {
        let sizes = Sizes::default();
        assert!(flash(&sizes).is_err() && peers(&sizes).is_err() && types(&sizes).is_err());
    }
}
