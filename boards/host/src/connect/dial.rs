//! From a URL to an open WebSocket, within one deadline.

use super::events::Trouble;
use super::race::{Dialer, Failed, race};
use super::response::Answer;
use crate::arguments::ConnectOptions;
use crate::exit::Exit;
use crate::tls::TlsOptions;
use crate::wire::Alone;
use std::fmt::{Debug, Display};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use ws_socket::handshake::ClientError;
use ws_socket::stack::{Addresses, StdError, StdStack};
use ws_socket::url::{Url, UrlHost};
use ws_socket::{ConnectError, HeadPart, Request};

/// A WebSocket, and which of the subprotocols that were offered was chosen.
pub(super) type Opened<W> = (W, Option<usize>);

/// A driver that connects.
pub(super) trait Dial {
    /// A TCP connection.
    type Socket;
    /// What TCP fails with.
    type Error: Debug + Display;
    /// A WebSocket.
    type Wire<'d>: Alone
    where
        Self: 'd;

    /// What makes TCP connections.
    fn dialer(&mut self) -> &mut impl Dialer<Socket = Self::Socket>;

    /// Opens TLS.
    fn secure(
        &mut self,
        socket: Self::Socket,
        url: &Url<'_>,
        options: &TlsOptions,
        deadline: Instant,
    ) -> Result<Self::Socket, Failure>;

    /// The opening handshake.
    fn upgrade(
        &mut self,
        socket: Self::Socket,
        request: Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
        within: Duration,
    ) -> Result<Opened<Self::Wire<'_>>, ConnectError<Self::Error>>;
}

/// Why there is no connection, and the exit code for it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) trouble: Trouble,
}

impl Failure {
    pub(crate) fn new(exit: Exit, kind: &'static str, detail: String) -> Self {
        let trouble = Trouble::new(kind, detail);
        Self { exit, trouble }
    }

    pub(crate) fn timeout(within: Duration, what: &str) -> Self {
        let millis = within.as_millis();
        let detail = format!("{what} within {millis} ms; --timeout MS gives it more time");
        Self::new(Exit::Timeout, "timeout", detail)
    }
}

/// Resolves, connects and upgrades.
pub(super) fn open<'d, D: Dial>(
    driver: &'d mut D,
    options: &ConnectOptions,
) -> Result<Opened<D::Wire<'d>>, Failure> {
    let deadline = Instant::now() + options.timeout;
    let usage = |error: String| Failure::new(Exit::Usage, "usage", error);
    let url = Url::parse(&options.url).map_err(|error| usage(error.to_string()))?;
    let socket = reach(&url, options.timeout, deadline, driver.dialer())?;
    let socket = match url.secure {
        true => driver.secure(socket, &url, &options.tls, deadline)?,
        false => socket,
    };
    let mut answer = Answer::default();
    let mut on_response = |part: HeadPart<'_>| answer.part(part);
    let left = deadline.saturating_duration_since(Instant::now());
    let opened = options.with_request(&url, |request| {
        driver.upgrade(socket, request, &mut on_response, left)
    });
    opened.map_err(|error| not_upgraded(error, &answer, options.timeout))
}

/// Resolves, and connects to the first address that takes the connection.
pub(crate) fn reach<D: Dialer>(
    url: &Url<'_>,
    within: Duration,
    deadline: Instant,
    dialer: &mut D,
) -> Result<D::Socket, Failure> {
    let addresses = resolve(url, within, deadline)?;
    race(dialer, &addresses, deadline).map_err(|failed| unreachable(url, failed, within))
}

