//! Other libraries, and what each has.

use super::probes::Probe;

/// A library.
pub(super) struct Peer {
    /// As people know it.
    pub(super) name: &'static str,
    /// Its probe of frames alone.
    pub(super) frames: &'static str,
    /// With a client's handshake, where it has one.
    pub(super) client: Option<&'static str>,
    /// With both handshakes.
    pub(super) both: Option<&'static str>,
    /// The symbol whose size is what a connection keeps.
    pub(super) context: &'static str,
}

pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "embedded-websocket 0.9.5",
        frames: "embedded-websocket-frames",
        client: Some("embedded-websocket-client"),
        both: Some("embedded-websocket-client-server"),
        context: "embedded_websocket",
    },
    Peer {
        name: "edge-ws 0.8, edge-http 0.8",
        frames: "edge-ws-frames",
        client: Some("edge-ws-client"),
        both: Some("edge-ws-client-server"),
        context: "edge_ws",
    },
    Peer {
        name: "ws-framer 0.4",
        frames: "ws-framer-frames",
        client: Some("ws-framer-client"),
        both: Some("ws-framer-client-server"),
        context: "ws_framer",
    },
    Peer {
        name: "websocket-sans-io 0.1",
        frames: "websocket-sans-io-frames",
        client: None,
        both: None,
        context: "websocket_sans_io",
    },
];

/// All of their probes.
pub(super) const PROBES: &[Probe] = &[
    Probe::new("embedded-websocket-frames", ""),
    Probe::new("embedded-websocket-client", ""),
    Probe::new("embedded-websocket-client-server", ""),
    Probe::new("edge-ws-frames", ""),
    Probe::new("edge-ws-client", ""),
    Probe::new("edge-ws-client-server", ""),
    Probe::new("ws-framer-frames", ""),
    Probe::new("ws-framer-client", ""),
    Probe::new("ws-framer-client-server", ""),
    Probe::new("websocket-sans-io-frames", ""),
];
