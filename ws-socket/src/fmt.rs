//! Log lines, through whichever of `log` and `defmt` is on, or neither. What is logged implements
//! both crates' formatting: numbers and strings.

macro_rules! debug {
    ($($arg:expr),* $(,)?) => {{
        #[cfg(feature = "log")]
        ::log::debug!($($arg),*);
        #[cfg(feature = "defmt")]
        ::defmt::debug!($($arg),*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = ($(&$arg),*);
    }};
}

pub(crate) use debug;
