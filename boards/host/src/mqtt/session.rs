//! A session with a broker.

use super::beat::{Beat, Paced};
use super::failure;
use crate::arguments::MqttOptions;
use crate::asynch::{Dialing, Host, Stream, waker};
use crate::connect::dial::{Failure, reach};
use crate::exit::Exit;
use crate::signals;
use crate::tls;
use async_channel::Receiver;
use async_io::Timer;
use embassy_futures::select::{Either, Either3, Either4, select, select3, select4};
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

type Transport<'l> = Paced<MqttStream<'l, Stream, Host>>;

/// What a session is lent.
pub(super) struct Lent {
    receive: Box<[u8; 16 * 1024]>,
    gather: Vec<u8>,
    packets: AllocBuffer,
}

impl Lent {
    pub(super) fn new() -> Self {
        Self {
            receive: Box::new([0; 16 * 1024]),
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
    /// A signal asks for the end.
    Signal,
}

/// What is called when a signal asks for the end, and what waits for that.
#[derive(Clone)]
pub(super) struct Ends(Receiver<()>);

impl Ends {
    pub(super) fn watch() -> Self {
        let (wake, wakes) = waker();
        if let Err(error) = signals::watch(wake) {
            // Then a signal ends the program as it does any other.
            log::warn!("signals cannot be taken: {error}");
        }
        Self(wakes)
    }

    async fn came(&self) {
        while !signals::came() {
            if self.0.recv().await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// What it ended.
    pub(super) fn failure(what: &str) -> Failure {
        let detail = format!("ended by a signal {what}");
        Failure::new(Exit::Failed, "signal", detail)
    }
}

/// A TCP connection to the broker.
pub(super) fn dial(options: &MqttOptions) -> Result<Stream, Failure> {
    let deadline = Instant::now() + options.timeout;
    let url = Url::parse(&options.url).map_err(failure::usage)?;
    let stream = reach(&url, options.timeout, deadline, &mut Dialing::new())?;
    match url.secure {
        true => tls::secure(stream, &url, &options.tls, deadline),
        false => Ok(stream),
    }
}

/// A session that the broker let in.
pub(super) struct Session<'l> {
    client: Client<'l, 'l, Transport<'l>, AllocBuffer, 1, 32, 1, 1, 1, 0, 0>,
    timeout: Duration,
    beat: Beat,
    ends: Ends,
    /// There is nothing left to say goodbye to.
    over: bool,
}

impl<'l> Session<'l> {
    /// The handshakes of WebSocket and MQTT.
    pub(super) async fn open(
        stream: Stream,
        options: &MqttOptions,
        lent: &'l mut Lent,
        ends: Ends,
    ) -> Result<Self, Failure> {
        let before = || Ends::failure("before the broker has let it in");
        let timeout = options.timeout;
        let url = Url::parse(&options.url).map_err(failure::usage)?;
        let request = MqttRequest::to(url.host_header());
        let request = match url.target {
            "" => request,
            target => request.url(target),
        };
        let buffers = Buffers::new(&mut *lent.receive, &mut lent.gather);
        let stream = MqttStream::connect(stream, &request, buffers, Host::new(), timeout);
        let stream = match select(ends.came(), stream).await {
            Either::First(()) => return Err(before()),
            Either::Second(stream) => {
                stream.map_err(|error| failure::not_connected(error, timeout))?
            }
        };
        let beat = Beat::new();
        let stream = Paced::new(stream, beat.clone());

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
        let mut session = Self {
            client: Client::new(&mut lent.packets),
            timeout,
            beat,
            ends,
            over: false,
        };
        let connected = session.client.connect(stream, &connect, id);
        let late = Timer::after(timeout);
        let connected = match select3(session.ends.came(), connected, late).await {
            Either3::First(()) => return Err(before()),
            Either3::Second(connected) => connected.map(|_| ()),
            Either3::Third(_) => {
                let what = "the broker did not answer MQTT's CONNECT";
                return Err(Failure::timeout(timeout, what));
            }
        };
        match connected {
            Ok(()) => {
                // The broker's word counts; without one it is ours.
                let keep_alive = match session.client.shared_config().keep_alive {
                    KeepAlive::Infinite => None,
                    KeepAlive::Seconds(seconds) => Some(Duration::from_secs(seconds.get().into())),
                };
                log::debug!("keepalive: {keep_alive:?}");
                session.beat.agree(keep_alive);
                Ok(session)
            }
            Err(MqttError::Disconnect {
                reason,
                reason_string,
                ..
            }) => {
                let said = reason_string.as_ref().map(MqttString::as_str);
                let refused = failure::refused("the connection", reason, said);
                if let Ok(mut transport) = session.client.abort().await {
                    transport.stream.disconnect(GOODBYE.min(timeout)).await;
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
        let subscribe = self.client.subscribe(filter, &options);
        match out(&self.beat, &self.ends, subscribe).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(error).await),
            Err(failure) => Err(self.torn(failure)),
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
        let publish = self.client.publish(&options, Bytes::from(payload));
        match out(&self.beat, &self.ends, publish).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(error).await),
            Err(failure) => Err(self.torn(failure)),
        }
    }

    /// A packet is partly out: nothing can follow it.
    fn torn(&mut self, failure: Failure) -> Failure {
        self.over = true;
        failure
    }

    /// Waits for the broker until then, or for `other`, which is dropped where the broker was first.
    /// Keeps the session alive, in the middle of a packet too. What is there to end that comes
    /// first, so that a broker that never stops cannot put it off.
    pub(super) async fn hear<T>(
        &mut self,
        until: Option<Instant>,
        other: impl Future<Output = T>,
    ) -> Result<Heard<'l, T>, Failure> {
        let (beat, ends) = (self.beat.clone(), self.ends.clone());
        let mut end = pin!(select(ends.came(), at(until)));
        let mut other = pin!(other);
        let ended = |end| match end {
            Either::First(()) => Heard::Signal,
            Either::Second(()) => Heard::Late,
        };
        loop {
            let header = self.client.poll_header();
            let header = match select4(end.as_mut(), other.as_mut(), header, beat.dead()).await {
                Either4::First(end) => return Ok(ended(end)),
                Either4::Second(instead) => return Ok(Heard::Instead(instead)),
                Either4::Third(Ok(header)) => header,
                Either4::Third(Err(error)) => return Err(self.failed(error).await),
                Either4::Fourth(()) => return Err(silent()),
            };
            let body = self.client.poll_body(header);
            let event = match select3(end.as_mut(), body, beat.dead()).await {
                // What is left of the packet is lost with this, and the session over.
                Either3::First(end) => return Ok(ended(end)),
                Either3::Second(Ok(event)) => event,
                Either3::Second(Err(error)) => return Err(self.failed(error).await),
                Either3::Third(()) => return Err(silent()),
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

    /// Waits for `other` without receiving. Keeps the session alive.
    pub(super) async fn pause<T>(
        &mut self,
        until: Option<Instant>,
        other: impl Future<Output = T>,
    ) -> Result<Heard<'l, T>, Failure> {
        let began = Instant::now();
        let ends = self.ends.clone();
        let mut instead = pin!(select3(ends.came(), at(until), other));
        loop {
            let ping = at(self.beat.ping_at(true));
            let heard = match select(instead.as_mut(), ping).await {
                Either::First(Either3::First(())) => Heard::Signal,
                Either::First(Either3::Second(())) => Heard::Late,
                Either::First(Either3::Third(instead)) => Heard::Instead(instead),
                Either::Second(()) => {
                    self.beat.pinged();
                    let ping = self.client.ping();
                    match out(&self.beat, &self.ends, ping).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => return Err(self.failed(error).await),
                        Err(failure) => return Err(self.torn(failure)),
                    }
                }
            };
            self.beat.did_not_read(began);
            return Ok(heard);
        }
    }

    /// Says goodbye, and returns when what was sent has arrived.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let goodbye = DisconnectOptions::new();
        let within = if signals::came() {
            GOODBYE.min(self.timeout)
        } else {
            self.timeout
        };
        let left = select(self.client.disconnect(&goodbye), Timer::after(within));
        match left.await {
            Either::First(Ok(mut transport)) => {
                // Brokers hang up here, with a Close or without.
                transport.stream.disconnect(GOODBYE.min(within)).await;
                Ok(())
            }
            Either::First(Err(error)) => Err(self.failed(error).await),
            Either::Second(_) => {
                let what = "the broker did not take our goodbye";
                Err(Failure::timeout(within, what))
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
        let code = stream.as_ref().and_then(|it| it.stream.close_code());
        if let Some(mut transport) = stream {
            transport.stream.disconnect(GOODBYE.min(self.timeout)).await;
        }
        failure::of(error, code)
    }
}

fn silent() -> Failure {
    failure::lost("it answers no ping")
}

/// Waits for a packet to be out. An error where the broker takes nothing any more, or a signal asks
/// for the end and it does not take all of it soon.
async fn out<T>(beat: &Beat, ends: &Ends, packet: impl Future<Output = T>) -> Result<T, Failure> {
    let began = Instant::now();
    let mut packet = pin!(packet);
    let written = match select3(packet.as_mut(), ends.came(), beat.dead()).await {
        Either3::First(written) => Ok(written),
        Either3::Second(()) => match select(packet, Timer::after(GOODBYE)).await {
            Either::First(written) => Ok(written),
            Either::Second(_) => Err(Ends::failure("in the middle of a message")),
        },
        Either3::Third(()) => Err(failure::lost("it takes nothing any more")),
    };
    beat.did_not_read(began);
    written
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
