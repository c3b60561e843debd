//! What standard output and standard error can be that takes nothing.

use std::fs::File;
use std::io::{PipeReader, Write};
use std::process::{Child, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What a program can be given to write to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Closed,
    Full,
    Broken,
    Unread,
}

pub(crate) const ALL: [Fault; 4] = [Fault::Closed, Fault::Full, Fault::Broken, Fault::Unread];

impl Fault {
    /// It, and what keeps it as it is.
    pub(crate) fn make(self) -> (Stdio, Option<PipeReader>) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        match self {
            // That is up to the shell.
            Self::Closed => (Stdio::null(), None),
            Self::Full => {
                let full = File::options().write(true).open("/dev/full").unwrap();
                (full.into(), None)
            }
            Self::Broken => (writer.into(), None),
            Self::Unread => {
                let flags = fcntl_getfl(&writer).unwrap();
                fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
                while writer.write(&[b'x'; 4096]).is_ok() {}
                fcntl_setfl(&writer, flags).unwrap();
                (writer.into(), Some(reader))
            }
        }
    }
}

/// `ws`, by the async calls or not, through a shell that closes what is to be closed.
pub(crate) fn command(arguments: &[&str], asynch: bool, closed: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("exec \"$0\" \"$@\" {closed}"))
        .arg(env!("CARGO_BIN_EXE_ws"))
        .args(arguments)
        .args(asynch.then_some("--async"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn with_stderr(
    fault: Fault,
    arguments: &[&str],
    asynch: bool,
) -> (Child, Option<PipeReader>) {
    let closed = if fault == Fault::Closed { "2>&-" } else { "" };
    let (stderr, keeps) = fault.make();
    let child = command(arguments, asynch, closed).stderr(stderr).spawn();
    (child.unwrap(), keeps)
}

pub(crate) fn with_stdout(
    fault: Fault,
    arguments: &[&str],
    asynch: bool,
) -> (Child, Option<PipeReader>) {
    let closed = if fault == Fault::Closed { ">&-" } else { "" };
    let (stdout, keeps) = fault.make();
    let child = command(arguments, asynch, closed).stdout(stdout).spawn();
    (child.unwrap(), keeps)
}
