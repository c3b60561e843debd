//! URLs: what is taken comes out as it went in, and means what others take it to mean.

use std::net::IpAddr;

use ws_core::handshake::{Host, Request};
use ws_core::url::{Url, UrlHost};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(ours) = Url::parse(text) else { return };
    let Host::Text(header) = ours.host_header() else {
        panic!("not as it stands in the text");
    };
    // It is made of parts of the text.
    let (scheme, rest) = text.split_once("://").expect("a scheme");
    assert_eq!(ours.secure, scheme.eq_ignore_ascii_case("wss"));
    let authority = rest
        .strip_suffix(ours.target)
        .expect("the target ends the text");
    assert!(!authority.contains(['/', '?', '#', '@', '\\']));
    let default = if ours.secure { 443 } else { 80 };
    if authority != header {
        assert_eq!(ours.port, default);
        let port = authority
            .strip_prefix(header)
            .and_then(|port| port.strip_prefix(':'));
        let port = port.expect("host and port");
        assert!(port.is_empty() || port.parse() == Ok(default));
    } else if ours.port != default {
        let (_, port) = authority.rsplit_once(':').expect("a port");
        assert_eq!(port.parse(), Ok(ours.port));
    }
    let bare = match ours.host {
        UrlHost::Name(name) => name.to_owned(),
        UrlHost::Ip(IpAddr::V4(ip)) => ip.to_string(),
        UrlHost::Ip(IpAddr::V6(_)) => {
            let end = header.find(']').expect("a bracket");
            header[..=end].to_owned()
        }
    };
    // A port stands in Host only where it is not the default one.
    match header.strip_prefix(&bare).expect("the host comes first") {
        "" => assert_eq!(ours.port, default),
        port => assert!(port.starts_with(':') && ours.port != default),
    }
    // It can be asked for, and read again.
    assert_eq!(
        Request::new(ours.host_header(), ours.target).validate(),
        Ok(())
    );
    let again = format!("{scheme}://{header}{}", ours.target);
    assert_eq!(Url::parse(&again), Ok(ours));

    // Decoded there, and what comes of it may be anything; here it stays as it stands. The tables
    // for that are not linked in, and without them idna's debug assertions do not hold.
    if authority.contains('%') || authority.to_ascii_lowercase().contains("xn--") {
        return;
    }
    if let Ok(theirs) = url::Url::parse(text) {
        compare(&ours, &theirs);
    }
}

/// With the `url` crate, where it takes the text too. It follows the WHATWG's standard, which mends
/// what it reads; these are the differences that come of that:
///
/// - a host is in lower case there, here it stays as it stands;
/// - a host that is a number, or ends in one, is an IPv4 address there (`0x7f.1`), here a name;
/// - a path is put in order there (`.` and `..`, `\` for `/`, characters escaped), here it stays.
fn compare(ours: &Url<'_>, theirs: &url::Url) {
    assert_eq!(theirs.scheme(), if ours.secure { "wss" } else { "ws" });
    assert_eq!(theirs.port_or_known_default(), Some(ours.port));
    match (ours.host, theirs.host().expect("a host")) {
        (UrlHost::Name(name), url::Host::Domain(other)) => {
            assert_eq!(name.to_ascii_lowercase(), other);
        }
        (UrlHost::Name(name), url::Host::Ipv4(_)) => {
            let last = name.strip_suffix('.').unwrap_or(name).rsplit('.').next();
            assert!(
                last.is_some_and(|last| last.starts_with(|digit: char| digit.is_ascii_digit()))
            );
        }
        (UrlHost::Ip(IpAddr::V4(ip)), url::Host::Ipv4(other)) => assert_eq!(ip, other),
        (UrlHost::Ip(IpAddr::V6(ip)), url::Host::Ipv6(other)) => assert_eq!(ip, other),
        (host, other) => panic!("{host:?} is {other:?} to others"),
    }
    if !ours
        .target
        .contains(['.', '\\', '%', '"', '<', '>', '`', '{', '}', '^', '\'', '|'])
    {
        let target = match ours.target {
            target if target.starts_with('/') => target.to_owned(),
            target => format!("/{target}"),
        };
        let query = theirs
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        assert_eq!(target, format!("{}{query}", theirs.path()));
    }
}
