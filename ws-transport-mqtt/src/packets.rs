//! Where MQTT packets end.

/// Follows a stream of MQTT packets byte by byte, to know where each ends: a type, a remaining
/// length in one to four bytes of seven bits each, and so many bytes (MQTT 3.1.1 and 5.0, section
/// 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packets {
    /// Between packets.
    Between,
    /// Behind the type, and so many bytes of the remaining length.
    Length { value: u32, bytes: u8 },
    /// So many bytes are still to come, at least one.
    Body(u32),
    /// A length that is none: there are no more ends.
    Lost,
}

/// The longest a remaining length may be, in bytes.
const MAX_LENGTH: u8 = 4;

impl Packets {
    /// Is the next byte the first of a packet?
    pub(crate) const fn is_between(self) -> bool {
        matches!(self, Self::Between)
    }

    /// Follows `bytes` at most to the end of the packet that they are in. Returns how many of them
    /// that are, and whether the packet ends with them.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(taken..) {
            let mut count = 1;
            *self = match *self {
                Self::Between => Self::Length { value: 0, bytes: 0 },
                Self::Length { value, bytes } => length(value, bytes, *byte),
                Self::Body(left) => {
                    let all = usize::try_from(left).unwrap_or(usize::MAX);
                    count = rest.len().min(all);
                    // `count` is at most `left`.
                    match left - u32::try_from(count).unwrap_or(left) {
                        0 => Self::Between,
                        left => Self::Body(left),
                    }
                }
                Self::Lost => return (bytes.len(), false),
            };
            taken += count;
            if self.is_between() {
                return (taken, true);
            }
        }
        (taken, false)
    }
}

const fn length(value: u32, bytes: u8, byte: u8) -> Packets {
    let value = value | ((byte & 0x7F) as u32) << (7 * bytes);
    match (byte & 0x80 != 0, value) {
        (true, _) if bytes + 1 == MAX_LENGTH => Packets::Lost,
        (true, value) => Packets::Length {
            value,
            bytes: bytes + 1,
        },
        (false, 0) => Packets::Between,
        (false, value) => Packets::Body(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 2.1.4: the first and last values of each length of the length.
    #[test]
    fn every_length_of_the_length() {
        for (length, encoded) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0x80, 1]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 1]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 1]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut packets = Packets::Between;
            let header = [&[0x30], encoded].concat();
            let ended = packets.follow(&header);
            assert_eq!(ended, (header.len(), length == 0));
            if length > 0 {
                assert_eq!(packets, Packets::Body(length));
            }
        }
    }

    #[test]
    fn a_length_that_does_not_end_is_no_length() {
        let mut packets = Packets::Between;
        assert_eq!(
            packets.follow(&[0x30, 0x80, 0x80, 0x80, 0x80, 0]),
            (6, false)
        );
        assert_eq!(packets, Packets::Lost);
        assert_eq!(packets.follow(&[0xC0, 0]), (2, false));
    }

    #[test]
    fn stops_behind_each_packet() {
        let bytes = [0x30, 2, 1, 2, 0xC0, 0, 0x30, 1];
        let mut packets = Packets::Between;
        assert_eq!(packets.follow(&bytes), (4, true));
        assert_eq!(packets.follow(&bytes[4..]), (2, true));
        assert_eq!(packets.follow(&bytes[6..]), (2, false));
        assert_eq!(packets.follow(&[9, 0xC0]), (1, true));
    }
}
