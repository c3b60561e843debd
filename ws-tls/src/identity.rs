//! Who the client is.

use embedded_tls::{Certificate, SignatureScheme, TlsError};
use p256::SecretKey;
use p256::ecdsa::signature::{self, Signer};
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;

use crate::Error;

/// A client without a certificate of its own.
#[derive(Debug, Clone, Copy)]
pub struct Anonymous;

/// A client's certificate and key, P-256.
///
/// One certificate goes out: the server has to know the authority that signed it. It has to fit the buffer
/// for writing, with 200 bytes more. That the server refuses it is said after TLS is open
/// (RFC 8446 section 4.4.2.4): the first read fails.
#[derive(Clone)]
pub struct ClientCertificate<'a> {
    certificate: &'a [u8],
    key: SigningKey,
}

impl core::fmt::Debug for ClientCertificate<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl<'a> ClientCertificate<'a> {
    /// A certificate (DER), and its key: PKCS#8 or SEC1 (DER), or its 32 bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidClientKey`](Error::InvalidClientKey).
    pub fn new(certificate: &'a [u8], key: &[u8]) -> Result<Self, Error> {
        let key = SecretKey::from_slice(key)
            .or_else(|_| SecretKey::from_sec1_der(key))
            .or_else(|_| SecretKey::from_pkcs8_der(key).map_err(|_| p256::elliptic_curve::Error))
            .map_err(|_| Error::InvalidClientKey)?;
        Ok(Self {
            certificate,
            key: SigningKey::from(key),
        })
    }
}

/// [`Anonymous`], or a [`ClientCertificate`].
#[expect(private_bounds, reason = "nobody else has another")]
pub trait Identity: Shows {}

impl<I: Shows> Identity for I {}

pub(crate) trait Shows {
    /// A signature's bytes.
    type Signature: AsRef<[u8]>;

    fn certificate(&self) -> Option<Certificate<&[u8]>>;

    fn signer(&self) -> Result<(impl Signer<Self::Signature>, SignatureScheme), TlsError>;
}

impl Shows for Anonymous {
    type Signature = [u8; 0];

    fn certificate(&self) -> Option<Certificate<&[u8]>> {
        None
    }

    fn signer(&self) -> Result<(impl Signer<[u8; 0]>, SignatureScheme), TlsError> {
        Err::<(NoSigner, _), _>(TlsError::Unimplemented)
    }
}

impl Shows for ClientCertificate<'_> {
    type Signature = DerSignature;

    fn certificate(&self) -> Option<Certificate<&[u8]>> {
        Some(Certificate::X509(self.certificate))
    }

    fn signer(&self) -> Result<(impl Signer<DerSignature>, SignatureScheme), TlsError> {
        Ok((ByKey(&self.key), SignatureScheme::EcdsaSecp256r1Sha256))
    }
}

struct NoSigner;

impl Signer<[u8; 0]> for NoSigner {
    fn try_sign(&self, _: &[u8]) -> Result<[u8; 0], signature::Error> {
        Err(signature::Error::new())
    }
}

struct ByKey<'k>(&'k SigningKey);

impl Signer<DerSignature> for ByKey<'_> {
    fn try_sign(&self, message: &[u8]) -> Result<DerSignature, signature::Error> {
        self.0.try_sign(message)
    }
}
