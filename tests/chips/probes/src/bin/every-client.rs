//! A client that makes every call there is.
#![no_std]
#![no_main]

ws_probes::firmware!({
    let mut table = ws_probes::stack::table().with_config(ws_probes::every::config());
    ws_probes::every::client(&mut table);
});
