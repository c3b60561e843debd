//! The steps of the demo: each does one thing, and says what differed from what it should be or, in
//! a few words, what was done.

use super::Checksum;
use super::client::{Client, PATIENCE, same};
use super::network::{BACKLOG, SOCKETS};
use super::server::{BUFFER, Seen};
use std::time::Instant;
use ws_socket::{CloseCode, Flags, Opcode, Timeout, parse_close};

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Client<'_>) -> Result<String, String>,
}

/// All of them, in order.
#[rustfmt::skip]
pub(super) const ALL: [Step; 8] = [
    Step { name: "connect", run: connect },
    Step { name: "text", run: text },
    Step { name: "binary", run: binary },
    Step { name: "ping", run: ping_in_a_fragmented_message },
    Step { name: "1 MiB", run: one_mebibyte },
    Step { name: "two at once", run: two_at_once },
    Step { name: "in turn", run: round_trips },
    Step { name: "close", run: close },
];

const TEXT: Flags = Flags(Flags::TEXT.0 | Flags::FINAL.0);
const BINARY: Flags = Flags(Flags::BINARY.0 | Flags::FINAL.0);
const PONG: Flags = Flags(Flags::PONG.0 | Flags::FINAL.0);
const CLOSE: Flags = Flags(Flags::CLOSE.0 | Flags::FINAL.0);

/// A message as the server notes it.
fn noted(opcode: Opcode, payload: &[u8], fragments: usize) -> Seen {
    Seen::Message {
        opcode,
        length: payload.len(),
        fragments,
        checksum: Checksum::of(payload),
    }
}

fn connect(client: &mut Client<'_>) -> Result<String, String> {
    let ws = client.connect()?;
    let chosen = client.table.subprotocol(ws).map_err(|e| e.to_string())?;
    same("subprotocols", &Some(0), &chosen)?;
    Ok("TCP, then the upgrade to a WebSocket with a subprotocol".to_owned())
}

fn there_and_back(
    client: &mut Client<'_>,
    payload: &[u8],
    opcode: Opcode,
    flags: Flags,
) -> Result<(), String> {
    let ws = client.nth(0)?;
    client.send(ws, payload, opcode, true)?;
    let back = client.receive_frame(ws)?;
    same("what came back", &(flags, payload.to_vec()), &back)?;
    let arrived = vec![noted(opcode, payload, 1)];
    same("what the server saw", &arrived, &client.seen(0))
}

fn text(client: &mut Client<'_>) -> Result<String, String> {
    let text = "Grüße vom Gerät: 21.5 °C";
    there_and_back(client, text.as_bytes(), Opcode::Text, TEXT)?;
    there_and_back(client, b"", Opcode::Text, TEXT)?;
    Ok(format!("\"{text}\" there and back, and an empty message"))
}

fn binary(client: &mut Client<'_>) -> Result<String, String> {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    there_and_back(client, &every, Opcode::Binary, BINARY)?;
    Ok("256 bytes there and back, every value once".to_owned())
}

fn ping_in_a_fragmented_message(client: &mut Client<'_>) -> Result<String, String> {
    let ws = client.nth(0)?;
    let frames: [(&[u8], Opcode, bool); 4] = [
        (b"one message, ", Opcode::Text, false),
        (b"are you there?", Opcode::Ping, true),
        (b"three ", Opcode::Continuation, false),
        (b"fragments", Opcode::Continuation, true),
    ];
    for (payload, opcode, fin) in frames {
        client.send(ws, payload, opcode, fin)?;
    }
    let expected: [(Flags, &[u8]); 4] = [
        (Flags::TEXT, b"one message, "),
        (PONG, b"are you there?"),
        (Flags::TEXT, b"three "),
        (TEXT, b"fragments"),
    ];
    for (flags, payload) in expected {
        let back = client.receive_frame(ws)?;
        same("what came back", &(flags, payload.to_vec()), &back)?;
    }
    let arrived = vec![
        Seen::Ping(b"are you there?".to_vec()),
        noted(Opcode::Text, b"one message, three fragments", 3),
    ];
    same("what the server saw", &arrived, &client.seen(0))?;
    Ok("a message in 3 fragments, a Ping between them, its Pong on the way back".to_owned())
}

/// One frame of 1 MiB goes out while the server's answer to its beginning comes in already: neither
/// end holds more than a piece.
fn one_mebibyte(client: &mut Client<'_>) -> Result<String, String> {
    let ws = client.nth(0)?;
    let message: Vec<u8> = (0u32..1 << 18)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect();
    let (mut sent, mut back, mut pieces) = (0, 0, 0);
    let mut complete = false;
    let mut buffer = [0; BUFFER];
    while !complete {
        let rest = message.get(sent..).unwrap_or_default();
        if !rest.is_empty() {
            sent += client.send_some(ws, rest, Opcode::Binary)?;
        }
        // A short wait, so that time can pass where nothing moves.
        let timeout = if sent < message.len() {
            Timeout::Millis(1)
        } else {
            PATIENCE
        };
        let Some(piece) = client.receive(ws, &mut buffer, timeout)? else {
            if sent == message.len() {
                return Err(format!("{back} of {} bytes came back", message.len()));
            }
            continue;
        };
        same("types", &Opcode::Binary, &piece.opcode())?;
        let found = buffer.get(..piece.length).unwrap_or_default();
        let expected = message.get(back..back + piece.length).unwrap_or_default();
        same(&format!("bytes from {back} on"), &expected, &found)?;
        back += piece.length;
        pieces += 1;
        complete = piece.is_complete();
    }
    client.count_sent(Opcode::Binary, sent, true);
    same("bytes that came back", &message.len(), &back)?;
    let arrived = vec![noted(Opcode::Binary, &message, 1)];
    same("what the server saw", &arrived, &client.seen(0))?;
    Ok(format!(
        "one message through {BUFFER}-byte buffers, back in {pieces} pieces meanwhile"
    ))
}

