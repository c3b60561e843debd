//! What a scenario is made of.

use std::time::Duration;

/// One run of `ws connect`, and what must come of it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) place: Place,
    /// Options after the URL; `--json` is added to them.
    pub(super) args: &'static [&'static str],
    pub(super) input: Vec<Step>,
    /// The client is ended, and the scenario fails, after this long.
    pub(super) deadline: Duration,
    /// One of these.
    pub(super) exit: &'static [i32],
    pub(super) checks: Vec<Check>,
}

/// Where the client connects to.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A path of the well-behaved server.
    Real(&'static str),
    /// A path of the server that writes by hand.
    Raw(&'static str),
    /// A port that refuses connections.
    Refusing,
    /// Just this argument; none if it is empty.
    Url(&'static str),
}

/// What happens on the client's standard input, which stays open without `Eof`.
#[derive(Clone)]
pub(super) enum Step {
    Line(String),
    /// Goes on once so many events of this kind were printed.
    Until(&'static str, usize),
    Eof,
}

/// What must hold beside the exit code and what holds always (`judge`).
pub(super) enum Check {
    /// It opened, with this subprotocol.
    Open(Option<&'static str>),
    /// It printed no `open` and no message.
    NotOpened,
    /// What it printed is what the peer sent: order, types, content.
    PrintedAllSent,
    /// What the peer got is what went in: order, types, content.
    PeerGotInput,
    /// The peer got back what it sent.
    PeerGotEcho,
    /// It printed `close` with this code and reason, and whether it was clean.
    Closed {
        code: u16,
        reason: &'static str,
        clean: bool,
    },
    /// The peer saw a Close with this code, or one with none.
    PeerSawClose(Option<u16>),
    /// The request had this header, its name in lower case.
    PeerSawHeader(&'static str, &'static str),
    /// At least so many pings came.
    PeerSawPings(usize),
    /// It printed an `error` event.
    PrintedError,
    /// A value of the `error` event contains this.
    ErrorSays(&'static str),
    /// Standard error contains this, in any case.
    StderrSays(&'static str),
    /// Pings with these payloads were printed, in this order.
    PrintedPings(Vec<Vec<u8>>),
    /// At least so many pongs were printed.
    PrintedPongs(usize),
}

impl Scenario {
    /// A scenario that ends in a clean close: exit 0, the peer's 1000 printed.
    pub(super) fn clean(name: &'static str, place: Place) -> Self {
        let closed = Check::Closed {
            code: 1000,
            reason: "",
            clean: true,
        };
        Self::new(name, place, &[0], vec![Check::Open(None), closed])
    }

    /// The handshake fails: exit 3, nothing opened.
    pub(super) fn refused(name: &'static str, place: Place) -> Self {
        Self::new(
            name,
            place,
            &[3],
            vec![Check::NotOpened, Check::PrintedError],
        )
    }

    /// The peer breaks the protocol after a good message: that is printed, exit
    /// 4, and the peer is told by a Close with `code`.
    pub(super) fn violation(name: &'static str, path: &'static str, code: u16) -> Self {
        let told = Check::PeerSawClose(Some(code));
        let checks = vec![
            Check::Open(None),
            Check::PrintedAllSent,
            Check::PrintedError,
            told,
        ];
        Self::new(name, Place::Raw(path), &[4], checks)
    }

    /// Bad arguments: exit 2, nothing connected.
    pub(super) fn usage(name: &'static str, url: &'static str) -> Self {
        Self::new(name, Place::Url(url), &[2], vec![Check::NotOpened])
    }

    pub(super) fn new(
        name: &'static str,
        place: Place,
        exit: &'static [i32],
        checks: Vec<Check>,
    ) -> Self {
        let deadline = Duration::from_secs(10);
        Self {
            name,
            place,
            args: &[],
            input: Vec::new(),
            deadline,
            exit,
            checks,
        }
    }

    pub(super) fn args(mut self, args: &'static [&'static str]) -> Self {
        self.args = args;
        self
    }

    /// Lines that go in at once; as many messages are awaited, then input ends.
    pub(super) fn lines(self, lines: impl IntoIterator<Item = String>) -> Self {
        let mut input: Vec<Step> = lines.into_iter().map(Step::Line).collect();
        let answers = Step::Until("message", input.len());
        input.extend([answers, Step::Eof]);
        self.input(input)
    }

    pub(super) fn input(mut self, input: Vec<Step>) -> Self {
        self.input = input;
        self
    }

    pub(super) fn deadline(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Adds a check; one of the same kind replaces the one that was there.
    pub(super) fn check(mut self, check: Check) -> Self {
        let kind = std::mem::discriminant(&check);
        let single = matches!(check, Check::Open(_) | Check::Closed { .. });
        self.checks
            .retain(|it| !single || std::mem::discriminant(it) != kind);
        self.checks.push(check);
        self
    }
}
