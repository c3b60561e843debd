//! What was measured, and whether it may be so.

use std::fmt;
use std::time::Duration;

/// A neighbour's worst echo may be so many times its worst without the attack…
const TIMES: u32 = 5;
/// …or this long, whichever is longer…
const UNNOTICED: Duration = Duration::from_millis(100);
/// …and never longer than this.
const STOPPED: Duration = Duration::from_secs(1);
/// A newcomer is served within this.
pub(super) const SERVED_WITHIN: Duration = Duration::from_secs(3);
/// A signal ends the program within this.
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Memory may grow by this in the second minute, in KiB.
const GROWTH: u64 = 1024;

/// How long things took.
#[derive(Debug, Default, Clone)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn worst(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    pub(super) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, worst) = (self.median(), self.worst());
        write!(f, "{} / {} ms of {}", ms(median), ms(worst), self.count())
    }
}

/// Milliseconds, as precise as they are of interest.
pub(super) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.0}")
    }
}

/// What one attack came to.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// The neighbour's echo without the attack, of this run.
    pub(super) without: Times,
    /// The neighbour's echo during the attack.
    pub(super) with: Times,
    /// Why the neighbour's connection ended, if it did.
    pub(super) lost: Option<String>,
    /// How long newcomers waited until they were served, or told that there is no room.
    pub(super) newcomers: Times,
    /// Why a newcomer was not served.
    pub(super) unserved: Vec<String>,
    /// How often something was done to the server: nothing was attacked where that is none.
    pub(super) blows: u64,
    /// How long the program took to end at SIGTERM; none where it did not.
    pub(super) ended: Option<Duration>,
    /// What it ended with, where that is not what it should be.
    pub(super) exit: Option<String>,
    /// It has ended in order amid the attack, and may.
    pub(super) ends_itself: bool,
    /// What it had in memory before the attack and at its end, in KiB.
    pub(super) memory: Option<(u64, u64)>,
    /// By how much that may grow, in KiB.
    pub(super) may_grow: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "echo {}, attacked {}; newcomer {}",
            self.without, self.with, self.newcomers
        )?;
        if let Some(ended) = self.ended {
            write!(f, "; SIGTERM {:.2} s", ended.as_secs_f64())?;
        }
        if let Some((_, most)) = self.memory {
            write!(f, "; {:.1} MiB", mib(most))?;
        }
        Ok(())
    }
}

impl Figures {
    /// What is wrong with an attack's figures: nothing where they are good.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.ends_itself {
            problems.extend(self.others());
        }
        match self.ended {
            Some(took) if took <= ENDS_WITHIN => {}
            Some(took) => problems.push(format!("SIGTERM took {:.1} s", took.as_secs_f64())),
            None => problems.push("SIGTERM did not end it".to_owned()),
        }
        if let Some(exit) = &self.exit {
            problems.push(format!("it ended with {exit}"));
        }
        if let Some((before, most)) = self.memory
            && most > before + self.may_grow
        {
            problems.push(format!(
                "{:.1} MiB in memory, {:.1} before",
                mib(most),
                mib(before)
            ));
        }
        problems
    }
}

impl Figures {
    /// What is wrong with what the neighbour and newcomers felt.
    fn others(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(echo(&self.without, &self.with));
        if let Some(why) = &self.lost {
            problems.push(format!("the neighbour's connection was lost: {why}"));
        }
        if let Some(why) = self.unserved.first() {
            let count = self.unserved.len();
            problems.push(format!("{count} newcomers were not served: {why}"));
        }
        if self.newcomers.count() + self.unserved.len() == 0 {
            problems.push("no newcomer was tried".to_owned());
        }
        if self.newcomers.worst() > SERVED_WITHIN {
            let worst = ms(self.newcomers.worst());
            problems.push(format!("a newcomer waited for {worst} ms"));
        }
        if self.blows == 0 {
            problems.push("nothing was attacked".to_owned());
        }
        problems
    }
}

/// What is wrong with a neighbour's echo.
pub(super) fn echo(without: &Times, with: &Times) -> Option<String> {
    if without.count() == 0 || with.count() == 0 {
        return Some("the neighbour measured nothing".to_owned());
    }
    let (usual, worst) = (without.worst(), with.worst());
    if worst > STOPPED || (worst > UNNOTICED && worst > usual * TIMES) {
        let (worst, usual) = (ms(worst), ms(usual));
        Some(format!(
            "the neighbour waited for {worst} ms, {usual} ms without"
        ))
    } else {
        None
    }
}

