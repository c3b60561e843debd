//! The handle table as a blocking client: connect, send, receive, disconnect.
#![no_std]
#![no_main]

#[path = "../entries/table.rs"]
mod table;
#[path = "../entries/table_client.rs"]
mod table_client;

ws_probes::probe!(table, table_client);
