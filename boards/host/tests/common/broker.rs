//! A broker that follows a script.

use std::thread::JoinHandle;

use super::common::{Run, finish, start};
use super::servers::{PATIENCE, Table, serve};
use ws_socket::{Opcode, WebSocketId};

pub(crate) const CONNACK: &[u8] = b"\x20\x03\0\0\0";
/// For a client that leaves its id to the broker.
pub(crate) const CONNACK_WITH_ID: &[u8] = b"\x20\x08\0\0\x05\x12\0\x02id";

/// A broker's end of a session.
pub(crate) struct Broker<'t> {
    pub(crate) table: &'t mut Table,
    pub(crate) ws: WebSocketId,
}

impl Broker<'_> {
    /// The next packet, which has to be one binary message; `None` for a Close.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let (mut packet, mut buffer) = (Vec::new(), vec![0; 8192]);
        loop {
            let piece = self.table.recv_msg(self.ws, &mut buffer, PATIENCE).unwrap();
            packet.extend_from_slice(&buffer[..piece.length]);
            if !piece.is_complete() {
                continue;
            }
            match piece.opcode() {
                Opcode::Close => return None,
                opcode => assert_eq!(opcode, Opcode::Binary),
            }
            let (header, length) = remaining_length(&packet);
            assert_eq!(packet.len(), header + length, "not one packet: {packet:?}");
            return Some(packet);
        }
    }

    pub(crate) fn expect(&mut self, packet: &[u8]) {
        assert_eq!(self.next().as_deref(), Some(packet));
    }

    /// A PUBACK, PUBREC, PUBREL or PUBCOMP, whose reason may be left out where it is success.
    pub(crate) fn expect_answer(&mut self, kind: u8, id: [u8; 2]) {
        let answer = self.next().unwrap();
        assert_eq!((answer[0], &answer[2..4]), (kind, &id[..]));
        assert!(answer[4..].iter().all(|byte| *byte == 0), "{answer:?}");
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let (table, ws) = (&mut self.table, self.ws);
        let sent = table.send_msg(ws, bytes, Opcode::Binary, true, PATIENCE);
        assert_eq!(sent.unwrap(), bytes.len());
    }

    /// Lets the client in. Its CONNECT.
    pub(crate) fn welcome(&mut self) -> Vec<u8> {
        let connect = self.next().unwrap();
        assert_eq!(connect[0], 0x10);
        assert_eq!(&connect[2..9], b"\0\x04MQTT\x05", "MQTT 5");
        let id = 13 + usize::from(connect[12]);
        let has_id = connect[id..id + 2] != [0, 0];
        self.say(if has_id { CONNACK } else { CONNACK_WITH_ID });
        connect
    }

    /// Grants a subscription to `filter` at `qos`.
    pub(crate) fn grant(&mut self, filter: &str, qos: u8) {
        let subscribe = self.next().unwrap();
        assert_eq!(subscribe[0], 0x82);
        let length = u8::try_from(filter.len()).unwrap();
        let rest = [&[0, 0, length], filter.as_bytes(), &[qos]].concat();
        assert_eq!(subscribe[4..], rest);
        self.say(&[0x90, 4, subscribe[2], subscribe[3], 0, qos]);
    }

    /// The client says goodbye: to MQTT, then to the WebSocket.
    pub(crate) fn goodbye(&mut self) {
        let goodbye = self.next().unwrap();
        assert_eq!((goodbye[0], goodbye.get(2).unwrap_or(&0)), (0xe0, &0));
        assert_eq!(self.next(), None);
    }
}

/// How long the fixed header of a packet is, and what follows.
pub(crate) fn remaining_length(packet: &[u8]) -> (usize, usize) {
    let (mut at, mut length) = (1, 0);
    loop {
        length |= usize::from(packet[at] & 127) << (7 * (at - 1));
        at += 1;
        if packet[at - 1] < 128 {
            return (at, length);
        }
    }
}

/// A PUBLISH without properties; `flags` and, above QoS 0, `id`.
pub(crate) fn publish(flags: u8, topic: &str, id: Option<[u8; 2]>, payload: &[u8]) -> Vec<u8> {
    let mut rest = vec![0, u8::try_from(topic.len()).unwrap()];
    rest.extend_from_slice(topic.as_bytes());
    rest.extend(id.into_iter().flatten());
    rest.push(0);
    rest.extend_from_slice(payload);
    let mut packet = vec![0x30 | flags];
    let mut length = rest.len();
    while length > 127 {
        packet.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    packet.push(u8::try_from(length).unwrap());
    packet.extend(rest);
    packet
}

pub(crate) fn broker<R: Send + 'static>(
    script: impl FnOnce(&mut Broker<'_>) -> R + Send + 'static,
) -> (String, JoinHandle<R>) {
    serve(|table, ws| script(&mut Broker { table, ws }))
}

/// Standard input stays open and silent to the end.
pub(crate) fn idle(arguments: &[&str]) -> Run {
    let mut child = start(arguments);
    let stdin = child.stdin.take();
    let run = finish(child);
    drop(stdin);
    run
}

/// Reads what comes. False at the end, of whatever kind.
pub(crate) fn drained(broker: &mut Broker<'_>) -> bool {
    let received = broker.table.recv_msg(broker.ws, &mut [0; 512], PATIENCE);
    received.is_ok_and(|piece| piece.opcode() != Opcode::Close)
}
