//! The feature matrix: every set of features that must build without a warning.

use crate::report::Table;
use crate::{Result, only_flags, shell};
use serde_json::Value;

/// Package and features; always without the default ones.
const MATRIX: &[(&str, &str)] = &[
    ("ws-core", ""),
    ("ws-core", "crates-hash"),
    ("ws-core", "compact"),
    ("ws-core", "crates-hash,compact"),
    ("ws-core", "extensions"),
    ("ws-core", "compact,extensions"),
    ("ws-deflate", ""),
    ("ws-deflate", "ws-core"),
    ("ws-socket", ""),
    ("ws-socket", "crates-hash"),
    ("ws-socket", "compact"),
    ("ws-socket", "critical-section"),
    ("ws-socket", "log"),
    ("ws-socket", "defmt"),
    ("ws-socket", "log,defmt"),
    ("ws-socket", "smoltcp"),
    ("ws-socket", "std"),
    ("ws-socket", "smoltcp,std"),
    ("ws-socket", "async"),
    ("ws-socket", "edge-nal"),
    ("ws-socket", "compact,async"),
    ("ws-socket", "embassy-time"),
    ("ws-tls", ""),
    ("ws-tls", "async"),
    ("ws-tls", "p384"),
    ("ws-tls", "ed25519"),
    ("ws-tls", "async,p384,ed25519"),
    ("ws-transport-mqtt", ""),
    ("ws-transport-mqtt", "crates-hash"),
    ("ws-transport-mqtt", "compact"),
    ("ws-transport-mqtt", "async"),
    ("ws-transport-mqtt", "mountain-mqtt"),
    ("ws-transport-mqtt", "crates-hash,mountain-mqtt"),
    ("ws-socket", "crates-hash,smoltcp,critical-section"),
    (
        "ws-socket",
        "crates-hash,compact,critical-section,defmt,log,smoltcp,std,embassy-time",
    ),
];

/// `cargo xtask features`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &[])?;
    complete(&shell::packages()?)?;
    let names: Vec<String> = MATRIX.iter().map(name).collect();
    let mut table = Table::new(names.iter().map(String::as_str));
    for (row, name) in MATRIX.iter().zip(&names) {
        let mut lint = shell::cargo(&["clippy", "--locked", "--quiet", "--lib"]);
        lint.args(["-p", row.0, "--no-default-features", "--features", row.1]);
        lint.args(["--", "-D", "warnings"]);
        let (took, verdict) = shell::verdict(&mut lint);
        table.row(name, took, verdict);
    }
    table.finish(true)
}

fn name((package, features): &(&str, &str)) -> String {
    format!(
        "{package} {}",
        if features.is_empty() {
            "(none)"
        } else {
            features
        }
    )
}

/// Fails if a package of the matrix has a feature that stands alone in no row.
fn complete(packages: &[Value]) -> Result {
    for package in packages {
        let package_name = package
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let rows = || MATRIX.iter().filter(|(name, _)| *name == package_name);
        let Some(features) = package.get("features").and_then(Value::as_object) else {
            continue;
        };
        for feature in features.keys().filter(|feature| *feature != "default") {
            if rows().count() > 0 && !rows().any(|(_, row)| row == feature) {
                return Err(format!(
                    "feature `{feature}` of {package_name} is not in the matrix: \
                     add a row with it alone to xtask/src/measure/features.rs"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_feature_without_a_row_is_found() {
        let known = json!({"name": "ws-core", "features": {"default": [], "compact": []}});
        let other = json!({"name": "xtask", "features": {"defmt": []}});
        let new = json!({"name": "ws-core", "features": {"defmt": []}});
        assert_eq!(complete(&[known, other]), Ok(()));
        assert!(complete(&[new]).unwrap_err().contains("`defmt` of ws-core"));
    }
}
