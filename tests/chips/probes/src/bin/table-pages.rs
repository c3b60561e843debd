//! The handle table as a server with pages of every kind: the same calls as `table-accept`.
#![no_std]
#![no_main]

#[path = "../entries/table.rs"]
mod table;
#[path = "../entries/table_pages.rs"]
mod table_pages;
#[path = "../entries/table_server.rs"]
mod table_server;

ws_probes::probe!(table, table_pages, table_server);
