//! What the tests of this crate share: frames made and read by hand, and a wire that cuts.

/// A frame as it stands on the wire.
pub(crate) fn frame(fin: bool, opcode: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from([opcode | if fin { 0x80 } else { 0 }]);
    let masked = if key.is_some() { 0x80 } else { 0 };
    match payload.len() {
        n @ 0..=125 => bytes.push(masked | n as u8),
        n @ 126..=65535 => {
            bytes.push(masked | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(masked | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    let key = key.inspect(|key| bytes.extend(key)).unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// FIN, opcode and payload of frames.
pub(crate) type Frames = Vec<(bool, u8, Vec<u8>)>;

/// The whole frames at the front of `bytes`: FIN, opcode, payload, and what stands behind them.
fn split(mut bytes: &[u8]) -> (Frames, &[u8]) {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second & 0x7F {
            126 if rest.len() >= 2 => (u16::from_be_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            127 if rest.len() >= 8 => (
                u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize,
                &rest[8..],
            ),
            126 | 127 => break,
            n => (n as usize, rest),
        };
        let key_length = if second & 0x80 != 0 { 4 } else { 0 };
        if rest.len() < key_length + length {
            break;
        }
        let (key, rest) = rest.split_at(key_length);
        let (payload, rest) = rest.split_at(length);
        let key = if key.is_empty() { &[0; 4] } else { key };
        let payload = payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(b, k)| b ^ k)
            .collect();
        frames.push((first & 0x80 != 0, first & 0x7F, payload));
        bytes = rest;
    }
    (frames, bytes)
}

/// The whole frames at the front of `bytes`.
pub(crate) fn frames_of(bytes: &[u8]) -> Frames {
    split(bytes).0
}

/// The same frames as a server sends them.
pub(crate) fn unmasked(bytes: &[u8]) -> Vec<u8> {
    let (frames, rest) = split(bytes);
    let mut bytes = Vec::new();
    for (fin, opcode, payload) in frames {
        bytes.extend(frame(fin, opcode, None, &payload));
    }
    bytes.extend(rest);
    bytes
}

/// A stream that delivers in pieces of given lengths and takes in pieces of given lengths.
pub(crate) struct Wire {
    incoming: Vec<u8>,
    reads: Vec<usize>,
    next_read: usize,
    takes: Vec<usize>,
    next_take: usize,
    window: usize,
    eof: bool,
    pub(crate) written: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(incoming: &[u8]) -> Self {
        Self::cycling(incoming, &[usize::MAX], &[usize::MAX])
    }

    /// Reads and writes of at most `reads` and `takes` bytes, in turn.
    pub(crate) fn cycling(incoming: &[u8], reads: &[usize], takes: &[usize]) -> Self {
        Self {
            incoming: incoming.to_vec(),
            reads: reads.to_vec(),
            next_read: 0,
            takes: takes.to_vec(),
            next_take: 0,
            window: usize::MAX,
            eof: false,
            written: Vec::new(),
        }
    }

    pub(crate) fn cut_at(incoming: &[u8], cuts: &[usize]) -> Self {
        let mut last = 0;
        let mut reads: Vec<usize> = cuts
            .iter()
            .map(|cut| cut - std::mem::replace(&mut last, *cut))
            .collect();
        reads.retain(|read| *read > 0);
        reads.push(usize::MAX);
        Self::cycling(incoming, &reads, &[usize::MAX])
    }

    pub(crate) fn limits(mut self, read: usize, take: usize) -> Self {
        (self.reads, self.takes) = (Vec::from([read]), Vec::from([take]));
        self
    }

    /// Takes no more than `window` bytes before it is unblocked.
    pub(crate) fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    pub(crate) fn eof(mut self) -> Self {
        self.eof = true;
        self
    }

    pub(crate) fn is_eof(&self) -> bool {
        self.eof && self.incoming.is_empty()
    }

    pub(crate) fn unblock(&mut self) {
        self.window = usize::MAX;
        self.takes = Vec::from([usize::MAX]);
        self.next_take = 0;
    }

    pub(crate) fn read(&mut self, out: &mut [u8]) -> Option<usize> {
        let at_most = self.reads[self.next_read % self.reads.len()];
        let count = self.incoming.len().min(out.len()).min(at_most);
        if count == 0 {
            return None;
        }
        // A cut is where the stream is cut, whatever the buffer: the rest of a piece comes next.
        let slot = self.next_read % self.reads.len();
        if count == at_most {
            self.next_read += 1;
        } else if at_most != usize::MAX && self.next_read < self.reads.len() {
            self.reads[slot] -= count;
        }
        out[..count].copy_from_slice(&self.incoming[..count]);
        self.incoming.drain(..count);
        Some(count)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let at_most = self.takes[self.next_take % self.takes.len()];
        self.next_take += 1;
        let count = bytes.len().min(at_most).min(self.window);
        self.window -= count;
        self.written.extend_from_slice(&bytes[..count]);
        count
    }
}
