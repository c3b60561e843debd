//! `ws mqtt pub`.

use super::failure;
use super::session::{Heard, Session};
use crate::arguments::{Message, MqttOptions, PubOptions};
use crate::asynch::waker;
use crate::connect::dial::Failure;
use crate::connect::input::{Input, Item};
use crate::exit::Exit;
use async_channel::Receiver;
use std::future::pending;
use std::io::{self, Read};

/// MQTT's longest packet, which no message fits that is longer.
const LONGEST: u64 = 268_435_455;

/// What there is to publish.
pub(super) enum Messages {
    /// This.
    One(Vec<u8>),
    /// What standard input has in the time to come, and what says that there is some.
    Lines(Input, Receiver<()>),
}

impl Messages {
    /// Reads standard input where it is one message.
    pub(super) fn read(message: &Message) -> Result<Self, Failure> {
        Ok(match message {
            Message::Given(message) => Self::One(message.clone()),
            Message::Input => {
                let mut message = Vec::new();
                // One byte too many is refused as too long.
                let mut input = io::stdin().lock().take(LONGEST + 1);
                input
                    .read_to_end(&mut message)
                    .map_err(|error| unread(&error))?;
                Self::One(message)
            }
            Message::Lines => {
                let (wake, wakes) = waker();
                Self::Lines(Input::start(wake), wakes)
            }
        })
    }
}

fn unread(error: &io::Error) -> Failure {
    failure::local("standard input cannot be read", error)
}

/// Publishes, and returns when it is sure as far as the quality of service goes.
pub(super) async fn run(
    mut session: Session<'_>,
    options: &MqttOptions,
    what: &PubOptions,
    messages: Messages,
) -> Result<Exit, Failure> {
    let refused = match messages {
        Messages::One(message) => send(&mut session, options, what, &message).await?.err(),
        Messages::Lines(mut input, wakes) => loop {
            match input.next() {
                Some(Item::Line(line)) => {
                    if let Err(refused) = send(&mut session, options, what, &line).await? {
                        break Some(refused);
                    }
                }
                Some(Item::End) => break None,
                Some(Item::Failed(error)) => break Some(unread(&error)),
                None => drop(session.hear(None, wakes.recv()).await?),
            }
        },
    };
    session.end().await?;
    match refused {
        Some(refused) => Err(refused),
        None => Ok(Exit::Clean),
    }
}

/// A message the broker refused leaves the session as it is.
type Sent = Result<(), Failure>;

async fn send(
    session: &mut Session<'_>,
    options: &MqttOptions,
    what: &PubOptions,
    message: &[u8],
) -> Result<Sent, Failure> {
    let topic = &what.topic;
    session
        .publish(topic, message, options.qos, what.retain)
        .await?;
    log::debug!("published {} bytes to {topic:?}", message.len());
    if options.qos == 0 {
        return Ok(Ok(()));
    }
    let answer_by = session.soon();
    loop {
        match session.hear(answer_by, pending::<()>()).await? {
            Heard::Answer(reason) if reason.is_erroneous() => {
                return Ok(Err(failure::refused("the message", reason, None)));
            }
            Heard::Answer(_) => return Ok(Ok(())),
            Heard::Late => {
                let what = "the broker did not confirm the message";
                return Err(Failure::timeout(options.timeout, what));
            }
            Heard::Message(_) | Heard::Instead(()) => {}
        }
    }
}
