//! The cipher suite, which looks at a message before embedded-tls does: 0.19 takes messages of a
//! handshake in any order, and panics at some.

use aes_gcm::aead::consts::{U0, U12, U16};
use aes_gcm::aead::{self, AeadCore, AeadInPlace, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Key, KeyInit, KeySizeUser};
use digest::core_api::BlockSizeUser;
use digest::{Digest, FixedOutput, HashMarker, Output, OutputSizeUser, Reset, Update};
use embedded_tls::{Aes128GcmSha256, TlsCipherSuite};

type Aes = Aes128GcmSha256;
type Sha256 = <Aes as TlsCipherSuite>::Hash;

/// What [`Watch`](crate::watch::Watch) makes of the version in a record's header, which means nothing
/// (RFC 8446 section 5.1), once TLS is open.
pub(crate) const OPEN: u8 = 0xFF;

/// Types of messages (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SESSION_TICKET: u8 = 4;
const EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;

/// `TLS_AES_128_GCM_SHA256` for messages that are in order.
pub(crate) struct Suite;

impl TlsCipherSuite for Suite {
    const CODE_POINT: u16 = Aes::CODE_POINT;
    type Cipher = Guard;
    type KeyLen = <Aes as TlsCipherSuite>::KeyLen;
    type IvLen = <Aes as TlsCipherSuite>::IvLen;
    type Hash = InOrder;
    type LabelBufferSize = <Aes as TlsCipherSuite>::LabelBufferSize;
}

/// The cipher. A record with a message that a server must not send there fails, as one does that was
/// altered.
pub(crate) struct Guard(Aes128Gcm);

impl KeySizeUser for Guard {
    type KeySize = U16;
}

impl KeyInit for Guard {
    fn new(key: &Key<Self>) -> Self {
        Self(Aes128Gcm::new(key))
    }
}

impl AeadCore for Guard {
    type NonceSize = U12;
    type TagSize = U16;
    type CiphertextOverhead = U0;
}

impl AeadInPlace for Guard {
    fn encrypt_in_place_detached(
        &self,
        nonce: &Nonce<Self>,
        header: &[u8],
        buffer: &mut [u8],
    ) -> aead::Result<Tag<Self>> {
        self.0.encrypt_in_place_detached(nonce, header, buffer)
    }

    fn decrypt_in_place_detached(
        &self,
        nonce: &Nonce<Self>,
        header: &[u8],
        buffer: &mut [u8],
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        let &[kind, _, version, high, low] = header else {
            return Err(aead::Error);
        };
        let header = [kind, 3, 3, high, low];
        self.0
            .decrypt_in_place_detached(nonce, &header, buffer, tag)?;
        may_come(buffer, version == OPEN)
            .then_some(())
            .ok_or(aead::Error)
    }
}

/// May a server send this record, its content type and padding behind it?
fn may_come(record: &[u8], open: bool) -> bool {
    let end = record.iter().rposition(|&byte| byte != 0);
    let Some((&kind, content)) = end
        .and_then(|end| record.get(..=end))
        .and_then(<[u8]>::split_last)
    else {
        return false;
    };
    match kind {
        21 => content.len() == 2,
        22 => messages_may_come(content, open),
        23 => open,
        _ => false,
    }
}

/// May a server send these messages? Each has to be there whole, since embedded-tls 0.19 puts none
/// together.
fn messages_may_come(mut rest: &[u8], open: bool) -> bool {
    if rest.is_empty() {
        return false;
    }
    while let &[kind, 0, high, low, ref behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(next) = behind.get(length..) else {
            return false;
        };
        let may = match (open, kind) {
            (true, SESSION_TICKET | KEY_UPDATE) => true,
            (false, EXTENSIONS | CERTIFICATE | CERTIFICATE_REQUEST | CERTIFICATE_VERIFY) => true,
            // The keys change behind it.
            (false, FINISHED) => length == 32 && next.is_empty(),
            _ => false,
        };
        if !may {
            return false;
        }
        rest = next;
    }
    rest.is_empty()
}

/// The hash of a handshake. Where a message of the server's is out of order it goes wrong, so that no
/// signature and no Finished is right any more.
#[derive(Clone, Default)]
pub(crate) struct InOrder {
    hash: Sha256,
    at: At,
}

#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Begin,
    /// In the ClientHello, which comes in two parts where there is a pre-shared key.
    Hello,
    /// Behind a message of this type.
    Message(u8),
    /// Also where it is no handshake that is hashed.
    End,
}

impl Update for InOrder {
    fn update(&mut self, bytes: &[u8]) {
        // The order: RFC 8446 section 2. An HMAC begins with a block of 64 bytes.
        let (kind, whole) = match bytes {
            [kind, 0, high, low, body @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                (*kind, body.len() == length)
            }
            _ => (0, false),
        };
        self.at = match (self.at, kind) {
            (At::Begin, CLIENT_HELLO) if whole => At::Message(CLIENT_HELLO),
            (At::Begin, CLIENT_HELLO) if bytes.len() > 64 => At::Hello,
            (At::Hello, _) => At::Message(CLIENT_HELLO),
            (At::Begin | At::End, _) => At::End,
            // Without a certificate: by a pre-shared key. Whether there has to be one the verifier knows.
            (At::Message(CERTIFICATE_VERIFY | EXTENSIONS), FINISHED) if whole => At::End,
            (At::Message(CLIENT_HELLO), SERVER_HELLO)
            | (At::Message(SERVER_HELLO), EXTENSIONS)
            | (At::Message(EXTENSIONS), CERTIFICATE | CERTIFICATE_REQUEST)
            | (At::Message(CERTIFICATE_REQUEST), CERTIFICATE)
            | (At::Message(CERTIFICATE), CERTIFICATE_VERIFY)
                if whole =>
            {
                At::Message(kind)
            }
            _ => {
                Update::update(&mut self.hash, b"out of order");
                At::Message(0)
            }
        };
        Update::update(&mut self.hash, bytes);
    }
}

impl FixedOutput for InOrder {
    fn finalize_into(self, out: &mut Output<Self>) {
        FixedOutput::finalize_into(self.hash, out);
    }
}

impl OutputSizeUser for InOrder {
    type OutputSize = <Sha256 as OutputSizeUser>::OutputSize;
}

impl BlockSizeUser for InOrder {
    type BlockSize = <Sha256 as BlockSizeUser>::BlockSize;
}

impl HashMarker for InOrder {}

impl Reset for InOrder {
    fn reset(&mut self) {
        *self = Digest::new();
    }
}
