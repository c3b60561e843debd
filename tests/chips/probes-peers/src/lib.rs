//! What is below other libraries' codecs and handshakes. They are given what the probes of our own are
//! given: their calls are in `entries`.
//!
//! What a peer leaves to its user (the order of fragments, control frames, a request's headers) is not
//! added to it, except for httparse where its examples have that.
#![no_std]

pub mod edge;
pub mod embedded_websocket;
