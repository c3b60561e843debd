//! `--www`: files below a folder, and no others.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A folder.
#[derive(Debug)]
pub(super) struct Files {
    /// As the system knows it, free of links.
    root: PathBuf,
}

/// What a path stands for.
#[derive(Debug)]
pub(super) enum Found {
    File {
        file: File,
        length: usize,
        headers: &'static [(&'static str, &'static str)],
    },
    /// A folder, by a path that has no slash at its end: links on its page would lead elsewhere.
    Folder,
    Nothing,
}

impl Files {
    /// # Errors
    /// What the system says where this is no folder that can be read.
    pub(super) fn below(folder: &Path) -> io::Result<Self> {
        let root = folder.canonicalize()?;
        std::fs::read_dir(&root)?;
        Ok(Self { root })
    }

    /// What a request's target stands for; a folder stands for its index.html.
    pub(super) fn find(&self, target: &[u8]) -> Found {
        self.open(target).unwrap_or_else(|error| {
            log::debug!("{}: {error}", String::from_utf8_lossy(target));
            Found::Nothing
        })
    }

    fn open(&self, target: &[u8]) -> io::Result<Found> {
        let Some(path) = relative(target) else {
            return Ok(Found::Nothing);
        };
        // Links are followed first, and what they lead to has to be below the folder, too.
        let mut path = self.root.join(path).canonicalize()?;
        let folder = path.is_dir();
        if folder {
            path = path.join("index.html").canonicalize()?;
        }
        // Opening anything else may wait for somebody.
        if !path.starts_with(&self.root) || !path.is_file() {
            return Ok(Found::Nothing);
        }
        match (folder, target_path(target).last() == Some(&b'/')) {
            (true, false) => return Ok(Found::Folder),
            (false, true) => return Ok(Found::Nothing),
            _ => {}
        }
        let file = File::open(&path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let extension = path.extension().and_then(|it| it.to_str());
        Ok(Found::File {
            file,
            length,
            headers: headers(extension.unwrap_or_default()),
        })
    }
}

/// Reads from `offset` on, as much as there is.
pub(super) fn read(file: &File, offset: usize, out: &mut [u8]) -> io::Result<usize> {
    let offset = u64::try_from(offset).map_err(io::Error::other)?;
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, out, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, out, offset);
}

/// A target without its query.
fn target_path(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?');
    target
        .get(..end.unwrap_or(target.len()))
        .unwrap_or_default()
}

/// The path a target names, below the folder: nothing that leads up, names another drive or a
/// hidden file. `None` for all that is no such path.
fn relative(target: &[u8]) -> Option<PathBuf> {
    let path = decoded(target_path(target))?;
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some(PathBuf::new());
    }
    let plain = |name: &str| {
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
        !name.is_empty() && !name.starts_with('.') && !name.contains(odd)
    };
    let names = path.strip_suffix('/').unwrap_or(path);
    names
        .split('/')
        .all(plain)
        .then(|| names.split('/').collect())
}

/// With its percent-encoding undone (RFC 3986 section 2.1).
fn decoded(path: &[u8]) -> Option<String> {
    let mut bytes = path.iter();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(*bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            decoded.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

macro_rules! of_type {
    ($type:literal) => {
        &[
            ("Content-Type", $type),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-cache"),
        ]
    };
}

fn headers(extension: &str) -> &'static [(&'static str, &'static str)] {
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => of_type!("text/html; charset=utf-8"),
        "css" => of_type!("text/css; charset=utf-8"),
        "js" | "mjs" => of_type!("text/javascript; charset=utf-8"),
        "json" | "map" => of_type!("application/json"),
        "txt" | "md" => of_type!("text/plain; charset=utf-8"),
        "csv" => of_type!("text/csv; charset=utf-8"),
        "svg" => of_type!("image/svg+xml"),
        "png" => of_type!("image/png"),
        "jpg" | "jpeg" => of_type!("image/jpeg"),
        "gif" => of_type!("image/gif"),
        "webp" => of_type!("image/webp"),
        "ico" => of_type!("image/vnd.microsoft.icon"),
        "woff2" => of_type!("font/woff2"),
        "pdf" => of_type!("application/pdf"),
        "wasm" => of_type!("application/wasm"),
        _ => of_type!("application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_paths_below() {
        for (target, path) in [
            ("/", ""),
            ("/?query", ""),
            ("/a/b.txt?x=/../y", "a/b.txt"),
            ("/folder/", "folder"),
            ("/gr%C3%BC%20%C3%9fe.txt", "grü ße.txt"),
            ("/a..b/c...d", "a..b/c...d"),
        ] {
            let found = relative(target.as_bytes());
            assert_eq!(found, Some(PathBuf::from(path)), "{target}");
        }
    }

    #[test]
    fn no_target_leads_out() {
        for target in [
            "",
            "*",
            "a",
            "http://host/a",
            "//a",
            "/a//b",
            "/..",
            "/../a",
            "/a/../../b",
            "/a/..",
            "/./a",
            "/%2e%2e/a",
            "/%2E./a",
            "/..%2fa",
            "/a%2f..%2f..%2fb",
            "/%5c..%5ca",
            "/a\\..\\b",
            "/c:/a",
            "/a%00.txt",
            "/a%0d%0ab",
            "/.git/config",
            "/a/.hidden",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            "/%ff",
        ] {
            assert_eq!(relative(target.as_bytes()), None, "{target}");
        }
    }

    #[test]
    fn a_type_for_each_extension() {
        assert_eq!(
            headers("HTML").first().unwrap().1,
            "text/html; charset=utf-8"
        );
        assert_eq!(headers("").first().unwrap().1, "application/octet-stream");
    }
}