/// What is wrong with the memory after each minute, in KiB: it must not go on growing.
pub(super) fn growth(minutes: &[u64]) -> Option<String> {
    let (first, rest) = minutes.split_first()?;
    let (minute, most) = rest.iter().enumerate().max_by_key(|(_, kib)| **kib)?;
    (*most > first + GROWTH).then(|| {
        format!(
            "{:.1} MiB in memory after minute {}, {:.1} after minute 1",
            mib(*most),
            minute + 2,
            mib(*first)
        )
    })
}

/// Counts of KiB here are far below what a float holds exactly.
#[allow(clippy::cast_precision_loss)]
pub(super) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: &[u64]) -> Times {
        Times(ms.iter().copied().map(Duration::from_millis).collect())
    }

    fn good() -> Figures {
        Figures {
            without: times(&[1, 2, 4]),
            with: times(&[2, 3, 90]),
            newcomers: times(&[5, 400]),
            blows: 7,
            ended: Some(Duration::from_secs(4)),
            memory: Some((4_000, 6_000)),
            may_grow: 2_000,
            ..Figures::default()
        }
    }

    #[test]
    fn good_figures_are_good() {
        assert_eq!(good().problems(), [""; 0]);
    }

    #[test]
    fn every_bad_figure_is_refused() {
        type Spoil = fn(&mut Figures);
        let cases: &[(&str, Spoil)] = &[
            ("waited for 101 ms", |it| {
                it.with.add(Duration::from_millis(101))
            }),
            ("measured nothing", |it| it.with = Times::default()),
            ("measured nothing", |it| it.without = Times::default()),
            ("was lost", |it| it.lost = Some("reset".to_owned())),
            ("not served", |it| it.unserved.push("refused".to_owned())),
            ("no newcomer", |it| it.newcomers = Times::default()),
            ("waited for 3001 ms", |it| {
                it.newcomers.add(Duration::from_millis(3_001));
            }),
            ("nothing was attacked", |it| it.blows = 0),
            ("SIGTERM took 5.1 s", |it| {
                it.ended = Some(Duration::from_millis(5_100));
            }),
            ("did not end", |it| it.ended = None),
            ("ended with signal: 6", |it| {
                it.exit = Some("signal: 6".to_owned())
            }),
            ("5.9 MiB in memory", |it| it.memory = Some((4_000, 6_001))),
        ];
        for (expected, spoil) in cases {
            let mut figures = good();
            spoil(&mut figures);
            let problems = figures.problems();
            assert_eq!(problems.len(), 1, "{expected}: {problems:?}");
            let problem = problems.concat();
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn who_may_end_has_no_neighbours_any_more_and_still_ends_in_order() {
        let mut figures = Figures {
            ends_itself: true,
            lost: Some("closed".to_owned()),
            unserved: vec!["refused".to_owned()],
            ..good()
        };
        assert_eq!(figures.problems(), [""; 0]);
        figures.exit = Some("signal: 6".to_owned());
        assert_eq!(figures.problems().len(), 1);
    }

    #[test]
    fn an_echo_may_take_five_times_what_it_takes_without_but_no_second() {
        let worst = |without, with| echo(&times(&[1, without]), &times(&[1, with])).is_none();
        assert!(worst(1, 100));
        assert!(!worst(1, 101));
        assert!(worst(40, 200));
        assert!(!worst(40, 201));
        assert!(worst(400, 1_000));
        assert!(!worst(400, 1_001));
    }

    #[test]
    fn memory_may_grow_by_one_mebibyte_after_the_first_minute() {
        assert_eq!(growth(&[]), None);
        assert_eq!(growth(&[9_000]), None);
        assert_eq!(growth(&[9_000, 10_024, 9_000]), None);
        assert!(growth(&[9_000, 10_025]).is_some());
        assert!(growth(&[9_000, 9_000, 10_025, 9_000]).is_some());
    }

    #[test]
    fn median_and_worst_are_printed() {
        assert_eq!(times(&[30, 1, 2]).to_string(), "2.00 / 30 ms of 3");
        assert_eq!(Times::default().to_string(), "0.00 / 0.00 ms of 0");
    }
}
