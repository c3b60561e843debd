//! minimq 0.10: owns an `embedded_nal::TcpClientStack`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_io::Timer;
use embedded_nal::TcpClientStack;
use embedded_time::fraction::Fraction;
use minimq10::config::BufferConfig;
use minimq10::types::{SubscriptionOptions, TopicFilter};
use minimq10::{Broker, ConfigBuilder, Publication, QoS, Will};
use ws_socket::Platform;
use ws_socket::stack::StdStack;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStack};

use super::{Dial, LONG, Options, PACKET, Result, Session, buffer, leak, text};
use crate::Message;
use crate::smol::Polled;

/// The time since it was made.
#[derive(Debug)]
pub struct Watch(Instant);

impl embedded_time::Clock for Watch {
    type T = u32;
    const SCALING_FACTOR: Fraction = Fraction::new(1, 1000);

    fn try_now(
        &self,
    ) -> std::result::Result<embedded_time::Instant<Self>, embedded_time::clock::Error> {
        Ok(embedded_time::Instant::new(
            self.0.elapsed().as_millis() as u32
        ))
    }
}

impl<S> Platform<S> for Watch {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(
        &mut self,
        bytes: &mut [u8],
    ) -> core::result::Result<(), ws_socket::RandomError> {
        getrandom::fill(bytes).map_err(|_| ws_socket::RandomError)
    }

    fn wait(&mut self, _: &mut S, _: u32) {}
}

#[derive(Debug)]
pub struct To(SocketAddr);

impl Broker for To {
    fn get_address(&mut self) -> Option<SocketAddr> {
        Some(self.0)
    }

    fn set_port(&mut self, _: u16) {}
}

type Client<S> = minimq10::Minimq<'static, MqttStack<'static, S, Watch, 1>, Watch, To>;

pub enum MinimqSync {
    Std(Box<One<StdStack>>),
    Smoltcp(Box<One<Polled>>),
}

pub struct One<S: TcpClientStack> {
    client: Client<S>,
    received: VecDeque<Message>,
}

macro_rules! both {
    ($self:ident, $one:ident => $work:expr) => {
        match $self {
            MinimqSync::Std($one) => $work,
            MinimqSync::Smoltcp($one) => $work,
        }
    };
}

impl Session for MinimqSync {
    const NAME: &'static str = "minimq-0.10";
    const MAX_QOS: u8 = 2;
    const LIMIT: usize = LONG;

    async fn connect(dial: Dial, options: Options) -> Result<Self> {
        Ok(if dial.smoltcp {
            Self::Smoltcp(Box::new(
                One::connect(Polled::to(dial.relay), dial, options).await?,
            ))
        } else {
            Self::Std(Box::new(
                One::connect(StdStack::new(), dial, options).await?,
            ))
        })
    }

    async fn subscribe(&mut self, topic: &'static str) -> Result {
        both!(self, one => one.subscribe(topic).await)
    }

    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result {
        both!(self, one => one.publish(topic, payload, qos, retain).await)
    }

    async fn next(&mut self) -> Result<Message> {
        both!(self, one => one.next().await)
    }
}

impl<S: TcpClientStack> One<S>
where
    S::Error: std::fmt::Debug,
{
    async fn connect(stack: S, dial: Dial, options: Options) -> Result<Self> {
        let stack = MqttStack::new(
            stack,
            Watch(Instant::now()),
            MqttRequest::new("localhost"),
            [Buffers::new(leak([0; 512]), buffer(256))],
        );
        let mut config = ConfigBuilder::new(To(dial.relay), buffer(5 * PACKET))
            .rx_buffer(BufferConfig::Exactly(PACKET))
            .tx_buffer(BufferConfig::Exactly(PACKET))
            .client_id(&options.id)
            .map_err(text)?
            .keepalive_interval(4);
        if let Some((topic, payload)) = options.will {
            config = config
                .will(Will::new(topic, payload, &[]).map_err(text)?)
                .map_err(text)?;
        }
        let mut one = Self {
            client: minimq10::Minimq::new(stack, Watch(Instant::now()), config),
            received: VecDeque::new(),
        };
        while !one.client.client().is_connected() {
            one.poll()?;
            rest().await;
        }
        Ok(one)
    }

    async fn subscribe(&mut self, topic: &str) -> Result {
        let options = SubscriptionOptions::default().maximum_qos(QoS::ExactlyOnce);
        let filter = [TopicFilter::new(topic).options(options)];
        self.client.client().subscribe(&filter, &[]).map_err(text)?;
        while self.client.client().subscriptions_pending() {
            self.step().await?;
        }
        Ok(())
    }

    async fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) -> Result {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
        while !self.client.client().can_publish(qos) {
            self.step().await?;
        }
        let mut publication = Publication::new(topic, payload).qos(qos);
        if retain {
            publication = publication.retain();
        }
        self.client.client().publish(publication).map_err(text)?;
        self.poll()?;
        // It has room for ten that are not confirmed.
        while self.client.client().pending_messages() {
            self.step().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.received.pop_front() {
                return Ok(message);
            }
            self.step().await?;
        }
    }

    async fn step(&mut self) -> Result {
        if !self.poll()? {
            rest().await;
        }
        // It would connect again by itself.
        if !self.client.client().is_connected() {
            return Err("not connected any more".to_owned());
        }
        Ok(())
    }

    /// Did a message come?
    fn poll(&mut self) -> Result<bool> {
        let received = &mut self.received;
        let polled = self.client.poll(|_, topic, payload, _| {
            received.push_back(Message {
                topic: topic.to_owned(),
                payload: payload.to_vec(),
                // It does not say.
                retain: None,
            });
        });
        Ok(polled.map_err(text)?.is_some())
    }
}

async fn rest() {
    Timer::after(Duration::from_micros(200)).await;
}
