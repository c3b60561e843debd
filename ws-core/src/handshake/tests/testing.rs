//! What the tests of several files share.

use crate::handshake::{HeadPart, Sha1};
use std::string::String;
use std::vec::Vec;

/// The `sha1` crate, whatever the features.
pub(in crate::handshake) struct CrateSha1;

impl Sha1 for CrateSha1 {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        use ::sha1::Digest;
        ::sha1::Sha1::new()
            .chain_update(key)
            .chain_update(crate::handshake::GUID)
            .finalize()
            .into()
    }
}

/// The parts of a head put together again: what the callback saw, whatever the cuts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::handshake) struct Seen {
    pub(in crate::handshake) method: Vec<u8>,
    pub(in crate::handshake) target: Vec<u8>,
    pub(in crate::handshake) authority: Vec<u8>,
    pub(in crate::handshake) statuses: Vec<u16>,
    pub(in crate::handshake) headers: Vec<(String, String)>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Seen {
    pub(in crate::handshake) fn part(&mut self, part: HeadPart<'_>) {
        match part {
            HeadPart::Method(piece) => self.method.extend(piece),
            HeadPart::Target(piece) => self.target.extend(piece),
            HeadPart::Authority(piece) => self.authority.extend(piece),
            HeadPart::Status(status) => self.statuses.push(status),
            HeadPart::Name(piece) => {
                assert!(self.value.is_empty());
                self.name.extend(piece);
            }
            HeadPart::Value(piece) => {
                // White space in front never gets through.
                assert!(!(self.value.is_empty() && piece.starts_with(b" ")));
                self.value.extend(piece);
            }
            HeadPart::HeaderEnd => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let name = text(core::mem::take(&mut self.name));
                let value = text(core::mem::take(&mut self.value));
                // White space behind the value gets through if a cut was in it.
                let value = value.trim_ascii_end().into();
                self.headers.push((name, value));
            }
        }
    }

    pub(in crate::handshake) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }
}

/// Every way to cut `len` bytes in two, then the whole in pieces of 1, 2, 3, 5 and 16 bytes.
pub(in crate::handshake) fn cuts(len: usize) -> impl Iterator<Item = Vec<usize>> {
    let twos = (0..=len).map(move |at| std::vec![at, len - at]);
    let pieces = [1, 2, 3, 5, 16].into_iter().map(move |size| {
        let mut cut = std::vec![size; len / size];
        cut.push(len % size);
        cut
    });
    twos.chain(pieces)
}
