//! ws:// and wss:// URLs (RFC 6455 section 3).

use crate::address::{ipv4, ipv6};
use crate::handshake::{Host, is_host_byte, is_visible};
use core::net::IpAddr;

/// A WebSocket URL, taken apart; everything is borrowed from its text.
///
/// ```
/// use ws_core::url::{Url, UrlHost};
/// let url = Url::parse("wss://broker.example:8443/mqtt?id=7")?;
/// assert!(url.secure);
/// assert_eq!(url.host, UrlHost::Name("broker.example"));
/// assert_eq!((url.port, url.target), (8443, "/mqtt?id=7"));
/// # Ok::<(), ws_core::url::UrlError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether it is `wss`, over TLS.
    pub secure: bool,
    /// Name or address of the server.
    pub host: UrlHost<'a>,
    /// The zone of an IPv6 address, `eth0` in `[fe80::1%25eth0]` (RFC 6874): which interface of this
    /// host's leads there.
    pub zone: Option<&'a str>,
    /// The port: without one in the text 80, or 443 if `secure`.
    pub port: u16,
    /// Path and query as they stand in the text, `""` and `"?q"` among them.
    pub target: &'a str,
    /// Host and port as they stand in the text, without a default port; with the zone.
    authority: &'a str,
}

/// The host in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlHost<'a> {
    /// A name to be looked up.
    Name(&'a str),
    /// An address.
    Ip(IpAddr),
}

/// Why a text is no WebSocket URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text does not start with `ws://` or `wss://`.
    #[error("the scheme is neither ws:// nor wss://")]
    Scheme,
    /// There is a space, a control character, or one that is not ASCII.
    #[error("a character that is not visible ASCII")]
    Character,
    /// There is a fragment, which no WebSocket URL has (RFC 6455 section 3).
    #[error("a fragment")]
    Fragment,
    /// There is a user name or password (RFC 6455 section 3 leaves no place for it).
    #[error("a user name or password")]
    UserInfo,
    /// There is no host.
    #[error("no host")]
    EmptyHost,
    /// The host has a character that no host has (RFC 3986 section 3.2.2).
    #[error("a character that no host has")]
    Host,
    /// What is between `[` and `]` is no IPv6 address, with a zone perhaps (`%25` and its name), or after it comes neither port nor path.
    #[error("no IPv6 address between brackets")]
    Ipv6,
    /// The port is not 1 to 65535.
    #[error("the port is not 1 to 65535")]
    Port,
}

impl<'a> Url<'a> {
    /// Takes a URL apart: `ws` or `wss` (in any case), host, port, path, query.
    ///
    /// # Errors
    ///
    /// [`UrlError`] says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        if !text.bytes().all(is_visible) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = split_at(text, b':').ok_or(UrlError::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(UrlError::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("wss");
        if !secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(UrlError::Scheme);
        }
        if rest.as_bytes().contains(&b'#') {
            return Err(UrlError::Fragment);
        }
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or_default();
        if authority.as_bytes().contains(&b'@') {
            return Err(UrlError::UserInfo);
        }

        let mut zone = None;
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (mut address, port) = split_at(bracketed, b']').ok_or(UrlError::Ipv6)?;
                if !matches!(port.as_bytes(), [] | [b':', ..]) {
                    return Err(UrlError::Ipv6);
                }
                if let Some((before, behind)) = split_at(address, b'%') {
                    let name = behind.strip_prefix("25").ok_or(UrlError::Ipv6)?;
                    let valid = |byte: u8| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
                    };
                    if name.is_empty() || !name.bytes().all(valid) {
                        return Err(UrlError::Ipv6);
                    }
                    (address, zone) = (before, Some(name));
                }
                let address = ipv6(address.as_bytes()).ok_or(UrlError::Ipv6)?;
                (UrlHost::Ip(address.into()), port)
            }
            None => {
                let end = authority.bytes().position(|byte| byte == b':');
                let end = end.unwrap_or(authority.len());
                let (name, port) = authority.split_at_checked(end).unwrap_or_default();
                if name.is_empty() {
                    return Err(UrlError::EmptyHost);
                }
                if !name
                    .bytes()
                    .all(|byte| is_host_byte(byte) && !matches!(byte, b'[' | b']'))
                {
                    return Err(UrlError::Host);
                }
                let host = match ipv4(name.as_bytes()) {
                    Some(address) => UrlHost::Ip(address.into()),
                    None => UrlHost::Name(name),
                };
                (host, port)
            }
        };

        let default = if secure { 443 } else { 80 };
        let digits = port.strip_prefix(':').unwrap_or_default();
        let number = if digits.is_empty() {
            default
        } else {
            parse_port(digits)?
        };
        let without_port = authority.strip_suffix(port).unwrap_or(authority);
        Ok(Self {
            secure,
            host,
            zone,
            port: number,
            target,
            authority: if number == default {
                without_port
            } else {
                authority
            },
        })
    }

    /// What the Host header says (RFC 6455 section 4.1, item 4): host and port as they stand in the
    /// text, without the port if it is the scheme's default. A zone is left out where the request is
    /// written: it means nothing to the server (RFC 6874 section 1).
    pub const fn host_header(&self) -> Host<'a> {
        Host::Text(self.authority)
    }
}

