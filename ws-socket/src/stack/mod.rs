//! TCP stacks as [`embedded_nal`]: what the table needs of one, and the adapters shipped here.
//!
//! | adapter | feature | what it is |
//! | --- | --- | --- |
//! | `SmoltcpStack` | `smoltcp` | a fixed pool of smoltcp 0.14 TCP sockets, with accept and DNS, no heap |
//! | `StdStack` | `std` | the operating system's sockets, never blocking |
//! | `BlockingStreams`, `ReadyStreams` | | any connected `embedded_io` stream: TLS, a serial line |
//!
//! [`TlsRecords`] is no stack: it goes below a TLS library.
//!
//! # What an adapter must do
//!
//! `embedded_nal` leaves the corner cases open, and stacks fill them in differently. The table
//! above this module relies on the following; whoever brings another stack wraps it until it
//! behaves so. `tests/common/conformance.rs` of this crate is the list as a generic test.
//!
//! - **No call blocks.** Neither do `receive` and `send` on a socket that came from `accept`.
//! - **`connect`** answers `WouldBlock` while the attempt is under way; calling it again continues
//!   that attempt and never dials a second time. Refused, reset or timed out is an error, and so
//!   is every further `connect` on that socket. Calling it after success answers `Ok`.
//! - **`receive`** into a non-empty buffer: bytes; `WouldBlock` when there are none yet; `Ok(0)`
//!   once the peer has ended its stream in order *and* everything before has been read; an error
//!   of kind `PipeClosed` when the connection was reset.
//! - **`send`** of a non-empty buffer: the number of bytes taken, at least 1; `WouldBlock` when
//!   none can be taken now, never `Ok(0)`; an error of kind `PipeClosed` when the connection is
//!   gone. A peer that has only ended its own half can still be sent to.
//! - **`accept`** answers `WouldBlock` when nobody waits. A peer that has connected, sent and
//!   ended its half before `accept` was called is still handed out, with its data.
//! - **`close`** never blocks and gives back everything the socket held, also when `connect` was
//!   still under way. What `send` has taken is still delivered, and a FIN follows; unread input is
//!   thrown away without a reset that could overtake the data in flight. An adapter may bound how
//!   long it waits for the peer.
//! - **A stale or foreign socket** is an error and never touches somebody else's connection.
//!
//! `Ok(0)` is where stacks differ most: smoltcp's own `recv_slice` returns `Ok(0)` for "nothing
//! yet" and an error for the end of the stream, BSD sockets return 0 for the end of the stream.
//! Passing either through unchanged makes a table either hang on a closed connection or close a
//! live one. The same goes for `Ok(0)` from `send`, which a full buffer gives in smoltcp: a loop
//! that takes it for progress spins, one that takes it for the end drops a live connection.

mod addresses;
mod records;
#[cfg(feature = "smoltcp")]
mod smoltcp;
#[cfg(feature = "std")]
mod std_net;
mod streams;

pub use self::addresses::{AddressList, Addresses};
pub use self::records::{RecordsError, TlsRecords};
#[cfg(feature = "smoltcp")]
pub use self::smoltcp::{
    MAX_LISTENERS, SetupError, SmoltcpError, SmoltcpSocket, SmoltcpStack, add_tcp_sockets,
};
#[cfg(feature = "std")]
pub use self::std_net::{StdError, StdSocket, StdStack};
pub use self::streams::{BlockingStreams, ReadyStreams, StreamError};
