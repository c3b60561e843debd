//! Log lines, through whichever of `log` and `defmt` is on, or neither. What is logged implements
//! both crates' formatting: numbers, strings, and [`About`].

use crate::WebSocketId;

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

/// In front of a line: the connection that it is about, as `5: `. Nothing where that has no id. It is
/// empty where nothing is logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    #[cfg(any(feature = "log", feature = "defmt"))]
    raw: Option<i32>,
}

impl About {
    /// A connection without an id.
    pub(crate) const NO_ID: Self = Self {
        #[cfg(any(feature = "log", feature = "defmt"))]
        raw: None,
    };

    pub(crate) const fn id(ws: WebSocketId) -> Self {
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = ws;
        Self {
            #[cfg(any(feature = "log", feature = "defmt"))]
            raw: Some(ws.to_raw()),
        }
    }
}

#[cfg(feature = "log")]
impl core::fmt::Display for About {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.raw.map_or(Ok(()), |raw| write!(f, "{raw}: "))
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for About {
    fn format(&self, f: defmt::Formatter<'_>) {
        if let Some(raw) = self.raw {
            defmt::write!(f, "{}: ", raw);
        }
    }
}
