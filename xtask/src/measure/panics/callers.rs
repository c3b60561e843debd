//! Who calls a function of a linked firmware, by its symbols and relocations.

use crate::Result;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind, SymbolKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Is there a function whose name contains `name`?
pub(super) fn has(file: &Path, name: &str) -> Result<bool> {
    read(file, |elf| {
        elf.symbols()
            .any(|symbol| symbol.name().is_ok_and(|it| it.contains(name)))
    })
}

/// How much code there is, in bytes.
pub(super) fn code(file: &Path) -> Result<u64> {
    read(file, |elf| {
        let sections = elf.sections();
        let code = sections.filter(|section| section.kind() == SectionKind::Text);
        code.map(|section| section.size()).sum()
    })
}

/// A line for each call on the ways to the function whose name contains `name`: through functions
/// of `core` up to the first that is none.
pub(super) fn of(file: &Path, name: &str) -> Result<String> {
    let calls = read(file, calls)?;
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    let called = calls.iter().map(|(_, called)| called);
    let mut next: VecDeque<&String> = called.filter(|called| called.contains(name)).collect();
    while let Some(called) = next.pop_front() {
        if !seen.insert(called) {
            continue;
        }
        for (caller, _) in calls.iter().filter(|(_, it)| it == called) {
            lines.push(format!("  {caller} calls {called}"));
            if caller.starts_with("core::") || caller.starts_with("<core::") {
                next.push_back(caller);
            }
        }
    }
    if lines.is_empty() {
        return Err(format!("nothing in {} calls {name}", file.display()));
    }
    Ok(lines.join("\n"))
}

/// Who calls the function whose name ends with `name`, straight.
pub(super) fn straight(file: &Path, name: &str) -> Result<BTreeSet<String>> {
    let calls = read(file, calls)?;
    let callers = calls
        .into_iter()
        .filter(|(_, called)| called.ends_with(name));
    Ok(callers.map(|(caller, _)| caller).collect())
}

/// Caller and called, of each call once.
fn calls(elf: &object::File<'_>) -> BTreeSet<(String, String)> {
    let functions: BTreeMap<u64, (u64, String)> = elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| {
            // The lowest bit says that it is Thumb code.
            let start = symbol.address() & !1;
            Some((start, (start + symbol.size(), plain(symbol.name().ok()?))))
        })
        .collect();
    let mut found = BTreeSet::new();
    for section in elf.sections().filter(|it| it.kind() == SectionKind::Text) {
        for (at, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let called = elf.symbol_by_index(index).ok();
            let called = called.and_then(|symbol| symbol.name().ok().map(plain));
            let around = functions.range(..=at).next_back();
            if let (Some((_, (end, caller))), Some(called)) = (around, called)
                && at < *end
                && *caller != called
            {
                found.insert((caller.clone(), called));
            }
        }
    }
    found
}

/// A name as it stands in the source.
fn plain(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

fn read<T>(file: &Path, look: impl FnOnce(&object::File<'_>) -> T) -> Result<T> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| failed(&error))?;
    let elf = object::File::parse(bytes.as_slice()).map_err(|error| failed(&error))?;
    Ok(look(&elf))
}
