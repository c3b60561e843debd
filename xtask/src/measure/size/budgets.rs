//! What the libraries may take at most.

use super::peers::{PEERS, Peer};
use super::probes::{Build, Sizes};
use super::symbols;
use crate::Result;
use crate::measure::baseline::verdict;
use crate::measure::qemu;

/// The smaller of these counts.
const COMPACT: [Build; 2] = [Build::new("compact", "s"), Build::new("compact", "z")];
const OF_PEERS: [Build; 2] = [Build::new("", "s"), Build::new("", "z")];

/// At most so many bytes, and the same of a peer's.
struct Budget {
    probe: &'static str,
    what: &'static str,
    at_most: u64,
    peers: fn(&Peer) -> Option<&'static str>,
}

const BUDGETS: &[Budget] = &[
    Budget {
        probe: "frames",
        what: "frames, both roles",
        at_most: 1200,
        peers: |peer| Some(peer.frames),
    },
    Budget {
        probe: "frames-accept",
        what: "frames and the accept value",
        at_most: 1900,
        peers: |_| None,
    },
    Budget {
        probe: "frames-accept-unit",
        what: "the same without the hash",
        at_most: 1500,
        peers: |_| None,
    },
    Budget {
        probe: "client",
        what: "frames and the client's handshake",
        at_most: 3200,
        peers: |peer| peer.client,
    },
    Budget {
        probe: "client-server",
        what: "frames and both handshakes",
        at_most: 4500,
        peers: |peer| peer.both,
    },
    Budget {
        probe: "table",
        what: "the table as a blocking client",
        at_most: 5500,
        peers: |_| None,
    },
];

/// RAM of a connection.
const CONTEXT: u64 = 30;

/// The smaller of two builds.
fn smaller(sizes: &Sizes, probe: &'static str, builds: [Build; 2]) -> Result<u64> {
    let [s, z] = builds.map(|build| sizes.own(probe, build));
    Ok(s?.min(z?))
}

/// A Markdown table: what is allowed, what it is, and the least that a peer takes.
pub(super) fn table(sizes: &Sizes) -> Result<String> {
    let mut text = String::from(
        "| budget, bytes | at most | measured | | the smallest peer |\n\
         | --- | --: | --: | --- | --: |\n",
    );
    for budget in BUDGETS {
        let measured = smaller(sizes, budget.probe, COMPACT)?;
        let peers = PEERS.iter().filter_map(budget.peers);
        let peers: Vec<u64> = peers
            .map(|probe| smaller(sizes, probe, OF_PEERS))
            .collect::<Result<_>>()?;
        text += &row(budget.what, budget.at_most, measured, &peers);
    }
    let peers: Vec<u64> = PEERS
        .iter()
        .map(|peer| sizes.size(peer.context))
        .collect::<Result<_>>()?;
    let context = sizes.size("connection")?;
    text += &row("RAM of a connection", CONTEXT, context, &peers);
    for (call, at_most) in qemu::BUDGETS {
        let [s, z] = COMPACT.map(|build| sizes.stack(call, build));
        text += &row(&format!("stack of {call}"), at_most, s?.min(z?), &[]);
    }
    Ok(text)
}

/// A Markdown table: where the bytes are of what misses its budget, in the build that counts.
pub(super) fn missed(sizes: &Sizes) -> Result<String> {
    let mut text = String::from(
        "| where it goes, bytes | own | in it (not compared) |\n| --- | --: | --- |\n",
    );
    let before = text.len();
    for Budget {
        probe,
        what,
        at_most,
        ..
    } in BUDGETS
    {
        let measured = smaller(sizes, probe, COMPACT)?;
        if measured <= *at_most {
            continue;
        }
        for build in COMPACT {
            let of = sizes.of(probe, build)?;
            if of.own == measured {
                let level = build.level;
                text += &format!("| **{what}** | **{measured}** | `opt-level` {level} |\n");
                text += &symbols::rows(probe, measured, &of.symbols)?;
                break;
            }
        }
    }
    if text.len() == before {
        text += "| no budget is missed | | |\n";
    }
    Ok(text)
}

fn row(what: &str, at_most: u64, measured: u64, peers: &[u64]) -> String {
    let verdict = verdict(at_most, measured);
    let least = peers.iter().min();
    let least = least.map_or_else(|| "–".to_owned(), u64::to_string);
    format!("| {what} | {at_most} | {measured} | {verdict} | {least} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_how_it_stands() {
        assert_eq!(
            row("it", 1200, 1230, &[1304, 720]),
            "| it | 1200 | 1230 | MISSED by 30 (2.5 %) | 720 |\n"
        );
        assert!(row("it", 1200, 1200, &[]).ends_with("| beaten by 0 (0.0 %) | – |\n"));
    }

    #[test]
    fn what_was_not_measured_is_no_budget_held() {
        assert!(table(&Sizes::default()).is_err());
    }
}
