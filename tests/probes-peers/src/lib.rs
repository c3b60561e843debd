//! Each peer's codec and handshakes, given what the probes of our own are given.
//!
//! What a peer leaves to its user (the order of fragments, control frames, a request's parser) is not
//! added to it, except for httparse where its examples have that.
#![no_std]

pub mod edge;
pub mod embedded_websocket;
pub mod framer;
pub mod sans_io;
