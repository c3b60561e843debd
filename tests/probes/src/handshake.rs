//! Both opening handshakes, with all that a request and a response can have.
//!
//! What a program puts together (the request, the rules, the headers) stands in memory already, so
//! that only the library's work is measured.

use ws_core::handshake::{
    ClientHandshake, HeadPart, Request, Response, Rules, ServerHandshake, SoftSha1,
};

use crate::{array, bytes, done, keep, word};

/// Something at an address that nobody knows.
fn given<'a, T>() -> &'a T {
    // SAFETY: never run.
    unsafe { &*(word() as *const T) }
}

/// A client's: any host, target, origin, subprotocols and headers; any answer.
pub fn client() {
    let request: &Request<'_> = given();
    if let Err(error) = request.validate() {
        done(error as usize);
        return;
    }
    let mut handshake = ClientHandshake::new(array(), 4096);
    loop {
        let count = handshake.fill(request, bytes());
        if count == 0 {
            break;
        }
        done(count);
        handshake.sent(word());
    }
    loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match handshake.receive(request, &mut SoftSha1, bytes(), seen) {
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

/// A server's: any rules; the upgrade with a subprotocol, or a refusal, with any headers.
pub fn server() {
    let rules: &Rules<'_> = given();
    let headers: &[(&str, &str)] = given::<&[(&str, &str)]>();
    let mut handshake = ServerHandshake::new(4096);
    let response = loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match handshake.receive(rules, &mut SoftSha1, bytes(), seen) {
            Ok((taken, None)) => done(taken),
            Ok((taken, Some(requested))) => {
                done(taken);
                break Response::Upgrade {
                    subprotocol: requested
                        .subprotocol
                        .and_then(|index| rules.subprotocols.get(usize::from(index)).copied()),
                    headers,
                };
            }
            Err(error) => {
                break Response::Refuse {
                    status: error.status(),
                    headers,
                };
            }
        }
    };
    if let Err(error) = response.validate() {
        done(error as usize);
        return;
    }
    loop {
        let count = handshake.fill(&response, bytes());
        if count == 0 {
            return;
        }
        done(count);
        handshake.sent(word());
    }
}
