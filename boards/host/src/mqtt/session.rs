//! A session with a broker.

use super::failure;
use crate::arguments::MqttOptions;
use crate::asynch::{Host, Stream};
use crate::connect::dial::{Failure, reach};
use async_io::{Timer, block_on};
use embassy_futures::select::{Either, Either3, select, select3};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::event::{Event, Publish};
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::client::{Client, MqttError};
use rust_mqtt::config::KeepAlive;
use rust_mqtt::types::{MqttBinary, MqttString, QoS, ReasonCode, TopicFilter, TopicName};
use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};
use ws_socket::url::Url;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

/// How long the broker may take for its Close.
const GOODBYE: Duration = Duration::from_secs(2);

type Transport<'l> = MqttStream<'l, Stream, Host>;

/// What a session is lent.
pub(super) struct Lent {
    receive: Vec<u8>,
    gather: Vec<u8>,
    packets: AllocBuffer,
}

impl Lent {
    pub(super) fn new() -> Self {
        Self {
            receive: vec![0; 16 * 1024],
            gather: vec![0; 4096],
            packets: AllocBuffer,
        }
    }
}

/// What was heard of the broker.
pub(super) enum Heard<'l, T> {
    /// A message.
    Message(Box<Publish<'l, 1, 1>>),
    /// How the last subscription or publication ended.
    Answer(ReasonCode),
    /// Nothing in time.
    Late,
    /// Nothing before that.
    Instead(T),
}

/// A TCP connection to the broker.
pub(super) fn dial(options: &MqttOptions) -> Result<Stream, Failure> {
    let deadline = Instant::now() + options.timeout;
    let url = Url::parse(&options.url).map_err(failure::usage)?;
    reach(&url, options.timeout, deadline, |to, until| {
        block_on(Stream::connect_until(to, until))
    })
}

/// A session that the broker let in.
pub(super) struct Session<'l> {
    client: Client<'l, 'l, Transport<'l>, AllocBuffer, 1, 32, 1, 1, 1, 0, 0>,
    timeout: Duration,
    /// Between two pings.
    interval: Duration,
    /// When to send the next ping.
    ping: Instant,
    /// Something came since the last one.
    heard: bool,
    /// There is nothing left to say goodbye to.
    over: bool,
}

impl<'l> Session<'l> {
    /// The handshakes of WebSocket and MQTT.
    pub(super) async fn open(
        stream: Stream,
        options: &MqttOptions,
        lent: &'l mut Lent,
    ) -> Result<Self, Failure> {
        let timeout = options.timeout;
        let url = Url::parse(&options.url).map_err(failure::usage)?;
        let request = MqttRequest::to(url.host_header());
        let request = match url.target {
            "" => request,
            target => request.url(target),
        };
        let buffers = Buffers::new(&mut lent.receive, &mut lent.gather);
        let stream = MqttStream::connect(stream, &request, buffers, Host::new(), timeout);
        let stream = stream
            .await
            .map_err(|error| failure::not_connected(error, timeout))?;

        let keep_alive = KeepAlive::Seconds(options.keep_alive);
        let mut connect = ConnectOptions::new().clean_start().keep_alive(keep_alive);
        connect = connect.request_problem_information();
        if let Some(user) = &options.user {
            connect = connect.user_name(MqttString::from_str(user).map_err(failure::usage)?);
        }
        if let Some(password) = &options.password {
            let password = MqttBinary::from_slice(password.as_bytes());
            connect = connect.password(password.map_err(failure::usage)?);
        }
        let id = options.id.as_deref().map(MqttString::from_str);
        let id = id.transpose().map_err(failure::usage)?;
        // The broker gives a client up that it hears nothing of for one and a half times that.
        let interval = Duration::from_secs(options.keep_alive.get().into()) / 2;
        let mut session = Self {
            client: Client::new(&mut lent.packets),
            timeout,
            interval,
            ping: Instant::now() + interval,
            heard: true,
            over: false,
        };
        let connected = session.client.connect(stream, &connect, id);
        let connected = match select(connected, Timer::after(timeout)).await {
            Either::First(connected) => connected.map(|_| ()),
            Either::Second(_) => {
                let what = "the broker did not answer MQTT's CONNECT";
                return Err(Failure::timeout(timeout, what));
            }
        };
        match connected {
            Ok(()) => Ok(session),
            Err(MqttError::Disconnect {
                reason,
                reason_string,
                ..
            }) => {
                let said = reason_string.as_ref().map(MqttString::as_str);
                let refused = failure::refused("the connection", reason, said);
                if let Ok(mut stream) = session.client.abort().await {
                    stream.disconnect(GOODBYE.min(timeout)).await;
                }
                Err(refused)
            }
            Err(error) => Err(session.failed(error).await),
        }
    }

