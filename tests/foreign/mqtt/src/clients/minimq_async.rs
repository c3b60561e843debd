//! minimq 0.13: `Read + Write`, whole packets, `write` more often than `flush`.

use std::collections::VecDeque;

use minimq::{
    Buffers as Packets, ConfigBuilder, Connection, Op, Publication, QoS, TopicFilter, Will,
};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

use super::{Dial, LONG, Options, PACKET, Result, Session, buffer, leak, text};
use crate::Message;
use crate::net::{Platform, Tcp, platform};

type Stream = MqttStream<'static, Tcp, Platform>;

pub struct Minimq {
    connection: Connection<'static, 'static, Stream>,
    received: VecDeque<Message>,
}

impl Session for Minimq {
    const NAME: &'static str = "minimq-0.13";
    const MAX_QOS: u8 = 2;
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
        let packets = Packets::new(buffer(PACKET), buffer(2 * PACKET));
        let mut config = ConfigBuilder::new(packets)
            .client_id(&options.id)
            .map_err(text)?
            .keepalive_interval(4);
        if let Some((topic, payload)) = options.will {
            config = config
                .will(Will::new(topic, payload, &[]).map_err(text)?)
                .map_err(text)?;
        }
        let session = leak(minimq::Session::new(config));
        Ok(Self {
            connection: session.connect(stream).await.map_err(text)?,
            received: VecDeque::new(),
        })
    }

    async fn subscribe(&mut self, topic: &'static str) -> Result {
        let options = minimq::SubscriptionOptions::default().maximum_qos(QoS::ExactlyOnce);
        let filter = [TopicFilter::new(topic).options(options)];
        let op = self
            .connection
            .subscribe(&filter, &[])
            .await
            .map_err(text)?;
        self.complete(op).await
    }

    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
        let mut publication = Publication::bytes(topic, payload).qos(qos);
        if retain {
            publication = publication.retain();
        }
        match self.connection.publish(publication).await.map_err(text)? {
            Some(op) => self.complete(op).await,
            None => Ok(()),
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

impl Minimq {
    async fn complete(&mut self, op: Op) -> Result {
        while !self.connection.is_complete(&op) {
            if self.connection.is_invalidated(&op) {
                return Err("the session was lost".to_owned());
            }
            self.poll().await?;
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result {
        if let Some(message) = self.connection.poll().await.map_err(text)? {
            self.received.push_back(Message {
                topic: message.topic().to_owned(),
                payload: message.payload().to_vec(),
                retain: Some(message.retained()),
            });
        }
        Ok(())
    }
}
