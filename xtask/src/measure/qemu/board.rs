//! The boards, and what runs on them.

/// The package with their firmware.
pub(super) const FOLDER: &str = "boards/mps2-an386";

/// A board as QEMU has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Board {
    /// The package's feature for it.
    pub(super) name: &'static str,
    /// The core that it is built for.
    pub(super) core: &'static str,
    pub(super) target: &'static str,
    /// Arguments of QEMU's.
    pub(super) machine: &'static [&'static str],
    /// Has it a network?
    pub(super) network: bool,
    /// What runs unless something else is asked for.
    pub(super) bins: &'static [Bin],
    /// What can run besides.
    pub(super) more_bins: &'static [Bin],
}

/// A firmware, by what its peer on the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bin {
    /// Speaks to `host/conversation.py`.
    Client,
    /// The same, over the async calls.
    Async,
    /// Speaks to a broker, at which `host/mqtt.py` is, too.
    Mqtt,
    /// Is spoken to by `host/visitor.py`.
    Server,
    /// Has no peer: measures stack.
    Stack,
    /// Has no peer: measures critical sections.
    Critical,
}

impl Bin {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Async => "async",
            Self::Mqtt => "mqtt",
            Self::Server => "server",
            Self::Stack => "stack",
            Self::Critical => "critical",
        }
    }
}

/// The board that servers are tested on.
pub(super) const AN386: Board = Board {
    name: "an386",
    core: "Cortex-M4",
    target: "thumbv7em-none-eabihf",
    machine: &["-M", "mps2-an386"],
    network: true,
    bins: &[Bin::Client, Bin::Async, Bin::Mqtt, Bin::Server, Bin::Stack],
    more_bins: &[],
};

pub(super) const BOARDS: &[Board] = &[
    AN386,
    Board {
        name: "an385",
        core: "Cortex-M0+",
        target: "thumbv6m-none-eabi",
        machine: &["-M", "mps2-an385"],
        network: true,
        bins: &[Bin::Client, Bin::Async, Bin::Mqtt],
        more_bins: &[Bin::Server, Bin::Stack],
    },
    Board {
        name: "an505",
        core: "Cortex-M33",
        target: "thumbv8m.main-none-eabihf",
        machine: &["-M", "mps2-an505"],
        network: true,
        bins: &[Bin::Client, Bin::Async, Bin::Mqtt],
        more_bins: &[Bin::Server, Bin::Stack],
    },
    // Its timer counts instructions: by `-icount` one takes a nanosecond, whatever the host does.
    Board {
        name: "netduinoplus2",
        core: "Cortex-M4",
        target: "thumbv7em-none-eabihf",
        machine: &[
            "-M",
            "netduinoplus2",
            "-icount",
            "shift=0,sleep=off,align=off",
        ],
        network: false,
        bins: &[Bin::Critical],
        more_bins: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bins_run_and_only_boards_with_a_network_have_peers() {
        for bin in [
            Bin::Client,
            Bin::Async,
            Bin::Mqtt,
            Bin::Server,
            Bin::Stack,
            Bin::Critical,
        ] {
            assert!(BOARDS.iter().any(|board| board.bins.contains(&bin)));
        }
        for board in BOARDS.iter().filter(|board| !board.network) {
            let bins = [board.bins, board.more_bins].concat();
            let alone = |bin: &Bin| matches!(bin, Bin::Stack | Bin::Critical);
            assert!(bins.iter().all(alone));
        }
        // They are built into one folder.
        for (place, board) in BOARDS.iter().enumerate() {
            for other in BOARDS[..place]
                .iter()
                .filter(|it| it.target == board.target)
            {
                let bins = [board.bins, board.more_bins].concat();
                let others = [other.bins, other.more_bins].concat();
                assert!(bins.iter().all(|bin| !others.contains(bin)));
            }
        }
        assert!(AN386.bins.contains(&Bin::Server));
    }
}
