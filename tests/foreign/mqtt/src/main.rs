//! Five embedded MQTT clients over a WebSocket and the program `ws mqtt`, against mosquitto. `cargo xtask mqtt` builds and
//! runs this; each row it prints is a scenario: name, seconds, and `pass` or what went wrong.

mod broker;
mod clients;
mod foreign;
mod net;
mod program;
mod relay;
mod scenarios;
mod smol;

use std::path::PathBuf;

use clients::minimq_async::Minimq;
use clients::minimq_sync::MinimqSync;
use clients::mountain::Mountain;
use clients::mqttrust::Mqttrust;
use clients::rust_mqtt::RustMqtt;

/// What a client received.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Where the client says so.
    pub retain: Option<bool>,
}

/// The arguments: what to run, and with what.
pub struct Setup {
    pub mosquitto: PathBuf,
    pub python: PathBuf,
    pub folder: PathBuf,
    /// `ws`, where its subcommands are to be run.
    pub program: Option<PathBuf>,
    /// Messages in each direction of the bulk scenario.
    pub count: usize,
    client: Option<String>,
    over: Option<String>,
    scenario: Option<String>,
}

impl Setup {
    fn from_arguments() -> Result<Self, String> {
        let mut setup = Self {
            mosquitto: "mosquitto".into(),
            python: "python3".into(),
            folder: std::env::temp_dir(),
            program: None,
            count: 10_000,
            client: None,
            over: None,
            scenario: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--mosquitto" => setup.mosquitto = value.into(),
                "--python" => setup.python = value.into(),
                "--program" => setup.program = Some(value.into()),
                "--folder" => setup.folder = value.into(),
                "--count" => setup.count = value.parse().map_err(|_| "--count: not a number")?,
                "--client" => setup.client = Some(value),
                "--over" => setup.over = Some(value),
                "--scenario" => setup.scenario = Some(value),
                _ => return Err(format!("no option {name}")),
            }
        }
        Ok(setup)
    }

    /// Is this to be run?
    pub fn wants(&self, client: &str, over: &str, scenario: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
        is(&self.client, client) && is(&self.over, over) && is(&self.scenario, scenario)
    }
}

/// Runs a client's scenarios: how many, and how many failed.
type Scenarios = fn(&Setup) -> (usize, usize);

/// What the clients say, with MQTT_LOG set: mqttrust tells no other way why it connects again.
struct Said;

impl log::Log for Said {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn main() -> std::process::ExitCode {
    if std::env::var_os("MQTT_LOG").is_some() && log::set_logger(&Said).is_ok() {
        log::set_max_level(log::LevelFilter::Debug);
    }
    let setup = match Setup::from_arguments() {
        Ok(setup) => setup,
        Err(error) => {
            eprintln!("{error}");
            return 2.into();
        }
    };
    // A thread to each client: most of the time they wait.
    let clients: [Scenarios; 6] = [
        scenarios::run::<RustMqtt>,
        scenarios::run::<Minimq>,
        scenarios::run::<Mqttrust>,
        scenarios::run::<MinimqSync>,
        scenarios::run::<Mountain>,
        program::run,
    ];
    let (rows, failed) = std::thread::scope(|scope| {
        let threads = clients.map(|client| {
            let setup = &setup;
            scope.spawn(move || client(setup))
        });
        let ends = threads.map(|thread| thread.join().expect("no scenario panics"));
        ends.into_iter()
            .fold((0, 0), |(rows, failed), end| (rows + end.0, failed + end.1))
    });
    if rows == 0 {
        eprintln!("nothing was run");
        return 2.into();
    }
    u8::from(failed > 0).into()
}
