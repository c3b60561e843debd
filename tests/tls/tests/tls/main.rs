//! WebSockets over TLS: embedded-tls 0.19 on our side, rustls on the other.

mod asynch;
mod blocking;
mod examples;
mod fault_held;
mod fault_order;
mod memory;
mod mqtt;
mod verify;
