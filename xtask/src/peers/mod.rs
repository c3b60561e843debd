//! The program and the libraries against what others wrote: servers, clients, brokers, browsers, test suites.

pub(crate) mod attack;
pub(crate) mod autobahn;
pub(crate) mod browser;
pub(crate) mod capi;
pub(crate) mod interop;
pub(crate) mod load;
pub(crate) mod mqtt;
pub(crate) mod tls;
