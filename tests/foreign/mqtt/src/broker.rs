//! mosquitto, started and stopped.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A broker with a plain and a WebSocket listener on loopback.
pub struct Broker {
    program: PathBuf,
    config: PathBuf,
    pub plain: SocketAddr,
    pub websocket: SocketAddr,
    child: Option<Child>,
}

impl Broker {
    /// On ports that are free; tried again where somebody else was faster.
    /// `more` goes into its configuration.
    pub fn start(program: &Path, folder: &Path, more: &str) -> Result<Self, String> {
        let tries = (0..3).map(|_| Self::on_free_ports(program, folder, more));
        let mut failed = String::new();
        for broker in tries {
            match broker {
                Ok(broker) => return Ok(broker),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }

    fn on_free_ports(program: &Path, folder: &Path, more: &str) -> Result<Self, String> {
        let (plain, websocket) = (free_port()?, free_port()?);
        let config = folder.join(format!("mosquitto-{}.conf", plain.port()));
        let text = format!(
            "allow_anonymous true\npersistence false\nlog_dest stderr\nlog_type error\n\
             max_queued_messages 0\n{more}\
             listener {} 127.0.0.1\nprotocol mqtt\n\
             listener {} 127.0.0.1\nprotocol websockets\n",
            plain.port(),
            websocket.port()
        );
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut broker = Self {
            program: program.to_owned(),
            config,
            plain,
            websocket,
            child: None,
        };
        broker.restart()?;
        Ok(broker)
    }

    /// Starts it, and returns when both listeners answer.
    pub fn restart(&mut self) -> Result<(), String> {
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let shown = self.program.display();
        let mut child = child.map_err(|error| format!("{shown} does not start: {error}"))?;
        let deadline = Instant::now() + Duration::from_secs(20);
        for address in [self.plain, self.websocket] {
            while TcpStream::connect(address).is_err() {
                if Instant::now() > deadline || child.try_wait().is_ok_and(|end| end.is_some()) {
                    let _ = child.kill();
                    let mut said = String::new();
                    if let Some(mut stderr) = child.stderr.take() {
                        let _ = stderr.read_to_string(&mut said);
                    }
                    return Err(format!("{shown} does not listen: {said}"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.child = Some(child);
        Ok(())
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}
