//! `wss`: TLS by rustls, of who connects.

use crate::asynch::Stream;
use crate::connect::dial::Failure;
use crate::exit::Exit;
use async_io::{Timer, block_on};
use embassy_futures::select::{Either, select};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error, RootCertStore, SignatureScheme,
};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use ws_socket::url::{Url, UrlHost};

/// What `wss` was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TlsOptions {
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    pins: Vec<Pin>,
    insecure: bool,
}

type Pin = [u8; 32];

impl TlsOptions {
    /// Is it one of these options?
    pub(crate) fn has(option: &str) -> bool {
        matches!(option, "cacert" | "cert" | "key" | "pin" | "insecure")
    }

    /// Takes one of these options, and its value.
    pub(crate) fn take(
        &mut self,
        option: &str,
        value: impl FnOnce() -> Result<String, String>,
    ) -> Result<(), String> {
        match option {
            "cacert" => self.authorities = Some(value()?),
            "cert" => self.certificate = Some(value()?),
            "key" => self.key = Some(value()?),
            "pin" => self.pins.push(pin(&value()?)?),
            _ => self.insecure = true,
        }
        Ok(())
    }

    /// What can be wrong beside the form of each option.
    pub(crate) fn check(&self, url: &Url<'_>) -> Result<(), String> {
        if *self != Self::default() && !url.secure {
            return Err("--cacert, --pin, --cert, --key and --insecure are for wss://".to_owned());
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err("--cert and --key go together".to_owned());
        }
        if self.insecure && (self.authorities.is_some() || !self.pins.is_empty()) {
            return Err("--insecure verifies nothing, --cacert and --pin do".to_owned());
        }
        Ok(())
    }
}

fn pin(text: &str) -> Result<Pin, String> {
    let digits: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok())
        .collect();
    digits
        .filter(|_| text.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| digits.try_into().ok())
        .ok_or_else(|| {
            format!(
                "--pin {text:?} is not 64 hex digits; openssl x509 -pubkey -noout -in CERT | \
                 openssl pkey -pubin -outform der | sha256sum prints them"
            )
        })
}

/// Opens TLS, and verifies the server.
pub(crate) fn secure(
    mut stream: Stream,
    url: &Url<'_>,
    options: &TlsOptions,
    deadline: Instant,
) -> Result<Stream, Failure> {
    if options.insecure {
        crate::output::error_line(
            "--insecure: the server is not verified, everybody on the way can read and change everything",
        );
    }
    let name = match url.host {
        UrlHost::Ip(address) => ServerName::from(address),
        UrlHost::Name(name) => ServerName::try_from(name.to_owned())
            .map_err(|_| usage(format!("{name:?} is no name that a certificate can have")))?,
    };
    let config = config(options)?;
    let tls = ClientConnection::new(Arc::new(config), name).map_err(|error| why(&error))?;
    stream.secure(tls);
    let opened = block_on(select(stream.handshake(), Timer::at(deadline)));
    match opened {
        Either::First(Ok(())) => Ok(stream),
        Either::First(Err(error)) => Err(not_secure(&error)),
        Either::Second(_) => {
            let detail = "TLS did not open in time; --timeout MS gives it more time".to_owned();
            Err(Failure::new(Exit::Timeout, "timeout", detail))
        }
    }
}

fn usage(detail: String) -> Failure {
    Failure::new(Exit::Usage, "usage", detail)
}

fn config(options: &TlsOptions) -> Result<ClientConfig, Failure> {
    let ring = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&ring))
        .with_safe_default_protocol_versions()
        .map_err(|error| why(&error))?;
    let verifier = Verifier {
        inner: match options.insecure {
            true => None,
            false => Some(verifier(options, &ring)?),
        },
        pins: options.pins.clone(),
        ring,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let (Some(certificate), Some(key)) = (&options.certificate, &options.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| usage(format!("--key {key}: {error}")))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| usage(format!("--cert {certificate}: {error}")))
}

fn verifier(
    options: &TlsOptions,
    ring: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Failure> {
    let mut roots = RootCertStore::empty();
    match &options.authorities {
        Some(file) => {
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| usage(format!("--cacert {file}: {error}")))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                log::warn!("the system's authorities: {error}");
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(ring));
    built.build().map_err(|_| {
        let detail = "this system has no authorities; give them by --cacert FILE".to_owned();
        Failure::new(Exit::Connection, "tls", detail)
    })
}

/// All in a file: PEM, or one in DER.
fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |why: String| usage(format!("{file}: {why}"));
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    match found.is_empty() {
        true => Err(wrong("there is no certificate in it".to_owned())),
        false => Ok(found),
    }
}

/// What WebPKI says, and whose key it is.
#[derive(Debug)]
struct Verifier {
    /// There is none where nothing is verified.
    inner: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
    ring: Arc<CryptoProvider>,
}

/// What a key that is not pinned is told by.
const NOT_PINNED: CertificateError = CertificateError::ApplicationVerificationFailure;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(inner) = &self.inner {
            inner.verify_server_cert(certificate, between, name, ocsp, now)?;
        }
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let sha256 = self.ring.cipher_suites.iter().find_map(|suite| {
            let hash = suite.tls13()?.common.hash_provider;
            (hash.output_len() == 32).then_some(hash)
        });
        let hash = sha256.map(|sha256| sha256.hash(&key));
        let pinned = |pin: &Pin| hash.as_ref().is_some_and(|hash| hash.as_ref() == pin);
        if !self.pins.is_empty() && !self.pins.iter().any(pinned) {
            return Err(NOT_PINNED.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.ring.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.ring.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ring
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn not_secure(error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(error) => why(error),
        None => {
            let detail = format!("the connection ended while TLS opened: {error}");
            Failure::new(Exit::Connection, "tls", detail)
        }
    }
}

/// A sentence, and what to do.
fn why(error: &Error) -> Failure {
    use CertificateError as Certificate;
    let detail = match error {
        Error::InvalidCertificate(certificate) => match certificate {
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "the server's certificate is expired; is this host's clock right?".to_owned()
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; is this host's clock right?".to_owned()
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "the server's certificate is for another name; is the host in the URL right?"
                    .to_owned()
            }
            Certificate::UnknownIssuer => {
                "no authority that this host trusts vouches for the server; give its own by \
                 --cacert FILE"
                    .to_owned()
            }
            error if *error == NOT_PINNED => {
                "the server's key is not the one of --pin; has it a new one?".to_owned()
            }
            error => format!("the server's certificate is not valid: {error}"),
        },
        Error::InvalidMessage(_) => {
            "the server does not speak TLS there; is the port right, or is it ws://?".to_owned()
        }
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("the server speaks no TLS 1.2 or 1.3 that this program does: {error}")
        }
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA,
        ) => format!("the server wants another certificate, by --cert and --key: {error}"),
        error => format!("TLS failed: {error}"),
    };
    Failure::new(Exit::Connection, "tls", detail)
}
