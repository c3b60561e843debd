//! Compiles what is in C into the archive, where it is built to be linked: in a release build for a
//! Unix. A chip's program compiles `c/ws_glue.c`, and its port, with its own headers.

fn main() {
    for file in ["c/ws_glue.c", "port/posix.c", "include"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=WS_CAPI_CONTEXTS");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_FAMILY", "unix") {
        cc::Build::new()
            .files(["c/ws_glue.c", "port/posix.c"])
            .include("include")
            .std("c11")
            .warnings(true)
            .extra_warnings(true)
            .compile("ws_capi_c");
    }
}
