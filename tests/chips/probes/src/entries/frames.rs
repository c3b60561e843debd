//! Frames, both roles: everything a codec does.

use ws_core::{
    CloseCode, Connection, Frame, FrameError, Opcode, ProtocolError, Receiver, Role, Transmitter,
};

ws_probes::entries! {
    /// A connection of a role that is known only when it runs.
    fn new(role: Role) -> Connection { Connection::new(role) }
    /// Takes a header apart; unmasks and checks payload.
    fn take(rx: &mut Receiver, bytes: &mut [u8], limit: usize) -> Result<usize, ProtocolError> {
        rx.take(bytes, limit)
    }
    /// What the header said.
    fn frame(rx: &Receiver) -> Option<Frame> { rx.frame() }
    /// What a Close says that fails the connection.
    fn close_code(error: ProtocolError) -> CloseCode { error.close_code() }
    /// Opens a frame.
    fn begin(
        tx: &mut Transmitter,
        opcode: Opcode,
        fin: bool,
        length: usize,
        key: [u8; 4]
    ) -> Result<(), FrameError> {
        tx.begin(opcode, fin, length, key)
    }
    /// Puts a frame together, masked.
    fn fill(tx: &Transmitter, rest: &[u8], out: &mut [u8]) -> usize { tx.fill(rest, out) }
    /// What the wire took of it.
    fn sent(tx: &mut Transmitter, count: usize) -> usize { tx.sent(count) }
    /// Nothing: it is taken back.
    fn rollback(tx: &mut Transmitter) -> bool { tx.rollback() }
}