/// The addresses to try. The system's resolver has no deadline of its own, so it runs aside.
fn resolve(url: &Url<'_>, within: Duration, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let name = match url.host {
        UrlHost::Ip(address) => return Ok(vec![with_zone(address, url)?]),
        UrlHost::Name(name) => (name.to_owned(), url.port),
    };
    let shown = name.0.clone();
    log::debug!("resolving {shown}");
    let (sender, found) = mpsc::channel();
    std::thread::spawn(move || {
        let found: io::Result<Vec<SocketAddr>> = name.to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more after the deadline.
        let _ = sender.send(found);
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let why = match found.recv_timeout(left) {
        Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(addresses),
        Ok(Ok(_)) => "it has no address".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => {
            return Err(Failure::timeout(
                within,
                &format!("{shown} did not resolve"),
            ));
        }
    };
    let detail =
        format!("cannot resolve {shown}: {why}; is the name right, and is there a network?");
    Err(Failure::new(Exit::Connection, "resolve", detail))
}

/// An address that stands in the URL, with the number of the interface that its zone names.
fn with_zone(address: IpAddr, url: &Url<'_>) -> Result<SocketAddr, Failure> {
    let (IpAddr::V6(address), Some(zone)) = (address, url.zone) else {
        return Ok(SocketAddr::new(address, url.port));
    };
    let number = zone.parse().ok().filter(|number| *number > 0);
    let Some(scope) = number.or_else(|| StdStack::new().scope_id(zone)) else {
        let detail = format!("this host has no interface {zone}; `ip link` lists those it has");
        return Err(Failure::new(Exit::Usage, "usage", detail));
    };
    Ok(SocketAddrV6::new(address, url.port, 0, scope).into())
}

/// Why there is no TCP connection: what became of each address.
fn unreachable(url: &Url<'_>, failed: Failed, within: Duration) -> Failure {
    let refused = failed.iter().any(|(_, error)| {
        matches!(error, Some(StdError::Io(io)) if io.kind() == io::ErrorKind::ConnectionRefused)
    });
    let advice = if refused {
        "; does the server run, and is the port right?"
    } else {
        ""
    };
    let list = |each: fn(&SocketAddr, Option<&StdError>) -> String, between| {
        let all = failed.iter().map(|(to, error)| each(to, error.as_ref()));
        all.collect::<Vec<_>>().join(between)
    };
    if failed.iter().all(|(_, error)| error.is_none()) {
        let who = list(|to, _| to.to_string(), ", ");
        return Failure::timeout(within, &format!("{who} did not answer"));
    }
    let each = |to: &SocketAddr, error: Option<&StdError>| match error {
        Some(error) => format!("{to}: {error}"),
        None => format!("{to}: no answer in time"),
    };
    let all = list(each, ", ");
    let detail = match (&url.host, failed.len()) {
        (UrlHost::Name(name), 2..) => format!("cannot connect to {name}: {all}{advice}"),
        _ => format!("cannot connect to {all}{advice}"),
    };
    Failure::new(Exit::Connection, "connect", detail)
}

/// Why the opening handshake came to nothing.
pub(crate) fn not_upgraded<E: Debug + Display>(
    error: ConnectError<E>,
    answer: &Answer,
    within: Duration,
) -> Failure {
    let status = match error {
        ConnectError::Handshake(ClientError::Refused { status }) => status,
        ConnectError::Timeout if answer.status.is_some() => {
            return Failure::timeout(within, "the server did not finish its answer");
        }
        ConnectError::Timeout => {
            return Failure::timeout(within, "the server did not answer the handshake");
        }
        ConnectError::Handshake(error) => {
            let detail = format!("no WebSocket: {error}; is this a WebSocket server?");
            return Failure::new(Exit::Connection, "handshake", detail);
        }
        ConnectError::Stack(error) => {
            let detail = format!("the connection broke in the handshake: {error}");
            return Failure::new(Exit::Connection, "connect", detail);
        }
        ConnectError::Random(error) => {
            return Failure::new(Exit::Connection, "random", error.to_string());
        }
        error => return Failure::new(Exit::Usage, "usage", error.to_string()),
    };
    let header = |name: &str| answer.header(name).map(str::to_owned);
    let (location, www_authenticate) = (header("Location"), header("WWW-Authenticate"));
    let advice = match (status, &location, &www_authenticate) {
        (300..=399, Some(location), _) => format!(", elsewhere: {location}"),
        (401, _, Some(how)) => {
            format!(", it wants {how}; give it by --header 'Authorization: ...'")
        }
        (401 | 403, ..) => "; --header 'Authorization: ...' or --origin may be wanted".to_owned(),
        (400..=499, ..) => "; is the path in the URL right?".to_owned(),
        (500..=599, ..) => "; that is the server's own trouble".to_owned(),
        _ => "; is this a WebSocket server?".to_owned(),
    };
    let detail = format!("the server refused with status {status}{advice}");
    let mut failure = Failure::new(Exit::Connection, "refused", detail);
    failure.trouble.status = Some(status);
    failure.trouble.location = location;
    failure.trouble.www_authenticate = www_authenticate;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failed: &[(&str, Option<io::ErrorKind>)]) -> (Exit, &'static str, String) {
        let url = Url::parse("ws://host.example").unwrap();
        let failed = failed.iter().map(|(to, kind)| {
            let error = kind.map(|kind| StdError::Io(kind.into()));
            (to.parse().unwrap(), error)
        });
        let failure = unreachable(&url, failed.collect(), Duration::from_secs(9));
        (failure.exit, failure.trouble.kind, failure.trouble.detail)
    }

    #[test]
    fn the_errors_of_all_addresses_are_told() {
        let (refused, unroutable) = (
            Some(io::ErrorKind::ConnectionRefused),
            Some(io::ErrorKind::NetworkUnreachable),
        );
        let (exit, kind, detail) = told(&[
            ("[2001:db8::1]:80", unroutable),
            ("192.0.2.1:80", refused),
            ("192.0.2.2:80", None),
        ]);
        assert_eq!((exit, kind), (Exit::Connection, "connect"));
        assert_eq!(
            detail,
            "cannot connect to host.example: [2001:db8::1]:80: network unreachable, 192.0.2.1:80: \
             connection refused, 192.0.2.2:80: no answer in time; does the server run, and is the \
             port right?"
        );
        let (exit, _, detail) = told(&[("192.0.2.1:80", unroutable)]);
        assert_eq!(exit, Exit::Connection);
        assert_eq!(
            detail,
            "cannot connect to 192.0.2.1:80: network unreachable"
        );
        let (exit, kind, detail) = told(&[("192.0.2.1:80", None), ("192.0.2.2:80", None)]);
        assert_eq!((exit, kind), (Exit::Timeout, "timeout"));
        let who = "192.0.2.1:80, 192.0.2.2:80 did not answer within 9000 ms";
        assert!(detail.starts_with(who), "{detail}");
    }
}
