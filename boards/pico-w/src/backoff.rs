//! How long to wait before the next attempt.

/// Waits that double up to a limit, each drawn from the upper half of what it could be: boards that
/// lose their server at the same moment do not all come back at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: u32,
    longest: u32,
    /// The longest that the next wait can be.
    next: u32,
}

impl Backoff {
    /// Waits of `first` milliseconds at most, then twice as much, up to `longest`.
    pub const fn new(first: u32, longest: u32) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// How many milliseconds to wait now; `random` is any number. Longer the next time.
    pub fn wait(&mut self, random: u32) -> u32 {
        let most = self.next.min(self.longest);
        self.next = most.saturating_mul(2);
        let half = most / 2;
        // Half of what fits, and one: that fits.
        half + random % (most - half + 1)
    }

    /// It worked: the next wait is a short one again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let mut backoff = Backoff::new(500, 30_000);
        // A number that leaves nothing of the jitter.
        let waits: Vec<u32> = (0..9).map(|_| backoff.wait(0)).collect();
        let half = [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000];
        assert_eq!(waits, half);
        backoff.reset();
        assert_eq!(backoff.wait(0), 250);
    }

    #[test]
    fn jitter_is_in_the_upper_half_and_reaches_both_ends() {
        let waits = (0..10_000).map(|random| {
            let mut backoff = Backoff::new(1000, 1000);
            backoff.wait(random)
        });
        let waits: Vec<u32> = waits.collect();
        assert_eq!(waits.iter().min(), Some(&500));
        assert_eq!(waits.iter().max(), Some(&1000));
    }

    #[test]
    fn no_numbers_are_too_large() {
        for random in [0, 1, u32::MAX] {
            let mut backoff = Backoff::new(u32::MAX, u32::MAX);
            for _ in 0..3 {
                assert!(backoff.wait(random) >= u32::MAX / 2);
            }
            assert_eq!(Backoff::new(0, 0).wait(random), 0);
        }
    }
}
