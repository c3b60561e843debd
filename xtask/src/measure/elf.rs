//! What a linked firmware holds, by its section and symbol tables.

use crate::Result;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::collections::BTreeMap;
use std::path::Path;

/// What lies in flash, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flash {
    /// Code, constants and initial values.
    pub(crate) total: u64,
    /// The part of it that comes with the compiler and that a firmware usually has anyway:
    /// `memcpy` and its kin, 64-bit division.
    pub(super) runtime: u64,
}

/// Is a section of this kind in flash?
fn in_flash(kind: SectionKind) -> bool {
    kind == SectionKind::Text || constants(kind)
}

/// Does a section of this kind hold constants, or initial values?
fn constants(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::ReadOnlyData | SectionKind::ReadOnlyString | SectionKind::Data
    )
}

/// What lies in flash of the firmware `file`.
pub(crate) fn flash(file: &Path) -> Result<Flash> {
    read(file, |elf| {
        let sections = elf.sections().filter(|section| in_flash(section.kind()));
        // Several names can stand for one function.
        let mut runtime = BTreeMap::new();
        for symbol in elf.symbols() {
            if symbol.kind() == SymbolKind::Text && symbol.name().is_ok_and(is_runtime) {
                let size = runtime.entry(symbol.address()).or_insert(0);
                *size = symbol.size().max(*size);
            }
        }
        Ok(Flash {
            total: sections.map(|section| section.size()).sum(),
            runtime: runtime.values().sum(),
        })
    })
}

/// Something in flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Demangled; empty for all that has no name.
    pub(super) name: String,
    /// In bytes.
    pub(super) size: u64,
    /// Or else a function.
    pub(super) constant: bool,
}

/// What lies in flash of the firmware `file` and does not come with the compiler. Constants without a
/// symbol are one.
pub(super) fn symbols(file: &Path) -> Result<Vec<Symbol>> {
    read(file, |elf| {
        let mut found = Vec::new();
        for section in elf.sections().filter(|section| in_flash(section.kind())) {
            let constant = constants(section.kind());
            // Several names can stand for one function.
            let mut at = BTreeMap::new();
            for symbol in elf.symbols() {
                if symbol.section_index() == Some(section.index()) && symbol.size() > 0 {
                    at.insert(symbol.address(), symbol);
                }
            }
            let mut left = section.size();
            for symbol in at.into_values() {
                left = left.saturating_sub(symbol.size());
                let name = symbol.name().unwrap_or_default();
                if !is_runtime(name) || constant {
                    found.push(Symbol {
                        name: format!("{:#}", rustc_demangle::demangle(name)),
                        size: symbol.size(),
                        constant,
                    });
                }
            }
            if constant && left > 0 {
                found.push(Symbol {
                    name: String::new(),
                    size: left,
                    constant,
                });
            }
        }
        Ok(found)
    })
}

/// The RAM that statics of the firmware `file` take, in bytes.
pub(crate) fn static_ram(file: &Path) -> Result<u64> {
    read(file, |elf| {
        let in_ram = |kind| matches!(kind, SectionKind::Data | SectionKind::UninitializedData);
        let sections = elf.sections().filter(|section| in_ram(section.kind()));
        Ok(sections.map(|section| section.size()).sum())
    })
}

/// The statics that embassy keeps the futures of its tasks in: the task's path, and bytes.
pub(crate) fn tasks(file: &Path) -> Result<BTreeMap<String, u64>> {
    read(file, |elf| {
        let symbols = elf.symbols().filter_map(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?));
            let task = name.strip_suffix("::POOL")?.to_owned();
            Some((task, symbol.size()))
        });
        Ok(symbols.collect())
    })
}

/// The lengths of the symbols of the section `.sizes`, by name.
pub(crate) fn sizes(file: &Path) -> Result<BTreeMap<String, u64>> {
    read(file, |elf| {
        let section = elf
            .section_by_name(".sizes")
            .ok_or_else(|| format!("{} has no section .sizes", file.display()))?;
        let symbols = elf
            .symbols()
            .filter(|symbol| symbol.section_index() == Some(section.index()));
        Ok(symbols
            .filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.size())))
            .filter(|(name, _)| !name.is_empty())
            .collect())
    })
}

/// Does the function come with the compiler?
fn is_runtime(name: &str) -> bool {
    name.starts_with("__")
        || name.contains("compiler_builtins")
        || matches!(name, "memcpy" | "memmove" | "memset" | "memcmp" | "bcmp")
}

fn read<T>(file: &Path, look: impl FnOnce(&object::File<'_>) -> Result<T>) -> Result<T> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let elf = object::File::parse(bytes.as_slice())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    look(&elf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_functions_are_known_by_name() {
        for name in [
            "memcpy",
            "__aeabi_memclr4",
            "__aeabi_uldivmod",
            "_RNvNtCskCJJMqjyIPQ_17compiler_builtins3mem6memcpy",
        ] {
            assert!(is_runtime(name), "{name}");
        }
        for name in ["_start", "_ZN7ws_core4utf84Utf84push17hd3e93c8d016271ffE"] {
            assert!(!is_runtime(name), "{name}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_has_sections() {
        let flash = flash(&std::env::current_exe().unwrap()).unwrap();
        assert!(flash.total > flash.runtime);
    }

    #[test]
    fn what_is_no_firmware_is_said() {
        let error = sizes(Path::new(file!())).unwrap_err();
        assert!(error.contains("elf.rs"), "{error}");
    }
}
