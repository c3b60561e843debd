//! Tasks that need more than cargo: `cargo xtask help` lists them.

mod apt;
mod measure;
mod mosquitto;
mod npm;
mod peers;
mod public;
mod report;
mod shell;
mod venv;

use measure::{boards, cost, features, fuzz, insn, panics, qemu, size, targets};
use peers::{attack, autobahn, browser, capi, interop, load, mqtt, tls};
use std::process::ExitCode;

/// What a task ends with; an `Err` is a sentence that says what to do.
type Result<T = ()> = std::result::Result<T, String>;

/// One task: its name, its arguments for the help text, what it does, and its code.
struct Task {
    name: &'static str,
    options: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result,
}

const TASKS: &[Task] = &[
    Task {
        name: "features",
        options: "",
        about: "lint both library crates with every feature set that must build",
        run: features::run,
    },
    Task {
        name: "targets",
        options: "[--require]",
        about: "build both library crates for the firmware targets",
        run: targets::run,
    },
    Task {
        name: "size",
        options: size::OPTIONS,
        about: "measure what the libraries and their peers cost in flash and RAM",
        run: size::run,
    },
    Task {
        name: "cost",
        options: cost::OPTIONS,
        about: "put what is measured into docs/cost.md and README.md, or check that it is there",
        run: cost::run,
    },
    Task {
        name: "public",
        options: public::OPTIONS,
        about: "list every public item in docs/public.md, or check that it is there with its reason",
        run: public::run,
    },
    Task {
        name: "panics",
        options: "[--require]",
        about: "show that no panic is left in linked firmwares",
        run: panics::run,
    },
    Task {
        name: "insn",
        options: insn::OPTIONS,
        about: "count the instructions that frames and handshakes take, in QEMU",
        run: insn::run,
    },
    Task {
        name: "interop",
        options: interop::OPTIONS,
        about: "run `ws` against peers that others wrote",
        run: interop::run,
    },
    Task {
        name: "autobahn",
        options: autobahn::OPTIONS,
        about: "run Autobahn|Testsuite's cases on `ws serve` and both roles, or on others",
        run: autobahn::run,
    },
    Task {
        name: "attack",
        options: attack::OPTIONS,
        about: "play hostile peers and broken pipes against `ws`, and measure what others feel",
        run: attack::run,
    },
    Task {
        name: "qemu",
        options: qemu::OPTIONS,
        about: "run the firmware of boards/mps2-an386 in QEMU",
        run: qemu::run,
    },
    Task {
        name: "fuzz",
        options: fuzz::OPTIONS,
        about: "run the fuzz targets in fuzz/ for some seconds together",
        run: fuzz::run,
    },
    Task {
        name: "mqtt",
        options: mqtt::OPTIONS,
        about: "run five embedded MQTT clients over a WebSocket against mosquitto",
        run: mqtt::run,
    },
    Task {
        name: "capi",
        options: capi::OPTIONS,
        about: "compile, run and judge the library for C programs",
        run: capi::run,
    },
    Task {
        name: "tls",
        options: tls::OPTIONS,
        about: "run the tests over TLS: embedded-tls against rustls, OpenSSL and mosquitto",
        run: tls::run,
    },
    Task {
        name: "boards",
        options: boards::OPTIONS,
        about: "build the firmware of boards/pico-w, and test what it shares with the host",
        run: boards::run,
    },
    Task {
        name: "load",
        options: load::OPTIONS,
        about: "measure `ws serve` with many connections, and in a flood of them",
        run: load::run,
    },
    Task {
        name: "browser",
        options: browser::OPTIONS,
        about: "the page of `ws serve --demo` in headless Chromium",
        run: browser::run,
    },
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = args.collect();
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("xtask: no task `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    match (task.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask {name}: {what}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask TASK [OPTIONS]\n\n");
    for task in TASKS {
        text += &format!("  {} {}\n      {}\n", task.name, task.options, task.about);
    }
    text += "  help\n      this list\n\n";
    text += "--require: what cannot be run here is a failure, not a SKIPPED.\n";
    text
}

/// Takes the options that need no value out of `args`; anything else is refused.
fn only_flags(args: &[String], known: &[&str]) -> Result {
    match args.iter().find(|arg| !known.contains(&arg.as_str())) {
        Some(arg) if known.is_empty() => Err(format!("`{arg}`: this task takes no options")),
        Some(arg) => Err(format!("no option `{arg}`; there is {}", known.join(", "))),
        None => Ok(()),
    }
}