/// What comes before and behind the first `byte` of ASCII.
fn split_at(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|other| other == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// 1 to 65535; no sign, as `FromStr` would take.
fn parse_port(digits: &str) -> Result<u16, UrlError> {
    let mut port = 0u16;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return Err(UrlError::Port);
        }
        port = port
            .checked_mul(10)
            .and_then(|port| port.checked_add(u16::from(byte - b'0')))
            .ok_or(UrlError::Port)?;
    }
    if port == 0 {
        Err(UrlError::Port)
    } else {
        Ok(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    fn ip(text: &str) -> UrlHost<'_> {
        UrlHost::Ip(text.parse().unwrap())
    }

    /// RFC 6455 section 3: good URLs.
    #[test]
    fn rfc6455_3_good() {
        use UrlHost::Name;
        for (text, secure, host, port, target, header) in [
            ("ws://h", false, Name("h"), 80, "", "h"),
            ("WSS://h", true, Name("h"), 443, "", "h"),
            (
                "Ws://a.B-c_d~:80/",
                false,
                Name("a.B-c_d~"),
                80,
                "/",
                "a.B-c_d~",
            ),
            ("wss://h:443", true, Name("h"), 443, "", "h"),
            ("wss://h:80", true, Name("h"), 80, "", "h:80"),
            ("ws://h:443/x", false, Name("h"), 443, "/x", "h:443"),
            ("ws://h:65535?q", false, Name("h"), 65535, "?q", "h:65535"),
            ("ws://h:?q", false, Name("h"), 80, "?q", "h"),
            ("ws://h:0080/", false, Name("h"), 80, "/", "h"),
            (
                "ws://h/a/b?c=d:e@f://g",
                false,
                Name("h"),
                80,
                "/a/b?c=d:e@f://g",
                "h",
            ),
            ("ws://h?x/y", false, Name("h"), 80, "?x/y", "h"),
            (
                "ws://127.0.0.1:9001/",
                false,
                ip("127.0.0.1"),
                9001,
                "/",
                "127.0.0.1:9001",
            ),
            ("ws://[::1]", false, ip("::1"), 80, "", "[::1]"),
            (
                "wss://[2001:DB8::1]:8443/x",
                true,
                ip("2001:db8::1"),
                8443,
                "/x",
                "[2001:DB8::1]:8443",
            ),
            (
                "ws://[::ffff:1.2.3.4]:80",
                false,
                ip("::ffff:1.2.3.4"),
                80,
                "",
                "[::ffff:1.2.3.4]",
            ),
            (
                "ws://256.1.1.1",
                false,
                Name("256.1.1.1"),
                80,
                "",
                "256.1.1.1",
            ),
            ("ws://%41", false, Name("%41"), 80, "", "%41"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (
                    url.secure,
                    url.host,
                    url.port,
                    url.target,
                    url.host_header()
                ),
                (secure, host, port, target, Host::Text(header)),
                "{text}"
            );
            let request = crate::handshake::Request::new(url.host_header(), url.target);
            assert_eq!(request.validate(), Ok(()), "{text}");
        }
    }

    /// RFC 6874: a zone is a zone, and no part of the Host header.
    #[test]
    fn rfc6874_2_zones() {
        for (text, address, zone, port) in [
            ("ws://[fe80::1%25eth0]", "fe80::1", "eth0", 80),
            ("ws://[fe80::1%251]:8080/x", "fe80::1", "1", 8080),
            (
                "wss://[FE80::A%25wlan-0.1_~]/x?y",
                "fe80::a",
                "wlan-0.1_~",
                443,
            ),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.host, url.zone, url.port),
                (ip(address), Some(zone), port)
            );
        }
        for text in ["ws://[fe80::1]", "ws://h", "ws://a%25b"] {
            assert_eq!(Url::parse(text).unwrap().zone, None);
        }
    }

    /// RFC 6455 section 3: bad URLs.
    #[test]
    fn rfc6455_3_bad() {
        use UrlError::*;
        for (text, error) in [
            ("", Scheme),
            ("h", Scheme),
            ("ws:h", Scheme),
            ("ws:/h", Scheme),
            ("://h", Scheme),
            ("http://h", Scheme),
            ("wsss://h", Scheme),
            (" ws://h", Character),
            ("ws://h/a b", Character),
            ("ws://h\r\n", Character),
            ("ws://h/\0", Character),
            ("ws://h/\u{7f}", Character),
            ("ws://h\u{e4}", Character),
            ("ws://h/#", Fragment),
            ("ws://h#f", Fragment),
            ("ws://u@h", UserInfo),
            ("ws://u:p@h:1/", UserInfo),
            ("ws://", EmptyHost),
            ("ws:///x", EmptyHost),
            ("ws://:80", EmptyHost),
            ("ws://?q", EmptyHost),
            ("ws://a\\b", Host),
            ("ws://a<b", Host),
            ("ws://a]", Host),
            ("ws://a[b]", Host),
            ("ws://h:0", Port),
            ("ws://h:65536", Port),
            ("ws://h:99999999999", Port),
            ("ws://h:+80", Port),
            ("ws://h:-1", Port),
            ("ws://h:8o", Port),
            ("ws://h:80:80", Port),
            ("ws://::1", EmptyHost),
            ("ws://fe80::1", Port),
            ("ws://[::1]:x", Port),
            ("ws://[::1", Ipv6),
            ("ws://[]", Ipv6),
            ("ws://[::1]80", Ipv6),
            ("ws://[1.2.3.4]", Ipv6),
            ("ws://[::g]", Ipv6),
            ("ws://[fe80::1%eth0]", Ipv6),
            ("ws://[fe80::1%25]", Ipv6),
            ("ws://[fe80::1%25a%20b]", Ipv6),
            ("ws://[fe80::1%25a/b]", Ipv6),
            ("ws://[%25eth0]", Ipv6),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        /// RFC 6455 section 3: no text makes the parser panic.
        #[test]
        fn rfc6455_3_arbitrary(text in "\\PC*", tail in "([:/?#@a0.]|\\[|\\]|\\PC){0,12}") {
            let _ = Url::parse(&text);
            let _ = Url::parse(&format!("ws://{tail}"));
        }

        /// RFC 6455 section 3: what a URL is made of is what comes out.
        #[test]
        fn rfc6455_3_round_trip(
            secure: bool,
            name in "[a-z][a-zA-Z0-9.-]{0,20}",
            address: Option<std::net::IpAddr>,
            port in prop::option::of(1u16..),
            target in "([/?][!$-~]{0,20})?",
        ) {
            let host = match address {
                Some(IpAddr::V6(ip)) => format!("[{ip}]"),
                Some(ip) => format!("{ip}"),
                None => name.clone(),
            };
            let scheme = if secure { "wss" } else { "ws" };
            let default = if secure { 443 } else { 80 };
            let colon = port.map(|port| format!(":{port}")).unwrap_or_default();
            let text = format!("{scheme}://{host}{colon}{target}");
            let url = Url::parse(&text).unwrap();
            prop_assert_eq!(url.secure, secure);
            prop_assert_eq!(url.host, address.map_or(UrlHost::Name(&name), UrlHost::Ip));
            prop_assert_eq!(url.port, port.unwrap_or(default));
            prop_assert_eq!(url.target, &*target);
            let header = match url.port {
                port if port == default => host,
                port => format!("{host}:{port}"),
            };
            prop_assert_eq!(url.host_header(), Host::Text(&header));
        }
    }
}
