//! A certificate authority, and the servers it vouches for.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version::TLS13};

/// The name of all servers here.
pub const HOST: &str = "server.example";

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    pem: String,
}

impl Authority {
    /// One whose name is `name`, with a fresh key.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut params = params(Vec::new(), "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
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
        config(&[&server.unwrap(), &certificate], &key)
    }

    fn server_for(&self, params: CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(&[&certificate], &key)
    }
}

fn config(chain: &[&Certificate], key: &KeyPair) -> ServerConfig {
    let chain = chain.iter().map(|one| one.der().clone()).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(ring)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn params(names: Vec<String>, common: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}
