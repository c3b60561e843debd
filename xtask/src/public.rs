//! Every public item of the three crates in one table, with the reason it is public.
//!
//! What is public the compiler says: the pages that rustdoc makes are walked from each crate's first page
//! along their links, so that an item that a macro makes, or that is exported again, is not missed. What is
//! hidden from the documentation has no page: the sources say what that is.

use crate::{Result, only_flags, shell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--check]";

const CRATES: [&str; 3] = ["ws-core", "ws-socket", "ws-transport-mqtt"];
const DOCUMENT: &str = "docs/public.md";
const HEAD: &str = "| item | | of it | why |\n| --- | --- | --- | --- |\n";
/// Of an item that nobody has given a reason for.
const NO_REASON: &str = "?";

const ABOUT: &str = "# What is public, and why

Every public item of the three crates, with all features. `cargo xtask public` writes the first three columns
from the pages of rustdoc and leaves the reasons; `cargo xtask public --check` fails where an item is missing here,
or is gone, has other parts, or has no reason. The reason of a type is that of its parts, too: a method, a field or a
variant that needs one of its own should not be there.

";

/// A row: the item, what it is, its parts.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    path: String,
    kind: String,
    parts: String,
}

/// `cargo xtask public`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--check"])?;
    let mut doc = shell::cargo(&["doc", "--locked", "--quiet", "--no-deps", "--all-features"]);
    doc.args(CRATES.iter().flat_map(|name| ["-p", name]));
    shell::capture(&mut doc)?;
    let pages = shell::target_folder().join("doc");
    let mut tables = Vec::new();
    for name in CRATES {
        let mut items = Vec::new();
        module(&pages, &name.replace('-', "_"), "", &mut items)?;
        complete(&pages, &name.replace('-', "_"), &items)?;
        hidden(&shell::root().join(name).join("src"), name, &mut items)?;
        if items.is_empty() {
            return Err(format!("rustdoc shows nothing of {name}"));
        }
        tables.push((name, items));
    }
    let file = shell::root().join(DOCUMENT);
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("{DOCUMENT}: {error}")),
    };
    let text = document(&tables, &reasons(&before));
    let open = text.matches(&format!("| {NO_REASON} |\n")).count();
    if args.is_empty() {
        std::fs::write(file, &text).map_err(|error| format!("{DOCUMENT}: {error}"))?;
        println!("{DOCUMENT}: written");
    } else if text != before {
        let new: BTreeSet<&str> = text.lines().collect();
        let old: BTreeSet<&str> = before.lines().collect();
        let lines = old.difference(&new).map(|line| format!("- {line}\n"));
        let lines = lines.chain(new.difference(&old).map(|line| format!("+ {line}\n")));
        let lines: String = lines.collect();
        return Err(format!(
            "{DOCUMENT} is out of date; run cargo xtask public\n{lines}"
        ));
    }
    match open {
        0 => Ok(()),
        open => Err(format!(
            "{open} items in {DOCUMENT} have no reason: write one in place of `?`"
        )),
    }
}

/// The page of a module: its items, and those of the modules in it.
fn module(pages: &Path, krate: &str, inside: &str, items: &mut Vec<Item>) -> Result {
    let folder = pages.join(krate).join(inside);
    let page = read(&folder.join("index.html"))?;
    let path = |name: &str| format!("{krate}/{inside}{name}").replace('/', "::");
    for id in ids(&page, &["reexport."]) {
        items.push(Item {
            path: path(id.trim_start_matches("reexport.")),
            kind: "exported again".to_owned(),
            parts: String::new(),
        });
    }
    for link in item_links(&page) {
        if let Some(name) = link.strip_suffix("/index.html") {
            if is_elsewhere(&read(&folder.join(link))?, krate) {
                items.push(exported_again(path(name)));
            } else {
                module(pages, krate, &format!("{inside}{name}/"), items)?;
            }
            continue;
        }
        let (kind, name) = link
            .strip_suffix(".html")
            .and_then(|link| link.split_once('.'))
            .ok_or_else(|| format!("rustdoc links `{link}`, which is no item"))?;
        let item = read(&folder.join(link))?;
        items.push(if is_elsewhere(&item, krate) {
            exported_again(path(name))
        } else {
            Item {
                path: path(name),
                kind: kind.to_owned(),
                parts: parts(&item).join(", "),
            }
        });
    }
    Ok(())
}

