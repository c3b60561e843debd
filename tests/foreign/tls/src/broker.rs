//! Brokers: as much of MQTT 5 as one client needs, and mosquitto.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::authority::{Authority, HOST};

/// What a broker says to a packet: what is published comes back.
pub fn answer(packet: &[u8]) -> Vec<Vec<u8>> {
    // The length is one byte in all packets here.
    let body = &packet[2..];
    match packet[0] {
        0x10 => vec![vec![0x20, 3, 0, 0, 0]],
        0x82 => vec![vec![0x90, 4, body[0], body[1], 0, 1]],
        0x32 => {
            let topic = 2 + usize::from(body[1]);
            let id = &body[topic..topic + 2];
            let message = [&body[..topic], &body[topic + 2..]].concat();
            let publish = [&[0x30, message.len() as u8], &message[..]].concat();
            vec![[&[0x40, 2], id].concat(), publish]
        }
        0xC0 => vec![vec![0xD0, 0]],
        0xE0 => Vec::new(),
        other => panic!("a packet of type {other:02x}"),
    }
}

/// mosquitto with a listener for WebSockets over TLS. It ends with this.
pub struct Mosquitto {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Mosquitto {
    /// Started, with a certificate for [`HOST`].
    pub fn start(program: &Path, authority: &Authority) -> Self {
        let folder = std::env::temp_dir().join(format!("wss-mosquitto-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        // It does not start without a plain listener.
        let (plain, port) = {
            let two = (free(), free());
            (port(&two.0), port(&two.1))
        };
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (certificate, key) = authority.server_pem(HOST);
        let config = format!(
            "allow_anonymous true\npersistence false\nlog_dest stderr\nlog_type error\n\
             listener {plain} 127.0.0.1\nprotocol mqtt\n\
             listener {port} 127.0.0.1\nprotocol websockets\n\
             certfile {}\nkeyfile {}\ntls_version tlsv1.3\n",
            file("server.crt", &certificate),
            file("server.key", &key),
        );
        let child = Command::new(program)
            .args(["-c", &file("mosquitto.conf", &config)])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let mut broker = Self {
            child: child.unwrap(),
            address,
            folder: folder.clone(),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = broker.child.try_wait().unwrap().is_some();
            if ended || Instant::now() > deadline {
                let _ = broker.child.kill();
                let mut said = String::new();
                let stderr = broker.child.stderr.as_mut().unwrap();
                stderr.read_to_string(&mut said).unwrap();
                panic!("mosquitto does not listen: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        broker
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
