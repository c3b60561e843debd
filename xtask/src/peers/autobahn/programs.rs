//! The programs that are tested.

use super::play::{Program, Testee};
use crate::{Result, shell};
use std::path::PathBuf;

/// What is between the library and the system's sockets: a lent buffer of 4 KiB, the shortest, the long
/// one again with one byte to each call, and the async calls with the buffer over edge-nal-std.
const TRANSPORTS: [&str; 4] = ["std", "small", "dripping", "async"];

/// Ours.
pub(super) struct Ours {
    ws: PathBuf,
    /// Both roles over each transport: `tests/examples/autobahn`.
    example: PathBuf,
}

impl Ours {
    pub(super) fn build() -> Result<Self> {
        let ws = shell::build_ws(false)?;
        println!("building both roles over the transports");
        let example = [
            "build",
            "--locked",
            "-p",
            "ws-tests",
            "--example",
            "autobahn",
        ];
        shell::capture(&mut shell::cargo(&example))?;
        // Cargo puts examples into a folder beside the programs.
        let name = format!("examples/autobahn{}", std::env::consts::EXE_SUFFIX);
        let example = built(ws.with_file_name(name))?;
        Ok(Self { ws, example })
    }

    /// Everything there is.
    pub(super) fn testees(&self) -> Vec<Testee> {
        let mut testees: Vec<Testee> = [("ws serve", &[][..]), ("ws serve --async", &["--async"])]
            .into_iter()
            .map(|(name, options)| Testee {
                name: name.to_owned(),
                is_server: true,
                program: Program::WsServe(self.ws.clone(), options),
            })
            .collect();
        for is_server in [true, false] {
            let role = role(is_server);
            testees.extend(TRANSPORTS.map(|transport| Testee {
                name: format!("{role}-{transport}"),
                is_server,
                program: self.example(role, transport),
            }));
        }
        testees
    }

    /// A server and a client, to stand beside others.
    pub(super) fn plainest(&self) -> Vec<Testee> {
        let testees = [true, false].map(|is_server| Testee {
            name: format!("ws-socket {}", role(is_server)),
            is_server,
            program: self.example(role(is_server), "std"),
        });
        testees.into()
    }

    fn example(&self, role: &str, transport: &str) -> Program {
        Program::Other(
            self.example.clone(),
            vec![role.to_owned(), transport.to_owned()],
        )
    }
}

/// Other libraries, each behind an adapter in `tests/foreign/peers`.
pub(super) struct Peers(PathBuf);

impl Peers {
    pub(super) fn build() -> Result<Self> {
        println!("building the peers");
        let build = ["build", "--locked", "--quiet", "--release", "--bins"];
        shell::capture(&mut shell::foreign("peers", &build))?;
        Ok(Self(shell::foreign_target().join("release")))
    }

    pub(super) fn testees(&self) -> Vec<Testee> {
        let mut testees = Vec::new();
        for (name, program) in [
            ("tungstenite", "tungstenite"),
            ("embedded-websocket", "embedded_websocket"),
        ] {
            let program = self
                .0
                .join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
            testees.extend([true, false].map(|is_server| Testee {
                name: format!("{name} {}", role(is_server)),
                is_server,
                program: Program::Other(program.clone(), vec![role(is_server).to_owned()]),
            }));
        }
        testees
    }
}

const fn role(is_server: bool) -> &'static str {
    if is_server { "server" } else { "client" }
}

fn built(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("cargo built no {}", path.display()))
    }
}
