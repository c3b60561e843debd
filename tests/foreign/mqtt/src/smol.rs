//! smoltcp on a wire in memory; at its other end a thread that relays to the system's TCP.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Error, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_io::Timer;
use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use ws_socket::stack::{SmoltcpError, SmoltcpSocket, SmoltcpStack};

type Queue = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// One end of a wire.
pub struct Wire {
    from: Queue,
    to: Queue,
}

pub struct Arrived(Vec<u8>);
pub struct Departing(Queue);

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Arrived, Departing)> {
        let packet = self.from.lock().unwrap().pop_front()?;
        Some((Arrived(packet), Departing(Arc::clone(&self.to))))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Departing> {
        Some(Departing(Arc::clone(&self.to)))
    }
}

impl smoltcp::phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

impl smoltcp::phy::TxToken for Departing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        self.0.lock().unwrap().push_back(packet);
        result
    }
}

type Stack = SmoltcpStack<'static, Wire, 4>;

/// Where the far end listens.
const FAR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);

fn stack(mut wire: Wire, host: u8) -> Stack {
    let config = Config::new(HardwareAddress::Ip);
    let mut interface = Interface::new(config, &mut wire, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|all| {
        all.push(IpCidr::new(IpAddress::v4(10, 0, 0, host), 24))
            .unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
    let pool = [(); 4].map(|()| sockets.add(tcp::Socket::new(buffer(), buffer())));
    SmoltcpStack::new(interface, wire, sockets, pool, host.into()).unwrap()
}

/// smoltcp that moves packets in every call, whose other end relays to `target`.
pub struct Polled {
    stack: Stack,
    started: Instant,
}

impl Polled {
    pub fn to(target: SocketAddr) -> Self {
        let (there, back) = (Queue::default(), Queue::default());
        let far = Wire {
            from: Arc::clone(&there),
            to: Arc::clone(&back),
        };
        let (listening, listens) = std::sync::mpsc::channel();
        std::thread::spawn(move || Far::new(stack(far, 1), target).run(&listening));
        // Or the first SYN is refused.
        listens.recv().expect("the far end listens");
        let near = Wire {
            from: back,
            to: there,
        };
        Self {
            stack: stack(near, 2),
            started: Instant::now(),
        }
    }

    fn poll(&mut self) {
        self.stack
            .poll_ms(self.started.elapsed().as_millis() as u32);
    }

    fn polled<R>(&mut self, work: impl FnOnce(&mut Stack) -> R) -> R {
        self.poll();
        let result = work(&mut self.stack);
        self.poll();
        result
    }
}

impl TcpClientStack for Polled {
    type TcpSocket = SmoltcpSocket;
    type Error = SmoltcpError;

    fn socket(&mut self) -> Result<SmoltcpSocket, SmoltcpError> {
        self.polled(|stack| stack.socket())
    }

    /// Always to the far end.
    fn connect(
        &mut self,
        socket: &mut SmoltcpSocket,
        _: SocketAddr,
    ) -> nb::Result<(), SmoltcpError> {
        self.polled(|stack| stack.connect(socket, FAR))
    }

    fn send(
        &mut self,
        socket: &mut SmoltcpSocket,
        bytes: &[u8],
    ) -> nb::Result<usize, SmoltcpError> {
        self.polled(|stack| stack.send(socket, bytes))
    }

    fn receive(
        &mut self,
        socket: &mut SmoltcpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, SmoltcpError> {
        self.polled(|stack| stack.receive(socket, buffer))
    }

    fn close(&mut self, socket: SmoltcpSocket) -> Result<(), SmoltcpError> {
        self.polled(|stack| stack.close(socket))
    }
}

/// The far end: whatever connects is relayed.
struct Far {
    polled: Polled,
    target: SocketAddr,
    pairs: Vec<Pair>,
}

struct Pair {
    near: SmoltcpSocket,
    far: TcpStream,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Far {
    fn new(stack: Stack, target: SocketAddr) -> Self {
        Self {
            polled: Polled {
                stack,
                started: Instant::now(),
            },
            target,
            pairs: Vec::new(),
        }
    }

    fn run(mut self, listening: &std::sync::mpsc::Sender<()>) {
        let mut listener = self.polled.socket().unwrap();
        self.polled.stack.bind(&mut listener, FAR.port()).unwrap();
        self.polled.stack.listen(&mut listener).unwrap();
        let _ = listening.send(());
        let mut quiet = 0;
        // Alone on the wire, and for a while: the other end is gone.
        while quiet < 20_000 {
            self.polled.poll();
            if let Ok((near, _)) = self.polled.stack.accept(&mut listener)
                && let Ok(far) = TcpStream::connect(self.target)
            {
                far.set_nonblocking(true).unwrap();
                far.set_nodelay(true).unwrap();
                self.pairs.push(Pair {
                    near,
                    far,
                    up: Vec::new(),
                    down: Vec::new(),
                });
            }
            let mut moved = false;
            let mut index = 0;
            while let Some(pair) = self.pairs.get_mut(index) {
                match pair.step(&mut self.polled) {
                    Ok(some) => {
                        moved |= some;
                        index += 1;
                    }
                    Err(()) => {
                        let pair = self.pairs.swap_remove(index);
                        let _ = pair.far.shutdown(Shutdown::Both);
                        let _ = self.polled.close(pair.near);
                    }
                }
            }
            if !moved {
                std::thread::sleep(Duration::from_micros(200));
            }
            quiet = if self.pairs.is_empty() { quiet + 1 } else { 0 };
        }
    }
}

impl Pair {
    /// Moves bytes both ways. `Err` where one side has ended.
    fn step(&mut self, polled: &mut Polled) -> Result<bool, ()> {
        let mut moved = false;
        let mut piece = [0; 4096];
        if self.up.is_empty() {
            match polled.receive(&mut self.near, &mut piece) {
                Ok(0) => return Err(()),
                Ok(count) => self.up.extend_from_slice(&piece[..count]),
                Err(nb::Error::WouldBlock) => {}
                Err(_) => return Err(()),
            }
        }
        if !self.up.is_empty() {
            let count = blocking(self.far.write(&self.up))?;
            moved |= count > 0;
            self.up.drain(..count);
        }
        if self.down.is_empty() {
            match self.far.read(&mut piece) {
                Ok(0) => return Err(()),
                read => {
                    let count = blocking(read)?;
                    self.down.extend_from_slice(&piece[..count]);
                }
            }
        }
        if !self.down.is_empty() {
            match polled.send(&mut self.near, &self.down) {
                Ok(count) => {
                    moved |= count > 0;
                    self.down.drain(..count);
                }
                Err(nb::Error::WouldBlock) => {}
                Err(_) => return Err(()),
            }
        }
        Ok(moved)
    }
}

fn blocking(moved: std::io::Result<usize>) -> Result<usize, ()> {
    match moved {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(()),
    }
}

/// The same for async clients.
#[derive(Clone)]
pub struct Smol(Rc<RefCell<Polled>>);

impl Smol {
    pub fn to(target: SocketAddr) -> Self {
        Self(Rc::new(RefCell::new(Polled::to(target))))
    }

    pub async fn connect(&self) -> Result<SmolStream, Error> {
        let socket = self.0.borrow_mut().socket().map_err(Error::other)?;
        let mut stream = SmolStream {
            stack: Rc::clone(&self.0),
            socket: Some(socket),
        };
        stream
            .wait(|stack, socket| stack.connect(socket, FAR))
            .await?;
        Ok(stream)
    }
}

pub struct SmolStream {
    stack: Rc<RefCell<Polled>>,
    socket: Option<SmoltcpSocket>,
}

impl SmolStream {
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.wait(|stack, socket| stack.receive(socket, buffer))
            .await
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.wait(|stack, socket| stack.send(socket, bytes)).await
    }

    async fn wait<R>(
        &mut self,
        mut step: impl FnMut(&mut Polled, &mut SmoltcpSocket) -> nb::Result<R, SmoltcpError>,
    ) -> Result<R, Error> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Err(std::io::ErrorKind::NotConnected.into());
            };
            match step(&mut self.stack.borrow_mut(), socket) {
                Ok(result) => return Ok(result),
                Err(nb::Error::Other(error)) => return Err(Error::other(error)),
                Err(nb::Error::WouldBlock) => {}
            }
            Timer::after(Duration::from_micros(200)).await;
        }
    }
}

impl Drop for SmolStream {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            let mut stack = self.stack.borrow_mut();
            let _ = stack.close(socket);
            // What is due goes out before the stack goes.
            for _ in 0..20 {
                stack.poll();
            }
        }
    }
}
