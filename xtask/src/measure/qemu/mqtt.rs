//! The board's MQTT client against mosquitto, with paho at the same broker.

use super::board::{Bin, Board};
use super::firmware::Built;
use super::machine::Machine;
use super::peers::Peer;
use super::{WITHIN, good_end};
use crate::{Result, mosquitto, shell, venv};
use broker::Broker;
use std::path::PathBuf;

/// The broker of the tests on the host.
#[path = "../../../../tests/foreign/mqtt/src/broker.rs"]
#[expect(unreachable_pub, reason = "it is another crate's")]
mod broker;

/// What has to be on this machine.
pub(super) struct Tools {
    mosquitto: PathBuf,
    /// With paho.
    python: PathBuf,
}

/// Is all there? Installs what can be. The inner `Err` says what can't.
pub(super) fn ready() -> Result<std::result::Result<Tools, String>> {
    let mosquitto = match mosquitto::ready() {
        Ok(mosquitto) => mosquitto,
        Err(why) => return Ok(Err(why)),
    };
    let python = venv::with(
        "mqtt",
        "tests/foreign/mqtt/requirements.txt",
        "paho.mqtt.client",
    )?;
    Ok(python.map(|python| Tools { mosquitto, python }))
}

/// Runs the firmware.
pub(super) fn play(board: &Board, built: &Built, tools: &Tools, said: &mut Vec<String>) -> Result {
    let folder = shell::cache().join("qemu");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let broker = Broker::start(&tools.mosquitto, &folder, "")?;
    let port = broker.plain.port().to_string();
    let (mut peer, _) = Peer::start(&tools.python, "mqtt.py", &[port])?;
    let port = Some(broker.websocket.port());
    let machine = Machine::start(board, built, Bin::Mqtt, port, None, WITHIN)?;
    good_end(machine, Bin::Mqtt, said)?;
    // The board is gone, as the peer may now find out.
    peer.end();
    peer.problem("watched").map_or(Ok(()), Err)
}
