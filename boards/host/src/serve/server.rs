//! The server: one thread that sleeps until the system or the clock has something for one of its
//! connections, and then looks at that one.

use super::Table;
use super::clock::Clock;
use super::connection::{Connection, Shared, Turn};
use super::demo::Demo;
use super::events::{Event, Printer};
use super::signals::Signals;
use super::site::Site;
use crate::arguments::ServeOptions;
use crate::echo::OnTable;
use crate::logger;
use crate::os::OsSocket;
use embedded_nal::TcpClientStack;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ws_socket::{AcceptError, Accepting, CloseCode, WebSocketId};

/// Until the system may have descriptors again.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often closed connections are looked after whose peers have not closed: for a few seconds at
/// most, in which a peer may have much to send that nobody wants before it reads why it was left.
pub(super) const SWEEP: Duration = Duration::from_millis(5);
/// How long their peers may take to read why they were left, at the end.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How long answers that are not out yet may take, at the end.
pub(super) const ANSWERS: Duration = Duration::from_secs(2);
/// The longest time between two tries of an answer.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How many requests have their turn before the open connections have theirs again.
const REQUESTS_AT_ONCE: usize = 16;
/// How many connections are taken before those that are there have their turn.
pub(super) const ACCEPTS_AT_ONCE: usize = 16;
/// For how long connections have their turns before the clock and the system are looked at: where
/// all of them have always something to do, a turn of each can take long.
const TURNS_FOR: Duration = Duration::from_millis(10);

/// A listening server.
pub(super) struct Server {
    table: Box<Table>,
    /// `None` once the end has begun.
    listener: Option<OsSocket>,
    signals: Signals,
    site: Site,
    demo: Demo,
    idle_timeout: Option<Duration>,
    /// How often an answer tries to go on that the system has no room for: a peer that reads slowly
    /// is seen to read.
    try_again: Duration,
    /// By slot.
    places: Vec<Option<Box<Place>>>,
    open: usize,
    last_id: u64,
    /// Slots by what the stack calls their sockets.
    slots: Vec<Option<usize>>,
    /// Slots whose connections have something to do.
    queue: VecDeque<usize>,
    /// The same for those that are no WebSockets yet.
    requests: VecDeque<usize>,
    clock: Clock,
    /// When the listener is to be looked at again without being ready.
    accept_at: Option<Instant>,
    /// It was said that it fails.
    accept_fails: bool,
    sweep_at: Option<Instant>,
    /// Until when answers are waited for.
    ends_at: Option<Instant>,
    /// Buffers for pieces that nobody needs now.
    spare: Vec<Vec<u8>>,
}

/// A slot that is taken.
struct Place {
    ws: WebSocketId,
    /// Where it is still there to be asked for.
    peer: Option<SocketAddr>,
    /// What the stack calls its socket.
    key: Option<usize>,
    /// It stands in a queue.
    queued: bool,
    /// When the clock has it looked at.
    scheduled: Option<Instant>,
    /// `None` while it is a request.
    connection: Option<Connection>,
}

impl Server {
    pub(super) fn new(
        table: Box<Table>,
        listener: OsSocket,
        signals: Signals,
        site: Site,
        options: &ServeOptions,
    ) -> Self {
        let now = Instant::now();
        Self {
            table,
            listener: Some(listener),
            signals,
            site,
            demo: Demo::new(now),
            idle_timeout: options.idle_timeout,
            try_again: TRY_AGAIN.min(options.answer_timeout / 4),
            places: Vec::new(),
            open: 0,
            last_id: 0,
            slots: Vec::new(),
            queue: VecDeque::new(),
            requests: VecDeque::new(),
            clock: Clock::default(),
            accept_at: Some(now),
            accept_fails: false,
            sweep_at: None,
            ends_at: None,
            spare: Vec::new(),
        }
    }

    /// To the end.
    pub(super) fn run<W: Write>(mut self, printer: &mut Printer<W>) {
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            self.on_time(printer, now);
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept(printer, now);
            }
            self.request_turns(printer, now);
            self.turns(printer, now);
            let answering = self.ends_at.is_some_and(|at| now < at) && self.site.is_answering();
            if self.listener.is_none() && self.open == 0 && !answering {
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
    }

