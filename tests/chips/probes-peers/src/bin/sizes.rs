//! Sizes of types, as the lengths of symbols: what one connection keeps.
#![no_std]
#![no_main]

use edge_ws::FrameHeader;
use embedded_websocket::WebSocketClient;
use websocket_sans_io::{WebsocketFrameDecoder, WebsocketFrameEncoder};
use ws_framer::{WsRxFramer, WsTxFramer};
use ws_probes_peers::embedded_websocket::Random;

ws_probes::sizes! {
    embedded_websocket = size_of::<WebSocketClient<Random>>();
    edge_ws = size_of::<FrameHeader>();
    ws_framer = size_of::<(WsRxFramer<'static>, WsTxFramer<'static>)>();
    websocket_sans_io = size_of::<(WebsocketFrameDecoder, WebsocketFrameEncoder)>();
}

ws_probes::firmware!({});
