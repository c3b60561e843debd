//! Reading and writing on an async WebSocket, as an MQTT client does.

use embassy_futures::poll_once;
use embedded_io_async::{Read, ReadReady, Write};
use ws_socket::asynch::{AsyncPlatform, WebSocket};
use ws_socket::{CloseCode, ReceiveError, SocketError, Timeout};

use crate::MqttError;
use crate::outbox::{Outbox, Part, Step, opcode};

/// Has the broker confirmed the subprotocol? Where it has not, the connection is closed.
pub(crate) async fn agreed<T: Read + Write, P: AsyncPlatform>(
    ws: &mut WebSocket<'_, T, P>,
) -> Result<(), MqttError<T::Error>> {
    if ws.subprotocol().is_some() {
        return Ok(());
    }
    let code = CloseCode::PROTOCOL_ERROR;
    let _ = ws.disconnect_with(code, "", Timeout::NoWait).await;
    Err(MqttError::Subprotocol)
}

pub(crate) async fn read<T: Read + Write, P: AsyncPlatform>(
    ws: &mut WebSocket<'_, T, P>,
    buffer: &mut [u8],
) -> Result<usize, MqttError<T::Error>> {
    let read = ws.read(buffer).await;
    if let Err(SocketError::Receive(ReceiveError::Protocol(_))) = read {
        // The Close that says why: who meets an error may never call again.
        let _ = poll_once(ws.flush());
    }
    Ok(read?)
}

pub(crate) async fn write<T: Read + Write, P: AsyncPlatform>(
    ws: &mut WebSocket<'_, T, P>,
    out: &mut Outbox<'_>,
    polls: bool,
    buffer: &[u8],
) -> Result<usize, MqttError<T::Error>> {
    if polls && out.is_idle() && ws.open_frame().is_none() {
        // A client that only publishes has Pings to answer, too.
        ws.read_ready()?;
    }
    loop {
        match out.step(buffer, ws.open_frame()) {
            Step::Kept(count) => return Ok(count),
            Step::Nothing => return Ok(0),
            Step::Send(part) => {
                let count = send(ws, part).await?;
                let taken = out.sent(buffer, count);
                if taken > 0 {
                    return Ok(taken);
                }
            }
        }
    }
}

pub(crate) async fn flush<T: Read + Write, P: AsyncPlatform>(
    ws: &mut WebSocket<'_, T, P>,
    out: &mut Outbox<'_>,
) -> Result<(), MqttError<T::Error>> {
    while let Step::Send(part) = out.flush(ws.open_frame()) {
        let count = send(ws, part).await?;
        out.sent(&[], count);
    }
    Ok(ws.flush().await?)
}

async fn send<T: Read + Write, P: AsyncPlatform>(
    ws: &mut WebSocket<'_, T, P>,
    part: Part<'_>,
) -> Result<usize, MqttError<T::Error>> {
    let opcode = opcode(ws.in_message());
    let sent = ws.write_part(part.bytes, part.rest, opcode, part.fin).await;
    Ok(sent?)
}
