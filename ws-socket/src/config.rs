//! What holds for all connections of a table.

use ws_core::Keepalive;

/// What `Ok(0)` from the stack's `receive` means: stacks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroRead {
    /// The peer has ended the stream, as with BSD sockets and the adapters of this crate.
    EndOfStream,
    /// Nothing there yet, as with smoltcp-nal 0.7. The end of the stream is then an error of the
    /// stack's, of kind `PipeClosed`.
    WouldBlock,
}

/// What holds for all connections of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The longest message to accept, in bytes: a longer one closes its connection with 1009.
    /// Messages are handed out in pieces and never stored, so that no memory depends on it.
    pub max_message: usize,
    /// The longest answer (client) or request (server) of an opening handshake, or request for a
    /// page, in bytes.
    pub max_handshake: u16,
    /// How long an opening handshake may take where the call has no timeout: connecting by the
    /// socket face, TCP included, and each request to a server, counted from the connection or from
    /// the answer before. In milliseconds.
    pub handshake_timeout: u32,
    /// How long, in milliseconds, the answer to a request (a server's handshake, or a page) may
    /// take, whatever the peer's speed. After that it goes on only while the peer keeps to
    /// [`answer_rate`](Self::answer_rate). A peer that takes nothing for this time is disconnected
    /// in any case. 0 leaves no time for an answer.
    pub answer_timeout: u32,
    /// How fast a peer must take an answer once [`answer_timeout`](Self::answer_timeout) is over, in
    /// bytes a second: on average, from the beginning of the answer on, counted when the TCP stack
    /// takes them, the head included, and in whole seconds. A slower peer is disconnected in the
    /// middle of the answer. What a fast peer is ahead counts for at most `answer_timeout`.
    ///
    /// 0 is no speed: any byte within `answer_timeout` is enough.
    pub answer_rate: u32,
    /// What `Ok(0)` from `receive` of the stack means.
    pub zero_read: ZeroRead,
    /// Does the stack encrypt, so that `wss` URLs can be connected to?
    pub secure: bool,
    /// Refuse text messages: the first closes the connection with 1003, and the receive that meets it
    /// says [`ProtocolError::UnwantedText`](ws_core::ProtocolError). For protocols that are binary.
    pub binary_only: bool,
    /// Answer Pings, as RFC 6455 section 5.5.3 demands, in every call that receives or polls. Without,
    /// the caller answers those that it is [handed](Self::report_pings).
    pub answer_pings: bool,
    /// Hand Pings to the caller of `recv_msg`, too.
    pub report_pings: bool,
    /// Hand Pongs to the caller.
    pub report_pongs: bool,
    /// Ask a silent peer whether it is there: a call that receives or polls sends a Ping after so
    /// long without a byte, and where none comes after that either, a receive ends with
    /// [`ReceiveError::NoPong`](crate::ReceiveError). Any byte counts, not only a Pong's.
    pub keepalive: Option<Keepalive>,
    /// Async: flush the stream behind each message, handshake and control frame. A stream that
    /// buffers, TLS for one, needs it. A TCP socket sends without, and flushing may mean to wait
    /// for the peer's acknowledgement (embassy-net): then false is right.
    pub flush: bool,
}

impl Config {
    /// No limit on messages, 8 KiB and 10 s for a handshake, 30 s for an answer or 1 KiB/s
    /// after that, `Ok(0)` ends the stream, no TLS, text is taken, Pings and Pongs are not handed out, no keepalive, streams are flushed.
    pub const DEFAULT: Self = Self {
        max_message: usize::MAX,
        max_handshake: 8192,
        handshake_timeout: 10_000,
        answer_timeout: 30_000,
        answer_rate: 1024,
        zero_read: ZeroRead::EndOfStream,
        secure: false,
        binary_only: false,
        answer_pings: true,
        report_pings: false,
        report_pongs: false,
        keepalive: None,
        flush: true,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
