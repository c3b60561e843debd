//! Where the bytes of a probe are: the modules of the libraries, and the largest functions of each.

use crate::Result;
use crate::measure::elf::Symbol;
use std::collections::BTreeMap;

/// Functions and constants of fewer bytes are summed up.
const SHOWN: u64 = 20;

/// Bytes without a symbol that there may be to each function: what aligns the next.
const ALIGNMENT: u64 = 4;

/// The rows of a table, in order: a module, and the paths of what belongs to it. Of an entry, in which
/// the function that it calls may be inlined, the path begins behind the probe.
const MODULES: &[(&str, &[&str])] = &[
    (
        "receiver",
        &[
            "ws_core::receiver",
            "ws_core::close",
            "ws_core::error",
            "frames::take",
            "frames::frame",
            "frames::close_code",
        ],
    ),
    (
        "transmitter",
        &[
            "ws_core::transmitter",
            "frames::begin",
            "frames::fill",
            "frames::sent",
            "frames::rollback",
        ],
    ),
    ("connection", &["ws_core::connection", "frames::new"]),
    ("mask", &["ws_core::mask"]),
    ("UTF-8", &["ws_core::text"]),
    (
        "hash, base64",
        &[
            "ws_core::handshake::sha1",
            "ws_core::handshake::base64",
            "ws_core::handshake::accept",
            "accept",
            "accept_unit::accept",
        ],
    ),
    ("handshake", &["ws_core::handshake", "client", "server"]),
    ("endpoint", &["ws_core::endpoint"]),
    ("session", &["ws_socket::session"]),
    ("table", &["ws_socket", "table", "table_client"]),
    ("stand-ins", &["ws_probes", "accept_unit"]),
];

/// The row of constants.
const CONSTANTS: &str = "constants";
/// The last row: what is of no module, and what has no symbol.
const REST: &str = "rest";

/// What one row sums up.
#[derive(Debug, Default, PartialEq)]
struct Row {
    bytes: u64,
    /// The largest first.
    shown: Vec<(u64, String)>,
}

/// The rows of a table for a probe of `own` bytes: each a module, its bytes, what is in it. The bytes sum
/// up to `own`.
pub(super) fn rows(probe: &str, own: u64, symbols: &[Symbol]) -> Result<String> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for symbol in symbols {
        let path = path(&symbol.name, probe);
        let row = rows.entry(module(symbol, &path)).or_default();
        row.bytes += symbol.size;
        row.shown.push((symbol.size, name(&path)));
    }
    let named: u64 = rows.values().map(|row| row.bytes).sum();
    let functions = symbols.iter().filter(|symbol| !symbol.constant).count() as u64;
    let unnamed = own.checked_sub(named);
    let unnamed = unnamed.filter(|rest| *rest <= ALIGNMENT * functions);
    let unnamed = unnamed
        .ok_or_else(|| format!("{probe} has {own} bytes of its own, its symbols have {named}"))?;
    let rest = rows.entry(REST).or_default();
    rest.bytes += unnamed;
    rest.shown.push((unnamed, "alignment".to_owned()));

    let order = MODULES.iter().map(|(module, _)| *module);
    let mut text = String::new();
    for module in order.chain([CONSTANTS, REST]) {
        if let Some(row) = rows.remove(module) {
            let bytes = row.bytes;
            text += &format!("| {module} | {bytes} | {} |\n", row.list());
        }
    }
    Ok(text)
}

impl Row {
    fn list(mut self) -> String {
        self.shown
            .sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.cmp(right)));
        let large = self.shown.iter().filter(|(size, _)| *size >= SHOWN);
        let mut list: Vec<String> = large.map(|(size, name)| format!("{name} {size}")).collect();
        let small = self.shown.iter().filter(|(size, _)| *size < SHOWN);
        let small: u64 = small.map(|(size, _)| *size).sum();
        if small > 0 {
            list.push(format!("smaller ones {small}"));
        }
        list.join(", ")
    }
}

/// The row that a symbol belongs to.
fn module(symbol: &Symbol, path: &[String]) -> &'static str {
    if symbol.constant {
        return CONSTANTS;
    }
    let path = path.join("::");
    let within = |module: &str| {
        let behind = path.strip_prefix(module);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with("::"))
    };
    let modules = MODULES.iter();
    let found = modules.filter(|(_, paths)| paths.iter().any(|path| within(path)));
    found.map(|(module, _)| *module).next().unwrap_or(REST)
}

