//! `wss://` by embedded-tls 0.19: TLS 1.3, the server's certificate verified, no heap.

use core::mem;

use digest::core_api::BlockSizeUser;
use digest::{Digest, FixedOutput, HashMarker, Output, OutputSizeUser, Reset, Update};
use embassy_futures::select::{Either, select};
use embedded_io::ErrorKind;
use embedded_tls::pki::CertVerifier;
use embedded_tls::{
    Aes128GcmSha256, Certificate, CertificateRef, CertificateVerifyRef, CryptoProvider,
    CryptoRngCore, FlushPolicy, SignatureScheme, TlsCipherSuite, TlsClock, TlsConfig, TlsContext,
    TlsError, TlsVerifier, blocking,
};
use ws_socket::asynch::{self, Clock, TlsBelow, TlsStream};
use ws_socket::stack::{BlockingStreams, TlsRecords};
use ws_socket::url::{Url, UrlHost};
use ws_socket::{CloseCode, Config, Errno, Keepalive, Opcode, Timeout};

type Aes = Aes128GcmSha256;

/// TLS_AES_128_GCM_SHA256 for a handshake whose messages come in order.
pub struct Suite;

impl TlsCipherSuite for Suite {
    const CODE_POINT: u16 = Aes::CODE_POINT;
    type Cipher = <Aes as TlsCipherSuite>::Cipher;
    type KeyLen = <Aes as TlsCipherSuite>::KeyLen;
    type IvLen = <Aes as TlsCipherSuite>::IvLen;
    type Hash = InOrder;
    type LabelBufferSize = <Aes as TlsCipherSuite>::LabelBufferSize;
}

type Sha256 = <Aes as TlsCipherSuite>::Hash;

/// The hash of a handshake. Where a message of the server's is out of order it goes wrong, so that no
/// signature and no Finished is right any more: embedded-tls 0.19 takes messages in any order.
#[derive(Clone, Default)]
pub struct InOrder {
    hash: Sha256,
    at: At,
}

#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Begin,
    Message(u8), // the type of the last one
    End,         // also where it is no handshake that is hashed
}

impl Update for InOrder {
    fn update(&mut self, bytes: &[u8]) {
        // Types and lengths of messages: RFC 8446 section 4; their order: section 2.
        let kind = match bytes {
            [kind, 0, high, low, body @ ..]
                if body.len() == usize::from(u16::from_be_bytes([*high, *low])) =>
            {
                *kind
            }
            _ => 0,
        };
        self.at = match (self.at, kind) {
            (At::Begin, 1) => At::Message(1), // ClientHello
            (At::Begin | At::End, _) => At::End,
            (At::Message(15), 20) => At::End, // CertificateVerify, Finished
            // ServerHello, EncryptedExtensions, CertificateRequest, Certificate
            (At::Message(1), 2)
            | (At::Message(2), 8)
            | (At::Message(8), 11 | 13)
            | (At::Message(13), 11)
            | (At::Message(11), 15) => At::Message(kind),
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

/// Lets a server in whose certificate comes from `ca` (DER), and which has shown that it has the key.
pub struct Verify<'a, R, C: TlsClock> {
    random: R,
    verifier: CertVerifier<'a, Suite, C, 4096>, // all of the server's chain, in bytes
    has: Has,
}

/// What the server has shown, in this order.
#[derive(PartialEq)]
enum Has {
    Nothing,
    Certificate,
    Key,
    Failed,
}

impl<'a, R: CryptoRngCore, C: TlsClock> Verify<'a, R, C> {
    pub fn new(ca: &'a [u8], random: R) -> Self {
        let verifier = CertVerifier::new(Certificate::X509(ca));
        Self {
            random,
            verifier,
            has: Has::Nothing,
        }
    }

    /// embedded-tls 0.19 asks what the server sends, and not that it sends it.
    pub fn proven(&self) -> Result<(), TlsError> {
        (self.has == Has::Key)
            .then_some(())
            .ok_or(TlsError::InvalidCertificate)
    }
}

impl<R: CryptoRngCore, C: TlsClock> CryptoProvider for Verify<'_, R, C> {
    type CipherSuite = Suite;
    type Signature = [u8; 0]; // a client without a certificate of its own

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Suite>, TlsError> {
        Ok(self)
    }
}

impl<R: CryptoRngCore, C: TlsClock> TlsVerifier<Suite> for Verify<'_, R, C> {
    fn set_hostname_verification(&mut self, host: &str) -> Result<(), TlsError> {
        TlsVerifier::<Suite>::set_hostname_verification(&mut self.verifier, host)
    }

