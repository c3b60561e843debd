//! Every async call that a peer's bytes, or a stream's answers, can reach: one connection, and connections
//! with ids. Not the halves: the mutex of embassy-sync has a panic of its own, for who gives back what is
//! not locked.
#![no_std]
#![no_main]

use embedded_io_async::{Read, ReadReady, Write};
use ws_probes::{array, bytes, done, every, flag, keep, run, text, word};
use ws_probes_stacks::stream::{Chip, Stream};
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, WebSocket};
use ws_socket::{AcceptOptions, CloseCode, Events, Opcode, PollItem, Timeout, WebSocketId};

type Socket = WebSocket<'static, Stream, Chip>;

fn timeout() -> Timeout {
    match word() {
        0 => Timeout::NoWait,
        1 => Timeout::Forever,
        millis => Timeout::Millis(millis as u32),
    }
}

fn opcode() -> Opcode {
    let opcode = u8::try_from(word()).ok().and_then(Opcode::from_wire);
    opcode.unwrap_or(Opcode::Binary)
}

async fn open() -> Option<Socket> {
    let buffer = array::<512>();
    if flag() {
        let request = AsyncRequest::new(text(), text()).origin(text());
        let ws = WebSocket::connect(Stream, &request, buffer, Chip, every::config(), timeout());
        return ws.await.ok();
    }
    let options = AcceptOptions::default();
    let ws = WebSocket::accept(Stream, &options, buffer, Chip, every::config());
    ws.await.ok().flatten()
}

async fn converse(ws: &mut Socket) {
    while flag() {
        match word() {
            0 => keep(ws.recv_msg(bytes(), timeout()).await),
            1 => keep(ws.peek(timeout()).await),
            2 => keep(ws.send_msg(bytes(), opcode(), flag(), timeout()).await),
            3 => keep(ws.send_msg_mut(bytes(), opcode(), flag(), timeout()).await),
            4 => keep(
                ws.send_part(bytes(), word(), opcode(), flag(), timeout())
                    .await,
            ),
            5 => keep(ws.write_part(bytes(), word(), opcode(), flag()).await),
            6 => keep(ws.recv(bytes(), timeout()).await),
            7 => keep(ws.send(bytes(), timeout()).await),
            8 => ws.readable().await,
            9 => keep(Read::read(ws, bytes()).await),
            10 => keep(Write::write(ws, bytes()).await),
            11 => keep(Write::flush(ws).await),
            _ => keep(ReadReady::read_ready(ws)),
        }
    }
}

async fn by_id(table: &mut AsyncWebSockets<'static, Stream, Chip, 2>) {
    let request = AsyncRequest::new(text(), text());
    let ws = if flag() {
        table.connect(Stream, &request, timeout()).await.ok()
    } else {
        let options = AcceptOptions::default();
        table.accept(Stream, &options).await.ok().flatten()
    };
    let ws = ws.unwrap_or(WebSocketId::from_raw(word() as i32));
    while flag() {
        keep(table.recv_msg(ws, bytes(), timeout()).await);
        let mut items = [PollItem::new(ws, Events::IN | Events::OUT)];
        done(table.poll(&mut items, timeout()).await);
        keep(items);
        keep(table.close_code(ws));
        keep(table.open_frame(ws));
    }
    keep(
        table
            .disconnect_with(ws, CloseCode(word() as u16), text(), timeout())
            .await,
    );
}

ws_probes::firmware!({
    run(async {
        if let Some(mut ws) = open().await {
            converse(&mut ws).await;
            keep(
                ws.disconnect_with(CloseCode(word() as u16), text(), timeout())
                    .await,
            );
        }
        let table = AsyncWebSockets::new(Chip).with_config(every::config());
        by_id(&mut table.with_buffers([array::<512>(), array()])).await;
    });
});
