//! How to link for the board. Nothing to do where the tests are built for the host.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=memory.x");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_none_or(|os| os != "none") {
        return;
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::copy("memory.x", out.join("memory.x")).expect("OUT_DIR can be written to");
    println!("cargo:rustc-link-search={}", out.display());
    // No padding to pages, cortex-m-rt's script, embassy-rp's boot loader, defmt's strings.
    for arg in ["--nmagic", "-Tlink.x", "-Tlink-rp.x", "-Tdefmt.x"] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
