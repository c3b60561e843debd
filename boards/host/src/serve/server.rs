//! The server: one thread that sleeps until the system or the clock has something for one of its
//! connections, and then looks at that one.

use super::Table;
use super::clock::Clock;
use super::connection::{Connection, Shared, Turn};
use super::events::{Event, Printer};
use super::signals::Signals;
use crate::arguments::{MAX_CONNECTIONS, ServeOptions};
use crate::exit::Exit;
use crate::os::OsSocket;
use embedded_nal::TcpClientStack;
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};
use ws_socket::{AcceptError, AcceptOptions, CloseCode, Timeout, WebSocketId};

/// 1013, "try again later", of IANA's registry.
const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
/// Until the system may have descriptors again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often closed connections are looked after whose peers have not closed: for a few seconds at
/// most, in which a peer may have much to send that nobody wants before it reads why it was left.
const SWEEP: Duration = Duration::from_millis(5);
/// How long their peers may take to read why they were left, at the end.
const LINGER: Duration = Duration::from_secs(1);

/// A listening server.
pub(super) struct Server {
    table: Box<Table>,
    /// `None` once the end has begun.
    listener: Option<OsSocket>,
    signals: Signals,
    subprotocols: Vec<String>,
    max_connections: usize,
    handshake_timeout: Duration,
    idle_timeout: Option<Duration>,
    /// By slot.
    connections: Vec<Option<Box<Connection>>>,
    open: usize,
    last_id: u64,
    /// The slots of the connections, by what the stack calls their sockets.
    slots: Vec<Option<usize>>,
    /// Slots whose connections have something to do.
    queue: VecDeque<usize>,
    clock: Clock,
    /// When the listener and the handshakes are to be looked at again.
    accept_at: Option<Instant>,
    sweep_at: Option<Instant>,
    /// Buffers for pieces that nobody needs now.
    spare: Vec<Vec<u8>>,
}

impl Server {
    pub(super) fn new(
        table: Box<Table>,
        listener: OsSocket,
        signals: Signals,
        options: &ServeOptions,
    ) -> Self {
        Self {
            table,
            listener: Some(listener),
            signals,
            subprotocols: options.subprotocols.clone(),
            max_connections: options.max_connections.unwrap_or(MAX_CONNECTIONS),
            handshake_timeout: options.handshake_timeout,
            idle_timeout: options.idle_timeout,
            connections: Vec::new(),
            open: 0,
            last_id: 0,
            slots: Vec::new(),
            queue: VecDeque::new(),
            clock: Clock::default(),
            accept_at: Some(Instant::now()),
            sweep_at: None,
            spare: Vec::new(),
        }
    }

