//! A URL's name with several addresses, some silent, some refused: the one that takes the
//! connection is found within the timeout, by either driver, in pretended time.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;

use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, nb};
use ws_socket::asynch::{self, Clock, WebSocket};
use ws_socket::stack::{AddressList, Addresses};
use ws_socket::{Config, ConnectError, Errno, RandomError, Timeout, WebSocketRequest, WebSockets};
use ws_tests::frames::{head, header, switching};
use ws_tests::hand::{Hand, HandClock, settle};
use ws_tests::table::lent;
use ws_tests::wire::{Line, Reset, Script, Wire};

/// What becomes of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Silent,
    /// After so many milliseconds.
    Refuses(u32),
    Takes(u32),
}
use Peer::{Refuses, Silent, Takes};

/// A network, its names, and when each address was dialed.
#[derive(Default)]
struct World {
    /// In the order in which the stack prefers them.
    hosts: Vec<(IpAddr, Peer)>,
    /// How many sockets there are.
    sockets: usize,
    open: usize,
    dialed: Vec<(u32, SocketAddr)>,
    /// How long each lookup takes.
    lookup: u32,
    /// `AddrType::Either` finds nothing.
    no_either: bool,
    asked: Option<(AddrType, u32)>,
    request: String,
}

#[derive(Clone)]
struct Net(Rc<RefCell<World>>, HandClock);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    Refused,
    NoSocket,
    NoName,
}

impl TcpError for Failed {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

struct Socket {
    dialed: Option<(u32, SocketAddr)>,
    out: Vec<u8>,
    answer: Vec<u8>,
}

impl Net {
    fn found(&self, family: &AddrType) -> Result<IpAddr, Failed> {
        let world = self.0.borrow();
        let fits = |ip: &IpAddr| match family {
            AddrType::Either => !world.no_either,
            AddrType::IPv4 => ip.is_ipv4(),
            AddrType::IPv6 => ip.is_ipv6(),
        };
        let mut hosts = world.hosts.iter().map(|(ip, _)| *ip);
        hosts.find(fits).ok_or(Failed::NoName)
    }

    fn peer(&self, ip: IpAddr) -> Peer {
        let world = self.0.borrow();
        let host = world.hosts.iter().find(|(host, _)| *host == ip);
        host.map_or(Silent, |(_, peer)| *peer)
    }

    fn dial(&self, to: SocketAddr) {
        let at = self.1.now_ms();
        self.0.borrow_mut().dialed.push((at, to));
    }
}

impl TcpClientStack for Net {
    type TcpSocket = Socket;
    type Error = Failed;

    fn socket(&mut self) -> Result<Socket, Failed> {
        let mut world = self.0.borrow_mut();
        if world.open == world.sockets {
            return Err(Failed::NoSocket);
        }
        world.open += 1;
        Ok(Socket {
            dialed: None,
            out: Vec::new(),
            answer: Vec::new(),
        })
    }

    fn connect(&mut self, socket: &mut Socket, to: SocketAddr) -> nb::Result<(), Failed> {
        let now = self.1.now_ms();
        let since = match socket.dialed {
            Some((since, before)) => {
                assert_eq!(before, to, "one attempt is to one address");
                since
            }
            None => {
                self.dial(to);
                socket.dialed = Some((now, to));
                now
            }
        };
        match self.peer(to.ip()) {
            Takes(after) if now - since >= after => Ok(()),
            Refuses(after) if now - since >= after => Err(nb::Error::Other(Failed::Refused)),
            _ => Err(nb::Error::WouldBlock),
        }
    }

    fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> nb::Result<usize, Failed> {
        socket.out.extend_from_slice(bytes);
        if let Some((request, _)) = head(&socket.out) {
            socket.answer = switching(request, "").into_bytes();
            self.0.borrow_mut().request = request.to_owned();
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> nb::Result<usize, Failed> {
        let count = buffer.len().min(socket.answer.len());
        if count == 0 {
            return Err(nb::Error::WouldBlock);
        }
        buffer[..count].copy_from_slice(&socket.answer[..count]);
        socket.answer.drain(..count);
        Ok(count)
    }

    fn close(&mut self, _: Socket) -> Result<(), Failed> {
        self.0.borrow_mut().open -= 1;
        Ok(())
    }
}

impl Dns for Net {
    type Error = Failed;

    fn get_host_by_name(&mut self, _: &str, family: AddrType) -> nb::Result<IpAddr, Failed> {
        let now = self.1.now_ms();
        let mut world = self.0.borrow_mut();
        let asked = match &world.asked {
            Some((before, asked)) if *before == family => *asked,
            _ => now,
        };
        world.asked = Some((family.clone(), asked));
        if now - asked < world.lookup {
            return Err(nb::Error::WouldBlock);
        }
        world.asked = None;
        drop(world);
        self.found(&family).map_err(nb::Error::Other)
    }

    fn get_host_by_address(&mut self, _: IpAddr, _: &mut [u8]) -> nb::Result<usize, Failed> {
        Err(nb::Error::Other(Failed::NoName))
    }
}

impl Addresses for Net {
    fn get_addresses(&mut self, _: &str, found: &mut AddressList) -> nb::Result<(), Failed> {
        for (ip, _) in &self.0.borrow().hosts {
            found.push(*ip);
        }
        Ok(())
    }

    fn scope_id(&mut self, zone: &str) -> Option<u32> {
        (zone == "eth0").then_some(7)
    }
}

impl embedded_nal_async::TcpConnect for Net {
    type Error = Reset;
    type Connection<'a> = Open;

    async fn connect(&self, to: SocketAddr) -> Result<Open, Reset> {
        if self.0.borrow().open == self.0.borrow().sockets {
            return Err(Reset);
        }
        self.0.borrow_mut().open += 1;
        let open = Open(self.clone(), Script::new().wire());
        self.dial(to);
        match self.peer(to.ip()) {
            Silent => std::future::pending().await,
            Refuses(after) => {
                self.1.sleep_ms(after).await;
                Err(Reset)
            }
            Takes(after) => {
                self.1.sleep_ms(after).await;
                let script = Script::new();
                let net = self.clone();
                script.answer(move |line| {
                    if let Some((request, _)) = head(&line.out) {
                        net.0.borrow_mut().request = request.to_owned();
                        let answer = switching(request, "");
                        Line::sent(line);
                        line.feed(answer.as_bytes());
                    }
                });
                let mut open = open;
                open.1 = script.wire();
                Ok(open)
            }
        }
    }
}

impl embedded_nal_async::Dns for Net {
    type Error = Failed;

    async fn get_host_by_name(&self, _: &str, family: AddrType) -> Result<IpAddr, Failed> {
        let lookup = self.0.borrow().lookup;
        self.1.sleep_ms(lookup).await;
        self.found(&family)
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Failed> {
        Err(Failed::NoName)
    }
}

/// A stream that gives its socket back.
struct Open(Net, Wire);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.borrow_mut().open -= 1;
    }
}

impl embedded_io_async::ErrorType for Open {
    type Error = Reset;
}

impl embedded_io_async::Read for Open {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Reset> {
        self.1.read(buffer).await
    }
}

impl embedded_io_async::Write for Open {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        self.1.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        self.1.flush().await
    }
}

/// The test's clock, with which the network goes.
struct Ticks(HandClock);

impl ws_socket::Platform<Net> for Ticks {
    fn now_ms(&mut self) -> u32 {
        self.0.now_ms()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.fill(3);
        Ok(())
    }

