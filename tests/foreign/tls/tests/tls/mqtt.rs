//! MQTT over wss: rust-mqtt over `MqttStream` over TLS.

use std::path::PathBuf;

use async_io::block_on;
use embedded_io_async::{Read, Write};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use tls::authority::{Authority, HOST};
use tls::broker::{self, Mosquitto};
use tls::client::{AsyncMemory, AsyncStream, Place, secure_async};
use tls::frames::frame;
use tls::hand::{Dropper, Hand, run};
use tls::peer::Echo;
use tls::tcp::{AsyncTcp, System};
use tls::wire::Script;
use tls::wires::{self, Lazy};
use ws_socket::asynch::AsyncPlatform;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

type Mqtt<'m, T, P> =
    Client<'m, 'm, MqttStream<'m, AsyncStream<'m, 'm, T>, P>, AllocBuffer, 1, 1, 1, 1, 0, 0, 0>;

/// Connects a client to a broker, and subscribes to `hello/#`.
async fn subscribed<'m, T: Read + Write, P: AsyncPlatform>(
    stream: MqttStream<'m, AsyncStream<'m, 'm, T>, P>,
    storage: &'m mut AllocBuffer,
) -> Mqtt<'m, T, P> {
    let mut client: Mqtt<'_, _, _> = Client::new(storage);
    let id = MqttString::from_str("tls").unwrap();
    let options = ConnectOptions::new().clean_start();
    client.connect(stream, &options, Some(id)).await.unwrap();
    let filter = TopicFilter::new(MqttString::from_str("hello/#").unwrap()).unwrap();
    let options = SubscriptionOptions::new().at_least_once();
    client.subscribe(filter, &options).await.unwrap();
    assert!(matches!(client.poll().await.unwrap(), Event::Suback(_)));
    client
}

async fn publish<T: Read + Write, P: AsyncPlatform>(client: &mut Mqtt<'_, T, P>, payload: &[u8]) {
    let topic = TopicName::new(MqttString::from_str("hello/world").unwrap()).unwrap();
    let options = PublicationOptions::new(TopicReference::Name(topic)).at_least_once();
    client
        .publish(&options, Bytes::from(payload))
        .await
        .unwrap();
}

/// The client's wait for a packet is dropped at every await; Pings are between.
#[test]
fn a_dropped_poll_loses_nothing() {
    let authority = Authority::new();
    let mut dropped = 0;
    for cut in (1..=16).chain([usize::MAX]) {
        for every in 1..=3 {
            let echo = Echo::shared(authority.server());
            echo.borrow_mut().answers = Some(Box::new(broker::answer));
            let script = Script::new();
            wires::connect(&script, &echo);
            let mut memory: AsyncMemory = AsyncMemory::new();
            let mut place = Place::new();
            let tcp = Lazy::new(script.wire());
            let (mut receive, mut gather) = ([0; 300], [0; 128]);
            let mut storage = AllocBuffer;
            let mut client = run(async {
                let tls = secure_async(
                    tcp,
                    &mut memory,
                    &mut place,
                    HOST,
                    authority.der(),
                    5_000,
                    Hand::new().clock,
                )
                .await
                .unwrap();
                let buffers = Buffers::new(&mut receive, &mut gather);
                let request = MqttRequest::new(HOST);
                let stream = MqttStream::connect(tls, &request, buffers, Hand::new(), 10).await;
                subscribed(stream.unwrap(), &mut storage).await
            });
            script.line(|line| line.cut = cut);
            let mut dropper = Dropper::each(every);
            for round in 0..5 {
                let ping = echo.borrow_mut().peer.say(&frame(true, 9, false, b"ping"));
                script.line(|line| line.feed(&ping));
                run(publish(&mut client, b"over TLS"));
                let (mut confirmed, mut came) = (0, 0);
                while (confirmed, came) != (1, 1) {
                    let header = dropper.insist(async || client.poll_header().await.unwrap());
                    match run(client.poll_body(header)).unwrap() {
                        Event::PublishAcknowledged(_) => confirmed += 1,
                        Event::Publish(message) => {
                            assert_eq!(&*message.message, b"over TLS");
                            came += 1;
                        }
                        event => panic!("{event:?}"),
                    }
                }
                let echo = echo.borrow();
                let pongs = echo.found.iter().filter(|found| found.opcode == 10);
                assert_eq!(pongs.count(), round + 1);
            }
            dropped += dropper.dropped;
            let echo = echo.borrow();
            assert_eq!(echo.peer.failed, None);
            assert!(echo.request.contains("Sec-WebSocket-Protocol: mqtt\r\n"));
        }
    }
    assert!(dropped > 3_000, "{dropped}");
}

/// mosquitto's TLS is OpenSSL's; a record of its is never longer than 4 KiB.
#[test]
#[ignore = "needs mosquitto: `cargo xtask tls` has it"]
fn mosquitto() {
    let program = std::env::var_os("MOSQUITTO").expect("MOSQUITTO is not set");
    let authority = Authority::new();
    let broker = Mosquitto::start(&PathBuf::from(program), &authority);
    let mut memory = AsyncMemory::<{ 4_096 + 256 }>::new();
    let (mut receive, mut gather) = ([0; 512], [0; 256]);
    let mut storage = AllocBuffer;
    block_on(async {
        let tcp = AsyncTcp::connect(broker.address).await;
        let mut place = Place::new();
        let tls = secure_async(
            tcp,
            &mut memory,
            &mut place,
            HOST,
            authority.der(),
            5_000,
            System::new(),
        )
        .await;
        let buffers = Buffers::new(&mut receive, &mut gather);
        let request = MqttRequest::new(HOST);
        let stream = MqttStream::connect(tls.unwrap(), &request, buffers, System::new(), 10_000);
        let mut client = subscribed(stream.await.unwrap(), &mut storage).await;
        for length in [0, 1, 125, 126, 4_000, 20_000, 100_000] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            publish(&mut client, &payload).await;
            let (mut confirmed, mut came) = (0, 0);
            while (confirmed, came) != (1, 1) {
                match client.poll().await.unwrap() {
                    Event::PublishAcknowledged(_) => confirmed += 1,
                    Event::Publish(message) => {
                        assert!(*message.message == payload[..], "{length}");
                        came += 1;
                    }
                    event => panic!("{event:?}"),
                }
            }
        }
    });
}
