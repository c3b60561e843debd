//! Frames, both roles: everything a codec does.

use ws_core::{Connection, Opcode, Role};

use crate::{array, bytes, done, flag, keep, word};

/// A connection of a role that is known only when it runs.
pub fn connection() -> Connection {
    Connection::new(if flag() { Role::Client } else { Role::Server })
}

/// Takes what came in apart, and puts together what goes out.
pub fn frames(connection: &mut Connection) {
    match connection.rx.decode(bytes(), word()) {
        Ok(decoded) => {
            done(decoded.consumed);
            keep(decoded.payload);
            keep(decoded.frame);
            keep(decoded.end);
        }
        Err(error) => done(error.close_code().0.into()),
    }
    let opcode = u8::try_from(word()).ok().and_then(Opcode::from_wire);
    let opcode = opcode.unwrap_or(Opcode::Binary);
    keep(connection.tx.begin(opcode, flag(), word(), *array()));
    done(connection.tx.fill(bytes(), bytes()));
    done(connection.tx.sent(word()));
    done(usize::from(connection.tx.rollback()));
}
