//! What each client has to do.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use async_io::Timer;
use embassy_futures::select::{Either, select};
use serde_json::json;

use crate::broker::Broker;
use crate::clients::{Dial, Options, Result, Session};
use crate::foreign::Foreign;
use crate::relay::Relay;
use crate::{Message, Setup};

/// What a scenario has around it.
struct Stage<'a> {
    setup: &'a Setup,
    broker: Broker,
    relay: Relay,
    dial: Dial,
}

pub const SCENARIOS: [&str; 7] = [
    "publish", "retained", "will", "pings", "bulk", "restart", "takeover",
];

/// Runs the scenarios that are wanted, each with a broker of its own: how many, and how many of
/// them failed.
pub fn run<S: Session>(setup: &Setup) -> (usize, usize) {
    let (mut rows, mut failed) = (0, 0);
    for over in ["std", "smoltcp"] {
        for scenario in SCENARIOS {
            if !setup.wants(S::NAME, over, scenario) {
                continue;
            }
            let began = Instant::now();
            let stage = Stage::new(setup, over == "smoltcp");
            let end = stage.and_then(|stage| stage.run::<S>(scenario));
            let took = began.elapsed().as_secs_f64();
            let name = format!("{} over {over}: {scenario}", S::NAME);
            match &end {
                Ok(note) => println!("{name}\t{took:.2}\tpass\t{note}"),
                Err(why) => println!("{name}\t{took:.2}\tFAIL\t{why}"),
            }
            rows += 1;
            failed += usize::from(end.is_err());
        }
    }
    (rows, failed)
}

impl<'a> Stage<'a> {
    fn new(setup: &'a Setup, smoltcp: bool) -> Result<Self> {
        let broker = Broker::start(&setup.mosquitto, &setup.folder, "")?;
        let relay = Relay::start(broker.websocket)?;
        let dial = Dial {
            smoltcp,
            relay: relay.address,
        };
        Ok(Self {
            setup,
            broker,
            relay,
            dial,
        })
    }

    /// What is to be noted of a scenario that passed.
    fn run<S: Session>(mut self, scenario: &str) -> Result<String> {
        let work = async {
            match scenario {
                "publish" => self.publish::<S>().await,
                "retained" => self.retained::<S>().await,
                "will" => self.will::<S>().await,
                "pings" => self.pings::<S>().await,
                "bulk" => self.bulk::<S>().await,
                "restart" => self.restart::<S>().await,
                "takeover" => self.takeover::<S>().await,
                _ => Err(format!("no scenario {scenario}")),
            }
        };
        let end = async_io::block_on(within(900, work));
        match (end, self.relay.verdict()) {
            (end, Ok(())) => end,
            (Ok(_), Err(wrong)) => Err(wrong),
            (Err(why), Err(wrong)) => Err(format!("{why}; on the wire: {wrong}")),
        }
    }

    async fn connect<S: Session>(&self, id: &str) -> Result<S> {
        let options = Options {
            id: id.to_owned(),
            will: None,
        };
        within(30, S::connect(self.dial, options)).await
    }

    fn foreign(&self, id: &str) -> Result<Foreign> {
        Foreign::connect(&self.setup.python, self.broker.plain, id)
    }

