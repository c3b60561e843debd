//! The suite against a microcontroller: the server of boards/mps2-an386, in QEMU.

use super::{Options, Party, show, suite};
use crate::Result;
use crate::qemu::served::Served;
use crate::report::{Table, skipped};
use std::path::Path;
use std::time::Duration;

/// The row, and the folder of the report.
const NAME: &str = "board";

/// All that tests frames and closing. The messages of section 9, up to 16 MiB, would only say how
/// fast the emulation is.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*";

/// Somewhat more than the suite may take.
const WITHIN: Duration = Duration::from_secs(320);
const WITHIN_FOR_ALL: Duration = Duration::from_secs(1520);

/// `cargo xtask autobahn --board`.
pub(super) fn run(options: &Options, kit: &Path) -> Result {
    let within = if options.all { WITHIN_FOR_ALL } else { WITHIN };
    let served = match Served::start(within)? {
        Ok(served) => served,
        Err(why) => return skipped(&why, options.require),
    };
    let mut table = Table::new([NAME]);
    let party = Party::Server("mps2-an386", served.port);
    let outcome = suite(NAME, &options.cases(CASES), options, kit, party);
    // A server that does not live to end in order has not passed, whatever the suite saw.
    let ended = served.end();
    let outcome = outcome.and_then(|outcome| ended.map(|()| outcome));
    show(&mut table, &[NAME.to_owned()], vec![outcome]);
    table.finish(options.require)
}
