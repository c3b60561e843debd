//! nginx as a reverse proxy before a server.

use crate::shell::Running;
use crate::{Result, apt, shell};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx.
pub(super) struct Nginx {
    pub(super) port: u16,
    _process: Running,
}

/// Is nginx there? Installs it where that can be done without asking. The error says what to do.
pub(super) fn ready() -> Result {
    if version().is_ok() {
        return Ok(());
    }
    apt::install("nginx")
        .and_then(|()| version())
        .map_err(|why| format!("there is no nginx; {why}"))?;
    Ok(())
}

fn version() -> Result<String> {
    shell::capture(Command::new("nginx").arg("-v"))
}

impl Nginx {
    /// Starts it before the server on port `behind`.
    pub(super) fn start(behind: u16) -> Result<Self> {
        let folder = shell::cache().join("interop/nginx");
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        // Free now, and most likely still in a moment.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("a free port: {error}"))?
            .port();
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration(port, behind))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Self::run(&folder, &file, port)
    }

    fn run(folder: &Path, file: &Path, port: u16) -> Result<Self> {
        let log = folder.join("stderr.log");
        let stderr =
            std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("nginx: {error}"))?;
        let mut process = Running(child);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = process.0.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > until {
                return Err(format!("nginx does not start; see {}", log.display()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            port,
            _process: process,
        })
    }
}

/// One process, so that ending it ends all of it.
fn configuration(port: u16, behind: u16) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path tmp-body;
  proxy_temp_path tmp-proxy;
  fastcgi_temp_path tmp-fastcgi;
  uwsgi_temp_path tmp-uwsgi;
  scgi_temp_path tmp-scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $host;
      proxy_read_timeout 3600s;
    }}
  }}
}}
"
    )
}
