//! Is it the server that is wanted?

use core::mem;
use core::time::Duration;

use digest::Digest as _;
use embedded_tls::alert::AlertDescription;
use embedded_tls::{
    Certificate, CertificateEntryRef, CertificateRef, CertificateVerifyRef, CryptoProvider,
    CryptoRngCore, MaxFragmentLength, SignatureScheme, TlsConfig, TlsError, TlsVerifier,
};
use p256::ecdsa::signature::SignerMut;
use pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use sha2::Sha256;
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, anchor_from_trusted_cert};
use ws_socket::RandomError;

use crate::identity::Identity;
use crate::random::Random;
use crate::server::Trust;
use crate::suite::{InOrder, Suite};
use crate::watch::Notes;
use crate::{Error, Server, Time, keys};

/// Certificates between the server's own and a trust anchor's, at most. A server that sends more is refused.
pub const INTERMEDIATES: usize = 4;

/// The longest public key that is known is that of P-384: 120 bytes.
const KEY: usize = 128;

/// Asks for what the server has to show, and remembers what it has shown.
pub(crate) struct Verify<'s, 'a, R, I> {
    server: &'s Server<'a, I>,
    random: Random<R>,
    has: Has,
    /// Its public key, with its kind (SubjectPublicKeyInfo), once there was a certificate.
    key: [u8; KEY],
    length: usize,
    transcript: Option<InOrder>,
    why: Option<Error>,
}

/// What the server has shown, in this order.
#[derive(PartialEq)]
enum Has {
    Nothing,
    Certificate,
    Key,
    Failed,
}

impl<'s, 'a, R, I> Verify<'s, 'a, R, I>
where
    R: FnMut(&mut [u8]) -> Result<(), RandomError>,
{
    pub(crate) fn new(server: &'s Server<'a, I>, random: R) -> Result<Self, Error> {
        if let Trust::Anchors(_, Time { now: None, .. }) = server.trust {
            return Err(Error::NoClock);
        }
        Ok(Self {
            server,
            random: Random::new(random).map_err(|_| Error::Random)?,
            has: Has::Nothing,
            key: [0; KEY],
            length: 0,
            transcript: None,
            why: None,
        })
    }

    /// What embedded-tls is to ask for, with a buffer of so many bytes to read a record to.
    pub(crate) fn config(&self, room: usize) -> TlsConfig<'s> {
        let server = self.server;
        let mut config = TlsConfig::new();
        if let Some(name) = server.sni() {
            config = config.with_server_name(name);
        }
        if let Trust::Psk { identity, key } = server.trust {
            config = config.with_psk(key, &[identity]);
        }
        // 256 bytes of padding and tag (RFC 8446 section 5.2).
        let fragment = match room {
            16_640.. | ..768 => return config,
            4_352.. => MaxFragmentLength::Bits12,
            2_304.. => MaxFragmentLength::Bits11,
            1_280.. => MaxFragmentLength::Bits10,
            768.. => MaxFragmentLength::Bits9,
        };
        config.with_max_fragment_length(fragment)
    }

    /// embedded-tls is done: is the server the one that is wanted, and if not, why?
    pub(crate) fn verdict(
        self,
        opened: Result<(), TlsError>,
        notes: &Notes,
        room: usize,
    ) -> Result<(), Error> {
        if self.random.failed {
            return Err(Error::Random);
        }
        if let Some(why) = self.why {
            return Err(why);
        }
        opened.map_err(|error| match error {
            _ if notes.is_foreign() => Error::NotTls,
            _ if notes.is_flood() => Error::Flood,
            TlsError::InsufficientSpace if notes.longest() > room => Error::BufferTooSmall {
                by: notes.longest() - room,
            },
            TlsError::InsufficientSpace | TlsError::EncodeError => Error::WriteBufferTooSmall,
            TlsError::HandshakeAborted(_, AlertDescription::ProtocolVersion) => Error::OldVersion,
            TlsError::HandshakeAborted(_, alert) => Error::Refused(alert),
            TlsError::Io(embedded_io::ErrorKind::TimedOut) => Error::TimedOut,
            TlsError::Io(kind) => Error::Io(kind),
            TlsError::IoError => Error::Ended,
            error => Error::Protocol(error),
        })?;
        // embedded-tls 0.19 asks what the server sends, and not that it sends it.
        match (&self.server.trust, self.has) {
            (Trust::Psk { .. }, Has::Nothing) | (_, Has::Key) => {
                notes.open();
                Ok(())
            }
            _ => Err(Error::NoCertificate),
        }
    }

    fn certificate(&mut self, shown: &CertificateRef<'_>) -> Result<(), Error> {
        if mem::replace(&mut self.has, Has::Failed) != Has::Nothing {
            return Err(Error::OutOfOrder);
        }
        let trust = self.server.trust;
        let mut chain = shown.entries.iter().map(|entry| match entry {
            CertificateEntryRef::X509(der) | CertificateEntryRef::RawPublicKey(der) => *der,
        });
        let leaf = CertificateDer::from(chain.next().ok_or(Error::NoCertificate)?);
        match trust {
            Trust::Psk { .. } => return Err(Error::OutOfOrder),
            Trust::Anyone => {
                self.has = Has::Certificate;
                return Ok(());
            }
            Trust::Anchors(anchors, time) => {
                let mut between = [const { CertificateDer::from_slice(&[]) }; INTERMEDIATES];
                let mut places = between.iter_mut();
                for der in chain {
                    *places.next().ok_or(Error::ChainTooLong)? = CertificateDer::from(der);
                }
                let free = places.len();
                let between = between.get(..INTERMEDIATES - free).unwrap_or_default();
                let leaf = EndEntityCert::try_from(&leaf)?;
                vouched(&leaf, anchors, between, time)?;
                leaf.verify_is_valid_for_subject_name(&self.server.name)?;
            }
            Trust::Pins => {}
        }
        // Of any certificate: what stands in it as its key.
        let key = anchor_from_trusted_cert(&leaf)?.subject_public_key_info;
        self.keep(&key)?;
        if !self.server.pins.is_empty() {
            let hash = Sha256::digest(self.key.get(..self.length).unwrap_or_default());
            if !self.server.pins.iter().any(|pin| pin[..] == hash[..]) {
                return Err(Error::NotPinned);
            }
        }
        self.has = Has::Certificate;
        Ok(())
    }

    /// Keeps the server's key, until it signs. `key` is without its tag and length.
    fn keep(&mut self, key: &[u8]) -> Result<(), Error> {
        let length = u8::try_from(key.len()).map_err(|_| Error::UnsupportedKey)?;
        let [tag, size, place @ ..] = &mut self.key;
        let place = place.get_mut(..key.len());
        // Lengths from 128 on have another form; keys of RSA have them.
        let place = place
            .filter(|_| length < 128)
            .ok_or(Error::UnsupportedKey)?;
        (*tag, *size) = (0x30, length);
        place.copy_from_slice(key);
        self.length = 2 + key.len();
        Ok(())
    }

    fn signature(&mut self, shown: &CertificateVerifyRef<'_>) -> Result<(), Error> {
        let transcript = self.transcript.take();
        if mem::replace(&mut self.has, Has::Failed) != Has::Certificate {
            return Err(Error::OutOfOrder);
        }
        if !matches!(self.server.trust, Trust::Anyone) {
            let key = keys::of(shown.signature_scheme).ok_or(Error::UnsupportedKey)?;
            let mut message = [0x20; 64 + 34 + 32];
            let said = b"TLS 1.3, server CertificateVerify\0".iter().copied();
            let hash = transcript.ok_or(Error::OutOfOrder)?.finalize();
            for (to, from) in message.iter_mut().skip(64).zip(said.chain(hash)) {
                *to = from;
            }
            let theirs = self.key.get(..self.length).unwrap_or_default();
            let theirs = SubjectPublicKeyInfoDer::from(theirs);
            let theirs = RawPublicKeyEntity::try_from(&theirs)?;
            theirs.verify_signature(key, &message, shown.signature)?;
        }
        self.has = Has::Key;
        Ok(())
    }

    fn remember(&mut self, result: Result<(), Error>) -> Result<(), TlsError> {
        result.map_err(|why| {
            self.why = Some(why);
            TlsError::InvalidCertificate
        })
    }
}

