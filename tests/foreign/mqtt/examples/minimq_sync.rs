use minimq10::{Broker, ConfigBuilder, Minimq, Publication, broker::IpBroker};
use std::{net::Ipv4Addr, time::Instant};
use ws_socket::{Platform, RandomError, stack::StdStack};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStack};

#[derive(Debug, Clone, Copy)]
struct Host(Instant);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }

    // A stack that has to be polled is polled here, and in the main loop.
    fn wait(&mut self, _: &mut S, _: u32) {}
}

impl embedded_time::Clock for Host {
    type T = u32;
    const SCALING_FACTOR: embedded_time::fraction::Fraction =
        embedded_time::fraction::Fraction::new(1, 1000);

    fn try_now(&self) -> Result<embedded_time::Instant<Self>, embedded_time::clock::Error> {
        Ok(embedded_time::Instant::new(
            self.0.elapsed().as_millis() as u32
        ))
    }
}

fn main() {
    let host = Host(Instant::now());
    let (mut receive, mut gather) = ([0; 512], [0; 256]);
    let buffers = [Buffers::new(&mut receive, &mut gather)];
    let request = MqttRequest::new("localhost:9001");
    // In place of its TCP stack.
    let stack = MqttStack::new(StdStack::new(), host, request, buffers);

    let mut broker = IpBroker::new(Ipv4Addr::LOCALHOST.into());
    broker.set_port(9001);
    let mut storage = [0; 1024];
    let config = ConfigBuilder::new(broker, &mut storage)
        .client_id("minimq")
        .unwrap();
    let mut mqtt = Minimq::new(stack, host, config);
    let (mut subscribed, mut published) = (false, false);
    loop {
        let received = mqtt.poll(|_, _, payload, _| {
            println!("{}", String::from_utf8_lossy(payload));
        });
        if received.unwrap().is_some() {
            return;
        }
        let client = mqtt.client();
        if !client.is_connected() || client.subscriptions_pending() {
            continue;
        }
        if !subscribed {
            client.subscribe(&["hello/#".into()], &[]).unwrap();
            subscribed = true;
        } else if !published {
            client
                .publish(Publication::new("hello/world", b"over a WebSocket"))
                .unwrap();
            published = true;
        }
    }
}
