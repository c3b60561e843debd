//! Firmware for boards that need real hardware to run: it builds, it fits, it says what its build
//! lacks, and what it shares with the host passes its tests there.

use crate::measure::elf;
use crate::measure::targets::{self, firmware_flags};
use crate::report::{Table, Verdict};
use crate::{Result, only_flags, shell};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const OPTIONS: &str = "[--require]";

/// A package of firmware in `boards`.
struct Board {
    name: &'static str,
    target: &'static str,
    /// Flash and RAM of the chip, in bytes.
    flash: u64,
    ram: u64,
    bins: &'static [Bin],
}

struct Bin {
    name: &'static str,
    /// What its build asks of the environment.
    environment: &'static [Variable],
}

/// An environment variable of a build.
struct Variable {
    name: &'static str,
    /// One that does for a build.
    dummy: &'static str,
    /// One that cannot be right, and what is said then.
    wrong: &'static str,
    complaint: &'static str,
}

/// What a firmware takes, as rows of tables.
struct Figures {
    memory: String,
    tasks: Vec<String>,
}

const WIFI_SSID: Variable = Variable {
    name: "WIFI_SSID",
    dummy: "network",
    wrong: "",
    complaint: "WIFI_SSID has 1 to 32 bytes",
};
const WIFI_PASSWORD: Variable = Variable {
    name: "WIFI_PASSWORD",
    dummy: "password",
    wrong: "seven77",
    complaint: "WIFI_PASSWORD has 8 to 63 characters",
};
const WS_URL: Variable = Variable {
    name: "WS_URL",
    dummy: "ws://device.example:8080/path",
    wrong: "wss://device.example/",
    complaint: "WS_URL begins with ws://",
};

const BOARDS: &[Board] = &[Board {
    name: "pico-w",
    target: "thumbv6m-none-eabi",
    flash: 2 << 20,
    ram: 264 << 10,
    bins: &[
        Bin {
            name: "client",
            environment: &[WIFI_SSID, WIFI_PASSWORD, WS_URL],
        },
        Bin {
            name: "server",
            environment: &[WIFI_SSID, WIFI_PASSWORD],
        },
    ],
}];

/// `cargo xtask boards`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    let names: Vec<String> = BOARDS.iter().flat_map(Board::rows).collect();
    let mut table = Table::new(names.iter().map(String::as_str));
    let mut figures = Vec::new();
    for board in BOARDS {
        board.on_host(&mut table);
        if targets::installed(&[board.target])?.is_empty() {
            let what = format!(
                "the target is missing; run: rustup target add {}",
                board.target
            );
            table.row(&board.row("firmware"), Duration::ZERO, Verdict::Skip(what));
            continue;
        }
        board.firmware(&mut table, &mut figures);
    }
    println!("\n| board | firmware | flash | of | static RAM | of |");
    println!("| --- | --- | --: | --: | --: | --: |");
    for figures in &figures {
        println!("{}", figures.memory);
    }
    println!("\n| board | firmware | task | its RAM |");
    println!("| --- | --- | --- | --: |");
    for line in figures.iter().flat_map(|figures| &figures.tasks) {
        println!("{line}");
    }
    table.finish(require)
}

impl Board {
    fn row(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }

    /// The names of all rows.
    fn rows(&self) -> Vec<String> {
        let bins = self.bins.iter().flat_map(|bin| {
            let variables = bin.environment.iter();
            let without = variables.map(|variable| bin.without(variable));
            std::iter::once(bin.name.to_owned()).chain(without)
        });
        let fixed = ["format", "lints", "lints of the tests", "tests", "firmware"];
        let fixed = fixed.map(str::to_owned).into_iter();
        fixed.chain(bins).map(|what| self.row(&what)).collect()
    }

    /// A cargo command in the board's folder, with the whole environment or none of it.
    fn cargo(&self, args: &[&str], target: &str, environment: &[Variable]) -> Command {
        let mut command = shell::cargo(args);
        command
            .args(["--locked", "--quiet", "--target", target])
            .current_dir(shell::root().join("boards").join(self.name))
            .env("CARGO_TARGET_DIR", folder())
            // Instead of whatever the environment has: the figures must not depend on it.
            .env("DEFMT_LOG", "info");
        firmware_flags(&mut command, vec!["-Dwarnings".to_owned()]);
        for variable in [WIFI_SSID, WIFI_PASSWORD, WS_URL] {
            command.env_remove(variable.name);
        }
        for variable in environment {
            command.env(variable.name, variable.dummy);
        }
        command
    }

