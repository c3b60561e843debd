//! The suite against a microcontroller: the server of boards/mps2-an386, in QEMU.

use super::play::{Program, Testee, play};
use super::{Options, folder, judge};
use crate::Result;
use crate::measure::qemu::served::Served;
use crate::report::skipped;
use std::path::Path;
use std::time::Duration;

/// All that tests frames and closing. The messages of section 9, up to 16 MiB, would only say how
/// fast the emulation is.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*";

/// Somewhat more than a run may take.
const WITHIN: Duration = Duration::from_secs(620);

/// `cargo xtask autobahn --board`.
pub(super) fn run(options: &Options, kit: &Path) -> Result {
    let served = match Served::start(WITHIN)? {
        Ok(served) => served,
        Err(why) => return skipped(&why, options.require),
    };
    let testee = Testee {
        name: "board".to_owned(),
        is_server: true,
        program: Program::Running(served.port),
    };
    let outcome = play(&testee, &options.cases(CASES), kit, &folder());
    // A server that does not live to end in order has not passed, whatever the suite saw.
    let ended = served.end();
    let outcome = outcome.and_then(|outcome| ended.map(|()| outcome));
    judge(&[testee], vec![outcome], options.require)
}
