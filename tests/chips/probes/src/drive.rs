//! The least programs there can be around the entries, for the proof that nothing in them panics.

use ws_core::handshake::{HeadPart, Request, Response, Rules};
use ws_core::{Connection, Opcode, Role};

use crate::entries::{client, frames, server};
use crate::{array, bytes, done, flag, keep, word};

/// A connection of a role that is known only when it runs.
pub fn connection() -> Connection {
    frames::new(if flag() { Role::Client } else { Role::Server })
}

/// Frames in both directions.
pub fn frames(connection: &mut Connection) {
    let Connection { rx, tx } = connection;
    match frames::take(rx, bytes(), word()) {
        Ok(taken) => keep((taken, frames::frame(rx))),
        Err(error) => done(frames::close_code(error).0.into()),
    }
    let opcode = u8::try_from(word()).ok().and_then(Opcode::from_wire);
    let opcode = opcode.unwrap_or(Opcode::Binary);
    keep(frames::begin(tx, opcode, flag(), word(), *array()));
    done(frames::fill(tx, bytes(), bytes()));
    done(frames::sent(tx, word()));
    done(usize::from(frames::rollback(tx)));
}

/// Something at an address that nobody knows.
fn given<'a, T>() -> &'a T {
    // SAFETY: never run.
    unsafe { &*(word() as *const T) }
}

/// A client's handshake: any host, target, origin, subprotocols and headers; any answer.
pub fn client() {
    let request: &Request<'_> = given();
    if let Err(error) = client::validate(request) {
        done(error as usize);
        return;
    }
    let mut handshake = client::new(array(), word() as u16);
    loop {
        let count = client::fill(&handshake, request, bytes());
        if count == 0 {
            break;
        }
        done(count);
        client::sent(&mut handshake, word());
    }
    loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match client::receive(&mut handshake, request, bytes(), seen) {
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
    let mut handshake = server::new(word() as u16);
    let response = loop {
        let seen = &mut |part: HeadPart<'_>| keep(part);
        match server::receive(&mut handshake, rules, bytes(), seen) {
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
                    status: server::status(error),
                    headers,
                };
            }
        }
    };
    if let Err(error) = server::validate(&response) {
        done(error as usize);
        return;
    }
    loop {
        let count = server::fill(&handshake, &response, bytes());
        if count == 0 {
            return;
        }
        done(count);
        server::sent(&mut handshake, word());
    }
}
