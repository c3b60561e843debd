//! The server by the async calls: a task for each connection, all in one thread.

use super::connection::{Connection, Shared, Turn};
use super::demo::Demo;
use super::events::{Event, Printer};
use super::server::{ACCEPT_AGAIN, ANSWERS, GOES, LINGER, accept_failed, full};
use super::signals::Signals;
use super::site::Site;
use super::visitor::Visitor;
use super::{LENT, SLOTS, config, ended};
use crate::arguments::ServeOptions;
use crate::asynch::{Host, Polled, Stream};
use crate::exit::Exit;
use crate::wire::Wake;
use async_channel::{Receiver, Sender, bounded};
use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use embassy_futures::select::{Either3, select, select3};
use futures_lite::future::yield_now;
use std::cell::RefCell;
use std::future::pending;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};
use ws_socket::asynch::{WebSocket, close_tcp};
use ws_socket::{AcceptError, CloseCode, Config};

/// How long a peer may take to end its half of TCP.
const TCP_END: Duration = Duration::from_secs(5);

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
    /// TCP connections, WebSockets among them, and those that are only kept until their peers have
    /// read why they were left.
    tasks: usize,
    open: usize,
    lingering: usize,
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
            lingering: 0,
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
        async_io::block_on(executor.run(self.serve(&executor)));
        ended(&mut common.borrow_mut().printer)
    }

    async fn serve(mut self, executor: &LocalExecutor<'static>) {
        let mut ends_at = None;
        let mut accept_at = None;
        loop {
            let now = Instant::now();
            let (room, over) = {
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
                let answering = common.answering > 0 && ends_at.is_some_and(|at| now < at);
                (common.tasks < SLOTS, common.open == 0 && !answering)
            };
            if self.listener.is_none() && over {
                break;
            }
            accept_at = accept_at.filter(|at| *at > now);
            let accepting = async {
                match &self.listener {
                    Some(listener) if room && accept_at.is_none() => listener.accept().await,
                    _ => pending().await,
                }
            };
            let due = ends_at.filter(|at| *at > now).or(accept_at);
            match select3(accepting, self.wakes.recv(), at(due)).await {
                Either3::First(Ok((stream, peer))) => {
                    self.accept_fails = false;
                    self.task.common.borrow_mut().tasks += 1;
                    let task = self.task.clone();
                    executor.spawn(task.run(stream, peer)).detach();
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
        while self.task.common.borrow().lingering > 0 && Instant::now() < until {
            select(self.wakes.recv(), at(Some(until))).await;
        }
    }
}

impl Task {
    /// A TCP connection, to its end.
    async fn run(self, stream: Async<TcpStream>, peer: SocketAddr) {
        let mut stream = Stream::new(stream);
        let (host, config) = {
            let common = self.common.borrow();
            (common.host, common.config)
        };
        let mut lent = vec![0; LENT];
        let mut visitor = Visitor::new(&self.common);
        let accepted =
            WebSocket::accept(stream.clone(), &mut visitor, &mut lent, host, config).await;
        {
            let common = &mut *self.common.borrow_mut();
            if common.site.take_turned_away() {
                common.printer.event(&full());
            }
        }
        match accepted {
            Ok(Some(ws)) => self.converse(ws, &mut visitor, peer).await,
            Ok(None) => {}
            Err(AcceptError::Stack(error)) => log::debug!("{peer}: {error}"),
            Err(error) => log::debug!("{peer}: {error}"),
        }
        self.common.borrow_mut().lingering += 1;
        (self.wake)();
        close_tcp(&mut stream, &host, TCP_END).await;
        let common = &mut *self.common.borrow_mut();
        common.lingering -= 1;
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
