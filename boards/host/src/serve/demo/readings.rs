//! The device behind the page: what it measures, and the messages of `readings.v1`. No I/O and no
//! clock of its own. The messages are described in the folder's `mod.rs`.

use serde::{Deserialize, Serialize};

/// Milliseconds between two readings, before a page asks for others.
const EVERY_MS: u32 = 500;

/// What a page can ask for.
const FASTEST_MS: u32 = 50;
const SLOWEST_MS: u32 = 2_000;

/// A load or a memory below zero is one that the device does not know.
const UNKNOWN: i32 = -1;

/// The longest text that is read as a command.
const COMMAND: usize = 256;

/// Length of a reading as a binary message.
const BINARY: usize = 13;

/// What the program that serves knows about itself; `None` where it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Vitals {
    /// Share of one processor, in percent.
    pub(crate) load: Option<f32>,
    /// Bytes of memory in use.
    pub(crate) memory: Option<u32>,
}

/// A message to a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// To be sent as text.
    Text(String),
    /// To be sent as binary.
    Binary([u8; BINARY]),
}

/// What one page has asked for. One for each connection.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    every_ms: u32,
    binary: bool,
    due_ms: u64,
}

impl Viewer {
    /// A page that has just connected: its first reading is due at once.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            every_ms: EVERY_MS,
            binary: false,
            due_ms: now_ms,
        }
    }

    /// When the next reading is due: how long the program may sleep.
    pub(crate) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Is a reading due? Says so once for each; those missed by a late caller are left out.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> bool {
        if now_ms < self.due_ms {
            return false;
        }
        let every = u64::from(self.every_ms);
        self.due_ms += every;
        if self.due_ms <= now_ms {
            self.due_ms = now_ms + every;
        }
        true
    }
}

/// The device: an LED, and a thermometer that feels the LED's heat. One for all connections.
#[derive(Debug)]
pub(crate) struct Device {
    led: bool,
    /// Degrees above the room that the LED has brought.
    heat: f64,
    last_ms: u64,
    noise: u32,
}

#[derive(Serialize)]
struct Hello<'a> {
    device: &'a str,
    t: u32,
    ms: u32,
    binary: bool,
    led: bool,
}

#[derive(Serialize)]
struct Reading {
    t: u32,
    temp: f64,
    load: f64,
    mem: i32,
    led: bool,
}

#[derive(Serialize)]
struct Ping {
    ping: f64,
}

/// A page's message.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
enum Command {
    Led { on: bool },
    Rate { ms: u32 },
    Binary { on: bool },
    Echo { n: u32 },
}

/// What a page's message is answered with.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Led { ack: &'a str, led: bool },
    Rate { ack: &'a str, ms: u32 },
    Binary { ack: &'a str, binary: bool },
    Echo { ack: &'a str, n: u32 },
    Refused { nak: String },
}

impl Device {
    /// A device switched on at `now_ms`.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            led: false,
            heat: 0.0,
            last_ms: now_ms,
            noise: 0x2545_f491,
        }
    }

    /// The first message to a page, as text. `name` is shown below the page's title.
    pub(crate) fn hello(&self, name: &str, viewer: &Viewer, now_ms: u64) -> String {
        text(&Hello {
            device: name,
            t: wrapped(now_ms),
            ms: viewer.every_ms,
            binary: viewer.binary,
            led: self.led,
        })
    }

    /// A reading, in the form that this page asked for.
    pub(crate) fn reading(&mut self, viewer: &Viewer, vitals: Vitals, now_ms: u64) -> Message {
        let reading = Reading {
            t: wrapped(now_ms),
            temp: self.temperature(now_ms),
            load: vitals
                .load
                .map_or(UNKNOWN.into(), |load| hundredths(load.into())),
            mem: vitals
                .memory
                .map_or(UNKNOWN, |memory| i32::try_from(memory).unwrap_or(i32::MAX)),
            led: self.led,
        };
        if viewer.binary {
            Message::Binary(packed(&reading))
        } else {
            Message::Text(text(&reading))
        }
    }

    /// Does what a page's text asks for. The answer, also to what is no command, as text.
    pub(crate) fn command(&mut self, viewer: &mut Viewer, asked: &str, now_ms: u64) -> String {
        if asked.len() > COMMAND {
            return text(&Answer::Refused {
                nak: format!("a command is at most {COMMAND} bytes long"),
            });
        }
        let answer = match serde_json::from_str(asked) {
            Ok(Command::Led { on }) => {
                // What has passed until now was with the LED as it was.
                self.warm(now_ms);
                self.led = on;
                Answer::Led {
                    ack: "led",
                    led: on,
                }
            }
            Ok(Command::Rate { ms }) => {
                viewer.every_ms = ms.clamp(FASTEST_MS, SLOWEST_MS);
                viewer.due_ms = now_ms + u64::from(viewer.every_ms);
                Answer::Rate {
                    ack: "rate",
                    ms: viewer.every_ms,
                }
            }
            Ok(Command::Binary { on }) => {
                viewer.binary = on;
                Answer::Binary {
                    ack: "binary",
                    binary: on,
                }
            }
            Ok(Command::Echo { n }) => Answer::Echo { ack: "echo", n },
            Err(error) => Answer::Refused {
                nak: error.to_string(),
            },
        };
        text(&answer)
    }

    /// The slow swing of a room, the LED's heat, and a little noise.
    fn temperature(&mut self, now_ms: u64) -> f64 {
        self.warm(now_ms);
        let minutes = f64::from(wrapped(now_ms)) / 60_000.0;
        hundredths(22.5 + (minutes * 4.0).sin() * 0.6 + self.heat + self.noise())
    }

    /// Brings the heat up to `now_ms`: it approaches 5 degrees with the LED on, else none.
    fn warm(&mut self, now_ms: u64) {
        let passed = f64::from(wrapped(now_ms.saturating_sub(self.last_ms))) / 8_000.0;
        let goal = if self.led { 5.0 } else { 0.0 };
        self.heat = goal + (self.heat - goal) * (-passed).exp();
        self.last_ms = self.last_ms.max(now_ms);
    }

    /// Up to 0.05 degrees, by xorshift.
    fn noise(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        f64::from(self.noise % 11) / 100.0 - 0.05
    }
}

