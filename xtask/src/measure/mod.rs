//! What is built, looked into and measured here, against agreed figures. Nobody else's server or client
//! is needed for it, but for the firmware in `qemu`, which talks to peers on the host.

mod baseline;
pub(crate) mod boards;
pub(crate) mod cost;
pub(crate) mod elf;
pub(crate) mod features;
pub(crate) mod fuzz;
pub(crate) mod insn;
pub(crate) mod panics;
pub(crate) mod qemu;
pub(crate) mod size;
pub(crate) mod targets;
