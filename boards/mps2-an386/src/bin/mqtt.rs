//! An MQTT client without async, minimq, whose TCP stack is `ws-transport-mqtt` over smoltcp: it
//! publishes and subscribes on a broker on the host, where `host/mqtt.py` watches.
//!
//! Command line: the port of the broker's WebSocket listener on the host.
#![no_std]
#![no_main]

use core::cell::{Cell, RefCell};
use core::net::SocketAddr;

use cortex_m_rt::entry;
use embedded_nal::{TcpClientStack, nb};
use embedded_time::fraction::Fraction;
use minimq::broker::IpBroker;
use minimq::config::BufferConfig;
use minimq::types::{SubscriptionOptions, TopicFilter};
use minimq::{Broker, ConfigBuilder, Minimq, Publication, QoS, Will};
use smoltcp::iface::PollResult;
use ws_mps2_an386::net::{self, Board, Stack};
use ws_mps2_an386::paint::Meter;
use ws_mps2_an386::{clock, network, say, semihosting};
use ws_socket::{CloseCode, WebSocketId};
use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStack};

/// One, and one for a connection that is still closing.
const SOCKETS: usize = 2;
/// For all that happens, in milliseconds.
const WITHIN: u32 = 20_000;

/// What the broker says if the board is gone without a DISCONNECT.
const WILL: (&str, &[u8]) = ("board/will", b"gone");
/// The board hears itself.
const OWN: &str = "board/own";
/// The board is ready for the host's word.
const LISTENS: &str = "board/listens";
const WORD: (&str, &[u8]) = ("host/word", b"from the host");
/// Longer than a buffer of the WebSocket's.
const LONG: &[u8] = &{
    let mut bytes = [0; 1500];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at ^ at >> 8) as u8;
        at += 1;
    }
    bytes
};

/// The longest packet.
const PACKET: usize = 2048;
/// minimq's: a packet each way, one that is not confirmed, and the will.
const MEMORY: usize = 3 * PACKET + 64;

/// MQTT 5.0 section 3.14, without a reason: minimq has no call that sends it.
const DISCONNECT: &[u8] = &[0xe0, 0];

#[entry]
fn main() -> ! {
    let mut meter = Meter::new();
    let server = net::peer();
    let (stack, board) = network!(SOCKETS, 4096);
    let (mut receive, mut gather) = ([0; 256], [0; 128]);
    let buffers = [Buffers::new(&mut receive, &mut gather)];
    let request = MqttRequest::new("10.0.2.2");
    let kept = Kept {
        stack: RefCell::new(MqttStack::new(stack, board, request, buffers)),
        socket: Cell::new(None),
    };
    let mut memory = [0; MEMORY];
    let mut client = Client::new(&kept, server, &mut memory);

    client.until("connecting", |mqtt| mqtt.client().is_connected());
    say!("connected");
    client.subscribe(&[OWN, WORD.0]);
    say!("subscribed");
    client.publish(OWN, b"at most once", QoS::AtMostOnce);
    client.expect(OWN, b"at most once");
    say!("heard itself, QoS 0");
    client.publish(OWN, LONG, QoS::AtLeastOnce);
    client.expect(OWN, LONG);
    say!("heard itself, QoS 1");
    client.publish(LISTENS, b"say something", QoS::AtLeastOnce);
    client.expect(WORD.0, WORD.1);
    say!("heard the host");
    client.until("confirming", |mqtt| !mqtt.client().pending_messages());
    kept.disconnect();
    say!("disconnected");
    meter.print();
    say!("mqtt: ok");
    semihosting::succeed()
}

/// minimq owns its stack; this one can be reached nevertheless.
struct Kept<'buf> {
    stack: RefCell<MqttStack<'buf, Stack<SOCKETS>, Board, 1>>,
    socket: Cell<Option<WebSocketId>>,
}

type Error = MqttError<ws_socket::stack::SmoltcpError>;

impl TcpClientStack for &Kept<'_> {
    type TcpSocket = WebSocketId;
    type Error = Error;

    fn socket(&mut self) -> Result<WebSocketId, Error> {
        let socket = self.stack.borrow_mut().socket()?;
        self.socket.set(Some(socket));
        Ok(socket)
    }

    fn connect(&mut self, socket: &mut WebSocketId, remote: SocketAddr) -> nb::Result<(), Error> {
        self.stack.borrow_mut().connect(socket, remote)
    }

    fn send(&mut self, socket: &mut WebSocketId, buffer: &[u8]) -> nb::Result<usize, Error> {
        self.stack.borrow_mut().send(socket, buffer)
    }

    fn receive(&mut self, socket: &mut WebSocketId, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        self.stack.borrow_mut().receive(socket, buffer)
    }

    fn close(&mut self, socket: WebSocketId) -> Result<(), Error> {
        self.socket.set(None);
        self.stack.borrow_mut().close(socket)
    }
}