    fn wait(&mut self, _: &mut Net, at_most_ms: u32) {
        self.0.advance(at_most_ms.min(1));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Blocking,
    All,
    Async,
    AsyncTable,
}

/// What came of it, when, and who was dialed when.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    result: Result<(), String>,
    after: u32,
    dialed: Vec<(u32, String)>,
    request: String,
}

fn connect(
    driver: Driver,
    url: &str,
    hosts: &[(&str, Peer)],
    timeout: impl Into<Timeout>,
    change: impl FnOnce(&mut World),
) -> Came {
    let hand = Hand::new();
    let mut world = World {
        hosts: hosts
            .iter()
            .map(|(ip, peer)| (ip.parse().unwrap(), *peer))
            .collect(),
        sockets: 9,
        ..World::default()
    };
    change(&mut world);
    let net = Net(Rc::new(RefCell::new(world)), hand.clock);
    let timeout = timeout.into();
    let say = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let result = match driver {
        Driver::Blocking | Driver::All => {
            let mut table = WebSockets::<_, _, 1>::new(net.clone(), Ticks(hand.clock))
                .with_buffers([lent(256)]);
            let request = WebSocketRequest::for_url();
            let result = match driver {
                Driver::All => table.connect_url_all(url, request, timeout),
                _ => table.connect_url(url, request, timeout),
            };
            let open = usize::from(result.is_ok());
            assert_eq!(net.0.borrow().open, open, "the others are closed");
            result.map(|_| ()).map_err(|error| say(&error))
        }
        Driver::Async | Driver::AsyncTable => {
            let request = asynch::AsyncRequest::for_url();
            let mut table =
                asynch::AsyncWebSockets::<_, _, 1>::new(hand.clone()).with_buffers([lent(256)]);
            let mut call: std::pin::Pin<Box<dyn Future<Output = Result<(), String>>>> =
                if driver == Driver::Async {
                    Box::pin(async {
                        let ws = WebSocket::connect_url(
                            &net,
                            url,
                            &request,
                            lent(256),
                            hand.clone(),
                            Config::DEFAULT,
                            timeout,
                        );
                        ws.await.map(std::mem::forget).map_err(|error| say(&error))
                    })
                } else {
                    Box::pin(async {
                        let ws = table.connect_url(&net, url, &request, timeout).await;
                        ws.map(|_| ()).map_err(|error| say(&error))
                    })
                };
            let mut call = pin!(&mut call);
            loop {
                if let Some(result) = settle(call.as_mut()) {
                    break result;
                }
                assert!(hand.clock.now_ms() < 200_000, "it hangs");
                hand.clock.advance(1);
            }
        }
    };
    let world = net.0.borrow();
    let dialed = world.dialed.iter().map(|(at, to)| (*at, to.to_string()));
    Came {
        result,
        after: hand.clock.now_ms(),
        dialed: dialed.collect(),
        request: world.request.clone(),
    }
}

const DRIVERS: [Driver; 4] = [
    Driver::Blocking,
    Driver::All,
    Driver::Async,
    Driver::AsyncTable,
];
const V6: &str = "2001:db8::1";
const V4: &str = "192.0.2.1";
const URL: &str = "ws://name.example:81/x";

fn addresses(came: &Came) -> Vec<&str> {
    came.dialed.iter().map(|(_, to)| to.as_str()).collect()
}

#[test]
fn the_other_family_is_tried() {
    for driver in DRIVERS {
        for [first, other] in [[V6, V4], [V4, V6]] {
            let what = format!("{driver:?}, {first} first");
            // A silent one has its head start, and no more.
            let came = connect(
                driver,
                URL,
                &[(first, Silent), (other, Takes(10))],
                9_000,
                |_| {},
            );
            assert_eq!(came.result, Ok(()), "{what}");
            assert!((260..=265).contains(&came.after), "{what}: {came:?}");
            // A refused one has none.
            for after in [0, 30] {
                let hosts = [(first, Refuses(after)), (other, Takes(10))];
                let came = connect(driver, URL, &hosts, 9_000, |_| {});
                assert_eq!(came.result, Ok(()), "{what}");
                assert!(came.after <= after + 15, "{what}: {came:?}");
            }
            // The first is waited for, also where the other fails meanwhile.
            for other_is in [Silent, Refuses(0), Refuses(50), Takes(5_000)] {
                let hosts = [(first, Takes(400)), (other, other_is)];
                let came = connect(driver, URL, &hosts, 9_000, |_| {});
                assert_eq!(came.result, Ok(()), "{what}");
                assert!((400..=405).contains(&came.after), "{what}: {came:?}");
            }
            // One that answers at once is dialed alone.
            let came = connect(
                driver,
                URL,
                &[(first, Takes(200)), (other, Takes(0))],
                9_000,
                |_| {},
            );
            assert_eq!((came.result, came.dialed.len()), (Ok(()), 1), "{what}");
        }
    }
}

#[test]
fn a_silent_address_gives_the_only_socket_up_after_half_of_the_time() {
    for driver in DRIVERS {
        for timeout in [Timeout::Millis(4_000), Timeout::Forever] {
            let hosts = [(V6, Silent), (V4, Takes(10))];
            let came = connect(driver, URL, &hosts, timeout, |world| world.sockets = 1);
            assert_eq!(came.result, Ok(()), "{driver:?}");
            let most = if timeout == Timeout::Forever {
                31_000
            } else {
                2_500
            };
            assert!(came.after <= most, "{driver:?}: {came:?}");
        }
    }
}

#[test]
fn all_silent_is_a_timeout_all_refused_says_so() {
    for driver in DRIVERS {
        let came = connect(driver, URL, &[(V6, Silent), (V4, Silent)], 3_000, |_| {});
        assert_eq!(came.result, Err("Timeout".to_owned()), "{driver:?}");
        assert!(
            (3_000..=3_001).contains(&came.after),
            "{driver:?}: {came:?}"
        );
        assert_eq!(came.dialed.len(), 2);
        let came = connect(
            driver,
            URL,
            &[(V6, Refuses(5)), (V4, Refuses(5))],
            3_000,
            |_| {},
        );
        let error = came.result.unwrap_err();
        assert!(error.starts_with("Stack("), "{driver:?}: {error}");
        assert!(came.after <= 15, "{driver:?}");
        let came = connect(driver, URL, &[], 3_000, |_| {});
        assert_eq!(came.result, Err("Resolve".to_owned()), "{driver:?}");
    }
}

#[test]
fn one_family_alone_will_do() {
    for driver in DRIVERS {
        for ip in [V6, V4] {
            for no_either in [false, true] {
                let came = connect(driver, URL, &[(ip, Takes(600))], 3_000, |world| {
                    world.no_either = no_either;
                    world.lookup = 20;
                });
                assert_eq!(came.result, Ok(()), "{driver:?}, {ip}, {no_either}");
                assert_eq!(came.dialed.len(), 1, "{driver:?}, {ip}: {came:?}");
            }
        }
    }
}

/// More than one of a family, where the stack tells: each has its head start.
#[test]
fn all_addresses_are_tried() {
    let hosts = [
        (V6, Silent),
        (V4, Refuses(100)),
        ("2001:db8::2", Silent),
        ("192.0.2.2", Silent),
        ("192.0.2.3", Takes(10)),
    ];
    let came = connect(Driver::All, URL, &hosts, 9_000, |_| {});
    assert_eq!(came.result, Ok(()));
    assert!((1_000..=1_030).contains(&came.after), "{came:?}");
    // With two sockets the silent ones have to make room, and all have had their turn in time.
    let came = connect(Driver::All, URL, &hosts, 20_000, |world| world.sockets = 2);
    assert_eq!(came.result, Ok(()), "{came:?}");
    let mut dialed = addresses(&came);
    dialed.dedup();
    assert_eq!(dialed.len(), 5);
}

#[test]
fn an_address_is_an_address() {
    for driver in DRIVERS {
        for (url, dialed, host) in [
            ("ws://192.0.2.1/", "192.0.2.1:80", "192.0.2.1"),
            (
                "ws://[2001:db8::1]:81",
                "[2001:db8::1]:81",
                "[2001:db8::1]:81",
            ),
            ("ws://[2001:db8::1]", "[2001:db8::1]:80", "[2001:db8::1]"),
            ("ws://[fe80::1%253]:81/x", "[fe80::1%3]:81", "[fe80::1]:81"),
        ] {
            let hosts = [(V6, Takes(0)), (V4, Takes(0)), ("fe80::1", Takes(0))];
            let came = connect(driver, url, &hosts, 100, |_| {});
            assert_eq!(came.result, Ok(()), "{driver:?}, {url}");
            assert_eq!(addresses(&came), [dialed], "{driver:?}, {url}");
            assert_eq!(
                header(&came.request, "Host"),
                Some(host),
                "{driver:?}, {url}"
            );
        }
    }
}

#[test]
fn a_zone_is_used_or_refused() {
    let hosts = [("fe80::1", Takes(0))];
    for driver in DRIVERS {
        for (zone, known) in [
            ("eth0", driver == Driver::All),
            ("eth1", false),
            ("0", false),
        ] {
            let url = format!("ws://[fe80::1%25{zone}]/");
            let came = connect(driver, &url, &hosts, 100, |_| {});
            if known {
                assert_eq!(addresses(&came), ["[fe80::1%7]:80"]);
                assert_eq!(header(&came.request, "Host"), Some("[fe80::1]"));
            } else {
                assert_eq!(came.result, Err("Zone".to_owned()), "{driver:?}, {zone}");
                assert_eq!(came.dialed, []);
            }
        }
    }
    assert_eq!(ConnectError::<Failed>::Zone.errno(), Errno::Einval);
}

/// The system's sockets: a zone by name reaches the interface.
#[test]
fn the_system_s_stack_knows_its_interfaces() {
    use ws_socket::stack::StdStack;
    let mut stack = StdStack::new();
    assert_eq!(stack.scope_id("no such interface"), None);
    let mut found = AddressList::new();
    stack.get_addresses("127.0.0.1", &mut found).unwrap();
    assert_eq!(found.as_slice(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
}