    /// Own and foreign messages, at each quality of service.
    async fn publish<S: Session>(&mut self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.subscribe("own/#")?;
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("#")).await?;
        for qos in 0..=2 {
            if qos <= S::MAX_QOS {
                let payload = [b"own ", &[b'0' + qos][..]].concat();
                within(30, session.publish("own/topic", &payload, qos, false)).await?;
                expect(within(30, session.next()).await?, "own/topic", &payload)?;
                expect(foreign.next()?, "own/topic", &payload)?;
            }
            let payload = [b"foreign ", &[b'0' + qos][..]].concat();
            foreign.publish("foreign/topic", &payload, qos, false)?;
            expect(within(30, session.next()).await?, "foreign/topic", &payload)?;
        }
        if S::EMPTY {
            within(30, session.publish("own/empty", b"", 0, false)).await?;
            expect(within(30, session.next()).await?, "own/empty", b"")?;
        }
        let except = if S::EMPTY {
            ""
        } else {
            ", but no empty payload"
        };
        Ok(format!("published at QoS 0 to {}{except}", S::MAX_QOS))
    }

    async fn retained<S: Session>(&mut self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.publish("kept/foreign", b"for later", 1, true)?;
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("kept/foreign")).await?;
        let message = within(30, session.next()).await?;
        if message.retain == Some(false) {
            return Err("not marked as retained".to_owned());
        }
        let note = if message.retain.is_none() {
            "the client does not tell retained messages apart"
        } else {
            ""
        };
        expect(message, "kept/foreign", b"for later")?;
        within(30, session.publish("kept/own", b"mine", 1, true)).await?;
        // A client that returns before the broker has confirmed needs its turn.
        within(30, session.publish("kept/other", b"", 1, false)).await?;
        let mut later = self.foreign("later")?;
        foreign.subscribe("kept/own")?;
        expect(foreign.next()?, "kept/own", b"mine")?;
        later.subscribe("kept/own")?;
        let message = later.next()?;
        if message.retain != Some(true) {
            return Err("not kept".to_owned());
        }
        expect(message, "kept/own", b"mine")?;
        Ok(note.to_owned())
    }

    async fn will<S: Session>(&mut self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.subscribe("will/#")?;
        let options = Options {
            id: "client".to_owned(),
            will: Some(("will/client", b"gone")),
        };
        let _session: S = within(30, S::connect(self.dial, options)).await?;
        self.relay.cut();
        expect(foreign.next()?, "will/client", b"gone")?;
        Ok(String::new())
    }

    /// The client waits for a message for a while, then only publishes; Pings come all the time.
    async fn pings<S: Session>(&mut self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("pings/down")).await?;
        let seen = std::sync::Arc::clone(&self.relay.seen);
        seen.ping.store(true, SeqCst);
        // Longer than its keepalive of 4 s, so that MQTT's own pings go by, too.
        let waiting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(5));
            foreign.publish("pings/down", b"at last", 1, false)
        });
        expect(within(30, session.next()).await?, "pings/down", b"at last")?;
        waiting.join().map_err(|_| "foreign")??;
        // What a client leaves unread stands before the Pings behind it.
        quiet(&mut session, 500).await?;
        let idle = seen.pongs.load(SeqCst);
        for _ in 0..50 {
            within(30, session.publish("pings/up", b"still here", 0, false)).await?;
            Timer::after(Duration::from_millis(10)).await;
        }
        let (pings, pongs) = (seen.pings.load(SeqCst), seen.pongs.load(SeqCst));
        let publishing = pongs - idle;
        if idle < 50 || publishing < 10 || pings > pongs + 1 {
            return Err(format!(
                "{pings} Pings, {idle} answered while waiting, {publishing} while publishing"
            ));
        }
        Ok(format!(
            "{idle} Pings answered while waiting, {publishing} while publishing"
        ))
    }

    /// Many messages of all lengths, one way and the other, with Pings between.
    async fn bulk<S: Session>(&mut self) -> Result<String> {
        let (count, limit) = (self.setup.count, S::LIMIT);
        let mut foreign = self.foreign("foreign")?;
        foreign.subscribe("bulk/up")?;
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("bulk/down")).await?;
        self.relay.seen.ping.store(true, SeqCst);
        foreign.say(json!({"op": "expect", "count": count, "limit": limit}))?;
        for index in 0..count {
            let payload = payload(index, limit);
            let sent = session.publish("bulk/up", &payload, 1, false);
            let sent = within(30, sent).await;
            sent.map_err(|error| format!("publishing {index}: {error}"))?;
        }
        quiet(&mut session, 1000).await?;
        foreign.answer()?;
        for from in (0..count).step_by(S::WINDOW) {
            let to = count.min(from.saturating_add(S::WINDOW));
            let mut burst = json!({"op": "burst", "topic": "bulk/down", "limit": limit});
            burst["from"] = from.into();
            burst["to"] = to.into();
            foreign.say(burst)?;
            for index in from..to {
                let message = within(30, session.next()).await;
                let message = message.map_err(|error| format!("receiving {index}: {error}"))?;
                if message.payload != payload(index, limit) {
                    let found = message.payload.get(..4).unwrap_or_default();
                    return Err(format!("message {index}: got {found:02x?}"));
                }
            }
            foreign.answer()?;
        }
        let seen = &self.relay.seen;
        let mut note = String::new();
        let _ = write!(
            note,
            "{count} each way, 10 to {limit} bytes, {} messages in {} frames, longest {}, {} Pings",
            seen.messages.load(SeqCst),
            seen.frames.load(SeqCst),
            seen.longest.load(SeqCst),
            seen.pongs.load(SeqCst)
        );
        if S::WINDOW < count {
            let _ = write!(note, "; {} at a time to the client", S::WINDOW);
        }
        Ok(note)
    }

    /// The broker goes away in mid-stream and comes back.
    async fn restart<S: Session>(&mut self) -> Result<String> {
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("restart/#")).await?;
        let stream = async {
            for index in 0.. {
                if index == 20 {
                    self.broker.stop();
                }
                session
                    .publish("restart/up", &payload(index, 1000), 1, false)
                    .await?;
                session.next().await?;
            }
            Ok::<_, String>(())
        };
        let error = match within(30, stream).await {
            Err(error) if error == TOO_LATE => return Err("no error".to_owned()),
            Err(error) => error,
            Ok(()) => return Err("it never ended".to_owned()),
        };
        drop(session);
        self.broker.restart()?;
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("restart/#")).await?;
        let mut foreign = self.foreign("foreign")?;
        foreign.publish("restart/down", b"again", 1, false)?;
        expect(within(30, session.next()).await?, "restart/down", b"again")?;
        Ok(format!("error: {error}"))
    }

    /// Somebody else connects with the same id.
    async fn takeover<S: Session>(&mut self) -> Result<String> {
        let mut session = self.connect::<S>("client").await?;
        within(30, session.subscribe("takeover")).await?;
        let other = self.foreign("client")?;
        let end = match within(30, session.next()).await {
            Err(error) if error == TOO_LATE => Err("no error".to_owned()),
            Err(error) => Ok(format!("error: {error}")),
            Ok(message) => Err(format!("a message: {}", message.topic)),
        };
        drop(other);
        end
    }
}

