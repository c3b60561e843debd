//! Whom to let in.

use core::net::IpAddr;

use pki_types::{CertificateDer, ServerName};
use webpki::anchor_from_trusted_cert;
use ws_socket::url::{Url, UrlHost};

use crate::{Anonymous, ClientCertificate, Error, Time};

/// SHA-256 of a public key, with its kind: of a certificate's SubjectPublicKeyInfo (DER), as in RFC 7469.
/// `openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | sha256sum` prints it.
pub type Pin = [u8; 32];

/// The server that is wanted, and what it has to show.
///
/// Its own certificate, and those it sends along, are of P-256 and SHA-256; with the features also of P-384
/// and Ed25519. Not of RSA: there is no well-kept crate that verifies it without a heap.
///
/// A certificate's names are those of its SAN, never its common name. `*.` stands for one label.
/// Nothing is asked about revocation.
#[derive(Debug, Clone)]
pub struct Server<'a, I = Anonymous> {
    pub(crate) name: ServerName<'a>,
    pub(crate) trust: Trust<'a>,
    pub(crate) pins: &'a [Pin],
    pub(crate) identity: I,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'a> {
    Anchors(&'a [&'a [u8]], Time),
    Pins,
    Psk { identity: &'a [u8], key: &'a [u8] },
    Anyone,
}

impl<'a> Server<'a> {
    /// The server `host`, for which one of `anchors` vouches at this time.
    ///
    /// `host` is the [`Url`], or its host as a `&str`: a name, or an address without brackets. A name goes
    /// to the server as SNI, an address does not. `anchors` are certificates of authorities (DER): who
    /// has the key of one can vouch for any name. `time` is a [`Clock`](crate::Clock), or
    /// [`NoClockSoExpiredIsAccepted`](crate::NoClockSoExpiredIsAccepted).
    ///
    /// # Errors
    ///
    /// [`InvalidHost`](Error::InvalidHost), [`InvalidAnchor`](Error::InvalidAnchor).
    pub fn new(
        host: impl ToHost<'a>,
        anchors: &'a [&'a [u8]],
        time: impl Into<Time>,
    ) -> Result<Self, Error> {
        let valid = |der: &&[u8]| anchor_from_trusted_cert(&CertificateDer::from(*der)).is_ok();
        if anchors.is_empty() || !anchors.iter().all(valid) {
            return Err(Error::InvalidAnchor);
        }
        Self::of(host, Trust::Anchors(anchors, time.into()))
    }

    /// The server that has one of these keys. Nothing else is looked at: no authority, no name, no time.
    ///
    /// Have a second key, which the server does not use yet, so that it can change.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`](Error::InvalidHost), [`NoPins`](Error::NoPins).
    pub fn pinned(host: impl ToHost<'a>, pins: &'a [Pin]) -> Result<Self, Error> {
        Self::of(host, Trust::Pins)?.pins(pins)
    }

    /// The server that has this key, too, and shows no certificate. It may sit at any name.
    ///
    /// The key is for TLS_AES_128_GCM_SHA256, of 16 bytes at least, and random.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`](Error::InvalidHost), [`WeakKey`](Error::WeakKey).
    pub fn psk(host: impl ToHost<'a>, identity: &'a [u8], key: &'a [u8]) -> Result<Self, Error> {
        // 32 zeros are what embedded-tls has where there is no key.
        if identity.is_empty() || key.len() < 16 || key.iter().all(|&byte| byte == 0) {
            return Err(Error::WeakKey);
        }
        Self::of(host, Trust::Psk { identity, key })
    }

    /// Whoever answers: **everybody on the way can read and change everything**. For a try on the desk.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`](Error::InvalidHost).
    pub fn dangerous_without_verification(host: impl ToHost<'a>) -> Result<Self, Error> {
        Self::of(host, Trust::Anyone)
    }

    fn of(host: impl ToHost<'a>, trust: Trust<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: host.name().ok_or(Error::InvalidHost)?,
            trust,
            pins: &[],
            identity: Anonymous,
        })
    }

    /// And we are that client, if the server asks.
    pub fn client(self, identity: ClientCertificate<'a>) -> Server<'a, ClientCertificate<'a>> {
        Server {
            name: self.name,
            trust: self.trust,
            pins: self.pins,
            identity,
        }
    }
}

impl<'a, I> Server<'a, I> {
    /// And its own key has to be one of these. Without effect where no certificate is looked at.
    ///
    /// # Errors
    ///
    /// [`NoPins`](Error::NoPins).
    pub fn pins(self, pins: &'a [Pin]) -> Result<Self, Error> {
        match pins {
            [] => Err(Error::NoPins),
            _ => Ok(Self { pins, ..self }),
        }
    }

    /// What is sent as SNI: a name (RFC 6066 section 3).
    pub(crate) fn sni(&self) -> Option<&str> {
        match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref()),
            _ => None,
        }
    }
}

/// Whose certificate is wanted: a `&str`, a name or an address without brackets; or a [`Url`] of `wss`.
#[expect(private_bounds, reason = "nobody else has another")]
pub trait ToHost<'a>: Names<'a> {}

impl<'a, H: Names<'a>> ToHost<'a> for H {}

pub(crate) trait Names<'a> {
    fn name(self) -> Option<ServerName<'a>>;
}

impl<'a> Names<'a> for &'a str {
    fn name(self) -> Option<ServerName<'a>> {
        ServerName::try_from(self.strip_suffix('.').unwrap_or(self)).ok()
    }
}

impl<'a> Names<'a> for &Url<'a> {
    fn name(self) -> Option<ServerName<'a>> {
        match self.host {
            _ if !self.secure => None,
            UrlHost::Name(name) => name.name(),
            UrlHost::Ip(IpAddr::V4(ip)) => Some(pki_types::Ipv4Addr::from(ip.octets()).into()),
            UrlHost::Ip(IpAddr::V6(ip)) => Some(pki_types::Ipv6Addr::from(ip.segments()).into()),
        }
    }
}
