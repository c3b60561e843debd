//! Node with the pinned packages of tests/interop/package.json, in the cache.

use crate::{Result, npm, shell};
use std::path::PathBuf;

/// The folder of the packages, for NODE_PATH; installs them where that was not done yet. The error
/// says why it can't be had on this machine.
pub(super) fn ready() -> Result<PathBuf> {
    npm::ready("tests/interop", &shell::cache().join("interop/node"))
}
