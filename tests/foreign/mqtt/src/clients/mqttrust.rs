//! mqttrust 1.0: an `embedded_nal_async::TcpConnect`; connects, and connects again, by itself.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use ::mqttrust::transport::embedded_nal::NalTransport;
use ::mqttrust::{
    Config, IpBroker, LastWill, Message as Inbound, MqttClient, Publish, QoS, SliceBufferProvider,
    State, Subscribe, SubscribeTopic, Subscription,
};
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use ws_transport_mqtt::{Buffers, MqttConnector, MqttRequest};

use super::{Dial, Options, Result, Session, buffer, leak, text};
use crate::Message;
use crate::net::platform;

const QUEUE: usize = 1 << 20;

pub struct Mqttrust {
    run: Pin<Box<dyn Future<Output = ()>>>,
    client: &'static MqttClient<'static, NoopRawMutex>,
    subscription: Option<Subscription<'static, 'static, NoopRawMutex, 1>>,
    received: VecDeque<Message>,
}

impl Session for Mqttrust {
    const NAME: &'static str = "mqttrust";
    /// Its PUBREL has not the flags that MQTT demands (`[MQTT-3.6.1-1]`): mosquitto hangs up.
    const MAX_QOS: u8 = 1;
    /// Its queue counts a packet's bytes in 16 bits, and cuts one that is longer.
    const LIMIT: usize = 65_000;
    /// It reads what there is before the application has its turn, and drops what its queue (256
    /// messages and 1 MiB here) has no room for, unconfirmed.
    const WINDOW: usize = 64;
    /// Its reader waits for two bytes behind the topic, and reads into the next packet for them: over
    /// TCP, too.
    const EMPTY: bool = false;

    async fn connect(dial: Dial, options: Options) -> Result<Self> {
        let connector = leak(MqttConnector::new(
            dial.net(),
            platform(),
            MqttRequest::new("localhost"),
            [Buffers::new(leak([0; 512]), buffer(256))],
        ));
        let will = options
            .will
            .map(|(topic, data)| LastWill::builder().topic(topic).data(data).build());
        let config = Config::builder()
            .client_id(options.id.as_str().try_into().map_err(text)?)
            .keepalive_interval(embassy_time::Duration::from_secs(4))
            .maybe_last_will(will)
            .build();
        let state = leak(State::<NoopRawMutex, QUEUE, QUEUE>::new());
        let (mut stack, client) = ::mqttrust::new(state, config);
        let client: &'static _ = leak(client);
        let run = Box::pin(async move {
            let broker = IpBroker::new(dial.relay.ip(), dial.relay.port());
            let mut transport = NalTransport::new(&*connector, broker);
            stack.run(&mut transport).await;
        });
        let mut session = Self {
            run,
            client,
            subscription: None,
            received: VecDeque::new(),
        };
        session.drive(client.wait_connected()).await?;
        Ok(session)
    }

    async fn subscribe(&mut self, topic: &'static str) -> Result {
        let client = self.client;
        let topics = [SubscribeTopic::builder()
            .topic_path(topic)
            .maximum_qos(QoS::ExactlyOnce)
            .build()];
        let subscribe = Subscribe::builder().topics(&topics).build();
        let subscription = self.drive(client.subscribe::<1>(subscribe)).await?;
        self.subscription = Some(subscription.map_err(text)?);
        Ok(())
    }

    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result {
        let client = self.client;
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
        let publish = Publish::builder()
            .topic_name(topic)
            .payload(payload)
            .qos(qos)
            .retain(retain)
            .build();
        let lost = client.wait_connection_change();
        // It has to see the connection before anything else does something.
        match self.drive(select(lost, client.publish(publish))).await? {
            Either::First(_) => Err("the connection was lost".to_owned()),
            Either::Second(published) => published.map_err(text),
        }
    }

    async fn next(&mut self) -> Result<Message> {
        if let Some(message) = self.received.pop_front() {
            return Ok(message);
        }
        let client = self.client;
        let subscription = self.subscription.as_mut().ok_or("not subscribed")?;
        let lost = client.wait_connection_change();
        // It would connect again by itself.
        let message = match select3(lost, subscription.next_message(), &mut self.run).await {
            Either3::First(_) => return Err("the connection was lost".to_owned()),
            Either3::Second(Some(message)) => message,
            Either3::Second(None) => return Err("the subscription was lost".to_owned()),
            Either3::Third(()) => return Err("it gave up".to_owned()),
        };
        Ok(owned(&message))
    }
}

fn owned(message: &Inbound<'_, NoopRawMutex, SliceBufferProvider<'_>>) -> Message {
    Message {
        topic: message.topic_name().to_owned(),
        payload: message.payload().to_vec(),
        retain: Some(message.retain()),
    }
}

impl Mqttrust {
    /// Runs its stack beside; messages that come meanwhile wait in its queue.
    async fn drive<R>(&mut self, work: impl Future<Output = R>) -> Result<R> {
        match select(work, &mut self.run).await {
            Either::First(result) => Ok(result),
            Either::Second(()) => Err("it gave up".to_owned()),
        }
    }
}
