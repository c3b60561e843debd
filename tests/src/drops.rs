//! Every way to cut a script and to drop a future, and how many that were.

use std::cell::Cell;

use crate::hand::Dropper;
use crate::wire::Script;

thread_local! {
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work` with a future dropped at its first poll, its second, and so on until it is through
/// without a drop; then with a drop at each poll, and at every third.
pub fn everywhere(mut work: impl FnMut(&mut Dropper)) {
    for nth in 1.. {
        let mut dropper = Dropper::once(nth);
        work(&mut dropper);
        RUNS.set(RUNS.get() + 1);
        if dropper.dropped == 0 {
            break;
        }
    }
    for every in [1, 3] {
        work(&mut Dropper::each(every));
        RUNS.set(RUNS.get() + 1);
    }
}

/// Says how much was done. `cargo test --test cancellation -- --nocapture` shows it.
pub fn count(what: &str) {
    let runs = RUNS.replace(0);
    assert!(runs > 100, "{what}: only {runs} runs");
    println!("{what}: {runs} runs, each with another cut or drop");
}

/// Reads cut at, writes of at most, how often each call waits.
pub fn scripts() -> impl Iterator<Item = Script> {
    let whole = usize::MAX;
    let cuts = (1..=16).map(move |cut| (cut, whole, 1));
    let takes = (1..=8).map(move |take| (whole, take, 1));
    let both = [
        (1, 1, 1),
        (whole, whole, 1),
        (whole, whole, 2),
        (3, 5, 1),
        (7, 2, 0),
    ];
    cuts.chain(takes)
        .chain(both)
        .map(|(cut, take, pends)| Script::cut(cut, take, pends))
}