/// Fails where rustdoc's list of all items has one that the walk has not found.
fn complete(pages: &Path, krate: &str, items: &[Item]) -> Result {
    let list = read(&pages.join(krate).join("all.html"))?;
    let again = items.iter().filter(|item| item.kind.starts_with("of "));
    let again: Vec<String> = again.map(|item| format!("{}::", item.path)).collect();
    let found: BTreeSet<&str> = items.iter().map(|item| item.path.as_str()).collect();
    let mut listed = 0;
    for entry in list.split("<li><a href=\"").skip(1) {
        let link = entry.split('"').next().unwrap_or_default();
        let Some((folder, name)) = link
            .strip_suffix(".html")
            .and_then(|it| it.rsplit_once('.'))
        else {
            continue;
        };
        let inside = folder
            .rsplit_once('/')
            .map_or(String::new(), |(at, _)| format!("{at}/"));
        let path = format!("{krate}/{inside}{name}").replace('/', "::");
        listed += 1;
        if !found.contains(path.as_str()) && !again.iter().any(|it| path.starts_with(it)) {
            return Err(format!("rustdoc lists {path}, and no module does"));
        }
    }
    match listed {
        0 => Err(format!("rustdoc lists nothing of {krate}")),
        _ => Ok(()),
    }
}

fn exported_again(path: String) -> Item {
    Item {
        path,
        kind: "of `ws-core`".to_owned(),
        parts: String::new(),
    }
}

fn read(page: &PathBuf) -> Result<String> {
    std::fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))
}

/// Is what the page is about defined in another crate? The first link to a source says so.
fn is_elsewhere(page: &str, krate: &str) -> bool {
    let source = page.split("<a class=\"src").nth(1);
    let source = source.and_then(|it| it.split("src/").nth(1));
    source.is_some_and(|it| !it.starts_with(&format!("{krate}/")))
}

/// Where a module's page links its items, in order.
fn item_links(page: &str) -> Vec<&str> {
    // In the list of items each begins like this; in what is written about the module none does.
    let lists = page.split("<dl class=\"item-table").skip(1);
    let lists = lists.filter_map(|list| list.split("</dl>").next());
    let entries = lists.flat_map(|list| list.split("<dt>").skip(1));
    let links = entries.filter_map(|entry| entry.split("href=\"").nth(1)?.split('"').next());
    links.filter(|link| !link.starts_with("..")).collect()
}

/// The attributes `id` that begin so.
fn ids<'p>(page: &'p str, begin: &[&str]) -> Vec<&'p str> {
    let ids = page.split("id=\"").skip(1);
    let ids = ids.filter_map(|rest| rest.split('"').next());
    ids.filter(|id| begin.iter().any(|begin| id.starts_with(begin)))
        .collect()
}

/// Fields, variants, methods: what an item has of its own, and not by a trait.
fn parts(page: &str) -> Vec<String> {
    const OF_OTHERS: [&str; 6] = [
        "trait-implementations",
        "synthetic-implementations",
        "blanket-implementations",
        "implementors",
        "foreign-impls",
        "deref-methods",
    ];
    const KINDS: [&str; 7] = [
        "structfield.",
        "variant.",
        "method.",
        "tymethod.",
        "associatedconstant.",
        "associatedtype.",
        "reexport.",
    ];
    let mut parts = Vec::new();
    let sections = page.split("<h2 id=\"").skip(1);
    for section in sections.filter(|it| !OF_OTHERS.iter().any(|other| it.starts_with(other))) {
        for id in ids(section, &KINDS) {
            // Fields of a variant are in its line.
            if let Some((_, name)) = id.split_once('.').filter(|(_, name)| !name.contains('.')) {
                // A second of the same name has a number behind it.
                let name = name.split('-').next().unwrap_or(name);
                let name = format!("`{name}`");
                if !parts.contains(&name) {
                    parts.push(name);
                }
            }
        }
    }
    parts
}

/// What the sources hide from the documentation, by the line behind the attribute.
fn hidden(folder: &Path, krate: &str, items: &mut Vec<Item>) -> Result {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = read(&path)?;
                let mut lines = text.lines();
                while lines.by_ref().any(|line| line.contains("doc(hidden)")) {
                    let what = lines
                        .by_ref()
                        .map(str::trim)
                        .find(|line| !line.starts_with("#[") && !line.starts_with("//"));
                    let what = what.and_then(name).ok_or_else(|| {
                        format!("{}: what does doc(hidden) hide?", path.display())
                    })?;
                    let file = path.strip_prefix(shell::root()).unwrap_or(&path);
                    let file = file.display().to_string().replace('\\', "/");
                    names.entry(file).or_default().push(format!("`{what}`"));
                }
            }
        }
    }
    items.extend(names.into_iter().map(|(file, names)| Item {
        path: format!("{}: {file}", krate.replace('-', "_")),
        kind: "hidden".to_owned(),
        parts: names.join(", "),
    }));
    Ok(())
}

/// The name that a line declares.
fn name(line: &str) -> Option<&str> {
    const DECLARES: [&str; 9] = [
        "const", "enum", "fn", "mod", "static", "struct", "trait", "type", "use",
    ];
    let words = line.split(|it: char| !it.is_alphanumeric() && it != '_');
    let mut words = words.filter(|word| !word.is_empty());
    words.find(|word| DECLARES.contains(word))?;
    // `const fn`, too.
    words.find(|word| !DECLARES.contains(word))
}

