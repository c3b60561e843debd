//! Mask keys, handshake keys, TCP's numbers and jitter, of a noisy oscillator.

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use ws_socket::handshake::{Sha1, SoftSha1};

/// Samples of eight bits for each half of the seed.
const SAMPLES: usize = 1024;
/// As many equal samples one after another are no noise.
const STUCK: usize = 64;

/// Numbers that a peer cannot predict.
///
/// The RP2040 has no generator of random numbers. It has a ring oscillator that jitters against the
/// crystal; `RoscRng` reads it a bit at a time. Those bits are noise, but neighbours depend on each
/// other and 0 and 1 are not equally frequent, more so with heat and voltage: as mask keys they would
/// be weak. So 16384 of them are taken once and hashed into the seed of ChaCha12, and that generates.
/// A hundredth of a bit of noise in each would do for 160 bits of seed. SHA-1 is what the WebSocket
/// handshake brings along; that it has collisions does not matter here.
pub struct Random(ChaCha12Rng);

/// The source does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck;

impl Random {
    /// Seeded with samples of `noise`.
    ///
    /// # Errors
    /// [`Stuck`] where the same sample comes again and again: the oscillator does not run.
    pub fn from_noise(mut noise: impl FnMut() -> u8) -> Result<Self, Stuck> {
        let mut seed = [0; 32];
        for half in seed.chunks_exact_mut(16) {
            let mut samples = [0; SAMPLES];
            samples.fill_with(&mut noise);
            if samples
                .chunk_by(|one, next| one == next)
                .any(|run| run.len() >= STUCK)
            {
                return Err(Stuck);
            }
            half.copy_from_slice(&digest(&samples));
        }
        Ok(Self(ChaCha12Rng::from_seed(seed)))
    }

    /// Another one, for another task.
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A digest of `samples`: the handshake's SHA-1 takes 24 bytes, so it goes over the samples in
/// steps, four at a time with the digest of those before.
fn digest(samples: &[u8; SAMPLES]) -> [u8; 16] {
    let mut state = [0; 24];
    for four in samples.as_chunks::<4>().0 {
        state[20..].copy_from_slice(four);
        let digest = SoftSha1.sha1(&state);
        state[..20].copy_from_slice(&digest);
    }
    *state.first_chunk().unwrap_or(&[0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source with a counter in it, and one bit of the sample `odd` turned round.
    fn counting(odd: usize) -> impl FnMut() -> u8 {
        let mut count = 0usize;
        move || {
            count += 1;
            (count % 251) as u8 ^ u8::from(count == odd)
        }
    }

    fn first(odd: usize) -> [u8; 64] {
        let mut bytes = [0; 64];
        Random::from_noise(counting(odd)).unwrap().fill(&mut bytes);
        bytes
    }

    fn bits_that_differ(one: &[u8], other: &[u8]) -> u32 {
        let pairs = one.iter().zip(other);
        pairs.map(|(one, other)| (one ^ other).count_ones()).sum()
    }

    #[test]
    fn each_sample_counts() {
        let reference = first(0);
        assert_eq!(first(0), reference);
        for odd in [1, 2, SAMPLES, SAMPLES + 1, 2 * SAMPLES] {
            // Half of 512, give or take eight standard deviations.
            let differ = bits_that_differ(&first(odd), &reference);
            assert!((166..=346).contains(&differ), "sample {odd}: {differ}");
        }
    }

    #[test]
    fn forks_go_their_own_ways() {
        let mut random = Random::from_noise(counting(0)).unwrap();
        let mut fork = random.fork();
        let (mut one, mut other) = ([0; 64], [0; 64]);
        random.fill(&mut one);
        fork.fill(&mut other);
        assert!((166..=346).contains(&bits_that_differ(&one, &other)));
        assert_ne!(random.number(), random.number());
    }

    #[test]
    fn an_oscillator_that_stands_is_found() {
        for level in [0, 0xFF] {
            assert!(Random::from_noise(|| level).is_err());
        }
        // In the second half only.
        let mut counter = counting(0);
        let mut count = 0;
        let stops = || {
            count += 1;
            if count > SAMPLES + 10 { 0 } else { counter() }
        };
        assert!(Random::from_noise(stops).is_err());
    }
}
