//! What the suite found, case by case.

use crate::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A case's judgement: of the behaviour, of the closing, and the close code that came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Judged {
    behaviour: String,
    closing: String,
    code: Option<u64>,
}

impl Judged {
    fn passed(&self) -> bool {
        let fine = |word: &str| matches!(word, "OK" | "INFORMATIONAL");
        fine(&self.behaviour) && fine(&self.closing)
    }

    /// Not wrong, but not as strictly as it has to be.
    fn is_lax(&self) -> bool {
        let lax = |word: &str| matches!(word, "NON-STRICT" | "WRONG CODE" | "FAILED BY CLIENT");
        let fine = |word: &str| matches!(word, "OK" | "INFORMATIONAL") || lax(word);
        fine(&self.behaviour) && fine(&self.closing)
    }

    /// Does the suite leave open what must happen? Then it depends on who is faster.
    fn is_open(&self) -> bool {
        self.behaviour == "INFORMATIONAL"
    }
}

/// The cases of one run; those that were to run and have no judgement are `None`.
#[derive(Debug)]
pub(super) struct Results(BTreeMap<String, Option<Judged>>);

impl Results {
    /// Reads what the runner left in `folder`.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<Value> {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
        };
        Self::parse(&read("spec.json")?, &read("index.json")?)
    }

    fn parse(spec: &Value, index: &Value) -> Result<Self> {
        let cases = spec.get("cases").and_then(Value::as_array);
        let cases = cases.ok_or("spec.json lists no cases")?;
        let agent = index.as_object().and_then(|it| it.values().next());
        let agent = agent.ok_or("index.json has no results")?;
        let judged = |case: &str| {
            let case = agent.get(case)?;
            Some(Judged {
                behaviour: case.get("behavior")?.as_str()?.to_owned(),
                closing: case.get("behaviorClose")?.as_str()?.to_owned(),
                code: case.get("remoteCloseCode")?.as_u64(),
            })
        };
        let cases = cases.iter().filter_map(Value::as_str);
        Ok(Self(
            cases.map(|case| (case.to_owned(), judged(case))).collect(),
        ))
    }

    /// What speaks against the run, if anything does.
    pub(super) fn problem(&self) -> Option<String> {
        let failed = self.0.iter().filter(|(_, judged)| !passed(judged));
        let failed: Vec<&str> = failed.map(|(case, _)| case.as_str()).collect();
        if self.0.is_empty() {
            Some("no case ran".to_owned())
        } else if failed.is_empty() {
            None
        } else {
            Some(format!("not passed: {}", failed.join(", ")))
        }
    }

    /// Where another run was judged otherwise, of the cases that both had.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (case, judged) in &self.0 {
            let Some(others) = other.0.get(case) else {
                continue;
            };
            let open = [judged, others].map(|it| it.as_ref().is_some_and(Judged::is_open));
            if judged != others && open != [true, true] {
                found.push(format!("{case}: {judged:?}, {others:?}"));
            }
        }
        found
    }

    /// Passed, not strictly passed, and failed, for a section or for all.
    fn count(&self, section: Option<u32>) -> [usize; 3] {
        let cases = self.0.iter();
        let of_section = cases.filter(|(case, _)| section.is_none_or(|it| section_of(case) == it));
        let mut counts = [0; 3];
        for (_, judged) in of_section {
            let [ok, lax, failed] = &mut counts;
            match judged {
                Some(judged) if judged.passed() => *ok += 1,
                Some(judged) if judged.is_lax() => *lax += 1,
                _ => *failed += 1,
            }
        }
        counts
    }
}

fn passed(judged: &Option<Judged>) -> bool {
    judged.as_ref().is_some_and(Judged::passed)
}

fn section_of(case: &str) -> u32 {
    let section = case.split('.').next().unwrap_or_default();
    section.parse().unwrap_or_default()
}

/// A Markdown table, a row for each section, a column for each run: passed of run.
pub(super) fn passed_by_section(columns: &[(&str, &Results)]) -> String {
    by_section(columns, |[ok, lax, failed]| {
        format!("{ok} of {}", ok + lax + failed)
    })
}

/// The same: passed / not strictly passed / failed.
pub(super) fn compared_by_section(columns: &[(&str, &Results)]) -> String {
    by_section(columns, |[ok, lax, failed]| {
        format!("{ok} / {lax} / {failed}")
    })
}

fn by_section(columns: &[(&str, &Results)], cell: impl Fn([usize; 3]) -> String) -> String {
    let cases = columns.iter().flat_map(|(_, results)| results.0.keys());
    let sections: BTreeSet<u32> = cases.map(|case| section_of(case)).collect();
    let sections = sections.into_iter().map(Some).chain([None]);
    let mut text = String::from("| section |");
    for (name, _) in columns {
        text += &format!(" {name} |");
    }
    text += &format!("\n| --- |{}\n", " --- |".repeat(columns.len()));
    for section in sections {
        let name = section.map_or_else(|| "all".to_owned(), |it| it.to_string());
        text += &format!("| {name} |");
        for (_, results) in columns {
            text += &format!(" {} |", cell(results.count(section)));
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case(behaviour: &str, closing: &str, code: Option<u64>) -> Value {
        json!({"behavior": behaviour, "behaviorClose": closing, "remoteCloseCode": code})
    }

    fn results(cases: &[(&str, Value)]) -> Results {
        let spec = json!({"cases": ["1.1.1", "7.1.6", "10.1.1"]});
        let cases: serde_json::Map<_, _> = cases
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        Results::parse(&spec, &json!({ "agent": cases })).unwrap()
    }

    fn good() -> Vec<(&'static str, Value)> {
        vec![
            ("1.1.1", case("OK", "OK", Some(1000))),
            ("7.1.6", case("INFORMATIONAL", "INFORMATIONAL", Some(1000))),
            ("10.1.1", case("OK", "OK", Some(1000))),
        ]
    }

    #[test]
    fn strict_is_about_the_closing_too_and_about_what_is_missing() {
        assert_eq!(results(&good()).problem(), None);
        for bad in [
            case("NON-STRICT", "OK", None),
            case("OK", "UNCLEAN", None),
            case("OK", "WRONG CODE", Some(1002)),
            case("UNIMPLEMENTED", "OK", None),
        ] {
            let mut cases = good();
            cases[0].1 = bad;
            assert!(results(&cases).problem().is_some());
        }
        let missing = results(&good()[..2]);
        assert_eq!(missing.problem().as_deref(), Some("not passed: 10.1.1"));
    }

    #[test]
    fn only_what_the_suite_leaves_open_may_differ() {
        let first = results(&good());
        let mut cases = good();
        cases[1].1 = case("INFORMATIONAL", "INFORMATIONAL", None);
        assert!(first.differences(&results(&cases)).is_empty());
        cases[0].1 = case("OK", "OK", Some(1002));
        assert_eq!(first.differences(&results(&cases)).len(), 1);
    }

    #[test]
    fn sections_are_in_the_order_of_their_numbers() {
        let table = passed_by_section(&[("one", &results(&good()[..2]))]);
        let expected = "| section | one |\n| --- | --- |\n| 1 | 1 of 1 |\n| 7 | 1 of 1 |\n\
                        | 10 | 0 of 1 |\n| all | 2 of 3 |\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn what_is_not_strict_is_counted_apart() {
        let mut cases = good();
        cases[0].1 = case("OK", "WRONG CODE", None);
        cases[1].1 = case("FAILED", "WRONG CODE", None);
        let table = compared_by_section(&[("one", &results(&cases))]);
        assert!(table.ends_with("| all | 1 / 1 / 1 |\n"), "{table}");
    }
}
