//! `ws mqtt pub`.

use super::failure;
use super::session::{Ends, Heard, Session};
use crate::arguments::{Message, MqttOptions, PubOptions};
use crate::asynch::waker;
use crate::connect::dial::Failure;
use crate::connect::input::{Input, Item, PIECE};
use crate::exit::Exit;
use crate::signals;
use async_channel::Receiver;
use std::future::pending;
use std::io::{self, Read};

/// MQTT's longest packet, which no message fits that is longer.
const LONGEST: u64 = 268_435_455;

/// The longest line that is kept, to be a message: MQTT wants a message's length in front of it.
const LONGEST_LINE: usize = 16 << 20;

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
    let sent = send_all(&mut session, options, what, messages).await;
    // What went wrong first counts.
    sent.and(session.end().await).map(|()| Exit::Clean)
}

async fn send_all(
    session: &mut Session<'_>,
    options: &MqttOptions,
    what: &PubOptions,
    messages: Messages,
) -> Result<(), Failure> {
    match messages {
        Messages::One(message) => send(session, options, what, &message).await,
        Messages::Lines(mut input, wakes) => {
            let (mut line, mut number) = (Vec::new(), 1);
            loop {
                match input.next() {
                    Some(Item::Piece { bytes, last }) => {
                        line.extend_from_slice(&bytes);
                        if line.len() > LONGEST_LINE {
                            return Err(too_long(number));
                        }
                        if last {
                            send(session, options, what, &line).await?;
                            number += 1;
                            line.clear();
                            line.shrink_to(PIECE);
                        }
                    }
                    Some(Item::End) => return Ok(()),
                    Some(Item::Failed(kind)) => return Err(unread(&kind.into())),
                    None => {
                        if let Heard::Signal = session.hear(None, wakes.recv()).await? {
                            // Every line that has come whole is out.
                            return Ok(());
                        }
                    }
                }
                if signals::came() {
                    return Ok(());
                }
            }
        }
    }
}

async fn send(
    session: &mut Session<'_>,
    options: &MqttOptions,
    what: &PubOptions,
    message: &[u8],
) -> Result<(), Failure> {
    let topic = &what.topic;
    session
        .publish(topic, message, options.qos, what.retain)
        .await?;
    log::debug!("published {} bytes to {topic:?}", message.len());
    if options.qos == 0 {
        return Ok(());
    }
    let answer_by = session.soon();
    loop {
        match session.hear(answer_by, pending::<()>()).await? {
            Heard::Answer(reason) if reason.is_erroneous() => {
                return Err(failure::refused("the message", reason, None));
            }
            Heard::Answer(_) => return Ok(()),
            Heard::Late => {
                let what = "the broker did not confirm the message";
                return Err(Failure::timeout(options.timeout, what));
            }
            Heard::Signal => return Err(Ends::failure("before the broker confirmed the message")),
            Heard::Message(_) | Heard::Instead(()) => {}
        }
    }
}

fn too_long(number: u64) -> Failure {
    let detail = format!(
        "line {number} of standard input is longer than {LONGEST_LINE} bytes; without -l all of \
         standard input is one message, however many lines"
    );
    Failure::new(Exit::Failed, "input", detail)
}
