//! Where the memory of the board lies, and how to link for it.

use std::path::PathBuf;

/// Feature, flash and RAM; all of it is what QEMU gives the board.
const BOARDS: &[(&str, &str, &str)] = &[
    (
        "an385",
        "ORIGIN = 0x00000000, LENGTH = 4M",
        "ORIGIN = 0x20000000, LENGTH = 4M",
    ),
    (
        "an386",
        "ORIGIN = 0x00000000, LENGTH = 4M",
        "ORIGIN = 0x20000000, LENGTH = 4M",
    ),
    (
        "an386-alone",
        "ORIGIN = 0x00000000, LENGTH = 4M",
        "ORIGIN = 0x20000000, LENGTH = 4M",
    ),
    (
        "an505",
        "ORIGIN = 0x10000000, LENGTH = 4M",
        "ORIGIN = 0x38000000, LENGTH = 4M",
    ),
    (
        "netduinoplus2",
        "ORIGIN = 0x08000000, LENGTH = 1M",
        "ORIGIN = 0x20000000, LENGTH = 128K",
    ),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let chosen: Vec<_> = BOARDS
        .iter()
        .filter(|(feature, ..)| {
            let name = feature.to_uppercase().replace('-', "_");
            std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
        })
        .collect();
    let [(_, flash, ram)] = chosen[..] else {
        let names: Vec<_> = BOARDS.iter().map(|(feature, ..)| *feature).collect();
        panic!(
            "choose one board by --features: {} ({} are chosen)",
            names.join(", "),
            chosen.len()
        );
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let script = format!("MEMORY\n{{\n  FLASH : {flash}\n  RAM : {ram}\n}}\n");
    std::fs::write(out.join("memory.x"), script).expect("OUT_DIR can be written to");
    println!("cargo:rustc-link-search={}", out.display());
    // cortex-m-rt's script, which includes memory.x. No padding to pages, which flash does not have.
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
}
