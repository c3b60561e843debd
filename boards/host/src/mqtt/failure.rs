//! What went wrong with a broker: sentences and exit codes.

use crate::connect::dial::{Failure, not_upgraded};
use crate::connect::response::Answer;
use crate::exit::Exit;
use embedded_io_async::ErrorKind;
use rust_mqtt::client::MqttError as ClientError;
use rust_mqtt::types::{MqttString, ReasonCode};
use std::fmt::Debug;
use std::io;
use std::time::Duration;
use ws_socket::handshake::ClientError as HandshakeError;
use ws_socket::{CloseCode, ConnectError, SocketError};
use ws_transport_mqtt::MqttError;

/// There is no WebSocket to the broker.
pub(super) fn not_connected(error: MqttError<io::Error>, within: Duration) -> Failure {
    let refused = |detail: String| Failure::new(Exit::Connection, "refused", detail);
    match error {
        MqttError::Socket(SocketError::Connect(ConnectError::Handshake(
            HandshakeError::Refused { status },
        ))) => {
            let detail = "is the path in the URL that of the broker?";
            let mut failure = refused(format!("the server refused with status {status}; {detail}"));
            failure.trouble.status = Some(status);
            failure
        }
        MqttError::Socket(SocketError::Connect(error)) => {
            not_upgraded(error, &Answer::default(), within)
        }
        MqttError::Subprotocol => refused(error.to_string()),
        MqttError::Socket(error) => lost(&error.to_string()),
    }
}

/// The broker said no.
pub(super) fn refused(what: &str, reason: ReasonCode, said: Option<&str>) -> Failure {
    let reason = words(reason);
    let detail = match said {
        Some(said) => format!(
            "the broker refused {what}: {reason} ({})",
            said.escape_debug()
        ),
        None => format!("the broker refused {what}: {reason}"),
    };
    Failure::new(Exit::Refused, "refused", detail)
}

/// The connection is gone.
pub(super) fn lost(why: &str) -> Failure {
    let detail = format!("the connection to the broker was lost: {why}");
    Failure::new(Exit::Connection, "lost", detail)
}

/// What the arguments' check did not see.
pub(super) fn usage(error: impl Debug) -> Failure {
    Failure::new(Exit::Usage, "usage", format!("{error:?}"))
}

/// Standard input or output failed.
pub(super) fn local(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, "system", format!("{what}: {error}"))
}

/// What the client reports; `code` is that of the broker's Close, if there was one.
pub(super) fn of<const N: usize>(error: ClientError<'_, N>, code: Option<CloseCode>) -> Failure {
    match error {
        ClientError::Disconnect {
            reason,
            reason_string,
            ..
        } => {
            let said = reason_string.as_ref().map(MqttString::as_str);
            let said = said.map(|said| format!(" ({})", said.escape_debug()));
            let reason = words(reason);
            lost(&format!(
                "it ended the session: {reason}{}",
                said.unwrap_or_default()
            ))
        }
        ClientError::Network(ErrorKind::InvalidData) => {
            let detail = "the broker broke the WebSocket protocol, or sent a text message";
            Failure::new(Exit::Protocol, "protocol", detail.to_owned())
        }
        ClientError::Network(kind) => match (code, kind) {
            (Some(code), _) => lost(&format!("it closed the WebSocket with {code}")),
            (
                None,
                ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe,
            ) => lost("TCP ended without a Close; the broker or the network has gone"),
            (None, kind) => lost(&format!("{kind:?}")),
        },
        ClientError::Server => {
            let detail = "the broker broke the rules of MQTT 5; does it speak that version?";
            Failure::new(Exit::Protocol, "protocol", detail.to_owned())
        }
        ClientError::UnsupportedByServer => {
            let detail = "the broker does not do that: this quality of service, retained \
                          messages, or wildcards";
            Failure::new(Exit::Refused, "refused", detail.to_owned())
        }
        ClientError::ServerMaximumPacketSizeExceeded => {
            let detail = "the broker does not take packets so long";
            Failure::new(Exit::Refused, "refused", detail.to_owned())
        }
        ClientError::PacketMaximumLengthExceeded => {
            let detail = "the message is longer than MQTT's 268,435,455 bytes with its topic";
            Failure::new(Exit::Usage, "usage", detail.to_owned())
        }
        error => {
            let detail = format!("this should not happen: {error:?}");
            Failure::new(Exit::Failed, "internal", detail)
        }
    }
}

/// `NotAuthorized` is "not authorized".
fn words(reason: ReasonCode) -> String {
    let name = format!("{reason:?}").replace("QoS", "Qos");
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        let cases = [
            (ReasonCode::NotAuthorized, "not authorized"),
            (
                ReasonCode::BadUserNameOrPassword,
                "bad user name or password",
            ),
            (ReasonCode::QoSNotSupported, "qos not supported"),
        ];
        for (reason, expected) in cases {
            assert_eq!(words(reason), expected);
        }
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let exit = |error: ClientError<'_, 0>, code| of(error, code).exit;
        let network = ClientError::Network;
        assert_eq!(exit(network(ErrorKind::InvalidData), None), Exit::Protocol);
        assert_eq!(
            exit(network(ErrorKind::NotConnected), None),
            Exit::Connection
        );
        assert_eq!(exit(ClientError::Server, None), Exit::Protocol);
        assert_eq!(exit(ClientError::UnsupportedByServer, None), Exit::Refused);
        let closed = of(
            ClientError::<0>::Network(ErrorKind::NotConnected),
            Some(CloseCode(1001)),
        );
        assert!(closed.trouble.detail.contains("1001"));
    }
}