/// What the program's own Ping took, as text.
pub(crate) fn ping(round_trip_us: u32) -> String {
    text(&Ping {
        ping: f64::from(round_trip_us) / 1_000.0,
    })
}

fn text(message: &impl Serialize) -> String {
    // Serializing plain fields into a String does not fail.
    serde_json::to_string(message).unwrap_or_default()
}

/// Milliseconds as they are told: 32 bits, which wrap after 49 days.
fn wrapped(ms: u64) -> u32 {
    let [.., a, b, c, d] = ms.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Big-endian: t, temp and load in hundredths, mem, led.
fn packed(reading: &Reading) -> [u8; BINARY] {
    // A conversion from float to integer saturates.
    #[expect(clippy::cast_possible_truncation)]
    let small = |value: f64| ((value * 100.0).round() as i16).to_be_bytes();
    let [t0, t1, t2, t3] = reading.t.to_be_bytes();
    let [c0, c1] = small(reading.temp);
    let [l0, l1] = small(reading.load);
    let [m0, m1, m2, m3] = reading.mem.to_be_bytes();
    [
        t0,
        t1,
        t2,
        t3,
        c0,
        c1,
        l0,
        l1,
        m0,
        m1,
        m2,
        m3,
        reading.led.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const VITALS: Vitals = Vitals {
        load: Some(12.5),
        memory: Some(70_000),
    };

    fn ask(device: &mut Device, viewer: &mut Viewer, asked: &str) -> Value {
        serde_json::from_str(&device.command(viewer, asked, 0)).unwrap()
    }

    fn read(device: &mut Device, viewer: &Viewer, vitals: Vitals, now_ms: u64) -> Value {
        match device.reading(viewer, vitals, now_ms) {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            Message::Binary(bytes) => panic!("{bytes:?}"),
        }
    }

    #[test]
    fn the_first_message_says_what_is_in_force() {
        let said = Device::new(0).hello("a \"board\"", &Viewer::new(0), 7);
        let said: Value = serde_json::from_str(&said).unwrap();
        let wanted =
            json!({"device": "a \"board\"", "t": 7, "ms": 500, "binary": false, "led": false});
        assert_eq!(said, wanted);
    }

    #[test]
    fn every_command_is_acknowledged_with_what_is_in_force() {
        let (mut device, mut viewer) = (Device::new(0), Viewer::new(0));
        for (asked, answer) in [
            (
                r#"{"cmd":"led","on":true}"#,
                json!({"ack": "led", "led": true}),
            ),
            (
                r#"{"cmd":"rate","ms":200}"#,
                json!({"ack": "rate", "ms": 200}),
            ),
            (r#"{"cmd":"rate","ms":0}"#, json!({"ack": "rate", "ms": 50})),
            (
                r#"{"cmd":"rate","ms":4294967295}"#,
                json!({"ack": "rate", "ms": 2000}),
            ),
            (
                r#"{"cmd":"binary","on":true}"#,
                json!({"ack": "binary", "binary": true}),
            ),
            (r#"{"cmd":"echo","n":41}"#, json!({"ack": "echo", "n": 41})),
        ] {
            assert_eq!(ask(&mut device, &mut viewer, asked), answer, "{asked}");
        }
        assert!(device.led && viewer.binary);
    }

    #[test]
    fn what_is_no_command_is_refused_and_changes_nothing() {
        let (mut device, mut viewer) = (Device::new(0), Viewer::new(0));
        let deep = "[".repeat(100_000);
        for asked in [
            "",
            "led",
            "{}",
            "[]",
            r#"{"cmd":"format flash"}"#,
            r#"{"cmd":"led"}"#,
            r#"{"cmd":"led","on":1}"#,
            r#"{"cmd":"rate","ms":-1}"#,
            r#"{"cmd":"rate","ms":1e99}"#,
            &deep,
        ] {
            let answer = ask(&mut device, &mut viewer, asked);
            assert!(answer["nak"].is_string(), "{answer}");
        }
        assert!(!device.led && !viewer.binary && viewer.every_ms == EVERY_MS);
    }

    #[test]
    fn a_reading_is_the_same_as_text_and_as_binary() {
        let mut viewer = Viewer::new(0);
        let text = read(&mut Device::new(0), &viewer, VITALS, 70_000);
        viewer.binary = true;
        let Message::Binary(bytes) = Device::new(0).reading(&viewer, VITALS, 70_000) else {
            panic!("not binary");
        };
        assert_eq!(bytes[..4], 70_000_u32.to_be_bytes());
        let temp = f64::from(i16::from_be_bytes([bytes[4], bytes[5]])) / 100.0;
        assert_eq!(text["temp"], json!(temp));
        assert_eq!(bytes[6..8], 1_250_i16.to_be_bytes());
        assert_eq!(text["load"], json!(12.5));
        assert_eq!(bytes[8..12], 70_000_i32.to_be_bytes());
        assert_eq!(text["mem"], json!(70_000));
        assert_eq!((bytes[12], &text["led"]), (0, &json!(false)));
    }

    #[test]
    fn what_is_unknown_is_below_zero() {
        let mut viewer = Viewer::new(0);
        let text = read(&mut Device::new(0), &viewer, Vitals::default(), 0);
        assert_eq!((&text["load"], &text["mem"]), (&json!(-1.0), &json!(-1)));
        viewer.binary = true;
        let Message::Binary(bytes) = Device::new(0).reading(&viewer, Vitals::default(), 0) else {
            panic!("not binary");
        };
        assert_eq!(bytes[6..8], (-100_i16).to_be_bytes());
        assert_eq!(bytes[8..12], (-1_i32).to_be_bytes());
    }

    #[test]
    fn the_led_warms_the_thermometer() {
        let (mut device, mut viewer) = (Device::new(0), Viewer::new(0));
        let before = read(&mut device, &viewer, VITALS, 0)["temp"]
            .as_f64()
            .unwrap();
        ask(&mut device, &mut viewer, r#"{"cmd":"led","on":true}"#);
        let after = read(&mut device, &viewer, VITALS, 30_000)["temp"]
            .as_f64()
            .unwrap();
        assert!(after > before + 3.0, "{before} then {after}");
        assert!((20.0..30.0).contains(&before) && (20.0..30.0).contains(&after));
    }

    #[test]
    fn readings_are_due_at_the_rate_and_a_late_caller_gets_no_burst() {
        let mut viewer = Viewer::new(1_000);
        assert!(viewer.take_due(1_000));
        assert!(!viewer.take_due(1_499));
        assert!(viewer.take_due(1_510));
        assert_eq!(viewer.due_ms(), 2_000, "no drift");
        assert!(viewer.take_due(60_000));
        assert!(!viewer.take_due(60_000));
        assert_eq!(viewer.due_ms(), 60_500);
    }

    #[test]
    fn clocks_that_wrap_or_go_back_are_no_fault() {
        let mut device = Device::new(u64::MAX);
        let viewer = Viewer::new(0);
        assert_eq!(read(&mut device, &viewer, VITALS, 0)["t"], 0);
        assert_eq!(read(&mut device, &viewer, VITALS, (1 << 32) + 5)["t"], 5);
    }

    #[test]
    fn a_ping_is_told_in_milliseconds() {
        assert_eq!(ping(1_250), r#"{"ping":1.25}"#);
    }
}