    /// Sleeps until something is to be done, and queues whom it is for.
    fn wait(&mut self, ready: &mut Vec<usize>) {
        let left = if self.queue.is_empty() && self.requests.is_empty() {
            let next = self.clock.next().into_iter();
            let next = next.chain(self.accept_at).chain(self.sweep_at);
            let now = Instant::now();
            let ends_at = self.ends_at.filter(|at| *at > now);
            let next = next.chain(ends_at).min();
            next.map(|next| next.saturating_duration_since(now))
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
                None => self.accept_at = Some(Instant::now()),
            }
        }
    }

    fn place(&mut self, slot: usize) -> Option<&mut Place> {
        self.places.get_mut(slot)?.as_deref_mut()
    }

    fn enqueue(&mut self, slot: usize) {
        let Some(place) = self.place(slot).filter(|place| !place.queued) else {
            return;
        };
        place.queued = true;
        if place.connection.is_some() {
            self.queue.push_back(slot);
        } else {
            self.requests.push_back(slot);
        }
    }

    /// Every connection in the queue has a turn, or as many as there is time for.
    fn turns<W: Write>(&mut self, printer: &mut Printer<W>, began: Instant) {
        let mut now = began;
        for _ in 0..self.queue.len() {
            if now >= began + TURNS_FOR {
                return;
            }
            let Some(slot) = self.queue.pop_front() else {
                return;
            };
            let Some(Some(place)) = self.places.get_mut(slot) else {
                continue;
            };
            let Some(connection) = &mut place.connection else {
                continue;
            };
            let mut shared = Shared {
                printer: &mut *printer,
                demo: &mut self.demo,
                idle_timeout: self.idle_timeout,
                now,
            };
            let wire = &mut OnTable {
                table: &mut self.table,
                ws: place.ws,
            };
            let _about = logger::peer(place.peer);
            // One that never rests is on no clock.
            connection.on_time(&mut shared);
            match connection.turn(wire, &mut shared, &mut self.spare) {
                Turn::More => self.queue.push_back(slot),
                Turn::Wait => {
                    let due = connection.due(self.idle_timeout, &self.demo);
                    self.rests(slot, due);
                }
                Turn::Over => {
                    self.free(slot, now);
                    self.open -= 1;
                    self.site.closed();
                }
            }
            now = Instant::now();
        }
    }

    /// Some requests in the queue have a turn.
    fn request_turns<W: Write>(&mut self, printer: &mut Printer<W>, now: Instant) {
        for _ in 0..self.requests.len().min(REQUESTS_AT_ONCE) {
            let Some(slot) = self.requests.pop_front() else {
                return;
            };
            let Some((ws, peer)) = self.place(slot).map(|place| (place.ws, place.peer)) else {
                continue;
            };
            let _about = logger::peer(peer);
            match self.table.advance(ws, &mut self.site) {
                Accepting::Pending(0) => self.requests.push_back(slot),
                Accepting::Pending(left) => {
                    let mut left = Duration::from_millis(left.into());
                    if self.site.answers(ws) {
                        left = left.min(self.try_again);
                    }
                    self.rests(slot, Some(now + left));
                }
                Accepting::Open => self.opened(slot, printer, now),
                Accepting::Closed => self.free(slot, now),
            }
        }
        if self.site.take_turned_away() {
            printer.event(&full());
        }
    }

    /// There is nothing to do for it before its socket is ready or something is due.
    fn rests(&mut self, slot: usize, due: Option<Instant>) {
        let Some(Some(place)) = self.places.get_mut(slot) else {
            return;
        };
        place.queued = false;
        if place.key.is_none() {
            let key = self.table.with_socket(place.ws, |_, socket| socket.key());
            place.key = key.ok().flatten().flatten();
            if let Some(key) = place.key {
                if self.slots.len() <= key {
                    self.slots.resize(key + 1, None);
                }
                if let Some(of_key) = self.slots.get_mut(key) {
                    *of_key = Some(slot);
                }
            }
        }
        if let Some(due) = due
            && place.scheduled.is_none_or(|at| due < at)
        {
            place.scheduled = Some(due);
            self.clock.set(due, slot);
        }
    }

    /// The connection is over.
    fn free(&mut self, slot: usize, now: Instant) {
        let place = self.places.get_mut(slot).and_then(Option::take);
        let key = place.and_then(|place| place.key);
        if let Some(of_key) = key.and_then(|key| self.slots.get_mut(key)) {
            *of_key = None;
        }
        self.sweep_at.get_or_insert(now + SWEEP);
    }

    fn on_time<W: Write>(&mut self, printer: &mut Printer<W>, now: Instant) {
        while let Some((at, slot)) = self.clock.take(now) {
            let place = self.places.get_mut(slot).and_then(Option::as_mut);
            let Some(place) = place.filter(|place| place.scheduled == Some(at)) else {
                continue;
            };
            place.scheduled = None;
            if let (None, Some(key)) = (&place.connection, place.key) {
                self.table.stack().try_again(key);
            }
            if let Some(connection) = &mut place.connection {
                let _about = logger::peer(place.peer);
                connection.on_time(&mut Shared {
                    printer: &mut *printer,
                    demo: &mut self.demo,
                    idle_timeout: self.idle_timeout,
                    now,
                });
            }
            self.enqueue(slot);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            let left = self.table.stack().sweep();
            self.sweep_at = (left > 0).then(|| next_sweep(now));
        }
    }

    /// Takes connections in.
    fn accept<W: Write>(&mut self, printer: &mut Printer<W>, now: Instant) {
        self.accept_at = None;
        loop {
            let Some(listener) = &mut self.listener else {
                return;
            };
            match self.table.take_in(listener, &mut self.site) {
                Ok(Some(ws)) => {
                    self.accept_fails = false;
                    let slot = ws.slot();
                    if self.places.len() <= slot {
                        self.places.resize_with(slot + 1, || None);
                    }
                    let peer = self.table.with_socket(ws, |_, socket| socket.remote_addr());
                    if let Some(place) = self.places.get_mut(slot) {
                        *place = Some(Box::new(Place {
                            ws,
                            peer: peer.ok().flatten().and_then(Result::ok),
                            key: None,
                            queued: false,
                            scheduled: None,
                            connection: None,
                        }));
                    }
                    self.enqueue(slot);
                }
                // All slots are taken: it was told so.
                Ok(None) => {
                    self.sweep_at.get_or_insert(now + SWEEP);
                }
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(error)) => {
                    self.accept_at = Some(now + ACCEPT_AGAIN);
                    // Once is enough, until it works again.
                    if !std::mem::replace(&mut self.accept_fails, true) {
                        let error = match error {
                            AcceptError::Stack(error) => error.to_string(),
                            error => error.to_string(),
                        };
                        printer.event(&accept_failed(&error));
                    }
                    return;
                }
            }
        }
        if self.table.stack().has_more_to_accept() {
            self.accept_at = Some(now);
        }
    }

    /// A request has become a WebSocket.
    fn opened<W: Write>(&mut self, slot: usize, printer: &mut Printer<W>, now: Instant) {
        let Some(Some(place)) = self.places.get_mut(slot) else {
            return;
        };
        let upgraded = self.site.upgraded(place.ws);
        self.last_id += 1;
        let id = self.last_id;
        printer.event(&Event::Open {
            id,
            peer: place.peer,
            target: &upgraded.target,
            subprotocol: upgraded.subprotocol,
        });
        let mut connection = if upgraded.readings {
            Connection::live(id, &mut self.demo, now)
        } else {
            Connection::echo(id, now)
        };
        if self.listener.is_none() {
            connection.leave(CloseCode::GOING_AWAY, GOES, now);
        }
        place.connection = Some(connection);
        place.queued = false;
        // What the request's time was is nobody's any more.
        place.scheduled = None;
        self.open += 1;
        // What came behind the request may be there.
        self.enqueue(slot);
    }

    /// Nobody new is taken; who is there is asked to go.
    fn begin_end(&mut self, now: Instant) {
        log::debug!("closing {} connections", self.open);
        self.accept_at = None;
        self.ends_at = Some(now + ANSWERS);
        if let Some(listener) = self.listener.take()
            && let Err(error) = self.table.stack().close(listener)
        {
            log::debug!("closing the listener: {error}");
        }
        for slot in 0..self.places.len() {
            if let Some(connection) = self.place(slot).and_then(|it| it.connection.as_mut()) {
                connection.leave(CloseCode::GOING_AWAY, GOES, now);
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

/// When closed connections are to be looked at again, having been looked at since `began`: that takes
/// a fifth of all time at most.
pub(super) fn next_sweep(began: Instant) -> Instant {
    let now = Instant::now();
    now + SWEEP.max(4 * now.saturating_duration_since(began))
}

/// With 1001.
pub(super) const GOES: &str = "the server ends";

/// Somebody was turned away.
pub(super) fn full() -> Event<'static> {
    let detail = "there are as many connections as there may be: more are refused with 503; \
                  --max-connections sets how many"
        .to_owned();
    let (id, kind) = (None, "full");
    Event::Error { id, kind, detail }
}

/// The system hands out no connection.
pub(super) fn accept_failed(error: &impl Display) -> Event<'static> {
    let detail = format!(
        "no connection can be accepted for now: {error}; if files are short, raise their limit \
         (ulimit -n) or lower --max-connections"
    );
    let (id, kind) = (None, "accept");
    Event::Error { id, kind, detail }
}
