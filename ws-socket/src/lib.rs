//! WebSockets that look like sockets: Zephyr's socket-layer API over any [`embedded_nal`] TCP stack,
//! client and server, without heap.
//!
//! A [`WebSockets`] table has `N` slots, a TCP stack and a [`Platform`]: a clock, a source of
//! randomness, a way to wait. A call makes a [`WebSocketId`] of a TCP socket, others send and
//! receive by it, one closes it. The calls have Zephyr's names, order and meaning and stand in the
//! crate root; each is a method of [`Table`] too, which has more than Zephyr. The protocol itself is in the
//! crate `ws-core`.
//!
//! # Example
//!
//! A client on the operating system's sockets; on a chip only the stack and the platform differ.
//!
#![cfg_attr(
    all(feature = "std", any(feature = "crates-hash", feature = "compact")),
    doc = "```"
)]
#![cfg_attr(
    not(all(feature = "std", any(feature = "crates-hash", feature = "compact"))),
    doc = "```ignore"
)]
//! use ws_socket::stack::StdStack;
//! use ws_socket::*;
//!
//! struct Host(std::time::Instant);
//!
//! impl<S> Platform<S> for Host {
//!     fn now_ms(&mut self) -> u32 {
//!         self.0.elapsed().as_millis() as u32 // may wrap
//!     }
//!
//!     fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
//!         // …from the system's source, or an error where that fails
//!         # use std::hash::{BuildHasher, RandomState};
//!         # for byte in bytes { *byte = RandomState::new().hash_one(0) as u8; }
//!         Ok(())
//!     }
//!
//!     fn wait(&mut self, _: &mut S, at_most_ms: u32) {
//!         std::thread::sleep(std::time::Duration::from_millis(at_most_ms.min(1).into()));
//!     }
//! }
//!
//! # let url = {
//! #     use embedded_nal::{TcpClientStack, TcpFullStack};
//! #     let mut stack = StdStack::new().with_bind_addr([127, 0, 0, 1].into());
//! #     let mut listener = stack.socket()?;
//! #     stack.bind(&mut listener, 0)?;
//! #     stack.listen(&mut listener)?;
//! #     let url = format!("ws://{}/echo", stack.local_addr(&listener)?);
//! #     std::thread::spawn(move || {
//! #         let mut buffer = [0; 512];
//! #         let table = WebSockets::<_, _, 1>::new(stack, Host(std::time::Instant::now()));
//! #         let mut table = table.with_buffers([&mut buffer]);
//! #         let options = AcceptOptions { subprotocols: &["chat"], ..Default::default() };
//! #         let ws = websocket_accept(&mut table, &mut listener, &options, 5_000).unwrap();
//! #         let mut piece = [0; 16];
//! #         while let Ok(received) = table.recv_msg(ws, &mut piece, 5_000) {
//! #             if !received.opcode().is_control() {
//! #                 let payload = &piece[..received.length];
//! #                 table.send_msg(ws, payload, received.opcode(), true, 5_000).unwrap();
//! #             }
//! #         }
//! #         table.disconnect(ws, 5_000).unwrap();
//! #     });
//! #     url
//! # };
//! let mut buffer = [0; 512];
//! let host = Host(std::time::Instant::now());
//! let mut table = WebSockets::<_, _, 1>::new(StdStack::new(), host);
//!
//! let request = WebSocketRequest::for_url().subprotocols(&["chat"]).buffer(&mut buffer);
//! let ws = websocket_connect_url(&mut table, &url, request, 5_000)?; // ws://127.0.0.1:…/echo
//!
//! websocket_send_msg(&mut table, ws, b"hello", Opcode::Text, true, true, 1_000)?;
//!
//! let mut message = [0; 64];
//! let received = websocket_recv_msg(&mut table, ws, &mut message, 1_000)?;
//! assert!(received.is_complete());
//! assert_eq!((received.opcode(), &message[..received.length]), (Opcode::Text, &b"hello"[..]));
//!
//! let end = websocket_disconnect(&mut table, ws, 1_000)?;
//! assert!(end.clean);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Stacks
//!
//! Any [`TcpClientStack`](embedded_nal::TcpClientStack) that keeps the contract in [`stack`]; for a
//! server a [`TcpFullStack`](embedded_nal::TcpFullStack), for names [`Dns`](embedded_nal::Dns). Adapters
//! for smoltcp and for the operating system are there; they are [`stack::Addresses`], too, for
//! [`Table::connect_url_all`], which tries all addresses of a name. A connection whose opening handshake
//! fails goes to [`Platform::abort`]: reset it there if the stack can. A stack whose `receive` says `Ok(0)` for "nothing
//! yet" needs [`ZeroRead::WouldBlock`]. A polled stack is polled in [`Platform::wait`], which runs
//! in every call that waits, and by the application while it makes no call ([`Table::stack`]).
//!
//! # Timeouts
//!
//! A call takes milliseconds as Zephyr's do: 0 does not wait, a negative number waits for ever; or
//! a [`Timeout`], or a [`Duration`](core::time::Duration). A receive that is out of time took
//! nothing away.
//!
//! # Partial sends
//!
//! A send returns how many bytes of the payload went out. If those are not all, the frame is open:
//! its rest has to go out, by the next call, before any other frame of the connection
//! ([`Table::open_frame`]). A frame of which nothing went out is taken back, and it is as if the
//! call had not been made. The payload is masked on its way, without a copy of it;
//! [`Table::send_msg_mut`] masks it where it stands, [`Table::send_part`] takes a frame's payload in
//! pieces.
//!
//! # Buffers and control frames
//!
//! Each connection borrows a buffer of at least 256 bytes, Zephyr's `tmp_buf`: of its slot
//! ([`WebSockets::with_buffers`]), or its own ([`WebSocketRequest::buffer`]). The length of an array is
//! checked at compile time, that of a slice by [`Buffer::new`]. TCP is read into it in bulk, but for its last
//! 125 bytes, which keep the payload of a Ping until the Pong is out. Messages of any length go through
//! it: a receive hands out pieces.
//!
//! A Ping is answered whenever a call receives or [polls](Table::poll), unless
//! [`Config::answer_pings`] says that the program does that. Pings and Pongs are not handed out;
//! [`Config::report_pings`] and [`Config::report_pongs`] do. [`Config::keepalive`] asks a silent peer
//! whether it is there, in every call that receives or polls.
//!
//! # Closing
//!
//! [`websocket_disconnect`] sends a Close, waits for the peer's, closes TCP in the order of RFC 6455
//! section 7.1.1, and says whether that was [`clean`](Disconnected::clean). A peer's Close is answered at
//! once; [`websocket_recv_msg`] hands it out once as [`Flags::CLOSE`], and is then
//! [`ReceiveError::Closed`]. The slot is taken until `websocket_disconnect`, which is due in any case: after
//! a Close, after an error, after a lost connection.
//!
//! # Errors
//!
//! One type for each operation; `errno()` is the number Zephyr would return, negated ([`Errno`]).
//! What a peer does wrong is [`ReceiveError::Protocol`], said once, after all that came before;
//! the Close with the fitting code is on its way then. Where [`Platform::fill_random`] fails, a call that
//! needs a key fails with an error named `Random` (`EIO`), and sends nothing. After [`ReceiveError::Timeout`],
//! [`SendError::Timeout`] and a [`HandleError::Busy`] the connection goes on.
//!
//! # Servers
//!
//! [`websocket_accept`] takes TCP connections from a listening socket of the stack, does their
//! handshakes side by side, each in a slot, and returns ids as they are open. [`AcceptOptions`]
//! takes everyone, or the hosts and origins it lists; a [`Handler`] decides by the request, and
//! answers ordinary ones with pages on the same port. [`websocket_poll_accept`] waits for new
//! connections and for messages in one call, [`Table::broadcast`] sends one message to many. Who
//! does the handshake elsewhere uses [`websocket_register`].
//!
//! # The table as a TCP stack
//!
//! [`Table`] implements [`embedded_nal::TcpClientStack`]: what speaks TCP by that trait, an MQTT client
//! say, speaks WebSocket by being given the table. [`StreamOptions`] says what its handshake asks for.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `crates-hash` (default) | accept value by the crate `sha1` |
//! | `compact` | accept value by `ws-core`'s own code, 3 kB of flash less; wins if both are on |
//! | `critical-section` | `SharedWebSockets`, for tasks, threads and interrupts |
//! | `async` | `asynch`: the calls as `async fn` |
//! | `embassy-time` | its clock from embassy-time |
//! | `edge-nal` | it accepts, connects and closes by the traits of edge-nal 0.7 |
//! | `smoltcp` | [`stack`]`::SmoltcpStack` for smoltcp 0.14 |
//! | `std` | [`stack`]`::StdStack` for the operating system's sockets |
//! | `log`, `defmt` | debug lines through that crate, with the id of the connection in front |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "async")]
pub mod asynch;
mod config;
mod error;
mod fmt;
mod functions;
mod handler;
mod id;
mod message;
mod platform;
mod request;
mod session;
#[cfg(feature = "critical-section")]
mod shared;
mod slots;
pub mod stack;
mod table;
mod timeout;

