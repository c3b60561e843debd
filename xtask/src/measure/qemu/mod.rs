//! The firmware of boards/mps2-an386 in QEMU, against peers on the host; each checks the other.

mod board;
mod figures;
mod firmware;
mod install;
mod machine;
mod mqtt;
mod peers;
pub(crate) mod served;

use crate::measure::baseline::Figures;
use crate::report::{Table, Verdict, skipped};
use crate::{Result, venv};
use board::{BOARDS, Bin, Board};
use figures::Ran;
use firmware::Built;
use machine::{Machine, free_port};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use figures::BUDGETS;
pub(crate) use install::{QEMU, ready};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--board BOARD] [--bin FIRMWARE] [--require] [--bless]";

/// What one firmware may take; it takes a second or two.
const WITHIN: Duration = Duration::from_secs(40);

#[derive(Default)]
struct Options {
    board: Option<String>,
    bin: Option<String>,
    require: bool,
    bless: bool,
}

/// `cargo xtask qemu`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let chosen = chosen(&options)?;
    match install::ready() {
        Ok(version) => println!("{version}"),
        Err(why) => return skipped(&why, options.require),
    }
    let python = match venv::ready()? {
        Ok(python) => python,
        Err(why) => return skipped(&why, options.require),
    };
    let names: Vec<String> = chosen
        .iter()
        .flat_map(|(board, bins)| bins.iter().map(|bin| name(board, *bin)))
        .collect();
    let mut table = Table::new(names.iter().map(String::as_str));
    let mut runs = Vec::new();
    for (board, bins) in chosen {
        let built = firmware::build(board)?;
        for bin in bins {
            let (ran, verdict) = match &built {
                Ok(built) => play(board, built, bin, &python)?,
                Err(why) => (not_run(board, bin), Verdict::Skip(why.clone())),
            };
            table.row(&name(board, bin), ran.took, verdict);
            runs.push(ran);
        }
    }
    println!("\n{}", figures::runs(&runs));
    let more = [
        figures::stack(&runs),
        figures::budgets(&runs),
        figures::critical(&runs),
    ];
    for table in more.into_iter().flatten() {
        println!("{table}");
    }
    table.finish(options.require)?;
    settle(&runs, &options)
}

/// Compares what is agreed to, on the boards that measure it unasked, or agrees to it.
fn settle(runs: &[Ran], options: &Options) -> Result {
    let mut settled = false;
    for (bin, baseline) in figures::BASELINES {
        let unasked = |ran: &&Ran| {
            let mut boards = BOARDS.iter().filter(|board| board.bins.contains(&bin));
            ran.bin == bin.name() && boards.any(|board| board.name == ran.board)
        };
        // What was skipped has said nothing.
        let ran = runs.iter().filter(|ran| !ran.said.is_empty());
        for ran in ran.filter(unasked) {
            let figures = figures::agreed(bin, ran)?;
            baseline.settle(&figures, options.bless, options.require)?;
            settled = true;
        }
    }
    if options.bless && !settled {
        return Err("--bless: nothing was measured that is agreed to".to_owned());
    }
    Ok(())
}

/// How much stack the calls take with some features and at an `opt-level`: what the firmware `stack` says.
pub(crate) fn stack(features: &str, level: &str) -> Result<Figures> {
    let built = firmware::build_stack(features, level)?;
    let mut said = Vec::new();
    alone(&board::AN386, &built, Bin::Stack, &mut said)?;
    let ran = Ran {
        said,
        ..not_run(&board::AN386, Bin::Stack)
    };
    let figures = figures::agreed(Bin::Stack, &ran)?.into_iter();
    let start = format!("{} ", ran.board);
    let call = |name: String| name.strip_prefix(&start).map(str::to_owned);
    Ok(figures
        .filter_map(|(name, bytes)| Some((call(name)?, bytes)))
        .collect())
}

fn name(board: &Board, bin: Bin) -> String {
    format!("{} {}", board.name, bin.name())
}

fn not_run(board: &'static Board, bin: Bin) -> Ran {
    Ran {
        board: board.name,
        core: board.core,
        bin: bin.name(),
        result: "SKIPPED",
        footprint: None,
        took: Duration::ZERO,
        said: Vec::new(),
    }
}

/// Runs a firmware with its peer.
fn play(board: &'static Board, built: &Built, bin: Bin, python: &Path) -> Result<(Ran, Verdict)> {
    // What has to be installed for it is not its time.
    let tools = match bin {
        Bin::Mqtt => match mqtt::ready()? {
            Ok(tools) => Some(tools),
            Err(why) => return Ok((not_run(board, bin), Verdict::Skip(why))),
        },
        _ => None,
    };
    let started = Instant::now();
    let mut said = Vec::new();
    let played = match (bin, tools) {
        (Bin::Mqtt, Some(tools)) => mqtt::play(board, built, &tools, &mut said),
        (Bin::Client | Bin::Async, _) => client(board, built, bin, python, &mut said),
        (Bin::Server, _) => server(board, built, python, &mut said),
        (Bin::Critical, _) => alone(board, built, bin, &mut said)
            .and_then(|()| figures::does_not_grow(&said))
            .map(|checked| println!("{checked}")),
        (Bin::Stack | Bin::Mqtt, _) => alone(board, built, bin, &mut said),
    };
    let took = started.elapsed();
    let footprint = built.footprint(bin);
    let result = played.and(footprint.as_ref().map(|_| ()).map_err(String::clone));
    let ran = Ran {
        result: if result.is_ok() { "pass" } else { "FAIL" },
        footprint: footprint.ok(),
        took,
        said,
        ..not_run(board, bin)
    };
    let verdict = result.map_or_else(Verdict::Fail, |()| Verdict::Pass);
    Ok((ran, verdict))
}