fn two_at_once(client: &mut Client<'_>) -> Result<String, String> {
    const EACH: usize = 25;
    client.connect()?;
    let (one, two) = (client.nth(0)?, client.nth(1)?);
    same("connections at once", &2, &client.table.in_use())?;
    let texts: Vec<String> = (0..EACH)
        .map(|n| format!("message {n} {}", "x".repeat(n * 5)))
        .collect();
    for text in &texts {
        client.send(one, text.as_bytes(), Opcode::Text, true)?;
        let mirrored: Vec<u8> = text.bytes().rev().collect();
        client.send(two, &mirrored, Opcode::Binary, true)?;
    }
    // What came first is asked for last.
    for text in &texts {
        let mirrored: Vec<u8> = text.bytes().rev().collect();
        let back = client.receive_message(two)?;
        let expected = (Opcode::Binary, mirrored);
        same("what came back on the second", &expected, &back)?;
    }
    for text in &texts {
        let back = client.receive_message(one)?;
        let expected = (Opcode::Text, text.clone().into_bytes());
        same("what came back on the first", &expected, &back)?;
    }
    for (nth, opcode) in [(0, Opcode::Text), (1, Opcode::Binary)] {
        let arrived = texts.iter().map(|text| match opcode {
            Opcode::Text => noted(opcode, text.as_bytes(), 1),
            _ => noted(opcode, &text.bytes().rev().collect::<Vec<u8>>(), 1),
        });
        same("what the server saw", &arrived.collect(), &client.seen(nth))?;
    }
    Ok(format!(
        "{EACH} messages on each of two connections, interleaved"
    ))
}

fn round_trips(client: &mut Client<'_>) -> Result<String, String> {
    const COUNT: u32 = 1000;
    let ws = client.nth(0)?;
    let began = Instant::now();
    for number in 0..COUNT {
        let text = format!("reading {number}");
        client.send(ws, text.as_bytes(), Opcode::Text, true)?;
        let back = client.receive_frame(ws)?;
        same("what came back", &(TEXT, text.into_bytes()), &back)?;
    }
    let rate = f64::from(COUNT) / began.elapsed().as_secs_f64();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a figure to be shown
    {
        client.rate = Some(rate as u64);
    }
    same("messages the server saw", &1000, &client.seen(0).len())?;
    Ok(format!("{COUNT} short messages there and back, one by one"))
}

/// The client closes the first connection, the server the second.
fn close(client: &mut Client<'_>) -> Result<String, String> {
    let (one, two) = (client.nth(0)?, client.nth(1)?);
    let code = CloseCode(4000);
    let ended = client
        .table
        .disconnect_with(one, code, "that was it", PATIENCE)
        .map_err(|error| format!("closing: {error}"))?;
    same(
        "how it ended for the client",
        &(true, code),
        &(ended.clean, ended.code),
    )?;
    let seen = vec![
        Seen::Close(code, "that was it".to_owned()),
        Seen::Over { clean: true },
    ];
    same("what the server saw", &seen, &client.seen(0))?;

    let code = CloseCode::GOING_AWAY;
    client.server(|server| server.close(1, code, "bye"))?;
    let (flags, payload) = client.receive_frame(two)?;
    same("flags", &CLOSE, &flags)?;
    same("the Close", &Ok((code, "bye")), &parse_close(&payload))?;
    let ended = client
        .table
        .disconnect(two, PATIENCE)
        .map_err(|error| format!("closing: {error}"))?;
    same(
        "how it ended for the client",
        &(true, code),
        &(ended.clean, ended.code),
    )?;
    let seen = vec![Seen::Close(code, String::new()), Seen::Over { clean: true }];
    same("what the server saw", &seen, &client.seen(1))?;

    // TCP has its own goodbyes to say.
    client.idle(1000);
    let slots = |client: &mut Client<'_>| {
        let served = client.server(|server| server.table.in_use());
        (client.table.in_use(), served)
    };
    same("slots in use", &(0, 0), &slots(client))?;
    let free = client.table.stack().free_sockets();
    let free_of_server = client.server(|server| server.table.stack().free_sockets());
    let expected = (SOCKETS, SOCKETS - BACKLOG);
    same("sockets that are free", &expected, &(free, free_of_server))?;
    same("the first id, now", &false, &client.table.is_open(one))?;
    Ok("4000 by the client, 1001 by the server; slots and sockets are free again".to_owned())
}