pub use ws_core::handshake::{self, HeadPart, Host, Request};
pub use ws_core::{
    Buffer, BufferTooShort, CloseCode, FrameError, Keepalive, Opcode, ProtocolError, RandomError,
    Role, parse_close, url, write_close,
};

pub use config::{Config, ZeroRead};
pub use error::{
    AcceptError, ConnectError, DisconnectError, Errno, HandleError, ReceiveError, RegisterError,
    SendError, SocketError,
};
pub use functions::{
    close, recv, send, websocket_accept, websocket_connect, websocket_connect_url,
    websocket_disconnect, websocket_poll, websocket_poll_accept, websocket_recv_msg,
    websocket_register, websocket_send_msg, websocket_unregister,
};
pub use handler::{AcceptOptions, Handler};
pub use id::WebSocketId;
pub use message::{Flags, Received};
pub use platform::{Awaited, Platform};
pub use request::{Refused, WebSocketRequest};
#[cfg(feature = "critical-section")]
pub use shared::SharedWebSockets;
pub use slots::SlotStore;
pub use table::{
    Accepting, Disconnected, Events, PollItem, Polled, Progress, Recipient, SlowPolicy, Stream,
    StreamOptions, Table, WebSockets,
};
pub use timeout::Timeout;

/// What README.md shows compiles.
#[cfg(all(
    doctest,
    feature = "smoltcp",
    any(feature = "crates-hash", feature = "compact")
))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And its example does what it says, against a server in the same process.
#[cfg(all(
    doctest,
    feature = "smoltcp",
    any(feature = "crates-hash", feature = "compact")
))]
#[doc = concat!("```\n", include_str!("../../docs/example/hello.rs"), include_str!("../../docs/example/loopback.rs"), "```")]
struct ReadmeRuns;
