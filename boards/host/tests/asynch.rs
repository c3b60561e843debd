//! All that holds for `ws connect` and `ws serve`, once more by `--async`, which `common` adds here.
// Each of them brings what it needs.
#![allow(clippy::duplicate_mod)]

#[path = "connect.rs"]
mod connect;
#[path = "hostile.rs"]
mod hostile;
#[path = "pages.rs"]
mod pages;
#[path = "serve.rs"]
mod serve;
