//! What a component was refused: each kind once in the log, all of them counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wisp_wasi::{Denial, Denials, Table};

use super::Log;

/// Different refusals that are told apart; a guest that makes up targets fills no more memory than this.
const MOST_KINDS: usize = 200;
/// Characters of a target that are kept.
const LONGEST_TARGET: usize = 300;

/// Things that a guest wanted, by import and target.
type Kinds = BTreeMap<(String, String), Lacking>;

/// What was lacking for one thing.
#[derive(Debug)]
struct Lacking {
    grant: String,
    table: Table,
    /// How often it was wanted.
    count: u64,
}

#[derive(Debug, Default)]
struct Kept {
    refused: Kinds,
    missed: Kinds,
    /// How often something was refused.
    count: u64,
}

/// Counts one more; gives the target as it is kept when it is new, and `None` when it is known or there are too many.
fn add(kinds: &mut Kinds, denial: Denial<'_>) -> Option<String> {
    let target: String = denial.target.chars().take(LONGEST_TARGET).collect();
    let key = (denial.import.to_owned(), target.clone());
    if let Some(lacking) = kinds.get_mut(&key) {
        lacking.count += 1;
        return None;
    }
    if kinds.len() >= MOST_KINDS {
        return None;
    }
    let lacking = Lacking {
        grant: denial.grant.to_owned(),
        table: denial.table,
        count: 1,
    };
    kinds.insert(key, lacking);
    Some(target)
}

/// The refusals of one component in this worker.
#[derive(Debug)]
pub(crate) struct Refusals {
    app: Arc<str>,
    component: Arc<str>,
    log: Log,
    kept: Mutex<Kept>,
}

impl Refusals {
    pub(crate) fn new(app: Arc<str>, component: Arc<str>, log: Log) -> Arc<Self> {
        Arc::new(Self {
            app,
            component,
            log,
            kept: Mutex::default(),
        })
    }

    /// How often something was refused.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Each kind of refusal as JSON.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.told(&self.lock().refused)
    }

    /// The same of what was not there.
    pub(crate) fn missed(&self) -> Vec<Value> {
        self.told(&self.lock().missed)
    }

    fn told(&self, kinds: &Kinds) -> Vec<Value> {
        let told = kinds.iter().map(|((import, target), lacking)| {
            json!({
                "app": &*self.app, "component": &*self.component, "import": import, "target": target,
                "grant": lacking.grant, "table": lacking.table.key(), "count": lacking.count,
            })
        });
        told.collect()
    }

    /// Remembers what a guest asked for and did not find: no denial, and no line of the log, because it may do without.
    pub(crate) fn miss(&self, denial: Denial<'_>) {
        add(&mut self.lock().missed, denial);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denials for Refusals {
    fn deny(&self, denial: Denial<'_>) {
        let mut kept = self.lock();
        kept.count += 1;
        let Some(target) = add(&mut kept.refused, denial) else {
            return;
        };
        let denial = Denial {
            target: &target,
            ..denial
        };
        self.log.refusal(&self.app, &self.component, denial);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::settings::{LogFormat, LogSettings};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when these are refused, without the time.
    fn logged(format: LogFormat, denials: &[Denial<'_>]) -> (String, Arc<Refusals>) {
        let page = Page::default();
        let settings = LogSettings {
            format,
            access: true,
            color: false,
        };
        let log = Log::writing_to(&settings, 1, Box::new(page.clone()));
        let refusals = Refusals::new("shop".into(), "api".into(), log.clone());
        for denial in denials {
            refusals.deny(*denial);
        }
        log.flush();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        (text, refusals)
    }

    const STORE: Denial<'_> = Denial {
        import: "wasi:keyvalue/store",
        target: "carts",
        grant: r#"keyvalue = ["carts"]"#,
        table: Table::Grants,
    };
    const MESSAGE: &str = r#"api may not use wasi:keyvalue/store for carts; add `keyvalue = ["carts"]` to [component.api.grants] to allow it"#;

    #[test]
    fn a_denial_is_one_line_of_text_that_says_what_to_add() {
        let (text, _) = logged(LogFormat::Text, &[STORE, STORE]);

        let (_, line) = text.split_once(' ').unwrap();
        assert_eq!(line, format!("api        denied: {MESSAGE}\n"));
    }

    #[test]
    fn a_denial_is_one_json_object_with_component_import_target_and_grant() {
        let (text, _) = logged(LogFormat::Json, &[STORE, STORE]);

        let mut value: Value = serde_json::from_str(&text).unwrap();
        assert!(value.as_object_mut().unwrap().remove("time").is_some());
        let expected = json!({
            "level": "warning", "kind": "denial", "worker": 1, "app": "shop", "component": "api",
            "import": "wasi:keyvalue/store", "target": "carts", "grant": r#"keyvalue = ["carts"]"#, "message": MESSAGE,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn where_a_link_is_lacking_the_line_says_which() {
        let denial = Denial {
            import: "wasi:http/outgoing-handler",
            target: "http://orders.internal:80",
            grant: r#""http://orders.internal" = "orders""#,
            table: Table::Link,
        };

        let (text, refusals) = logged(LogFormat::Text, &[denial]);

        let said = "api may not use wasi:http/outgoing-handler for http://orders.internal:80; \
            add `\"http://orders.internal\" = \"orders\"` to [component.api.link] to allow it\n";
        assert!(text.ends_with(said), "{text}");
        assert_eq!(refusals.list()[0]["table"], "link");
    }

    #[test]
    fn what_was_not_there_is_remembered_and_neither_a_denial_nor_a_line() {
        let wanted = Denial {
            import: "wasi:config/store",
            target: "greeting",
            ..STORE
        };

        let (text, refusals) = logged(LogFormat::Text, &[]);
        refusals.miss(wanted);
        refusals.miss(wanted);

        assert_eq!((text.as_str(), refusals.count()), ("", 0));
        assert!(refusals.list().is_empty());
        assert_eq!(refusals.missed()[0]["target"], "greeting");
        assert_eq!(refusals.missed()[0]["count"], 2);
    }

    #[test]
    fn every_denial_is_counted_although_each_kind_is_logged_once() {
        let other = Denial {
            target: "orders",
            ..STORE
        };

        let (text, refusals) = logged(LogFormat::Text, &[STORE, other, STORE]);

        assert_eq!(text.lines().count(), 2);
        assert_eq!(refusals.count(), 3);
        let counts: Vec<_> = refusals
            .list()
            .iter()
            .map(|kind| (kind["target"].clone(), kind["count"].clone()))
            .collect();
        assert_eq!(
            counts,
            [("carts".into(), 2.into()), ("orders".into(), 1.into())]
        );
    }

    #[test]
    fn what_a_guest_wanted_cannot_break_the_line_nor_fill_the_memory() {
        let targets: Vec<_> = (0..2 * MOST_KINDS)
            .map(|number| format!("{number}\n\x1b[2J{}", "x".repeat(1000)))
            .collect();
        let denials: Vec<_> = targets
            .iter()
            .map(|target| Denial { target, ..STORE })
            .collect();

        let (text, refusals) = logged(LogFormat::Text, &denials);

        assert_eq!(text.lines().count(), MOST_KINDS);
        assert!(!text.contains('\x1b'));
        assert!(text.lines().all(|line| line.len() < 2 * LONGEST_TARGET));
        assert_eq!(refusals.list().len(), MOST_KINDS);
        assert_eq!(refusals.count(), 2 * MOST_KINDS as u64);
    }
}