/// The firmware has to end on its own, with exit code 0 and its last word.
fn good_end(mut machine: Machine, bin: Bin, said: &mut Vec<String>) -> Result {
    let ended = machine.end();
    let last = format!("{}: ok", bin.name());
    let result = match ended {
        Ok(status) if !status.success() => Err(machine.complaint(&status.to_string())),
        Ok(_) if !machine.said.contains(&last) => {
            Err(machine.complaint(&format!("it never said `{last}`")))
        }
        Ok(_) => Ok(()),
        Err(why) => Err(why),
    };
    *said = machine.said;
    result
}

fn alone(board: &Board, built: &Built, bin: Bin, said: &mut Vec<String>) -> Result {
    let machine = Machine::start(board, built, bin, None, None, WITHIN)?;
    good_end(machine, bin, said)
}

fn client(board: &Board, built: &Built, bin: Bin, python: &Path, said: &mut Vec<String>) -> Result {
    let peer = peers::Conversation::start(python)?;
    let machine = Machine::start(board, built, bin, Some(peer.port), None, WITHIN)?;
    let ended = good_end(machine, bin, said);
    // The firmware's word first: it was there when the other gave up.
    ended?;
    let keepalive = bin == Bin::Async;
    peer.problem(keepalive).map_or(Ok(()), Err)
}

fn server(board: &Board, built: &Built, python: &Path, said: &mut Vec<String>) -> Result {
    let port = free_port()?;
    let mut machine = Machine::start(board, built, Bin::Server, None, Some(port), WITHIN)?;
    machine.wait_for(served::LISTENING)?;
    let opened = peers::visit(python, port).map_err(|why| machine.complaint(&why))?;
    good_end(machine, Bin::Server, said)?;
    let counted = format!("served {opened} connections");
    if said.contains(&counted) {
        Ok(())
    } else {
        Err(format!("it did not say `{counted}` but {said:?}"))
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--board" => options.board = Some(value()?.clone()),
            "--bin" => options.bin = Some(value()?.clone()),
            "--require" => options.require = true,
            "--bless" => options.bless = true,
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}

/// The boards and what to run on each. A firmware that is named runs wherever it can if a board is
/// named too.
fn chosen(options: &Options) -> Result<Vec<(&'static Board, Vec<Bin>)>> {
    let mut chosen = Vec::new();
    for board in BOARDS {
        if options
            .board
            .as_ref()
            .is_some_and(|name| name != board.name)
        {
            continue;
        }
        let mut bins = board.bins.to_vec();
        if let Some(name) = &options.bin {
            if options.board.is_some() {
                bins.extend(board.more_bins);
            }
            bins.retain(|bin| bin.name() == name);
        }
        if !bins.is_empty() {
            chosen.push((board, bins));
        }
    }
    if chosen.is_empty() {
        let rows = BOARDS.iter().map(|board| {
            let bins = [board.bins, board.more_bins].concat();
            let bins: Vec<&str> = bins.into_iter().map(Bin::name).collect();
            format!("\n  {}: {}", board.name, bins.join(", "))
        });
        return Err(format!(
            "no such firmware; the boards have:{}",
            rows.collect::<String>()
        ));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(board: Option<&str>, bin: Option<&str>) -> Result<Vec<String>> {
        let options = Options {
            board: board.map(str::to_owned),
            bin: bin.map(str::to_owned),
            ..Options::default()
        };
        let chosen = chosen(&options)?.into_iter();
        Ok(chosen
            .flat_map(|(board, bins)| bins.into_iter().map(move |bin| name(board, bin)))
            .collect())
    }

    #[test]
    fn what_is_asked_for_is_chosen() {
        assert_eq!(
            names(Some("an385"), None).unwrap(),
            ["an385 client", "an385 async", "an385 mqtt"]
        );
        assert_eq!(names(None, Some("server")).unwrap(), ["an386 server"]);
        let named = names(Some("an505"), Some("server")).unwrap();
        assert_eq!(named, ["an505 server"]);
        assert_eq!(names(None, Some("client")).unwrap().len(), 3);
    }

    #[test]
    fn what_is_not_there_is_an_error_and_not_an_empty_run() {
        assert!(names(Some("an1"), None).is_err());
        assert!(names(None, Some("nothing")).is_err());
        assert!(names(Some("netduinoplus2"), Some("server")).is_err());
    }
}