    /// Asks for messages. How that ended is an [`Answer`](Heard::Answer).
    pub(super) async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<(), Failure> {
        let filter = MqttString::from_str(filter).map_err(failure::usage)?;
        let filter = TopicFilter::new(filter).ok_or_else(|| failure::usage("no filter"))?;
        let options = SubscriptionOptions::new().qos(quality(qos));
        match self.client.subscribe(filter, &options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Sends a message. With a quality of service above 0, how that ended is an
    /// [`Answer`](Heard::Answer), and the next message has to wait for it.
    pub(super) async fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result<(), Failure> {
        let topic = MqttString::from_str(topic).map_err(failure::usage)?;
        let topic = TopicName::new(topic).ok_or_else(|| failure::usage("no topic"))?;
        let mut options = PublicationOptions::new(TopicReference::Name(topic)).qos(quality(qos));
        if retain {
            options = options.retain();
        }
        match self.client.publish(&options, Bytes::from(payload)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Waits for the broker until then, or for `other`, which is dropped where the broker was first.
    /// Keeps the session alive.
    pub(super) async fn hear<T>(
        &mut self,
        until: Option<Instant>,
        other: impl Future<Output = T>,
    ) -> Result<Heard<'l, T>, Failure> {
        let mut instead = pin!(select(other, at(until)));
        loop {
            let header = self.client.poll_header();
            let header = match select3(header, at(Some(self.ping)), instead.as_mut()).await {
                Either3::First(Ok(header)) => header,
                Either3::First(Err(error)) => return Err(self.failed(error).await),
                Either3::Second(()) => {
                    self.ping().await?;
                    continue;
                }
                Either3::Third(Either::First(instead)) => return Ok(Heard::Instead(instead)),
                Either3::Third(Either::Second(())) => return Ok(Heard::Late),
            };
            self.heard = true;
            let event = match select(self.client.poll_body(header), at(until)).await {
                Either::First(Ok(event)) => event,
                Either::First(Err(error)) => return Err(self.failed(error).await),
                // What is left of the packet is lost with this, and the session over.
                Either::Second(()) => return Ok(Heard::Late),
            };
            match event {
                Event::Publish(message) => return Ok(Heard::Message(Box::new(message))),
                Event::Suback(answer) => return Ok(Heard::Answer(answer.reason_code)),
                Event::PublishAcknowledged(answer) | Event::PublishComplete(answer) => {
                    return Ok(Heard::Answer(answer.reason_code));
                }
                Event::PublishRejected(answer) => return Ok(Heard::Answer(answer.reason_code)),
                _ => {}
            }
        }
    }

    /// When the broker has to have answered by.
    pub(super) fn soon(&self) -> Option<Instant> {
        Some(Instant::now() + self.timeout)
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        if !self.heard {
            return Err(failure::lost("it answers no ping"));
        }
        self.heard = false;
        self.ping = Instant::now() + self.interval;
        match self.client.ping().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Says goodbye, and returns when what was sent has arrived.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let goodbye = DisconnectOptions::new();
        let left = select(self.client.disconnect(&goodbye), Timer::after(self.timeout));
        match left.await {
            Either::First(Ok(mut stream)) => {
                // Brokers hang up here, with a Close or without.
                stream.disconnect(GOODBYE.min(self.timeout)).await;
                Ok(())
            }
            Either::First(Err(error)) => Err(self.failed(error).await),
            Either::Second(_) => {
                let what = "the broker did not take our goodbye";
                Err(Failure::timeout(self.timeout, what))
            }
        }
    }

    /// Ends the session for an error, and says what it was.
    async fn failed<const N: usize>(&mut self, error: MqttError<'_, N>) -> Failure {
        self.over = true;
        let recoverable = error.is_recoverable();
        let client = &mut self.client;
        let left = async {
            if recoverable {
                client.disconnect(&DisconnectOptions::new()).await.ok()
            } else {
                client.abort().await.ok()
            }
        };
        let stream = match select(left, Timer::after(self.timeout)).await {
            Either::First(stream) => stream,
            Either::Second(_) => None,
        };
        let code = stream.as_ref().and_then(MqttStream::close_code);
        if let Some(mut stream) = stream {
            stream.disconnect(GOODBYE.min(self.timeout)).await;
        }
        failure::of(error, code)
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => drop(Timer::at(when).await),
        None => pending().await,
    }
}

const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