const TOO_LATE: &str = "not done in time";

async fn within<T>(seconds: u64, work: impl Future<Output = Result<T>>) -> Result<T> {
    match select(work, Timer::after(Duration::from_secs(seconds))).await {
        Either::First(result) => result,
        Either::Second(_) => Err(TOO_LATE.to_owned()),
    }
}

/// Has the client read what comes, for so many milliseconds in which there is no message.
async fn quiet<S: Session>(session: &mut S, milliseconds: u64) -> Result {
    let over = Timer::after(Duration::from_millis(milliseconds));
    match select(session.next(), over).await {
        Either::First(message) => Err(format!("unasked: {}", message?.topic)),
        Either::Second(_) => Ok(()),
    }
}

fn expect(message: Message, topic: &str, payload: &[u8]) -> Result {
    if message.topic == topic && message.payload == payload {
        return Ok(());
    }
    let found = message.payload.get(..20).unwrap_or(&message.payload);
    let topic_found = message.topic;
    Err(format!("not {topic}: {topic_found} {found:02x?}"))
}

/// What message `index` of a burst contains: the same as in foreign.py.
fn payload(index: usize, limit: usize) -> Vec<u8> {
    let spread = (index as u32).wrapping_mul(2_654_435_761) as usize;
    let top = match index {
        _ if index % 100 == 99 => limit,
        _ if index % 10 == 9 => 4096,
        _ => 256,
    };
    let length = 10 + spread % (top.min(limit) - 9);
    let head = (index as u32).to_be_bytes();
    let rest = (4..length).map(|place| (index + place) as u8);
    head.into_iter().chain(rest).collect()
}
