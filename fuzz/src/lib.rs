//! What the fuzz targets do: a module each, `run` is one execution. Whatever is wrong panics.

pub mod client_handshake;
pub mod deflate;
pub mod differential;
pub mod inflate;
pub mod receiver;
pub mod server_handshake;
pub mod table;
pub mod url;

mod head;
mod input;
mod oracle;
mod wire;
