//! The handle table as a blocking server without pages: accept, send, receive, disconnect.
#![no_std]
#![no_main]

#[path = "../entries/table.rs"]
mod table;
#[path = "../entries/table_accept.rs"]
mod table_accept;
#[path = "../entries/table_server.rs"]
mod table_server;

ws_probes::probe!(table, table_accept, table_server);
