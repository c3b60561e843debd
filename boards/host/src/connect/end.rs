//! How a connection ended, what is said about it, and the exit code.

use super::events::Trouble;
use super::session::Session;
use crate::exit::Exit;
use crate::wire::Alone;
use std::fmt::Debug;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use ws_socket::{CloseCode, ProtocolError, ReceiveError};

/// How long the server may take to close TCP once both Close frames went their way.
const TCP_END: Duration = Duration::from_secs(2);
/// How long the peer may take to read why it was left.
const LINGER: Duration = Duration::from_secs(1);

/// The end of a connection.
#[derive(Debug)]
pub(super) enum End {
    /// The peer's Close came.
    Closed { code: CloseCode, reason: String },
    /// TCP ended without one.
    Lost(String),
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The peer's Close did not come in time.
    Timeout,
    /// Standard output takes nothing any more.
    Output(io::Error),
    /// This program made a mistake.
    Internal(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl<E: Debug> From<ReceiveError<E>> for End {
    fn from(error: ReceiveError<E>) -> Self {
        match error {
            ReceiveError::Protocol(error) => Self::Protocol(error),
            ReceiveError::Lost | ReceiveError::NoPong | ReceiveError::Stack(_) => {
                Self::Lost(error.to_string())
            }
            ReceiveError::Closed(code) => Self::Closed {
                code,
                reason: String::new(),
            },
            ReceiveError::Handle(_)
            | ReceiveError::Timeout
            | ReceiveError::EmptyBuffer
            | ReceiveError::NotConnected => Self::Internal(error.to_string()),
        }
    }
}

/// Closes what is left of the connection, and says how it ended.
pub(super) fn finish<A: Alone, W: Write>(mut session: Session<'_, A, W>, end: End) -> Exit {
    let exit = say(&mut session, end);
    match exit {
        Ok(Exit::Clean) if session.failed => Exit::Failed,
        Ok(exit) => exit,
        // Which is said at the end.
        Err(_) => Exit::Failed,
    }
}

fn say<A: Alone, W: Write>(session: &mut Session<'_, A, W>, end: End) -> io::Result<Exit> {
    let (exit, trouble) = match end {
        End::Closed { code, reason } => return closed(session, code, &reason),
        End::Lost(error) => {
            session.wire.abort();
            let detail = format!("{error}, without a Close; the server or the network has gone");
            (Exit::Connection, Trouble::new("lost", detail))
        }
        End::Protocol(error) => {
            // Sends the Close that says why, and gives it the time to arrive.
            let code = error.close_code();
            let left = session.options.timeout.min(TCP_END);
            session.wire.disconnect_within(CloseCode::NORMAL, left);
            session.wire.linger(LINGER);
            let kind = match error {
                ProtocolError::MessageTooBig => "too-big",
                _ => "protocol",
            };
            let detail = format!("the server broke the protocol: {error}; closed with {code}");
            (Exit::Protocol, Trouble::new(kind, detail))
        }
        End::Timeout => {
            session.wire.abort();
            let detail = match session.leave_by {
                Some(_) => "the server did not take our Close and answer it in time".to_owned(),
                None => {
                    let millis = session.options.timeout.as_millis();
                    format!("no Close from the server within {millis} ms of ours")
                }
            };
            (Exit::Timeout, Trouble::new("timeout", detail))
        }
        End::Output(error) => {
            let code = CloseCode::GOING_AWAY;
            let left = session.options.timeout.min(TCP_END);
            session.wire.disconnect_within(code, left);
            return Err(error);
        }
        End::Internal(error) => {
            session.wire.abort();
            let detail = format!("this should not happen: {error}");
            (Exit::Failed, Trouble::new("internal", detail))
        }
    };
    session.printer.trouble(&trouble)?;
    session.printer.close(CloseCode::ABNORMAL.0, "", false)?;
    Ok(exit)
}

/// The peer's Close came: answers it unless ours was first, and waits for the end of TCP, which is
/// the server's to bring about.
fn closed<A: Alone, W: Write>(
    session: &mut Session<'_, A, W>,
    code: CloseCode,
    reason: &str,
) -> io::Result<Exit> {
    let until = session.closing;
    let left = until.map_or(session.options.timeout, |until| {
        until.saturating_duration_since(Instant::now())
    });
    if session.has_input_left() {
        session
            .printer
            .say("the server closed before all input was sent");
    }
    session.finish_frame(left);
    let left = left.min(TCP_END);
    let clean = session.wire.disconnect_within(CloseCode::NORMAL, left);
    if let Some((messages, bytes)) = session.echoed() {
        let what = format!("{messages} messages with {bytes} bytes went back");
        session.printer.say(&what);
    }
    if !clean {
        let detail = "the server closed and did not take our answer";
        session.printer.trouble(&Trouble::new("lost", detail))?;
    }
    session.printer.close(code.0, reason, clean)?;
    Ok(if clean { Exit::Clean } else { Exit::Connection })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_receiving_has_its_kind() {
        assert!(matches!(
            ReceiveError::<io::Error>::Protocol(ProtocolError::InvalidUtf8).into(),
            End::Protocol(ProtocolError::InvalidUtf8)
        ));
        assert!(matches!(
            ReceiveError::<io::Error>::Lost.into(),
            End::Lost(_)
        ));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(ReceiveError::Stack(reset).into(), End::Lost(_)));
        assert!(matches!(
            ReceiveError::<io::Error>::Closed(CloseCode(3000)).into(),
            End::Closed {
                code: CloseCode(3000),
                ..
            }
        ));
    }

    #[test]
    fn exit_codes_are_those_of_the_help() {
        let codes = [
            Exit::Clean,
            Exit::Failed,
            Exit::Usage,
            Exit::Connection,
            Exit::Protocol,
            Exit::Timeout,
            Exit::Refused,
            Exit::Over,
        ];
        assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 3, 4, 5, 6, 27]);
    }
}