/// Does one of the anchors vouch for a certificate?
fn vouched(
    leaf: &EndEntityCert<'_>,
    anchors: &[&[u8]],
    between: &[CertificateDer<'_>],
    time: Time,
) -> Result<(), Error> {
    let mut why = Error::UnknownIssuer;
    for der in anchors {
        match vouched_by(leaf, der, between, time) {
            Ok(()) => return Ok(()),
            Err(Error::UnknownIssuer) => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn vouched_by(
    leaf: &EndEntityCert<'_>,
    anchor: &[u8],
    between: &[CertificateDer<'_>],
    time: Time,
) -> Result<(), Error> {
    let anchor = CertificateDer::from(anchor);
    let anchor = [anchor_from_trusted_cert(&anchor)?];
    let mut now = UnixTime::since_unix_epoch(Duration::from_secs(time.now.ok_or(Error::NoClock)?));
    let usage = KeyUsage::server_auth();
    // Without a clock: as early as all of them can be valid.
    for _ in 0..=INTERMEDIATES {
        let path = leaf.verify_for_usage(keys::ALL, &anchor, between, now, usage, None, None);
        match path {
            Err(webpki::Error::CertNotValidYet { not_before, .. }) if !time.known => {
                now = not_before
            }
            path => return Ok(path.map(|_| ())?),
        }
    }
    Err(Error::NotYetValid)
}

impl<R, I> CryptoProvider for Verify<'_, '_, R, I>
where
    R: FnMut(&mut [u8]) -> Result<(), RandomError>,
    I: Identity,
{
    type CipherSuite = Suite;
    type Signature = I::Signature;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Suite>, TlsError> {
        Ok(self)
    }

    fn signer(&mut self) -> Result<(impl SignerMut<I::Signature>, SignatureScheme), TlsError> {
        self.server.identity.signer()
    }

    fn client_cert(&mut self) -> Option<Certificate<impl AsRef<[u8]>>> {
        self.server.identity.certificate()
    }
}

impl<R, I> TlsVerifier<Suite> for Verify<'_, '_, R, I>
where
    R: FnMut(&mut [u8]) -> Result<(), RandomError>,
{
    /// The name is the server's: nobody can forget it.
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(
        &mut self,
        transcript: &InOrder,
        shown: CertificateRef<'_>,
    ) -> Result<(), TlsError> {
        let result = self.certificate(&shown);
        self.transcript = Some(transcript.clone());
        self.remember(result)
    }

    fn verify_signature(&mut self, shown: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let result = self.signature(&shown);
        self.remember(result)
    }
}
