//! A certificate authority, and the servers it vouches for.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData as _, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version::TLS13};
use sha2::{Digest as _, Sha256};

/// The name of all servers here.
pub const HOST: &str = "server.example";

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    pem: String,
}

impl Authority {
    /// One with a fresh key.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self::named("authority")
    }

    /// One whose name is this.
    pub fn named(name: &str) -> Self {
        Self::with(ca(name), KeyPair::generate().unwrap())
    }

    /// One with a key of this kind.
    pub fn of(kind: &'static SignatureAlgorithm) -> Self {
        Self::with(ca("authority"), KeyPair::generate_for(kind).unwrap())
    }

    fn with(params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same for OpenSSL.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's certificate and key, for OpenSSL.
    pub fn server_pem(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(vec![host.to_owned()], host);
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The certificate (DER) and the key of a server for [`HOST`].
    pub fn server_der(&self) -> (Vec<u8>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(vec![HOST.to_owned()], HOST);
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key)
    }

    /// A server for [`HOST`].
    pub fn server(&self) -> ServerConfig {
        self.server_for(params(vec![HOST.to_owned()], HOST))
    }

    /// A server for other names.
    pub fn server_named(&self, hosts: &[&str]) -> ServerConfig {
        let names = hosts.iter().map(|&host| host.to_owned()).collect();
        self.server_for(params(names, hosts[0]))
    }

    /// An authority for which this one vouches.
    pub fn authority(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A client's certificate (DER) and key.
    pub fn client_der(&self) -> (Vec<u8>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = params(vec!["client.example".to_owned()], "client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key)
    }

    /// A server that asks for a client's certificate, of this authority.
    pub fn server_that_asks(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone().into()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let asks = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring.clone());
        let (certificate, key) = self.server_der();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(ring)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(asks.build().unwrap())
            .with_single_cert(vec![certificate.into()], key)
            .unwrap()
    }

    /// A server with a key of this kind.
    pub fn server_of(&self, kind: &'static SignatureAlgorithm) -> ServerConfig {
        let key = KeyPair::generate_for(kind).unwrap();
        self.server_by(params(vec![HOST.to_owned()], HOST), &key)
    }

    /// A server with this key.
    pub fn server_by(&self, params: CertificateParams, key: &KeyPair) -> ServerConfig {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        config(vec![certificate.der().clone()], key)
    }

    /// A server that sends these certificates behind its own.
    pub fn server_with(&self, params: CertificateParams, chain: &Chain) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut all = vec![certificate.der().clone()];
        all.extend(chain.0.iter().cloned());
        config(all, &key)
    }

    /// A server whose certificate was good until the end of a year.
    pub fn server_until(&self, year: i32) -> ServerConfig {
        let mut params = params(vec![HOST.to_owned()], HOST);
        params.not_after = date_time_ymd(year, 12, 31);
        self.server_for(params)
    }

    /// A server for [`HOST`] by who has a certificate of another name, no authority.
    pub fn server_by_a_leaf(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut leaf = params(vec!["mallory.example".to_owned()], "mallory");
        leaf.is_ca = IsCa::ExplicitNoCa;
        let certificate = leaf.signed_by(&key, &self.issuer).unwrap();
        let issuer = Issuer::new(leaf, key);
        let key = KeyPair::generate().unwrap();
        let server = params(vec![HOST.to_owned()], HOST).signed_by(&key, &issuer);
        let chain = vec![server.unwrap().der().clone(), certificate.der().clone()];
        config(chain, &key)
    }

    /// A server whose certificate is this.
    pub fn server_for(&self, params: CertificateParams) -> ServerConfig {
        self.server_by(params, &KeyPair::generate().unwrap())
    }
}

/// Certificates that a server sends along.
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Those of some authorities.
    pub fn of(authorities: &[&Authority]) -> Self {
        let ders = authorities.iter().map(|one| one.der.clone().into());
        Self(ders.collect())
    }
}

/// A server for which nobody vouches but itself.
pub fn self_signed(params: CertificateParams) -> ServerConfig {
    self_signed_by(params, &KeyPair::generate().unwrap())
}

/// The same with this key.
pub fn self_signed_by(params: CertificateParams, key: &KeyPair) -> ServerConfig {
    let certificate = params.self_signed(key).unwrap();
    config(vec![certificate.der().clone()], key)
}

/// The hash of a key.
pub fn pin(key: &KeyPair) -> [u8; 32] {
    Sha256::digest(key.subject_public_key_info()).into()
}

/// An authority's certificate.
pub fn ca(name: &str) -> CertificateParams {
    let mut params = params(Vec::new(), name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(ring)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// A certificate for these names, good from 2020 to 2099.
pub fn params(names: Vec<String>, common: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}