impl Kept<'_> {
    /// Moves packets; where there are none, sleeps until the next interrupt.
    fn wait(&self) {
        assert!(clock::now_ms() < WITHIN, "it takes too long");
        let mut mqtt = self.stack.borrow_mut();
        if mqtt.table().stack().poll_ms(clock::now_ms()) == PollResult::None {
            cortex_m::asm::wfi();
        }
    }

    /// Ends MQTT, then the WebSocket, then TCP.
    fn disconnect(&self) {
        let socket = self.socket.get();
        let mut socket = socket.unwrap_or_else(|| panic!("it is not connected"));
        let mut rest = DISCONNECT;
        while !rest.is_empty() {
            let sent = self.stack.borrow_mut().send(&mut socket, rest);
            match sent {
                Ok(count) => rest = &rest[count..],
                Err(nb::Error::WouldBlock) => self.wait(),
                Err(nb::Error::Other(why)) => panic!("DISCONNECT: {why}"),
            }
        }
        let mut mqtt = self.stack.borrow_mut();
        let end = mqtt.table().disconnect(socket, 5_000);
        let end = end.unwrap_or_else(|why| panic!("{why}"));
        say!("clean {}, code {}", end.clean, end.code.0);
        assert_eq!((end.clean, end.code), (true, CloseCode::NORMAL));
    }
}

/// The clock as minimq wants it.
struct Milliseconds;

impl embedded_time::Clock for Milliseconds {
    type T = u32;
    const SCALING_FACTOR: Fraction = Fraction::new(1, 1000);

    fn try_now(&self) -> Result<embedded_time::Instant<Self>, embedded_time::clock::Error> {
        Ok(embedded_time::Instant::new(clock::now_ms()))
    }
}

type Session<'a, 'buf> = Minimq<'a, &'a Kept<'buf>, Milliseconds, IpBroker>;

struct Client<'a, 'buf> {
    mqtt: Session<'a, 'buf>,
    kept: &'a Kept<'buf>,
    connected: bool,
}

impl<'a, 'buf> Client<'a, 'buf> {
    fn new(kept: &'a Kept<'buf>, server: SocketAddr, memory: &'a mut [u8; MEMORY]) -> Self {
        let mut broker = IpBroker::new(server.ip());
        broker.set_port(server.port());
        let will = Will::new(WILL.0, WILL.1, &[]);
        let will = will.unwrap_or_else(|why| panic!("{why:?}"));
        let config = ConfigBuilder::new(broker, memory)
            .rx_buffer(BufferConfig::Exactly(PACKET))
            .tx_buffer(BufferConfig::Exactly(PACKET))
            .client_id("board")
            .and_then(|config| config.will(will));
        let config = config.unwrap_or_else(|why| panic!("{why:?}"));
        Self {
            mqtt: Minimq::new(kept, Milliseconds, config),
            kept,
            connected: false,
        }
    }

    /// Lets minimq work until `done`. No message comes meanwhile.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Session<'a, 'buf>) -> bool) {
        while !done(&mut self.mqtt) {
            let polled = self.mqtt.poll(|_, topic, _, _| panic!("{what}: {topic}"));
            polled.unwrap_or_else(|why| panic!("{what}: {why:?}"));
            self.stays();
            self.kept.wait();
        }
        self.connected = true;
    }

    /// minimq would connect again by itself.
    fn stays(&mut self) {
        let connected = self.mqtt.client().is_connected();
        assert!(connected || !self.connected, "the broker hung up");
    }

    fn subscribe(&mut self, topics: &[&str; 2]) {
        let options = SubscriptionOptions::default().maximum_qos(QoS::AtLeastOnce);
        let filters = topics.map(|topic| TopicFilter::new(topic).options(options));
        let asked = self.mqtt.client().subscribe(&filters, &[]);
        asked.unwrap_or_else(|why| panic!("subscribing: {why:?}"));
        self.until("subscribing", |mqtt| !mqtt.client().subscriptions_pending());
    }

    fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS) {
        self.until("publishing", |mqtt| mqtt.client().can_publish(qos));
        let publication = Publication::new(topic, payload).qos(qos);
        let published = self.mqtt.client().publish(publication);
        published.unwrap_or_else(|why| panic!("publishing on {topic}: {why:?}"));
    }

    /// The next message is this one.
    fn expect(&mut self, topic: &str, payload: &[u8]) {
        loop {
            let polled = self.mqtt.poll(|_, from, bytes, _| {
                assert_eq!(from, topic);
                assert!(bytes == payload, "on {topic} came something else");
            });
            let polled = polled.unwrap_or_else(|why| panic!("waiting for {topic}: {why:?}"));
            self.stays();
            if polled.is_some() {
                return;
            }
            self.kept.wait();
        }
    }
}