    fn verify_certificate(
        &mut self,
        transcript: &InOrder,
        certificate: CertificateRef,
    ) -> Result<(), TlsError> {
        if mem::replace(&mut self.has, Has::Failed) != Has::Nothing {
            return Err(TlsError::InvalidHandshake);
        }
        self.verifier.verify_certificate(transcript, certificate)?;
        self.has = Has::Certificate;
        Ok(())
    }

    /// The verifier panics without a certificate, and at a second signature.
    fn verify_signature(&mut self, signature: CertificateVerifyRef) -> Result<(), TlsError> {
        if mem::replace(&mut self.has, Has::Failed) != Has::Certificate {
            return Err(TlsError::InvalidHandshake);
        }
        if signature.signature_scheme != SignatureScheme::EcdsaSecp256r1Sha256 {
            return Err(TlsError::InvalidSignatureScheme);
        }
        TlsVerifier::<Suite>::verify_signature(&mut self.verifier, signature)?;
        self.has = Has::Key;
        Ok(())
    }
}

/// What TLS works in. 16,640 bytes is the longest body of a record (RFC 8446 section 5.2).
pub struct Memory<const RECORD: usize = 16_640, const WRITE: usize = 1_024> {
    pub whole: [u8; RECORD], // a record until it is whole
    pub read: [u8; RECORD],  // the same, decrypted in place
    pub write: [u8; WRITE],  // less 128: what a record of ours holds
    pub out: [u8; WRITE],    // async: a record until TCP has taken it
}

impl<const RECORD: usize, const WRITE: usize> Memory<RECORD, WRITE> {
    pub const fn new() -> Self {
        let (record, write) = ([0; RECORD], [0; WRITE]);
        Self {
            whole: record,
            read: record,
            write,
            out: write,
        }
    }
}

/// Whose certificate a `wss://` URL wants.
pub fn name<'u>(url: &Url<'u>) -> Option<&'u str> {
    match url.host {
        UrlHost::Name(name) if url.secure => Some(name),
        _ => None, // an address: embedded-tls 0.19 matches names only
    }
}

/// Milliseconds from any origin; they may wrap.
pub type Now = fn() -> u32;

pub type Tls<'m, T> = blocking::TlsConnection<'m, TlsRecords<'m, T, Now>, Suite>;

/// TLS over a stream that blocks, within so many milliseconds.
pub fn secure<'m, T, R, C, const IN: usize, const OUT: usize>(
    tcp: T,
    memory: &'m mut Memory<IN, OUT>,
    host: &str,
    mut verify: Verify<'_, R, C>,
    timeout: u32,
    now: Now,
) -> Result<Tls<'m, T>, TlsError>
where
    T: embedded_io::Read + embedded_io::Write,
    R: CryptoRngCore,
    C: TlsClock,
{
    let records = TlsRecords::blocking(tcp, &mut memory.whole, timeout, now);
    let mut tls = Tls::new(records, &mut memory.read, &mut memory.write);
    tls.set_flush_policy(FlushPolicy::Relaxed); // TCP sends by itself
    let config = TlsConfig::new().with_server_name(host);
    tls.open(TlsContext::new(&config, &mut verify))?;
    verify.proven()?;
    Ok(tls)
}

