//! A server of TLS 1.3 that shows no certificate: what somebody in between would do who has none.

use aes_gcm::{Aes128Gcm, KeyInit, aead::AeadInPlace};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::{PublicKey, ecdh::EphemeralSecret};
use rand_core::OsRng;
use sha2::{Digest, Sha256};

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

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
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

/// The answer to a client's first record: ServerHello, EncryptedExtensions, Finished, and no
/// Certificate between.
pub fn answer(hello: &[u8]) -> Vec<u8> {
    let hello = &hello[5..];
    let (theirs, session) = client_hello(hello);
    let ours = EphemeralSecret::random(&mut OsRng);
    let point = p256::EncodedPoint::from(ours.public_key());
    let body = [
        &[3, 3],
        &[7; 32][..],
        session,
        &[0x13, 0x01, 0],
        &[0, 79, 0, 0x2B, 0, 2, 3, 4],
        &[0, 0x33, 0, 69, 0, 0x17, 0, 65],
        point.as_bytes(),
    ]
    .concat();
    let server_hello = [&[2, 0, 0, body.len() as u8], &body[..]].concat();

    let mut transcript = Sha256::new();
    transcript.update(hello);
    transcript.update(&server_hello);
    let hash = |transcript: &Sha256| transcript.clone().finalize();
    let (early, _) = Hkdf::<Sha256>::extract(None, &[0; 32]);
    let derived: [u8; 32] = expand(&early, "derived", &Sha256::digest([]));
    let shared = ours.diffie_hellman(&theirs);
    let (secret, _) = Hkdf::<Sha256>::extract(Some(&derived), shared.raw_secret_bytes());
    let traffic: [u8; 32] = expand(&secret, "s hs traffic", &hash(&transcript));

    let mut flight = vec![8, 0, 0, 2, 0, 0];
    transcript.update(&flight);
    let key: [u8; 32] = expand(&traffic, "finished", &[]);
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).unwrap();
    Mac::update(&mut mac, &hash(&transcript));
    flight.extend([20, 0, 0, 32]);
    flight.extend(mac.finalize().into_bytes());
    flight.push(22);

    let header = record(23, &vec![0; flight.len() + 16])[..5].to_vec();
    let key: [u8; 16] = expand(&traffic, "key", &[]);
    let nonce: [u8; 12] = expand(&traffic, "iv", &[]);
    let cipher = Aes128Gcm::new(&key.into());
    let sealed = cipher.encrypt_in_place(&nonce.into(), &header, &mut flight);
    sealed.unwrap();
    [record(22, &server_hello), header, flight].concat()
}
