//! `cargo xtask capi`: the library for C programs, with C compilers and with peers.

use crate::report::{Table, Verdict};
use crate::{Result, apt, only_flags, shell, venv};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// For the help text.
pub(crate) const OPTIONS: &str = "[--require]";

/// A header, and what it is compiled as.
const HEADERS: &[&str] = &["ws.h", "zephyr/net/websocket.h"];
const LANGUAGES: &[(&str, &str)] = &[("c", "c99"), ("c", "c11"), ("c++", "c++17")];
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic"];
const SANITIZERS: &[(&str, &str)] = &[
    ("plain", "-O2"),
    ("address,undefined", "-fsanitize=address,undefined"),
    ("thread", "-fsanitize=thread"),
];
/// Programs for Zephyr on this host, and what a library does as facts; not part of the repository.
const KIT: &str = "../shared/zephyr";

/// `cargo xtask capi`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    let mut table = Table::new(["examples: address,undefined"]);
    let row = |table: &mut Table, name: &str, work: &mut dyn FnMut() -> Result<Verdict>| {
        let started = Instant::now();
        let verdict = work().unwrap_or_else(Verdict::Fail);
        table.row(name, started.elapsed(), verdict);
    };
    if shell::capture(Command::new("gcc").arg("--version")).is_err()
        && let Err(why) = apt::install("gcc").and_then(|()| apt::install("libc6-dev"))
    {
        return crate::report::skipped(&why, require);
    }
    let work = shell::target_folder().join("capi");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    shell::capture(&mut shell::cargo(&[
        "build",
        "--locked",
        "--release",
        "--package",
        "ws-capi",
    ]))?;
    for compiler in ["gcc", "clang"] {
        row(&mut table, &format!("headers: {compiler}"), &mut || {
            headers(compiler)
        });
    }
    row(&mut table, "facts", &mut || facts(&work));
    let python = venv::ready()?;
    for (name, flag) in SANITIZERS {
        row(&mut table, &format!("examples: {name}"), &mut || {
            examples(&work, name, flag, python.as_ref())
        });
    }
    table.finish(require)
}

fn headers(compiler: &str) -> Result<Verdict> {
    if shell::capture(Command::new(compiler).arg("--version")).is_err()
        && let Err(why) = apt::install(compiler)
    {
        return Ok(Verdict::Skip(why));
    }
    let include = crate_folder().join("include");
    for header in HEADERS {
        for (language, standard) in LANGUAGES {
            let mut compile = Command::new(compiler);
            compile.args(["-x", language, &format!("-std={standard}")]);
            compile.args(STRICT).arg("-I").arg(&include);
            compile.args(["-fsyntax-only", "-"]);
            let mut child = compile
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| format!("{compiler}: {error}"))?;
            if let Some(mut input) = child.stdin.take() {
                let text = format!("#include <{header}>\nint main(void) {{ return 0; }}\n");
                input
                    .write_all(text.as_bytes())
                    .map_err(|error| format!("{compiler}: {error}"))?;
            }
            let out = child
                .wait_with_output()
                .map_err(|error| format!("{compiler}: {error}"))?;
            if !out.status.success() {
                let why = String::from_utf8_lossy(&out.stderr);
                return Ok(Verdict::Fail(format!("{header} as {standard}: {why}")));
            }
        }
    }
    Ok(Verdict::Pass)
}

