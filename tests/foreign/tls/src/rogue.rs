//! A server of TLS 1.3 that says what it is told to, in any order: what somebody in between would do.

use aes_gcm::{Aes128Gcm, KeyInit, aead::AeadInPlace};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::{PublicKey, ecdh::EphemeralSecret};
use rand_core::OsRng;
use rcgen::{KeyPair, SigningKey};
use sha2::{Digest, Sha256};

use crate::authority::Authority;

/// HKDF-Expand-Label (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &[u8], label: &str, context: &[u8]) -> [u8; N] {
    let label = [b"tls13 ", label.as_bytes()].concat();
    let mut info = (N as u16).to_be_bytes().to_vec();
    info.push(label.len() as u8);
    info.extend(label);
    info.push(context.len() as u8);
    info.extend(context);
    let mut key = [0; N];
    let hkdf = Hkdf::<Sha256>::from_prk(secret).unwrap();
    hkdf.expand(&info, &mut key).unwrap();
    key
}

/// A record that is not encrypted.
pub fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [&[kind, 3, 3], &length[..], body].concat()
}

/// The key share for P-256 in a ClientHello, and its session id.
fn client_hello(hello: &[u8]) -> (PublicKey, &[u8]) {
    let mut at = 4 + 2 + 32;
    let session = &hello[at..at + 1 + usize::from(hello[at])];
    at += session.len();
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    at += 1 + usize::from(hello[at]);
    at += 2;
    loop {
        let kind = u16::from_be_bytes([hello[at], hello[at + 1]]);
        let length = usize::from(u16::from_be_bytes([hello[at + 2], hello[at + 3]]));
        if kind == 0x33 {
            let share = &hello[at + 4..at + 4 + length];
            assert_eq!(share[2..6], [0, 0x17, 0, 65]);
            return (PublicKey::from_sec1_bytes(&share[6..71]).unwrap(), session);
        }
        at += 4 + length;
    }
}

/// A message of the handshake.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (body.len() as u32).to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// The server, after its ServerHello.
pub struct Rogue {
    /// The ServerHello, in its record.
    pub hello: Vec<u8>,
    transcript: Sha256,
    /// The handshake secret (RFC 8446 section 7.1).
    secret: [u8; 32],
    traffic: [u8; 32],
    sealed: u64,
}

impl Rogue {
    /// The answer to a client's first record.
    pub fn new(hello: &[u8]) -> Self {
        Self::with(hello, None)
    }

    /// The answer of one that takes the client's pre-shared key, which it believes to be this.
    fn with(hello: &[u8], psk: Option<&[u8]>) -> Self {
        let hello = &hello[5..];
        let (theirs, session) = client_hello(hello);
        let ours = EphemeralSecret::random(&mut OsRng);
        let point = p256::EncodedPoint::from(ours.public_key());
        let chosen: &[u8] = psk.map_or(&[], |_| &[0, 41, 0, 2, 0, 0]);
        let body = [
            &[3, 3][..],
            &[7; 32][..],
            session,
            &[0x13, 0x01, 0],
            &[0, if psk.is_some() { 85 } else { 79 }],
            &[0, 0x2B, 0, 2, 3, 4],
            &[0, 0x33, 0, 69, 0, 0x17, 0, 65],
            point.as_bytes(),
            chosen,
        ]
        .concat();
        let server_hello = message(2, &body);

        let mut transcript = Sha256::new();
        transcript.update(hello);
        transcript.update(&server_hello);
        let (early, _) = Hkdf::<Sha256>::extract(None, psk.unwrap_or(&[0; 32]));
        let derived: [u8; 32] = expand(&early, "derived", &Sha256::digest([]));
        let shared = ours.diffie_hellman(&theirs);
        let (secret, _) = Hkdf::<Sha256>::extract(Some(&derived), shared.raw_secret_bytes());
        let hash = transcript.clone().finalize();
        Self {
            hello: record(22, &server_hello),
            secret: secret.into(),
            traffic: expand(&secret, "s hs traffic", &hash),
            transcript,
            sealed: 0,
        }
    }

    /// Says a message: from now on it belongs to what is signed.
    pub fn says(&mut self, message: &[u8]) -> Vec<u8> {
        self.transcript.update(message);
        message.to_vec()
    }

    fn hash(&self) -> Vec<u8> {
        self.transcript.clone().finalize().to_vec()
    }

    /// The signature of who has `key`, over all that was said.
    pub fn certificate_verify(&self, key: &KeyPair) -> Vec<u8> {
        let context = &b"TLS 1.3, server CertificateVerify\0"[..];
        let signed = [&[0x20; 64], context, &self.hash()].concat();
        let signature = key.sign(&signed).unwrap();
        let length = (signature.len() as u16).to_be_bytes();
        message(15, &[&[4, 3], &length[..], &signature].concat())
    }