/// What a function is called in a table: with its type, or the file it is in.
fn name(path: &[String]) -> String {
    let closures = path.iter().rev().take_while(|part| part.starts_with('{'));
    let last = path.len().saturating_sub(closures.count() + 2);
    match path {
        [] => "without a name".to_owned(),
        _ => format!("`{}`", path.get(last..).unwrap_or_default().join("::")),
    }
}

/// The path of a demangled name without types' arguments: of a method that of its type, of an entry what
/// follows the name of the probe. Empty for what the compiler named.
fn path(name: &str, probe: &str) -> Vec<String> {
    if name.is_empty() || name.starts_with('.') {
        return Vec::new();
    }
    let mut path = Vec::new();
    for part in split(name, "::") {
        match part
            .strip_prefix('<')
            .and_then(|part| part.rsplit_once('>'))
        {
            // `<impl Trait for Type>`, `<Type as Trait>`.
            Some((inner, _)) => {
                let inner = inner.strip_prefix("impl ").unwrap_or(inner);
                let of = split(inner, " for ").pop().unwrap_or(inner);
                path = self::path(split(of, " as ").first().copied().unwrap_or(of), "");
            }
            None => path.push(part.split('<').next().unwrap_or(part).to_owned()),
        }
    }
    path.retain(|part| !part.is_empty());
    if path.len() > 1
        && path
            .first()
            .is_some_and(|part| *part == probe.replace('-', "_"))
    {
        path.remove(0);
    }
    path
}

/// The parts of `text` between separators that are not within `<>`.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= from && text[at..].starts_with(separator) => {
                parts.push(&text[from..at]);
                from = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, size: u64, constant: bool) -> Symbol {
        let name = name.to_owned();
        Symbol {
            name,
            size,
            constant,
        }
    }

    #[test]
    fn names_are_as_people_write_them() {
        for (long, short) in [
            ("client_server::frames::take", "`frames::take`"),
            ("ws_core::mask::Key::copy", "`Key::copy`"),
            ("ws_core::handshake::sha1::block", "`sha1::block`"),
            (
                "ws_core::handshake::client::<impl ws_core::handshake::fields::Exchange>::response",
                "`Exchange::response`",
            ),
            (
                "<ws_socket::slots::LocalSlots<T,_> as ws_socket::slots::SlotStore>::vacate",
                "`LocalSlots::vacate`",
            ),
            (
                "ws_core::handshake::request::Request::write::{{closure}}",
                "`Request::write::{{closure}}`",
            ),
            ("<impl core::fmt::Debug for a::B<C>>::fmt", "`B::fmt`"),
            ("memcmp", "`memcmp`"),
            ("", "without a name"),
            (".Lanon.5205dfcf.26", "without a name"),
        ] {
            assert_eq!(name(&path(long, "client-server")), short, "{long}");
        }
    }

    #[test]
    fn rows_sum_up_to_what_is_owned() {
        let symbols = [
            symbol("client::frames::take", 400, false),
            symbol("ws_core::receiver::Receiver::check_text", 200, false),
            symbol("ws_core::receiver::Receiver::want", 12, false),
            symbol("client::client::receive", 100, false),
            symbol("OUTLINED_FUNCTION_0", 6, false),
            symbol("ws_core::handshake::head::TABLE", 91, true),
            symbol("", 30, true),
        ];
        let rows = rows("client", 846, &symbols).unwrap();
        assert_eq!(
            rows,
            "| receiver | 612 | `frames::take` 400, `Receiver::check_text` 200, smaller ones 12 |\n\
             | handshake | 100 | `client::receive` 100 |\n\
             | constants | 121 | `head::TABLE` 91, without a name 30 |\n\
             | rest | 13 | smaller ones 13 |\n"
        );
    }

    #[test]
    fn what_no_symbol_explains_is_an_error() {
        let symbols = [symbol("client::frames::take", 400, false)];
        assert!(rows("client", 400, &symbols).is_ok());
        assert!(rows("client", 405, &symbols).is_err());
        assert!(rows("client", 399, &symbols).is_err());
    }
}