/// What the library does, a fact a line, is what `tests/facts.txt` says.
fn facts(work: &Path) -> Result<Verdict> {
    let kit = shell::root().join(KIT);
    if !kit.join("tests/facts.c").is_file() {
        return Ok(Verdict::Skip(format!("{KIT} is not there")));
    }
    let program = work.join("facts");
    let mut link = Command::new("gcc");
    link.args(["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-I"])
        .arg(kit.join("include"));
    for source in ["tests/facts.c", "src/zshim.c", "src/zshim_wrap.c"] {
        link.arg(kit.join(source));
    }
    link.arg(library()).arg("-lpthread").arg("-o").arg(&program);
    for call in [
        "connect",
        "send_msg",
        "recv_msg",
        "disconnect",
        "register",
        "unregister",
    ] {
        link.arg(format!("-Wl,--wrap=websocket_{call}"));
    }
    shell::capture(&mut link)?;
    let mut found = String::new();
    for case in shell::capture(&mut Command::new(&program))?.lines() {
        found += &format!("--- {case}\n");
        found += &shell::capture(timed(&program).arg(case))?;
    }
    let file = crate_folder().join("tests/facts.txt");
    let wanted = std::fs::read_to_string(&file).map_err(|error| format!("facts.txt: {error}"))?;
    let other = wanted.lines().zip(found.lines()).find(|(a, b)| a != b);
    Ok(match other {
        Some((wanted, found)) => Verdict::Fail(format!("wanted `{wanted}`, found `{found}`")),
        None if wanted.lines().count() != found.lines().count() => {
            Verdict::Fail("another number of facts".to_owned())
        }
        None => Verdict::Pass,
    })
}

/// The programs with a sanitizer: against each other, and against Python's `websockets`.
fn examples(
    work: &Path,
    name: &str,
    flag: &str,
    python: std::result::Result<&PathBuf, &String>,
) -> Result<Verdict> {
    let build = |source: &str| -> Result<PathBuf> {
        let program = work.join(format!("{}-{name}", source.replace('/', "-")));
        let folder = crate_folder();
        let mut link = Command::new("gcc");
        link.args(["-std=gnu11", "-g", flag])
            .args(STRICT)
            .arg("-I")
            .arg(folder.join("include"));
        link.arg(folder.join(format!("{source}.c")));
        // The library's own C, with the sanitizer; what of it is in the archive is not linked then.
        for own in ["port/posix.c", "c/ws_glue.c"] {
            link.arg(folder.join(own));
        }
        link.arg(library()).arg("-lpthread").arg("-o").arg(&program);
        shell::capture(&mut link)?;
        Ok(program)
    };
    let client = build("examples/client")?;
    let server = build("examples/server")?;
    let cycles = build("tests/cycles")?;
    build("examples/mqtt")?;
    let print = build("examples/print")?;
    let (_running, port) = start(&server)?;
    let said = shell::capture(timed(&client).args(["127.0.0.1", &port, "/", "hello"]))?;
    if said != "hello\n" {
        return Ok(Verdict::Fail(format!("the client printed {said:?}")));
    }
    shell::capture(timed(&cycles).arg(&port))?;
    let (_printing, printed) = start(&print)?;
    let said = shell::capture(timed(&client).args(["127.0.0.1", &printed, "/", "hello"]))?;
    if !said.starts_with("tick ") {
        return Ok(Verdict::Fail(format!("the print server said {said:?}")));
    }
    let python = match python {
        Ok(python) => python,
        Err(why) => return Ok(Verdict::Skip(why.clone())),
    };
    let peer = crate_folder().join("tests/peer.py");
    shell::capture(timed(python).arg(&peer).arg("serve").arg(&client))?;
    shell::capture(timed(python).arg(&peer).args(["call", &port]))?;
    Ok(Verdict::Pass)
}

fn crate_folder() -> PathBuf {
    shell::root().join("ws-capi")
}

fn library() -> PathBuf {
    shell::target_folder().join("release/libws_capi.a")
}

/// A program that gets a minute.
fn timed(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program);
    command
}

/// A server that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server that prints its port.
fn start(program: &Path) -> Result<(Running, String)> {
    let mut child = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut port = String::new();
    if let Some(output) = child.stdout.take() {
        let read = BufReader::new(output).read_line(&mut port);
        read.map_err(|error| format!("{}: {error}", program.display()))?;
    }
    Ok((Running(child), port.trim().to_owned()))
}
