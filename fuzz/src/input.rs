//! Reading a fuzzer's bytes: whatever they are, they mean something.

/// The bytes that are left. Behind their end stand zeros.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// At most `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        let value = if most < 256 {
            usize::from(self.byte())
        } else {
            usize::from(self.word())
        };
        value % (most + 1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.up_to(choices.len() - 1)]
    }

    /// `count` bytes, or what is left.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Up to four lengths of pieces, taken in turn.
    pub(crate) fn cuts(&mut self) -> Cuts {
        let count = self.up_to(4);
        Cuts((0..count).map(|_| usize::from(self.byte())).collect())
    }
}

/// Where a stream is cut: lengths of pieces, taken in turn. None: it is not cut.
#[derive(Debug, Clone)]
pub(crate) struct Cuts(Vec<usize>);

impl Cuts {
    /// The bytes up to each cut. A length of zero is an empty piece, and a byte behind it.
    pub(crate) fn ends(&self, length: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        let mut at = 0;
        let mut cuts = self.0.iter().cycle();
        while at < length {
            match cuts.next() {
                Some(0) => {
                    ends.push(at);
                    at += 1;
                }
                Some(cut) => at += cut,
                None => at = length,
            }
            ends.push(at.min(length));
        }
        ends
    }
}
