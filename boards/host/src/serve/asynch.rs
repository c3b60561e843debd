//! The server by the async calls: a task for each connection, all in one thread.

use super::connection::{Connection, Shared, Turn};
use super::demo::Demo;
use super::events::{Event, Printer};
use super::lingering::Lingering;
use super::server::{ACCEPT_AGAIN, ACCEPTS_AT_ONCE, ANSWERS, GOES, LINGER, accept_failed, full};
use super::signals::Signals;
use super::site::Site;
use super::visitor::Visitor;
use super::{LENT, SLOTS, config, ended};
use crate::arguments::ServeOptions;
use crate::asynch::{Host, Polled, Stream};
use crate::exit::Exit;
use crate::logger;
use crate::wire::Wake;
use async_channel::{Receiver, Sender, bounded};
use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use embassy_futures::select::{Either, Either3, select, select3};
use futures_lite::future::{pending, yield_now};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};
use ws_socket::asynch::WebSocket;
use ws_socket::handshake::{Response, ServerHandshake};
use ws_socket::{CloseCode, Config};

/// How many tasks have their turn, and for how long, before the system and the clock are asked what
/// is due: tasks that always have something to do are not all there is.
const TURNS: usize = 64;
const TURNS_FOR: Duration = Duration::from_millis(5);

/// What the connections have in common. No task holds it while it waits.
pub(super) struct Common {
    pub(super) site: Site,
    /// Answers that are not out yet.
    pub(super) answering: usize,
    printer: Printer,
    demo: Demo,
    idle_timeout: Option<Duration>,
    config: Config,
    host: Host,
    /// TCP connections, WebSockets among them.
    tasks: usize,
    open: usize,
    /// What ends those that are only kept for another request, by the number of their task.
    pub(super) kept: BTreeMap<u64, Sender<()>>,
    lingering: Lingering,
    last_task: u64,
    last_id: u64,
    /// The end has begun.
    ends: bool,
    /// Buffers for pieces that nobody needs now.
    spare: Vec<Vec<u8>>,
}

/// What each task has.
#[derive(Clone)]
struct Task {
    common: Rc<RefCell<Common>>,
    /// Closed when the end begins.
    ends: Receiver<()>,
    /// Has the server look at what has changed.
    wake: Wake,
}

/// A listening server.
pub(super) struct Server {
    listener: Option<Async<TcpListener>>,
    signals: Signals,
    /// A task's, or a signal's.
    wakes: Receiver<()>,
    task: Task,
    ends: Sender<()>,
    /// It was said that it fails.
    accept_fails: bool,
}

impl Server {
    pub(super) fn new(
        listener: Async<TcpListener>,
        signals: Signals,
        (wake, wakes): (Wake, Receiver<()>),
        site: Site,
        printer: Printer,
        options: &ServeOptions,
    ) -> Self {
        let (ends, told) = bounded(1);
        let common = Common {
            site,
            answering: 0,
            printer,
            demo: Demo::new(Instant::now()),
            idle_timeout: options.idle_timeout,
            config: config(options),
            host: Host::new(),
            tasks: 0,
            open: 0,
            kept: BTreeMap::new(),
            lingering: Lingering::default(),
            last_task: 0,
            last_id: 0,
            ends: false,
            spare: Vec::new(),
        };
        let task = Task {
            common: Rc::new(RefCell::new(common)),
            ends: told,
            wake,
        };
        Self {
            listener: Some(listener),
            signals,
            wakes,
            task,
            ends,
            accept_fails: false,
        }
    }

    /// To the end.
    pub(super) fn run(self) -> Exit {
        let common = Rc::clone(&self.task.common);
        let executor = LocalExecutor::new();
        match async_io::block_on(select(self.serve(&executor), turns(&executor))) {
            Either::First(()) => {}
            Either::Second(never) => match never {},
        }
        ended(&mut common.borrow_mut().printer)
    }

    async fn serve(mut self, executor: &LocalExecutor<'static>) {
        let mut ends_at = None;
        let mut accept_at = None;
        let mut accepted = 0;
        loop {
            let now = Instant::now();
            let (over, sweep_at) = {
                let common = &mut *self.task.common.borrow_mut();
                common.printer.flush();
                let failed = common.printer.failed().is_some();
                if self.listener.is_some() && (self.signals.came() || failed) {
                    log::debug!("closing {} connections", common.open);
                    common.ends = true;
                    self.listener = None;
                    self.ends.close();
                    ends_at = Some(now + ANSWERS);
                }
                common.lingering.on_time(now);
                let answering = common.answering > 0 && ends_at.is_some_and(|at| now < at);
                let over = common.open == 0 && !answering;
                (over, common.lingering.due())
            };
            if self.listener.is_none() && over {
                break;
            }
            accept_at = accept_at.filter(|at| *at > now);
            let accepting = async {
                match &self.listener {
                    Some(listener) if accept_at.is_none() => listener.accept().await,
                    _ => pending().await,
                }
            };
            let due = ends_at.filter(|at| *at > now).or(accept_at);
            let due = due.into_iter().chain(sweep_at).min();
            match select3(accepting, self.wakes.recv(), at(due)).await {
                Either3::First(Ok((stream, peer))) => {
                    self.accept_fails = false;
                    self.accepted(stream, peer, executor);
                    accepted += 1;
                    if accepted % ACCEPTS_AT_ONCE == 0 {
                        yield_now().await;
                    }
                }
                Either3::First(Err(error)) => {
                    accept_at = Some(now + ACCEPT_AGAIN);
                    // Once is enough, until it works again.
                    if !std::mem::replace(&mut self.accept_fails, true) {
                        let event = accept_failed(&error);
                        self.task.common.borrow_mut().printer.event(&event);
                    }
                }
                Either3::Second(_) | Either3::Third(()) => {}
            }
        }
        let until = Instant::now() + LINGER;
        while Instant::now() < until && self.task.common.borrow_mut().lingering.sweep() > 0 {
            Timer::after(Duration::from_millis(2)).await;
        }
    }