    /// To the end.
    pub(super) fn run<W: Write>(mut self, printer: &mut Printer<W>) -> Exit {
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            self.on_time(now);
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept(printer, now);
            }
            self.turns(printer, now);
            if self.listener.is_none() && self.open == 0 {
                break;
            }
            printer.flush();
            if self.listener.is_some() && (self.signals.came() || printer.failed().is_some()) {
                self.begin_end(now);
                continue;
            }
            self.wait(&mut ready);
        }
        self.linger();
        Exit::Clean
    }

    /// Sleeps until something is to be done, and queues whom it is for.
    fn wait(&mut self, ready: &mut Vec<usize>) {
        let left = if self.queue.is_empty() {
            let next = self.clock.next();
            let next = next.into_iter().chain(self.accept_at).chain(self.sweep_at);
            let next = next.min();
            next.map(|next| next.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        let stack = self.table.stack();
        stack.wait(left);
        ready.clear();
        ready.extend(stack.ready());
        for key in ready.drain(..) {
            match self.slots.get(key).copied().flatten() {
                Some(slot) => self.enqueue(slot),
                // The listener, or a handshake.
                None => self.accept_at = Some(Instant::now()),
            }
        }
    }

    fn connection(&mut self, slot: usize) -> Option<&mut Connection> {
        self.connections.get_mut(slot)?.as_deref_mut()
    }

    fn enqueue(&mut self, slot: usize) {
        if let Some(connection) = self.connection(slot)
            && !connection.queued
        {
            connection.queued = true;
            self.queue.push_back(slot);
        }
    }

    /// Everybody in the queue has a turn.
    fn turns<W: Write>(&mut self, printer: &mut Printer<W>, now: Instant) {
        let mut shared = Shared { printer, now };
        for _ in 0..self.queue.len() {
            let Some(slot) = self.queue.pop_front() else {
                return;
            };
            let Some(place) = self.connections.get_mut(slot) else {
                continue;
            };
            let Some(connection) = place else { continue };
            connection.queued = false;
            match connection.turn(&mut self.table, &mut shared, &mut self.spare) {
                Turn::More => {
                    connection.queued = true;
                    self.queue.push_back(slot);
                }
                Turn::Wait => {
                    note_key(connection, &mut self.table, &mut self.slots);
                    schedule(connection, &mut self.clock, self.idle_timeout);
                }
                Turn::Over => {
                    if let Some(place) = connection.key.and_then(|key| self.slots.get_mut(key)) {
                        *place = None;
                    }
                    *place = None;
                    self.open -= 1;
                    self.sweep_at.get_or_insert(now + SWEEP);
                }
            }
        }
    }

    fn on_time(&mut self, now: Instant) {
        let idle_timeout = self.idle_timeout;
        while let Some((at, slot)) = self.clock.take(now) {
            if let Some(connection) = self.connection(slot)
                && connection.scheduled == Some(at)
            {
                connection.scheduled = None;
                connection.on_time(idle_timeout, now);
                self.enqueue(slot);
            }
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            let left = self.table.stack().sweep();
            self.sweep_at = (left > 0).then_some(now + SWEEP);
        }
    }

    /// Takes connections and goes on with their handshakes.
    fn accept<W: Write>(&mut self, printer: &mut Printer<W>, now: Instant) {
        self.accept_at = None;
        loop {
            let Some(listener) = &mut self.listener else {
                return;
            };
            let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
            let options = AcceptOptions {
                subprotocols: &subprotocols,
                headers: &[],
                ..AcceptOptions::default()
            };
            match self.table.accept(listener, &options, Timeout::NoWait) {
                Ok(ws) => self.opened(ws, printer, now),
                Err(AcceptError::Timeout) => break,
                Err(error) => {
                    let detail = format!(
                        "no connection can be accepted for now: {error}; if files are short, \
                         raise their limit (ulimit -n) or lower --max-connections"
                    );
                    let (id, kind) = (None, "accept");
                    printer.event(&Event::Error { id, kind, detail });
                    self.accept_at = Some(now + ACCEPT_AGAIN);
                    return;
                }
            }
        }
        // Handshakes may have been refused.
        self.sweep_at.get_or_insert(now + SWEEP);
        if self.table.stack().has_more_to_accept() {
            self.accept_at = Some(now);
        } else if self.table.in_use() > self.open {
            // Handshakes end in time only where somebody looks at them.
            let often = self.handshake_timeout / 4;
            let often = often.clamp(Duration::from_millis(10), Duration::from_secs(1));
            self.accept_at = Some(now + often);
        }
    }

    fn opened<W: Write>(&mut self, ws: WebSocketId, printer: &mut Printer<W>, now: Instant) {
        if self.open >= self.max_connections {
            let detail = format!(
                "one more than {} connections was sent away; --max-connections sets how many",
                self.max_connections
            );
            let (id, kind) = (None, "full");
            printer.event(&Event::Error { id, kind, detail });
            let reason = "too many connections";
            let left = self
                .table
                .disconnect_with(ws, TRY_AGAIN_LATER, reason, Timeout::NoWait);
            log::debug!("sent away: {left:?}");
            self.sweep_at.get_or_insert(now + SWEEP);
            return;
        }
        self.last_id += 1;
        let id = self.last_id;
        let chosen = self.table.subprotocol(ws).ok().flatten();
        let chosen = chosen.and_then(|index| self.subprotocols.get(index));
        let peer = self.table.with_socket(ws, |_, socket| socket.remote_addr());
        printer.event(&Event::Open {
            id,
            peer: peer.ok().flatten().and_then(Result::ok),
            subprotocol: chosen.map(String::as_str),
        });
        let slot = ws.slot();
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        let mut connection = Box::new(Connection::new(ws, id, now));
        // In the handshake it may have been waited for already.
        note_key(&mut connection, &mut self.table, &mut self.slots);
        if let Some(place) = self.connections.get_mut(slot) {
            *place = Some(connection);
            self.open += 1;
            // What came behind the request may be there.
            self.enqueue(slot);
        }
    }

    /// Nobody new is taken; who is there is asked to go.
    fn begin_end(&mut self, now: Instant) {
        log::debug!("closing {} connections", self.open);
        self.accept_at = None;
        if let Some(listener) = self.listener.take()
            && let Err(error) = self.table.stack().close(listener)
        {
            log::debug!("closing the listener: {error}");
        }
        for slot in 0..self.connections.len() {
            if let Some(connection) = self.connection(slot) {
                connection.leave(CloseCode::GOING_AWAY, "the server ends", now);
                self.enqueue(slot);
            }
        }
    }

    /// A process that ends with unread input has the system reset its connections, and a reset can
    /// overtake what was sent last.
    fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        while self.table.stack().sweep() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Remembers whose socket it is that the stack will call ready.
fn note_key(connection: &mut Connection, table: &mut Table, slots: &mut Vec<Option<usize>>) {
    if connection.key.is_some() {
        return;
    }
    let key = table.with_socket(connection.ws, |_, socket| socket.key());
    let Some(key) = key.ok().flatten().flatten() else {
        return;
    };
    connection.key = Some(key);
    if slots.len() <= key {
        slots.resize(key + 1, None);
    }
    if let Some(place) = slots.get_mut(key) {
        *place = Some(connection.ws.slot());
    }
}

/// Has the clock look at it when something is due.
fn schedule(connection: &mut Connection, clock: &mut Clock, idle_timeout: Option<Duration>) {
    if let Some(due) = connection.due(idle_timeout)
        && connection.scheduled.is_none_or(|at| due < at)
    {
        connection.scheduled = Some(due);
        clock.set(due, connection.ws.slot());
    }
}
