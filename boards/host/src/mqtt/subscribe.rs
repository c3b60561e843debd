//! `ws mqtt sub`.

use super::failure;
use super::print::{Message, print};
use super::session::{Heard, Session};
use crate::arguments::{MqttOptions, SubOptions};
use crate::asynch::waker;
use crate::connect::dial::Failure;
use crate::exit::Exit;
use crate::output;
use async_channel::Receiver;
use rust_mqtt::client::event::Publish;
use rust_mqtt::types::IdentifiedQoS;
use std::future::pending;
use std::io;
use std::time::Instant;

/// Subscribes and prints.
pub(super) async fn run(
    mut session: Session<'_>,
    options: &MqttOptions,
    what: &SubOptions,
) -> Result<Exit, Failure> {
    let end = follow(&mut session, options, what).await;
    match (end, session.end().await) {
        (Ok(Exit::Clean), Err(failure)) => Err(failure),
        // A broker that does not take the goodbye changes nothing about that.
        (end, _) => end,
    }
}

async fn follow(
    session: &mut Session<'_>,
    options: &MqttOptions,
    what: &SubOptions,
) -> Result<Exit, Failure> {
    let over = what.wait.map(|wait| Instant::now() + wait);
    let mut left = what.count;
    let (wake, wakes) = waker();
    output::wake_by(wake);
    for topic in &what.topics {
        session.subscribe(topic, options.qos).await?;
        let mut answer_by = session.soon();
        loop {
            if !output::has_room() {
                if let Some(exit) = wait_for_room(session, over, &wakes).await? {
                    return Ok(exit);
                }
                answer_by = session.soon();
            }
            // Retained messages may come before the answer.
            match session
                .hear(earlier(over, answer_by), pending::<()>())
                .await?
            {
                Heard::Signal => return Ok(Exit::Clean),
                Heard::Message(message) => {
                    if take(options, what, &message, &mut left)? {
                        return Ok(Exit::Clean);
                    }
                }
                Heard::Answer(reason) if reason.is_erroneous() => {
                    let what = format!("the subscription to {topic:?}");
                    return Err(failure::refused(&what, reason, None));
                }
                Heard::Answer(_) => break,
                Heard::Late if is_over(over) => return Ok(Exit::Over),
                Heard::Late => {
                    let what = format!("the broker did not answer the subscription to {topic:?}");
                    return Err(Failure::timeout(options.timeout, &what));
                }
                Heard::Instead(()) => {}
            }
        }
        log::debug!("subscribed to {topic:?}");
    }
    loop {
        if let Some(error) = output::failed() {
            return Err(unwritten(&error));
        }
        if let Some(exit) = wait_for_room(session, over, &wakes).await? {
            return Ok(exit);
        }
        match session.hear(over, wakes.recv()).await? {
            Heard::Signal => return Ok(Exit::Clean),
            Heard::Message(message) => {
                if take(options, what, &message, &mut left)? {
                    return Ok(Exit::Clean);
                }
            }
            Heard::Late => return Ok(Exit::Over),
            Heard::Answer(_) | Heard::Instead(_) => {}
        }
    }
}

/// Prints a message. True where it was the last one that is wanted.
fn take(
    options: &MqttOptions,
    what: &SubOptions,
    message: &Publish<'_, 1, 1>,
    left: &mut Option<u64>,
) -> Result<bool, Failure> {
    let topic = message.topic.name();
    let message = Message {
        topic: topic.map_or("", |topic| topic.as_ref().as_str()),
        qos: match message.identified_qos {
            IdentifiedQoS::AtMostOnce => 0,
            IdentifiedQoS::AtLeastOnce(_) => 1,
            IdentifiedQoS::ExactlyOnce(_) => 2,
        },
        retain: message.retain,
        payload: &message.message,
    };
    print(
        output::Data,
        &message,
        options.json,
        what.verbose,
        output::is_terminal(),
    )
    .map_err(|error| unwritten(&error))?;
    *left = left.map(|left| left.saturating_sub(1));
    Ok(*left == Some(0))
}

/// What has no room on standard output is not received: the broker keeps it. The exit code where
/// the end comes first.
async fn wait_for_room(
    session: &mut Session<'_>,
    over: Option<Instant>,
    wakes: &Receiver<()>,
) -> Result<Option<Exit>, Failure> {
    while !output::has_room() {
        match session.pause(over, wakes.recv()).await? {
            Heard::Signal => return Ok(Some(Exit::Clean)),
            Heard::Late => return Ok(Some(Exit::Over)),
            _ => {}
        }
    }
    Ok(None)
}

fn unwritten(error: &io::Error) -> Failure {
    failure::local("standard output cannot be written to", error)
}

/// Is the time of `-W` over?
fn is_over(over: Option<Instant>) -> bool {
    over.is_some_and(|over| Instant::now() >= over)
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