    /// Somebody has connected, and has a task, or a 503 where there are as many as can be. One
    /// that is only kept for another request makes room.
    fn accepted(
        &self,
        stream: Async<TcpStream>,
        peer: SocketAddr,
        executor: &LocalExecutor<'static>,
    ) {
        let common = &mut *self.task.common.borrow_mut();
        let stream = Stream::new(stream);
        if common.tasks >= SLOTS {
            let Some((_, kept)) = common.kept.pop_first() else {
                log::debug!("{peer}: refused with 503: no free slot");
                common.lingering.refuse(stream, &busy());
                return;
            };
            kept.close();
        }
        common.tasks += 1;
        common.last_task += 1;
        let number = common.last_task;
        let task = self.task.clone().run(stream, peer, number);
        executor.spawn(logger::about(peer, task)).detach();
    }
}

/// The answer to those for whom there is no place.
fn busy() -> Vec<u8> {
    let response = Response::Refuse {
        status: 503,
        headers: &[],
    };
    let mut scratch = [0; 64];
    let count = ServerHandshake::new(0).fill(&response, &mut scratch);
    scratch.get(..count).unwrap_or_default().to_vec()
}

/// The tasks have their turns, in order.
async fn turns(executor: &LocalExecutor<'static>) -> Infallible {
    loop {
        let until = Instant::now() + TURNS_FOR;
        for _ in 0..TURNS {
            executor.tick().await;
            if Instant::now() >= until {
                break;
            }
        }
        yield_now().await;
    }
}

impl Task {
    /// A TCP connection, to its end.
    async fn run(self, stream: Stream, peer: SocketAddr, number: u64) {
        let (host, config) = {
            let common = self.common.borrow();
            (common.host, common.config)
        };
        let mut lent = Box::new([0; LENT]);
        let (end, ended) = bounded(1);
        let mut visitor = Visitor::new(&self.common, number, end);
        let accepted = WebSocket::accept(stream.clone(), &mut visitor, &mut *lent, host, config);
        let accepted = match select(accepted, ended.recv()).await {
            Either::First(accepted) => accepted,
            // Another has its place.
            Either::Second(_) => Ok(None),
        };
        {
            let common = &mut *self.common.borrow_mut();
            if common.site.take_turned_away() {
                common.printer.event(&full());
            }
        }
        match accepted {
            Ok(Some(ws)) => self.converse(ws, &mut visitor, peer).await,
            Ok(None) => {}
            Err(error) => log::debug!("{error}"),
        }
        let common = &mut *self.common.borrow_mut();
        common.lingering.add(stream);
        common.tasks -= 1;
        (self.wake)();
    }

    /// A WebSocket, to its end.
    async fn converse(
        &self,
        ws: WebSocket<'_, Stream, Host>,
        visitor: &mut Visitor,
        peer: SocketAddr,
    ) {
        let mut connection = self.opened(visitor, peer);
        let mut wire = Polled::new(ws, self.ends.clone());
        let mut told = false;
        loop {
            if self.ends.is_closed() && !told {
                told = true;
                connection.leave(CloseCode::GOING_AWAY, GOES, Instant::now());
            }
            let (turn, due) = {
                let common = &mut *self.common.borrow_mut();
                let mut shared = Shared {
                    printer: &mut common.printer,
                    demo: &mut common.demo,
                    idle_timeout: common.idle_timeout,
                    now: Instant::now(),
                };
                connection.on_time(&mut shared);
                let turn = connection.turn(&mut wire, &mut shared, &mut common.spare);
                common.printer.flush();
                if common.printer.failed().is_some() {
                    (self.wake)();
                }
                (turn, connection.due(common.idle_timeout, &common.demo))
            };
            match turn {
                Turn::More => yield_now().await,
                Turn::Over => break,
                Turn::Wait => {
                    let ends = async {
                        match told {
                            false => drop(self.ends.recv().await),
                            true => pending().await,
                        }
                    };
                    match select3(wire.ready(), at(due), ends).await {
                        Either3::First(()) | Either3::Second(()) | Either3::Third(()) => {}
                    }
                }
            }
        }
        let common = &mut *self.common.borrow_mut();
        common.open -= 1;
        common.site.closed();
    }

    /// A request has become a WebSocket.
    fn opened(&self, visitor: &mut Visitor, peer: SocketAddr) -> Connection {
        let upgraded = visitor.upgraded();
        let common = &mut *self.common.borrow_mut();
        common.last_id += 1;
        common.open += 1;
        let (id, now) = (common.last_id, Instant::now());
        common.printer.event(&Event::Open {
            id,
            peer: Some(peer),
            target: &upgraded.target,
            subprotocol: upgraded.subprotocol,
        });
        if upgraded.readings {
            Connection::live(id, &mut common.demo, now)
        } else {
            Connection::echo(id, now)
        }
    }
}

/// Waits for a time, if there is one.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => drop(Timer::at(due).await),
        None => pending().await,
    }
}
