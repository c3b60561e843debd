//! Why there is no connection.

use embedded_io::ErrorKind;
use embedded_tls::TlsError;
use embedded_tls::alert::AlertDescription;

/// Why there is no TLS connection. None of the WebSocket went out.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host is neither a name nor an address (without brackets).
    #[error("the host is neither a name nor an address")]
    InvalidHost,
    /// A trust anchor is no certificate (DER), or there is none.
    #[error("no trust anchor, or one that is no certificate")]
    InvalidAnchor,
    /// A list of pinned keys is empty.
    #[error("no pinned key")]
    NoPins,
    /// The pre-shared key is shorter than 16 bytes, or all zeros; or its identity is empty.
    #[error("the pre-shared key is too weak")]
    WeakKey,
    /// The client's own key is none of P-256: 32 bytes, SEC1 or PKCS#8 (DER).
    #[error("the client's key is none of P-256")]
    InvalidClientKey,
    /// The source of randomness failed. Nothing went out.
    #[error("no randomness")]
    Random,
    /// The clock was not set, or is before the firmware was built. Nothing went out.
    #[error("the clock is not set")]
    NoClock,

    /// Opening was not done within the time limit.
    #[error("timed out")]
    TimedOut,
    /// TCP ended while TLS opened.
    #[error("the connection ended")]
    Ended,
    /// TCP failed.
    #[error("the connection failed: {0:?}")]
    Io(ErrorKind),
    /// What answers does not speak TLS: a port for `ws`, say.
    #[error("the server does not speak TLS")]
    NotTls,
    /// The server does not speak TLS 1.3.
    #[error("the server does not speak TLS 1.3")]
    OldVersion,
    /// The server ended it, by an alert (RFC 8446 section 6.2).
    #[error("the server refused: {0:?}")]
    Refused(AlertDescription),
    /// A record of the server's is so many bytes longer than the buffer for reading.
    #[error("the buffer for reading is {by} bytes too short")]
    BufferTooSmall {
        /// Bytes that are missing.
        by: usize,
    },
    /// The buffer for writing is too short for a message of ours.
    #[error("the buffer for writing is too short")]
    WriteBufferTooSmall,

    /// The server showed no certificate, or did not prove that it has the key.
    #[error("the server showed no certificate")]
    NoCertificate,
    /// A certificate is expired.
    #[error("a certificate is expired")]
    Expired,
    /// A certificate is not valid yet.
    #[error("a certificate is not valid yet")]
    NotYetValid,
    /// The certificate is for another name.
    #[error("the certificate is for another name")]
    WrongName,
    /// No trust anchor vouches for it, or a certificate between is missing.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// A certificate is signed by one that is no authority.
    #[error("the issuer is no authority")]
    NotAnAuthority,
    /// A key or signature that is not supported: RSA, or one whose feature is off.
    #[error("a key or signature of a kind that is not supported")]
    UnsupportedKey,
    /// More certificates than [`INTERMEDIATES`](crate::INTERMEDIATES) between the server's and the anchor's.
    #[error("too many certificates")]
    ChainTooLong,
    /// Something else is wrong with a certificate: it is malformed, or not for servers.
    #[error("bad certificate")]
    BadCertificate,
    /// The server's key is not pinned.
    #[error("the server's key is not pinned")]
    NotPinned,
    /// A signature is wrong: of a certificate, or of the server for this handshake.
    #[error("bad signature")]
    BadSignature,
    /// A message out of order, or twice.
    #[error("a message out of order")]
    OutOfOrder,
    /// Records without end.
    #[error("too many records")]
    Flood,
    /// Something else that the server must not send, as embedded-tls says it.
    #[error("TLS: {0:?}")]
    Protocol(TlsError),
}

impl From<webpki::Error> for Error {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error as Pki;
        match error {
            Pki::CertExpired { .. } => Self::Expired,
            Pki::CertNotValidYet { .. } => Self::NotYetValid,
            Pki::CertNotValidForName(_) => Self::WrongName,
            Pki::UnknownIssuer => Self::UnknownIssuer,
            Pki::EndEntityUsedAsCa => Self::NotAnAuthority,
            Pki::InvalidSignatureForPublicKey => Self::BadSignature,
            Pki::UnsupportedSignatureAlgorithmContext(_)
            | Pki::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Self::UnsupportedKey,
            _ => Self::BadCertificate,
        }
    }
}
