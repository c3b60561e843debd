//! Goes through the cases of a fuzzing server.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use embedded_nal::TcpClientStack;
use ws_socket::{Opcode, Platform, Received, WebSocketId, WebSocketRequest};

use crate::conversation::{CALL, Conversation, Turn};
use crate::host::{Host, idle};
use crate::{Result, Table};

/// How long the server may say nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// What the suite calls this client.
const AGENT: &str = "ws-socket";

/// All cases of the server that `url` names.
pub(crate) fn run<S>(table: Table<S>, url: &str) -> Result
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    Client::new(table, url)?.all_cases()
}

/// A client and the fuzzing server it talks to.
struct Client<S: TcpClientStack> {
    table: Table<S>,
    server: SocketAddr,
    host: String,
}

impl<S> Client<S>
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    fn new(table: Table<S>, url: &str) -> Result<Self> {
        let (server, host) = server(url)?;
        Ok(Self {
            table,
            server,
            host: host.to_owned(),
        })
    }

    fn connect(&mut self, path: &str) -> Result<WebSocketId> {
        let request = WebSocketRequest::new(&self.host, path);
        Ok(self.table.connect_to(self.server, request, CALL)?)
    }

    fn exchange(&mut self, ws: WebSocketId) -> Result {
        let mut conversation = Conversation::new(ws);
        let mut last = Instant::now();
        loop {
            match conversation.step(&mut self.table)? {
                Turn::Busy => last = Instant::now(),
                Turn::Idle if last.elapsed() > SILENCE => {
                    return Err(format!("nothing for {SILENCE:?}").into());
                }
                Turn::Idle => idle(),
                Turn::Over => return Ok(()),
            }
        }
    }
}

/// A client that goes through the cases, whichever calls it makes.
pub(crate) trait Cases {
    /// How many cases there are.
    fn count(&mut self) -> Result<usize>;

    /// Sends back what comes until the connection ends, whatever ends it.
    fn echo(&mut self, path: &str) -> Result;

    fn all_cases(&mut self) -> Result {
        let count = self.count()?;
        let mut problems = String::new();
        for case in 1..=count {
            let path = format!("/runCase?case={case}&agent={AGENT}");
            // The server judges by what it saw; the cases after one that went wrong still count.
            if let Err(error) = self.echo(&path) {
                writeln!(problems, "case {case} of {count}: {error}")?;
            }
        }
        self.echo(&format!("/updateReports?agent={AGENT}"))?;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.into())
        }
    }
}

impl<S> Cases for Client<S>
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    fn count(&mut self) -> Result<usize> {
        let ws = self.connect("/getCaseCount")?;
        let mut text = Vec::new();
        let mut piece = [0; 16];
        loop {
            let received = self.table.recv_msg(ws, &mut piece, CALL)?;
            if count_of(&received, &piece, &mut text)? {
                break;
            }
        }
        self.table.disconnect(ws, CALL)?;
        Ok(str::from_utf8(&text)?.parse()?)
    }

    fn echo(&mut self, path: &str) -> Result {
        let ws = self.connect(path)?;
        let outcome = self.exchange(ws);
        self.table.disconnect(ws, CALL)?;
        outcome
    }
}

/// Takes a piece of the count of cases: true where that is all.
pub(crate) fn count_of(received: &Received, piece: &[u8], text: &mut Vec<u8>) -> Result<bool> {
    if received.opcode() != Opcode::Text {
        return Err("the count of cases is no text".into());
    }
    text.extend_from_slice(&piece[..received.length]);
    Ok(received.is_complete())
}

/// The server that `url` names, and the name.
pub(crate) fn server(url: &str) -> Result<(SocketAddr, &str)> {
    let host = url.strip_prefix("ws://").ok_or("no ws:// URL")?;
    let host = host.trim_end_matches('/');
    Ok((host.parse()?, host))
}
