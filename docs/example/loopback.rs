
// Behind hello.rs this is a program: a server on the other end of a wire, in one process.

use smoltcp::iface::{Config as Setup, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;
type Stack = SmoltcpStack<'static, Wire, 2>;

/// One end of a wire: packets come out of one queue and go into the other.
struct Wire(Queue, Queue);
struct Arrived(Vec<u8>);
struct Departing(Queue);

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 576;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Departing)> {
        let packet = self.0.borrow_mut().pop_front()?;
        Some((Arrived(packet), Departing(self.1.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing> {
        Some(Departing(self.1.clone()))
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
        self.0.borrow_mut().push_back(packet);
        result
    }
}

fn stack(mut device: Wire, host: u8) -> Stack {
    let setup = Setup::new(HardwareAddress::Ip);
    let mut interface = Interface::new(setup, &mut device, Instant::ZERO);
    interface.update_ip_addrs(|all| {
        all.push(IpCidr::new(IpAddress::v4(10, 0, 0, host), 24)).unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    let buffer = || tcp::SocketBuffer::new(vec![0; 1024]);
    let pool = [(); 2].map(|()| sockets.add(tcp::Socket::new(buffer(), buffer())));
    SmoltcpStack::new(interface, device, sockets, pool, host.into()).unwrap()
}

/// A chip whose time moves while a call waits; then `turn` is whose turn it is.
struct Chip<F>(u32, F);

impl<F: FnMut(u32)> Platform<Stack> for Chip<F> {
    fn now_ms(&mut self) -> u32 {
        self.0
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(4); // a chip has a random number generator
        Ok(())
    }

    fn wait(&mut self, stack: &mut Stack, at_most_ms: u32) {
        self.0 += at_most_ms.min(1);
        stack.poll_ms(self.0);
        (self.1)(self.0);
    }
}

fn main() {
    use embedded_nal::{TcpClientStack, TcpFullStack};

    let (there, back) = (Queue::default(), Queue::default());
    let mut server = stack(Wire(there.clone(), back.clone()), 1);
    let mut listener = server.socket().unwrap();
    server.bind(&mut listener, 80).unwrap();
    server.listen(&mut listener).unwrap();

    let mut lent = [0; 512];
    let table = WebSockets::<_, _, 1>::new(server, Chip(0, |_| {}));
    let mut table = table.with_buffers([&mut lent]);
    let mut accepted = None;
    let echo = move |now: u32| {
        table.platform().0 = now;
        table.stack().poll_ms(now);
        let Some(ws) = accepted else {
            let options = AcceptOptions { subprotocols: &["chat"], ..Default::default() };
            accepted = websocket_accept(&mut table, &mut listener, &options, 0).ok();
            return;
        };
        let mut piece = [0; 64];
        match table.recv_msg(ws, &mut piece, 0) {
            Ok(received) if received.opcode().is_control() => {}
            Ok(received) => {
                let payload = &piece[..received.length];
                table.send_msg(ws, payload, received.opcode(), true, 0).unwrap();
            }
            Err(ReceiveError::Timeout | ReceiveError::Handle(_)) => {}
            Err(_) => drop(table.disconnect(ws, 0)),
        }
        table.stack().poll_ms(now);
    };

    let client = stack(Wire(back, there), 2);
    let code = hello(client, Chip(0, echo), SocketAddr::from(([10, 0, 0, 1], 80)));
    assert_eq!(code.unwrap(), CloseCode::NORMAL);

    // README.md shows the same text.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let file = |name: &str| std::fs::read_to_string(format!("{root}/{name}")).unwrap();
    assert!(file("README.md").contains(&file("docs/example/hello.rs")));
}
