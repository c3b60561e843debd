//! Requests on a connection with a task of its own.

use super::asynch::Common;
use super::site::{Request, Upgraded};
use async_channel::Sender;
use std::cell::RefCell;
use std::rc::Rc;
use ws_socket::handshake::{Asked, HeadPart, Response, Rules};
use ws_socket::{Handler, WebSocketId};

/// What the site says to one client.
pub(super) struct Visitor {
    common: Rc<RefCell<Common>>,
    rules: Rules<'static>,
    request: Request,
    /// The number of its task.
    task: u64,
    /// Closed, it ends the task.
    end: Sender<()>,
    /// An answer went out.
    answered: bool,
    /// Nothing has come after it: the connection is one that others may have the place of.
    kept: bool,
}

impl Visitor {
    pub(super) fn new(common: &Rc<RefCell<Common>>, task: u64, end: Sender<()>) -> Self {
        Self {
            common: Rc::clone(common),
            rules: common.borrow().site.rules(),
            request: Request::default(),
            task,
            end,
            answered: false,
            kept: false,
        }
    }

    /// What has become of the request, now that it is a WebSocket.
    pub(super) fn upgraded(&mut self) -> Upgraded {
        self.over();
        std::mem::take(&mut self.request).upgraded()
    }

    /// The answer, if there is one, is out.
    fn over(&mut self) {
        if self.request.is_answered() {
            self.answered = true;
            self.common.borrow_mut().answering -= 1;
        }
    }

    fn unkept(&mut self) {
        if std::mem::take(&mut self.kept) {
            self.common.borrow_mut().kept.remove(&self.task);
        }
    }
}

impl Handler<'static> for Visitor {
    fn rules(&self) -> Rules<'static> {
        self.rules
    }

    fn begin(&mut self, _: WebSocketId) {
        self.request = Request::default();
        if self.answered {
            self.kept = true;
            let mut common = self.common.borrow_mut();
            common.kept.insert(self.task, self.end.clone());
        }
    }

    fn part(&mut self, _: WebSocketId, part: HeadPart<'_>) {
        self.unkept();
        self.request.part(part);
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        if !self.request.is_answered() {
            let mut common = self.common.borrow_mut();
            common.site.answer(&mut self.request, asked);
            common.answering += 1;
        }
        self.request.response()
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        self.request.body(offset, out)
    }

    fn end(&mut self, _: WebSocketId) {
        self.unkept();
        self.over();
        let request = std::mem::take(&mut self.request);
        self.common.borrow_mut().site.ended(&request);
    }
}
