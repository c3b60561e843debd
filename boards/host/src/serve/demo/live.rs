//! A page that is connected: what it is sent, and what it asks for. The frames themselves are the
//! connection's.

use super::readings::{Device, Message, Viewer, ping};
use super::vitals::Meter;
use std::time::{Duration, Instant};
use ws_socket::{Opcode, Received};

/// Between two of the device's own Pings.
const PING: Duration = Duration::from_secs(2);
/// How much of a command is kept: it is told that longer ones are none.
const COMMAND: usize = 257;

/// The device, for all pages.
#[derive(Debug)]
pub(crate) struct Demo {
    device: Device,
    meter: Meter,
    began: Instant,
}

impl Demo {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            device: Device::new(0),
            meter: Meter::default(),
            began: now,
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        let ms = now.saturating_duration_since(self.began).as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// A frame for a page.
pub(crate) type Sending = (Opcode, Vec<u8>);

/// One page.
#[derive(Debug)]
pub(crate) struct Live {
    viewer: Viewer,
    /// The message that is coming in.
    command: Vec<u8>,
    /// The payload of the Pong that is coming in.
    pong: Vec<u8>,
    pings: u64,
    ping_at: Instant,
    /// When the last Ping went out, until it is answered.
    pinged: Option<Instant>,
}

impl Live {
    /// A page has connected. What it is sent first.
    pub(crate) fn new(demo: &mut Demo, now: Instant) -> (Self, Sending) {
        let ms = demo.ms(now);
        let viewer = Viewer::new(ms);
        let name = concat!("ws ", env!("CARGO_PKG_VERSION"));
        let hello = demo.device.hello(name, &viewer, ms);
        let live = Self {
            viewer,
            command: Vec::new(),
            pong: Vec::new(),
            pings: 0,
            ping_at: now,
            pinged: None,
        };
        (live, text(hello))
    }

    /// Takes a piece of a message or of a Pong; what is to be answered.
    pub(crate) fn take(
        &mut self,
        piece: &Received,
        payload: &[u8],
        demo: &mut Demo,
        now: Instant,
    ) -> Option<Sending> {
        match piece.opcode() {
            Opcode::Text | Opcode::Binary => {
                let room = COMMAND.saturating_sub(self.command.len());
                let kept = payload.get(..room).unwrap_or(payload);
                self.command.extend_from_slice(kept);
                if !piece.is_complete() {
                    return None;
                }
                let command = String::from_utf8_lossy(&self.command);
                let ms = demo.ms(now);
                let answer = demo.device.command(&mut self.viewer, &command, ms);
                self.command.clear();
                Some(text(answer))
            }
            Opcode::Pong => {
                self.pong.extend_from_slice(payload);
                if !piece.is_complete() {
                    return None;
                }
                let ours = std::mem::take(&mut self.pong) == self.pings.to_be_bytes();
                let sent = self.pinged.take_if(|_| ours)?;
                let took = sent.elapsed().as_micros();
                Some(text(ping(u32::try_from(took).unwrap_or(u32::MAX))))
            }
            _ => None,
        }
    }

    /// When something is to be sent without being asked for.
    pub(crate) fn due(&self, demo: &Demo) -> Instant {
        let reading = demo.began + Duration::from_millis(self.viewer.due_ms());
        reading.min(self.ping_at)
    }

    /// What is to be sent now. Where the wire is not `free` for it, it is left out.
    pub(crate) fn on_time(&mut self, demo: &mut Demo, free: bool, now: Instant) -> Vec<Sending> {
        let mut sending = Vec::new();
        let ms = demo.ms(now);
        if self.viewer.take_due(ms) && free {
            let vitals = demo.meter.read(ms);
            sending.push(match demo.device.reading(&self.viewer, vitals, ms) {
                Message::Text(reading) => text(reading),
                Message::Binary(reading) => (Opcode::Binary, reading.to_vec()),
            });
        }
        if now >= self.ping_at {
            self.ping_at = now + PING;
            if free {
                self.pings += 1;
                self.pinged = Some(Instant::now());
                sending.push((Opcode::Ping, self.pings.to_be_bytes().to_vec()));
            }
        }
        sending
    }
}

fn text(message: String) -> Sending {
    (Opcode::Text, message.into_bytes())
}