/// Says hello over it. The stream's reads say `TimedOut` where nothing comes: timeouts hold.
pub fn hello<T, P>(tls: Tls<'_, T>, host: &str, chip: P) -> Result<CloseCode, Errno>
where
    T: embedded_io::Read + embedded_io::Write,
    P: for<'m> ws_socket::Platform<BlockingStreams<Tls<'m, T>>>,
{
    let mut buffer = [0; 512];
    let mut table = ws_socket::WebSockets::<_, _, 1>::new(BlockingStreams::new(), chip);
    let request = ws_socket::WebSocketRequest::new(host, "/echo").buffer(&mut buffer);
    let ws = table.connect(tls, request, 5_000)?;

    table.send_msg(ws, b"hello", Opcode::Text, true, true, Timeout::Forever)?;
    let mut text = [0; 64];
    let got = table.recv_msg(ws, &mut text, 1_000)?;
    assert_eq!(&text[..got.length], b"hello");

    let (end, tls) = table.disconnect_keeping_socket(ws, CloseCode::NORMAL, "", 2_000)?;
    let _ = tls.close(); // close_notify, and TCP back
    Ok(end.code) // the server's
}

pub type AsyncTls<'m, 'b, T> = embedded_tls::TlsConnection<'m, &'m TlsBelow<'b, T>, Suite>;
pub type AsyncStream<'m, 'b, T> = TlsStream<'m, 'b, AsyncTls<'m, 'b, T>, T>;

/// TLS over an async stream, within so many milliseconds. Dropped, it drops the connection.
pub async fn secure_async<'m, 'b, T, R, C>(
    below: &'m TlsBelow<'b, T>, // TlsBelow::new(tcp, &mut memory.whole, &mut memory.out)
    read: &'m mut [u8],         // memory.read
    write: &'m mut [u8],        // memory.write
    host: &str,
    mut verify: Verify<'_, R, C>,
    timeout: u32,
    clock: impl Clock,
) -> Result<AsyncStream<'m, 'b, T>, TlsError>
where
    T: embedded_io_async::Read + embedded_io_async::Write,
    R: CryptoRngCore,
    C: TlsClock,
{
    let mut tls = AsyncTls::new(below, read, write);
    let config = TlsConfig::new().with_server_name(host);
    let open = tls.open(TlsContext::new(&config, &mut verify));
    match select(open, clock.sleep_ms(timeout)).await {
        Either::First(opened) => opened?,
        Either::Second(()) => return Err(TlsError::Io(ErrorKind::TimedOut)),
    }
    verify.proven()?;
    Ok(TlsStream::new(tls, below))
}

/// Says hello over it. Every call may be dropped, and have a timeout.
pub async fn hello_async<T, P>(
    tls: AsyncStream<'_, '_, T>,
    url: &Url<'_>,
    chip: P,
) -> Result<CloseCode, Errno>
where
    T: embedded_io_async::Read + embedded_io_async::Write,
    P: asynch::Platform,
{
    let mut buffer = [0; 512];
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 30_000,
            timeout: 10_000,
        }),
        ..Config::DEFAULT // flush: TLS makes a record of it then
    };
    let clock = chip.clock();
    let request = asynch::WebSocketRequest::to(url.host_header(), url.target);
    let ws = asynch::WebSocket::connect(tls, &request, &mut buffer, chip, config, 5_000);
    let mut ws = ws.await?;

    ws.send_msg(b"hello", Opcode::Text, true, 1_000).await?;
    let mut text = [0; 64];
    let got = ws.recv_msg(&mut text, 1_000).await?;
    assert_eq!(&text[..got.length], b"hello");

    let end = ws
        .disconnect_keeping_stream(CloseCode::NORMAL, "", 2_000)
        .await?;
    if let Some(stream) = ws.into_stream() {
        let close = stream.into_tls().close(); // close_notify
        let _ = select(close, clock.sleep_ms(2_000)).await;
    }
    Ok(end.code) // the server's
}