    /// Finished, as it is right after all that was said.
    pub fn finished(&self) -> Vec<u8> {
        let key: [u8; 32] = expand(&self.traffic, "finished", &[]);
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).unwrap();
        Mac::update(&mut mac, &self.hash());
        message(20, &mac.finalize().into_bytes())
    }

    /// Encrypts a record: what is in it, its own content type after it.
    pub fn seal(&mut self, inner: &[u8]) -> Vec<u8> {
        let mut sealed = inner.to_vec();
        let header = record(23, &vec![0; inner.len() + 16])[..5].to_vec();
        let key: [u8; 16] = expand(&self.traffic, "key", &[]);
        let mut nonce: [u8; 12] = expand(&self.traffic, "iv", &[]);
        for (to, from) in nonce[4..].iter_mut().zip(self.sealed.to_be_bytes()) {
            *to ^= from;
        }
        self.sealed += 1;
        let cipher = Aes128Gcm::new(&key.into());
        let done = cipher.encrypt_in_place(&nonce.into(), &header, &mut sealed);
        done.unwrap();
        [header, sealed].concat()
    }

    /// Goes on with the keys for data, after its Finished.
    pub fn open(&mut self) {
        let derived: [u8; 32] = expand(&self.secret, "derived", &Sha256::digest([]));
        let (master, _) = Hkdf::<Sha256>::extract(Some(&derived), &[0; 32]);
        self.traffic = expand(&master, "s ap traffic", &self.hash());
        self.sealed = 0;
    }

    /// Encrypts messages of the handshake.
    pub fn handshake(&mut self, messages: &[u8]) -> Vec<u8> {
        self.seal(&[messages, &[22]].concat())
    }
}

/// Who has a certificate and its key.
pub struct Server {
    /// Who vouches for it.
    pub authority: Authority,
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Server {
    /// For [`HOST`](crate::authority::HOST).
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.server_der();
        Self {
            authority,
            certificate,
            key,
        }
    }

    /// Says a message, by its letter: E, R (CertificateRequest), C, V and F are the right ones, lower case
    /// and others are not.
    pub fn says(&self, rogue: &mut Rogue, letter: char) -> Vec<u8> {
        let message = self.message(rogue, letter);
        rogue.says(&message)
    }

    /// What it would say.
    pub fn message(&self, rogue: &Rogue, letter: char) -> Vec<u8> {
        let certificate = |der: &[u8]| {
            let entry = [&[0, (der.len() >> 8) as u8, der.len() as u8], der, &[0, 0]].concat();
            let length = [0, (entry.len() >> 8) as u8, entry.len() as u8];
            message(11, &[&[0], &length[..], &entry].concat())
        };
        match letter {
            'E' => message(8, &[0, 0]),
            // For signatures by ecdsa_secp256r1_sha256.
            'R' => message(13, &[0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]),
            // With as long a context as there is.
            'Q' => message(
                13,
                &[&[255; 256][..], &[0, 8, 0, 13, 0, 4, 0, 2, 4, 3]].concat(),
            ),
            'C' => certificate(&self.certificate),
            'V' => rogue.certificate_verify(&self.key),
            'F' => rogue.finished(),
            // No certificate in it, one that is none, one that nobody vouches for.
            'c' => message(11, &[0, 0, 0, 0]),
            'd' => certificate(b"none"),
            'm' => certificate(&Authority::new().server_der().0),
            // The signature of the report; of RSA and Ed25519; none; somebody else's.
            'v' => message(15, &[4, 3, 0, 4, 1, 2, 3, 4]),
            'r' => message(15, &[8, 4, 0, 4, 1, 2, 3, 4]),
            'e' => message(15, &[8, 7, 0, 4, 1, 2, 3, 4]),
            'n' => message(15, &[4, 3, 0, 0]),
            's' => rogue.certificate_verify(&KeyPair::generate().unwrap()),
            'f' => message(20, &[0; 32]),
            // Client's and server's hello, a ticket, new keys, the end of early data.
            '1' => message(1, &[0; 40]),
            '2' => rogue.hello[5..].to_vec(),
            '4' => message(4, &[0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 1, 7, 0, 0]),
            'K' => message(24, &[0]),
            '5' => message(5, &[]),
            '9' => message(99, &[1, 2, 3]),
            _ => unreachable!("{letter}"),
        }
    }
}

/// The answer to a client's first record: ServerHello, EncryptedExtensions, Finished, and no
/// Certificate between.
pub fn answer(hello: &[u8]) -> Vec<u8> {
    flight(Rogue::new(hello))
}

/// The same of a server that has a pre-shared key.
pub fn psk_answer(hello: &[u8], key: &[u8]) -> Vec<u8> {
    flight(Rogue::with(hello, Some(key)))
}

fn flight(mut rogue: Rogue) -> Vec<u8> {
    let extensions = rogue.says(&message(8, &[0, 0]));
    let finished = rogue.finished();
    let flight = rogue.handshake(&[extensions, finished].concat());
    [rogue.hello, flight].concat()
}
