//! A TCP connection to one of several addresses: RFC 8305 in small.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ws_socket::stack::StdError;

/// For how long an address is dialed alone (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What dials several addresses at once, without waiting for any.
pub(crate) trait Dialer {
    /// An address that is being dialed.
    type Attempt;
    /// A TCP connection.
    type Socket;

    /// Begins with an address.
    fn begin(&mut self, to: SocketAddr) -> Result<Self::Attempt, StdError>;

    /// Goes on with it.
    fn step(&mut self, attempt: Self::Attempt) -> Step<Self::Attempt, Self::Socket>;

    /// Gives it up.
    fn close(&mut self, attempt: Self::Attempt);

    /// Waits until one of them may have come further; at most so long.
    fn wait(&mut self, at_most: Duration);
}

/// What has become of an attempt.
pub(crate) enum Step<A, S> {
    Pending(A),
    Through(S),
    Failed(StdError),
}

/// Each address that was dialed, and what it failed with: nothing where it did not answer.
pub(super) type Failed = Vec<(SocketAddr, Option<StdError>)>;

/// Connects to the first address that takes it, and gives the others up. Each is dialed 250 ms after
/// the one before or as soon as one fails; earlier, where the deadline would leave no time for all.
pub(super) fn race<D: Dialer>(
    dialer: &mut D,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<D::Socket, Failed> {
    let mut others = interleaved(addresses).into_iter();
    let mut running = Vec::new();
    let mut failed = Vec::new();
    let mut turn = Instant::now();
    loop {
        let mut through = None;
        for (to, attempt) in std::mem::take(&mut running) {
            if through.is_some() {
                dialer.close(attempt);
                continue;
            }
            match dialer.step(attempt) {
                Step::Pending(attempt) => running.push((to, attempt)),
                Step::Through(socket) => through = Some((to, socket)),
                Step::Failed(error) => {
                    log::debug!("{to}: {error}");
                    failed.push((to, Some(error)));
                    turn = Instant::now();
                }
            }
        }
        let now = Instant::now();
        if through.is_none()
            && now >= turn
            && let Some(to) = others.next()
        {
            log::debug!("connecting to {to}");
            match dialer.begin(to) {
                Ok(attempt) => running.push((to, attempt)),
                Err(error) => {
                    log::debug!("{to}: {error}");
                    failed.push((to, Some(error)));
                    continue;
                }
            }
            let shares = u32::try_from(others.len() + 1).unwrap_or(u32::MAX);
            turn = now + HEAD_START.min(deadline.saturating_duration_since(now) / shares);
            continue;
        }
        if through.is_some() || running.is_empty() || now >= deadline {
            for (to, attempt) in running {
                dialer.close(attempt);
                if through.is_none() {
                    log::debug!("{to} does not answer");
                    failed.push((to, None));
                }
            }
            let Some((to, socket)) = through else {
                return Err(failed);
            };
            log::debug!("{to} took the connection");
            return Ok(socket);
        }
        let until = if others.len() > 0 {
            turn.min(deadline)
        } else {
            deadline
        };
        dialer.wait(until.saturating_duration_since(now));
    }
}

/// Each once, in the resolver's order, but with the families taking turns (RFC 8305 section 4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let v4_first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let of = |v4| {
        let family = addresses
            .iter()
            .filter(move |address| address.is_ipv4() == v4);
        family.copied()
    };
    let (mut preferred, mut other) = (of(v4_first), of(!v4_first));
    let mut all = Vec::with_capacity(addresses.len());
    loop {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            return all;
        }
        for address in pair.into_iter().flatten() {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
