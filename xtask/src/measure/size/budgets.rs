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

/// At most so many bytes, what is wanted, and the same of a peer's.
struct Budget {
    probe: &'static str,
    what: &'static str,
    must: u64,
    wanted: u64,
    peers: fn(&Peer) -> Option<&'static str>,
    /// What misses it is taken apart.
    apart: bool,
}

const BUDGETS: &[Budget] = &[
    Budget {
        probe: "frames",
        what: "frames, both roles",
        must: 1400,
        wanted: 1360,
        peers: |peer| Some(peer.frames),
        apart: true,
    },
    Budget {
        probe: "frames-accept",
        what: "frames and the accept value",
        must: 1960,
        wanted: 1910,
        peers: |_| None,
        apart: true,
    },
    Budget {
        probe: "frames-accept-unit",
        what: "the same without the hash",
        must: 1590,
        wanted: 1540,
        peers: |_| None,
        apart: true,
    },
    Budget {
        probe: "client",
        what: "frames and the client's handshake",
        must: 4470,
        wanted: 4340,
        peers: |peer| peer.client,
        apart: true,
    },
    Budget {
        probe: "client-headers",
        what: "the same with headers of its own",
        must: 4700,
        wanted: 4570,
        peers: |_| None,
        apart: true,
    },
    Budget {
        probe: "client-server",
        what: "frames and both handshakes",
        must: 5970,
        wanted: 5800,
        peers: |peer| peer.both,
        apart: true,
    },
    Budget {
        probe: "table",
        what: "the table as a blocking client",
        must: 8900,
        wanted: 8100,
        peers: |_| None,
        apart: true,
    },
    Budget {
        probe: "table-pages",
        what: "the table as a server with pages",
        must: 11500,
        wanted: 10800,
        peers: |_| None,
        apart: false,
    },
    Budget {
        probe: "async-client",
        what: "an async client",
        must: 13000,
        wanted: 11500,
        peers: |_| None,
        apart: false,
    },
    Budget {
        probe: "mqtt-stack",
        what: "`MqttStack` as a blocking MQTT client's TCP",
        must: 11174,
        wanted: 9500,
        peers: |_| None,
        apart: false,
    },
    Budget {
        probe: "mqtt-stream",
        what: "`MqttStream` for an async MQTT client",
        must: 17219,
        wanted: 14500,
        peers: |_| None,
        apart: false,
    },
    Budget {
        probe: "table-smoltcp",
        what: "the table and the adapter for smoltcp",
        must: 13536,
        wanted: 12000,
        peers: |_| None,
        apart: false,
    },
];

/// Sizes of types: the symbol in the probe, what it is, how large it may be, and what is wanted.
const TYPES: &[(&str, &str, u64, u64)] = &[
    ("connection", "RAM of a connection's protocol state", 30, 28),
    ("slot", "RAM of a slot, with keepalive", 96, 88),
    ("async_connect", "future of connect", 484, 400),
    ("async_send", "future of send", 416, 300),
    ("async_receive", "future of receive", 376, 300),
    ("async_disconnect", "future of disconnect", 600, 400),
];

/// The smaller of two builds.
fn smaller(sizes: &Sizes, probe: &'static str, builds: [Build; 2]) -> Result<u64> {
    let [s, z] = builds.map(|build| sizes.own(probe, build));
    Ok(s?.min(z?))
}

/// A Markdown table: what is allowed, what it is, and the least that a peer takes.
pub(super) fn table(sizes: &Sizes) -> Result<String> {
    let mut text = String::from(
        "| budget, bytes | must | wanted | measured | | the smallest peer |\n\
         | --- | --: | --: | --: | --- | --: |\n",
    );
    for budget in BUDGETS {
        let measured = smaller(sizes, budget.probe, COMPACT)?;
        let peers = PEERS.iter().filter_map(budget.peers);
        let peers: Vec<u64> = peers
            .map(|probe| smaller(sizes, probe, OF_PEERS))
            .collect::<Result<_>>()?;
        text += &row(budget.what, budget.must, budget.wanted, measured, &peers);
    }
    for (symbol, what, must, wanted) in TYPES {
        let peers: Vec<u64> = match *symbol {
            "connection" => {
                let contexts = PEERS.iter().map(|peer| sizes.size(peer.context));
                contexts.collect::<Result<_>>()?
            }
            _ => Vec::new(),
        };
        text += &row(what, *must, *wanted, sizes.size(symbol)?, &peers);
    }
    for (call, must, wanted) in qemu::BUDGETS {
        let [s, z] = COMPACT.map(|build| sizes.stack(call, build));
        text += &row(&format!("stack of {call}"), must, wanted, s?.min(z?), &[]);
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
        must,
        apart,
        ..
    } in BUDGETS
    {
        let measured = smaller(sizes, probe, COMPACT)?;
        if measured <= *must || !apart {
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

fn row(what: &str, must: u64, wanted: u64, measured: u64, peers: &[u64]) -> String {
    let stands = stands(must, wanted, measured);
    let least = peers.iter().min();
    let least = least.map_or_else(|| "–".to_owned(), u64::to_string);
    format!("| {what} | {must} | {wanted} | {measured} | {stands} | {least} |\n")
}

/// How a figure stands to what it must be at most, and to what is wanted.
pub(crate) fn stands(must: u64, wanted: u64, measured: u64) -> String {
    match measured {
        _ if measured <= wanted => "as wanted".to_owned(),
        _ if measured <= must => format!("held; {} over what is wanted", measured - wanted),
        _ => verdict(must, measured),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_how_it_stands() {
        assert_eq!(
            row("it", 1200, 1100, 1230, &[1304, 720]),
            "| it | 1200 | 1100 | 1230 | MISSED by 30 (2.5 %) | 720 |\n"
        );
        assert_eq!(stands(1200, 1100, 1200), "held; 100 over what is wanted");
        assert_eq!(stands(1200, 1100, 1101), "held; 1 over what is wanted");
        assert_eq!(stands(1200, 1100, 1100), "as wanted");
    }

    #[test]
    fn what_is_wanted_is_no_more_than_what_must_be() {
        for budget in BUDGETS {
            assert!(budget.wanted <= budget.must, "{}", budget.what);
        }
        assert!(TYPES.iter().all(|(_, _, must, wanted)| wanted <= must));
        assert!(qemu::BUDGETS.iter().all(|(_, must, wanted)| wanted <= must));
    }

    #[test]
    fn what_was_not_measured_is_no_budget_held() {
        assert!(table(&Sizes::default()).is_err());
    }
}
