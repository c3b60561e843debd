//! `cargo xtask mqtt --ram`: what a connection to a broker takes of a Cortex-M4's memory.

use crate::measure::elf;
use crate::measure::size::probes::{PROBES, TARGET, ensure_target};
use crate::report::skipped;
use crate::{Result, shell};

/// The symbol in the probe, and what it is.
const SIZES: &[(&str, &str)] = &[
    ("mqtt_stream", "`MqttStream`, with a TCP socket of 4 bytes"),
    (
        "mqtt_place",
        "a connection of `MqttStack`, with a TCP socket of 4 bytes",
    ),
    ("mqtt_stack", "`MqttStack` without its connections"),
];

/// Prints the table.
pub(super) fn run(require: bool) -> Result {
    if !ensure_target()? {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return skipped(&what, require);
    }
    let (mut build, built) = PROBES.command("compact,mqtt", "s", &[]);
    shell::capture(build.args(["--bin", "mqtt-sizes"]))?;
    let sizes = elf::sizes(&built.join("mqtt-sizes"))?;
    println!("{TARGET}; the buffers that are lent come on top\n");
    println!("| RAM | bytes |\n| --- | --: |");
    for (name, what) in SIZES {
        let bytes = sizes
            .get(*name)
            .ok_or_else(|| format!("the probe has no symbol `{name}`"))?;
        println!("| {what} | {bytes} |");
    }
    Ok(())
}