    /// What needs no target.
    fn on_host(&self, table: &mut Table) {
        let mut format = shell::cargo(&["fmt", "--check"]);
        format.current_dir(shell::root().join("boards").join(self.name));
        let mut lints = self.cargo(&["clippy", "--lib", "--tests"], "host-tuple", &[]);
        lints.args(["--", "-Dwarnings"]);
        let mut tests = self.cargo(&["test", "--lib"], "host-tuple", &[]);
        for (what, command) in [
            ("format", &mut format),
            ("lints of the tests", &mut lints),
            ("tests", &mut tests),
        ] {
            let (took, verdict) = shell::verdict(command);
            table.row(&self.row(what), took, verdict);
        }
    }

    /// What is built for the chip.
    fn firmware(&self, table: &mut Table, figures: &mut Vec<Figures>) {
        let all = [WIFI_SSID, WIFI_PASSWORD, WS_URL];
        let mut lints = self.cargo(&["clippy", "--release"], self.target, &all);
        lints.args(["--", "-Dwarnings"]);
        let (took, verdict) = shell::verdict(&mut lints);
        table.row(&self.row("lints"), took, verdict);
        for bin in self.bins {
            let began = Instant::now();
            let verdict = match self.build(bin) {
                Ok(built) => {
                    figures.push(built);
                    Verdict::Pass
                }
                Err(why) => Verdict::Fail(why),
            };
            table.row(&self.row(bin.name), began.elapsed(), verdict);
            for variable in bin.environment {
                let began = Instant::now();
                let verdict = match self.refuse(bin, variable) {
                    Ok(()) => Verdict::Pass,
                    Err(why) => Verdict::Fail(why),
                };
                table.row(&self.row(&bin.without(variable)), began.elapsed(), verdict);
            }
        }
    }

    /// Builds one firmware, and says what it takes.
    fn build(&self, bin: &Bin) -> Result<Figures> {
        let build = ["build", "--release", "--bin", bin.name];
        shell::capture(&mut self.cargo(&build, self.target, bin.environment))?;
        let file = folder().join(self.target).join("release").join(bin.name);
        let (flash, ram) = (elf::flash(&file)?.total, elf::static_ram(&file)?);
        if flash > self.flash || ram > self.ram {
            return Err(format!(
                "{flash} bytes of flash and {ram} of RAM do not fit"
            ));
        }
        let columns = format!("| {} | {}", self.name, bin.name);
        let (flash_size, ram_size) = (self.flash, self.ram);
        let tasks = elf::tasks(&file)?;
        let tasks = tasks.iter();
        Ok(Figures {
            memory: format!("{columns} | {flash} | {flash_size} | {ram} | {ram_size} |"),
            tasks: tasks
                .map(|(task, bytes)| format!("{columns} | `{task}` | {bytes} |"))
                .collect(),
        })
    }

    /// Without the variable, and with a wrong one, there is no build, and it is said why.
    fn refuse(&self, bin: &Bin, variable: &Variable) -> Result {
        let build = ["build", "--release", "--bin", bin.name];
        let mut missing = self.cargo(&build, self.target, bin.environment);
        missing.env_remove(variable.name);
        let not_set = format!("the environment variable {} is not set", variable.name);
        complains(&mut missing, &not_set)?;
        let mut wrong = self.cargo(&build, self.target, bin.environment);
        wrong.env(variable.name, variable.wrong);
        complains(&mut wrong, variable.complaint)
    }
}

impl Bin {
    fn without(&self, variable: &Variable) -> String {
        format!("{} without {}", self.name, variable.name)
    }
}

/// The command has to fail, and to say `what`.
fn complains(command: &mut Command, what: &str) -> Result {
    match shell::capture(command) {
        Ok(_) => Err(format!("it builds, and does not say: {what}")),
        Err(why) if why.contains(what) => Ok(()),
        Err(why) => Err(format!("it does not say: {what}\n{why}")),
    }
}

/// Where cargo puts what it builds for boards.
fn folder() -> PathBuf {
    shell::target_folder().join("boards")
}
