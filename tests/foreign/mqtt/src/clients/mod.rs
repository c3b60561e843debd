//! One face to the five clients, for the scenarios.

pub mod minimq_async;
pub mod minimq_sync;
pub mod mountain;
pub mod mqttrust;
pub mod rust_mqtt;

use std::net::SocketAddr;

use crate::Message;
use crate::net::Net;
use crate::smol::Smol;

pub type Result<T = ()> = std::result::Result<T, String>;

/// What a connection is made over, and to where.
#[derive(Clone, Copy)]
pub struct Dial {
    pub smoltcp: bool,
    pub relay: SocketAddr,
}

impl Dial {
    pub fn net(&self) -> Net {
        if self.smoltcp {
            Net::Smol(Smol::to(self.relay))
        } else {
            Net::Std
        }
    }
}

pub struct Options {
    pub id: String,
    /// Topic and payload.
    pub will: Option<(&'static str, &'static [u8])>,
}

/// A connected client. Each call ends when the broker has confirmed it.
pub trait Session: Sized {
    const NAME: &'static str;
    /// At which it publishes.
    const MAX_QOS: u8;
    /// The longest payload with the buffers it was given here.
    const LIMIT: usize;
    /// How many messages may come at once without its losing any.
    const WINDOW: usize = usize::MAX;
    /// Does it take a message without a payload?
    const EMPTY: bool = true;

    async fn connect(dial: Dial, options: Options) -> Result<Self>;
    async fn subscribe(&mut self, topic: &'static str) -> Result;
    async fn publish(
        &mut self,
        topic: &'static str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result;
    /// The next message; meanwhile it keeps the connection alive.
    async fn next(&mut self) -> Result<Message>;
}

/// For the rest of the test.
pub fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

pub fn buffer(length: usize) -> &'static mut [u8] {
    Box::leak(vec![0; length].into_boxed_slice())
}

pub fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// 100 KiB, and what MQTT puts around it.
pub const LONG: usize = 100 * 1024;
pub const PACKET: usize = LONG + 256;
