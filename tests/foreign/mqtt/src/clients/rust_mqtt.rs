//! rust-mqtt 0.6: `Read + Write`, field by field.

use std::collections::VecDeque;
use std::num::NonZero;
use std::time::Duration;

use ::rust_mqtt::Bytes;
use ::rust_mqtt::buffer::AllocBuffer;
use ::rust_mqtt::client::Client;
use ::rust_mqtt::client::event::Event;
use ::rust_mqtt::client::options::{
    ConnectOptions, PublicationOptions, SubscriptionOptions, TopicReference, WillOptions,
};
use ::rust_mqtt::config::KeepAlive;
use ::rust_mqtt::types::{MqttBinary, MqttString, TopicFilter, TopicName};
use async_io::Timer;
use embassy_futures::select::{Either, select};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

use super::{Dial, LONG, Options, Result, Session, buffer, leak, text};
use crate::Message;
use crate::net::{Platform, Tcp, platform};

type Stream = MqttStream<'static, Tcp, Platform>;

pub struct RustMqtt {
    client: Client<'static, 'static, Stream, AllocBuffer, 4, 32, 32, 1, 1, 0, 0>,
    received: VecDeque<Message>,
    /// Publications and subscriptions that were confirmed.
    confirmed: usize,
}

impl Session for RustMqtt {
    const NAME: &'static str = "rust-mqtt";
    const MAX_QOS: u8 = 2;
    const LIMIT: usize = LONG;

    async fn connect(dial: Dial, options: Options) -> Result<Self> {
        let request = MqttRequest::new("localhost");
        let stream = MqttStream::connect_to(
            leak(dial.net()),
            dial.relay,
            &request,
            Buffers::new(leak([0; 512]), buffer(256)),
            platform(),
            10_000,
        );
        let stream = stream.await.map_err(text)?;
        let mut client = Client::new(leak(AllocBuffer));
        let mut connect = ConnectOptions::new()
            .clean_start()
            .keep_alive(KeepAlive::Seconds(NonZero::new(4).unwrap()));
        if let Some((topic, payload)) = options.will {
            let topic = TopicName::new(MqttString::try_from(topic).map_err(text)?);
            let payload = MqttBinary::try_from(payload).map_err(text)?;
            connect = connect.will(WillOptions::new(topic.ok_or("topic")?, payload));
        }
        let id = MqttString::try_from(&*options.id.leak()).map_err(text)?;
        client
            .connect(stream, &connect, Some(id))
            .await
            .map_err(text)?;
        Ok(Self {
            client,
            received: VecDeque::new(),
            confirmed: 0,
        })
    }

    async fn subscribe(&mut self, topic: &'static str) -> Result {
        let filter = MqttString::try_from(topic).map_err(text)?;
        let filter = TopicFilter::new(filter).ok_or("filter")?;
        let options = SubscriptionOptions::new().exactly_once();
        self.client
            .subscribe(filter, &options)
            .await
            .map_err(text)?;
        self.confirm().await
    }

    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result {
        let topic = TopicName::new(MqttString::try_from(topic).map_err(text)?).ok_or("topic")?;
        let mut options = PublicationOptions::new(TopicReference::Name(topic));
        options = match qos {
            0 => options,
            1 => options.at_least_once(),
            _ => options.exactly_once(),
        };
        if retain {
            options = options.retain();
        }
        let sent = self.client.publish(&options, Bytes::from(payload));
        sent.await.map_err(text)?;
        if qos > 0 {
            self.confirm().await
        } else {
            Ok(())
        }
    }

    async fn next(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.received.pop_front() {
                return Ok(message);
            }
            self.poll().await?;
        }
    }
}

impl RustMqtt {
    async fn confirm(&mut self) -> Result {
        let before = self.confirmed;
        while self.confirmed == before {
            self.poll().await?;
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result {
        let quiet = Timer::after(Duration::from_secs(1));
        let header = match select(self.client.poll_header(), quiet).await {
            Either::First(header) => header.map_err(text)?,
            Either::Second(_) => return self.client.ping().await.map_err(text),
        };
        match self.client.poll_body(header).await.map_err(text)? {
            Event::Publish(publish) => self.received.push_back(Message {
                topic: publish
                    .topic
                    .name()
                    .map_or("", |name| name.as_ref().as_str())
                    .to_owned(),
                payload: publish.message.to_vec(),
                retain: Some(publish.retain),
            }),
            Event::Suback(_) | Event::PublishAcknowledged(_) | Event::PublishComplete(_) => {
                self.confirmed += 1;
            }
            Event::PublishRejected(why) => return Err(text(why)),
            _ => {}
        }
        Ok(())
    }
}
