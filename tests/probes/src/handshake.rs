//! Both opening handshakes, with all that a request and a response can have.

use ws_core::handshake::{
    ClientHandshake, HeadPart, Host, Request, Response, Rules, ServerHandshake, SoftSha1,
};

use crate::{array, bytes, done, flag, keep, text, word};

/// A client's.
pub fn client() {
    let protocols = [text(), text()];
    let headers = [(text(), text())];
    let mut request = Request::new(
        if flag() {
            Host::Text(text())
        } else {
            Host::Port(text(), word() as u16)
        },
        text(),
    );
    request.subprotocols = &protocols;
    request.headers = &headers;
    request.origin = flag().then(text);
    if let Err(error) = request.validate() {
        keep(error);
        return;
    }
    let mut handshake = ClientHandshake::new(array(), 4096);
    while !handshake.request_sent(&request) {
        done(handshake.fill(&request, bytes()));
        handshake.sent(word());
    }
    loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match handshake.receive(&request, &mut SoftSha1, bytes(), seen) {
            Ok((taken, upgraded)) => {
                done(taken);
                if let Some(upgraded) = upgraded {
                    return keep(upgraded);
                }
            }
            Err(error) => return keep(error),
        }
    }
}

/// A server's.
pub fn server() {
    let supported = [text(), text()];
    let rules = Rules {
        subprotocols: &supported,
        ..Rules::NONE
    };
    let headers = [(text(), text())];
    let mut handshake = ServerHandshake::new(4096);
    let response = loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match handshake.receive(&rules, &mut SoftSha1, bytes(), seen) {
            Ok((taken, None)) => done(taken),
            Ok((taken, Some(requested))) => {
                done(taken);
                break Response::Upgrade {
                    subprotocol: requested
                        .subprotocol
                        .and_then(|index| supported.get(usize::from(index)).copied()),
                    headers: &headers,
                };
            }
            Err(error) => {
                break Response::Refuse {
                    status: error.status(),
                    headers: &headers,
                };
            }
        }
    };
    if let Err(error) = response.validate() {
        keep(error);
        return;
    }
    loop {
        let count = handshake.fill(&response, bytes());
        done(count);
        if count == 0 {
            return;
        }
        handshake.sent(count);
    }
}
