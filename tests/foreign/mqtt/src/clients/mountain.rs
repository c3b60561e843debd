//! mountain-mqtt 0.2: its own `Connection`. QoS 0 and 1.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use mountain_mqtt::client::{
    Client, ClientNoQueue, ClientReceivedEvent, ConnectionSettings, Delay, EventHandler,
    EventHandlerError,
};
use mountain_mqtt::data::quality_of_service::QualityOfService;
use mountain_mqtt::packets::connect::Will;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

use super::{Dial, LONG, Options, PACKET, Result, Session, buffer, leak, text};
use crate::Message;
use crate::net::{Platform, Tcp, platform};

type Stream = MqttStream<'static, Tcp, Platform>;
type Received = Rc<RefCell<VecDeque<Message>>>;

pub struct Mountain {
    client: ClientNoQueue<'static, Stream, Clock, Keep, 16>,
    received: Received,
    pinged: Instant,
}

pub struct Clock;

impl Delay for Clock {
    async fn delay_us(&mut self, us: u32) {
        Timer::after(Duration::from_micros(us.into())).await;
    }
}

pub struct Keep(Received);

impl EventHandler<16> for Keep {
    async fn handle_event(
        &mut self,
        event: ClientReceivedEvent<'_, 16>,
    ) -> std::result::Result<(), EventHandlerError> {
        if let ClientReceivedEvent::ApplicationMessage(message) = event {
            self.0.borrow_mut().push_back(Message {
                topic: message.topic_name.to_owned(),
                payload: message.payload.to_vec(),
                retain: Some(message.retain),
            });
        }
        Ok(())
    }
}

impl Session for Mountain {
    const NAME: &'static str = "mountain-mqtt";
    const MAX_QOS: u8 = 1;
    const LIMIT: usize = LONG;

    async fn connect(dial: Dial, options: Options) -> Result<Self> {
        // It writes whole packets: nothing to gather.
        let request = MqttRequest::new("localhost");
        let stream = MqttStream::connect_to(
            leak(dial.net()),
            dial.relay,
            &request,
            Buffers::new(leak([0; 512]), &mut []),
            platform(),
            10_000,
        );
        let stream = stream.await.map_err(text)?;
        let received = Received::default();
        let keep = Keep(Rc::clone(&received));
        let mut client = ClientNoQueue::new(stream, buffer(PACKET), Clock, 10_000, keep);
        let settings = ConnectionSettings::unauthenticated(options.id.leak());
        let will = options.will.map(|(topic, payload)| {
            let qos = QualityOfService::Qos1;
            Will::<0>::new(qos, false, topic, payload, Default::default())
        });
        let connected = client.connect_with_will(&settings, will);
        connected.await.map_err(text)?;
        Ok(Self {
            client,
            received,
            pinged: Instant::now(),
        })
    }

    async fn subscribe(&mut self, topic: &'static str) -> Result {
        let qos = QualityOfService::Qos1;
        self.client.subscribe(topic, qos).await.map_err(text)
    }

    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result {
        let qos = match qos {
            0 => QualityOfService::Qos0,
            _ => QualityOfService::Qos1,
        };
        // What it does not read stands before the Pings behind it.
        while self.client.poll(false).await.map_err(text)? {}
        let published = self.client.publish(topic, payload, qos, retain);
        published.await.map_err(text)
    }

    async fn next(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.received.borrow_mut().pop_front() {
                return Ok(message);
            }
            if !self.client.poll(false).await.map_err(text)? {
                Timer::after(Duration::from_micros(500)).await;
            }
            if self.pinged.elapsed() > Duration::from_secs(1) {
                self.pinged = Instant::now();
                self.client.send_ping().await.map_err(text)?;
            }
        }
    }
}