/// The reasons that a document gives.
fn reasons(text: &str) -> BTreeMap<&str, &str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let row = row.trim_matches('|');
        let ((path, _), (_, reason)) = (row.split_once(" | ")?, row.rsplit_once(" | ")?);
        Some((path.trim(), reason.trim()))
    })
    .collect()
}

fn document(tables: &[(&str, Vec<Item>)], reasons: &BTreeMap<&str, &str>) -> String {
    let mut text = ABOUT.to_owned();
    for (name, items) in tables {
        text += &format!("## {name}\n\n{HEAD}");
        for Item { path, kind, parts } in items {
            let path = format!("`{path}`");
            let reason = match kind.as_str() {
                "of `ws-core`" => "so that one dependency is enough",
                _ => reasons.get(path.as_str()).copied().unwrap_or(NO_REASON),
            };
            text += &format!("| {path} | {kind} | {parts} | {reason} |\n");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "<h1>m</h1><p><a href=\"../other.html\">text</a></p>\
        <dl class=\"item-table\"><dt><a class=\"mod\" href=\"inner/index.html\" title=\"mod\">inner</a></dt></dl>\
        <dl class=\"item-table\"><dt><a class=\"struct\" href=\"struct.A.html\">A</a></dt><dd>See \
        <a href=\"struct.No.html\">no</a></dd><dt><a class=\"fn\" href=\"fn.f.html\">f</a></dt></dl>";

    #[test]
    fn a_module_has_the_items_of_its_lists() {
        assert_eq!(
            item_links(MODULE),
            ["inner/index.html", "struct.A.html", "fn.f.html"]
        );
    }

    #[test]
    fn parts_are_what_an_item_has_itself() {
        let page = "<h2 id=\"fields\">x</h2><span id=\"structfield.a\"><h2 id=\"implementations\">\
            <section id=\"method.new\"><section id=\"method.new-1\"><section id=\"method.run\">\
            <h2 id=\"trait-implementations\"><section id=\"method.clone\">\
            <h2 id=\"blanket-implementations\"><section id=\"method.into\">";
        assert_eq!(parts(page), ["`a`", "`new`", "`run`"]);
    }

    #[test]
    fn where_an_item_is_from() {
        let page = |krate: &str| {
            format!("<a class=\"src rightside\" href=\"../src/{krate}/a.rs.html#1\">")
        };
        assert!(is_elsewhere(&page("ws_core"), "ws_socket"));
        assert!(!is_elsewhere(&page("ws_socket"), "ws_socket"));
    }

    #[test]
    fn reasons_stay_and_what_is_new_has_none() {
        let item = |path: &str| Item {
            path: path.to_owned(),
            kind: "struct".to_owned(),
            parts: "`a`, `b`".to_owned(),
        };
        let before = "| `k::A` | struct | `a` | because `x` |\n| `k::Gone` | fn |  | was |\n";
        let text = document(&[("k", vec![item("k::A"), item("k::B")])], &reasons(before));
        assert!(
            text.contains("| `k::A` | struct | `a`, `b` | because `x` |\n"),
            "{text}"
        );
        assert!(
            text.ends_with("| `k::B` | struct | `a`, `b` | ? |\n"),
            "{text}"
        );
        assert!(!text.contains("Gone"), "{text}");
    }

    #[test]
    fn what_is_hidden_has_a_name() {
        assert_eq!(name("pub(crate) const fn lend(&self) {"), Some("lend"));
        assert_eq!(name("type Entry<'a>: Sized"), Some("Entry"));
        assert_eq!(name("const SHARED: bool;"), Some("SHARED"));
        assert_eq!(name("let x = 1;"), None);
    }

    /// The loop that docs/architecture.md shows is the one that ws-core's documentation has, which is
    /// compiled and run.
    #[test]
    fn the_loop_of_the_architecture_is_that_of_the_crate() {
        let read = |name: &str| std::fs::read_to_string(shell::root().join(name)).unwrap();
        let (crate_text, page) = (read("ws-core/src/lib.rs"), read("docs/architecture.md"));
        let lines = crate_text
            .lines()
            .filter_map(|line| line.strip_prefix("//!"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        let lines = lines.skip_while(|line| !line.starts_with("fn drive("));
        let mut theirs = String::new();
        for line in lines {
            theirs += line;
            theirs.push('\n');
            if line == "}" {
                break;
            }
        }
        assert!(theirs.lines().count() > 10, "{theirs}");
        assert!(
            page.contains(&theirs),
            "docs/architecture.md needs:\n{theirs}"
        );
    }
}
