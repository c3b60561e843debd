//! The operating system's TCP on loopback: the server in a thread, the client's streams.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use embedded_io::ErrorType;

use crate::peer::Echo;

/// Runs a server for one connection, until it ends. What became of it is in the thread's result.
pub fn serve(mut echo: Echo) -> (SocketAddr, JoinHandle<Echo>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = vec![0; 65_536];
        loop {
            let count = match tcp.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            };
            let answer = echo.take(&bytes[..count]);
            if tcp.write_all(&answer).is_err() {
                break;
            }
        }
        echo
    });
    (address, server)
}

/// A stream that blocks. Its reads say `TimedOut` where nothing comes for the time that is set.
pub struct Tcp(TcpStream);

impl Tcp {
    /// Connects; reads wait for 20 s.
    pub fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_nodelay(true).unwrap();
        let tcp = Self(tcp);
        tcp.patience(20_000);
        tcp
    }

    /// How long its reads wait from now on.
    pub fn patience(&self, ms: u64) {
        let time = Duration::from_millis(ms);
        self.0.set_read_timeout(Some(time)).unwrap();
    }
}

impl ErrorType for Tcp {
    type Error = io::Error;
}

impl embedded_io::Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl embedded_io::Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The async one.
pub struct AsyncTcp(pub async_io::Async<TcpStream>);

impl AsyncTcp {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(
            async_io::Async::<TcpStream>::connect(address)
                .await
                .unwrap(),
        )
    }
}

impl ErrorType for AsyncTcp {
    type Error = io::Error;
}

impl embedded_io_async::Read for AsyncTcp {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|mut tcp| tcp.read(buffer)).await
    }
}

impl embedded_io_async::Write for AsyncTcp {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|mut tcp| tcp.write(bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The system's clock, for TLS that blocks.
pub fn now() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u32
}

/// The system's clock and randomness.
#[derive(Clone, Copy)]
pub struct System(Instant);

impl System {
    /// From now on.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

fn random(bytes: &mut [u8]) {
    rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, bytes);
}

impl<S> ws_socket::Platform<S> for System {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        random(bytes);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {}
}

impl ws_socket::asynch::AsyncPlatform for System {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        random(bytes);
        Ok(())
    }
}

impl ws_socket::asynch::Clock for System {
    fn now_ms(&self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        async_io::Timer::after(Duration::from_millis(ms.into())).await;
    }
}
