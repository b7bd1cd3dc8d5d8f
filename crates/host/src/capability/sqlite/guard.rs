//! What no statement may do, whatever it is written like: SQLite itself asks, when it has understood a statement.
//!
//! What is not known to be harmless is refused. A statement may neither reach another file nor change how its own is kept: the
//! folder for temporary files, say, is one for all of this process. Tables of a connection's own (`TEMP`) are refused because they
//! would be in memory.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

/// Bytes of a string, a blob or a row. Some functions of SQLite take the square of it in time, and cannot be interrupted.
pub(super) const LARGEST_VALUE: i32 = 1 << 20;
/// Bytes of a statement.
pub(super) const LONGEST_STATEMENT: i32 = 1 << 20;
/// Bytes of a pattern of LIKE or GLOB, whose time grows faster than it.
const LONGEST_PATTERN: i32 = 100;
/// Depth of expressions, and of triggers that set off others: what fits on the stack of a thread.
const DEEPEST: i32 = 200;

/// Pragmas that only tell something of the database.
const TELLING: [&str; 21] = [
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_mode",
    "page_count",
    "page_size",
    "quick_check",
    "schema_version",
    "synchronous",
    "table_info",
    "table_list",
    "table_xinfo",
];
/// Those of them whose value names what they tell of.
const TELLING_OF: [&str; 9] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_xinfo",
];
/// Pragmas that may be set as well: numbers in the file, and what holds for one connection.
const SETTABLE: [&str; 6] = [
    "application_id",
    "defer_foreign_keys",
    "foreign_keys",
    "optimize",
    "recursive_triggers",
    "user_version",
];
/// Kinds of virtual tables that keep what they have in the same database.
const MODULES: [&str; 4] = ["fts3", "fts4", "fts5", "rtree"];
/// Functions that reach beyond the database.
const FUNCTIONS: [&str; 2] = ["fts3_tokenizer", "load_extension"];

/// What SQLite was told of the statements of one connection.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Why the last one was refused.
    refused: Option<String>,
    /// Whether the connection is not as it was made, so that nobody else may have it.
    changed: bool,
}

/// The notes of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<Mutex<Notes>>);

impl Guard {
    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the last statement was refused.
    pub(super) fn refusal(&self) -> Option<String> {
        self.lock().refused.take()
    }

    pub(super) fn changed(&self) -> bool {
        self.lock().changed
    }

    /// Watches over a connection from now on.
    pub(super) fn watch(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LENGTH, LARGEST_VALUE),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, DEEPEST),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, DEEPEST),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, most)?;
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        let guard = self.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| guard.judge(&context)))
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let mut notes = self.lock();
        match refusal(context) {
            None => {
                notes.changed |= matches!(
                    context.action,
                    AuthAction::Pragma {
                        pragma_value: Some(_),
                        ..
                    }
                );
                Authorization::Allow
            }
            Some(reason) => {
                notes.refused = Some(reason);
                Authorization::Deny
            }
        }
    }
}

/// Why a statement may not do something; `None` when it may.
fn refusal(context: &AuthContext<'_>) -> Option<String> {
    use AuthAction as A;
    match &context.action {
        A::Pragma {
            pragma_name,
            pragma_value,
        } => pragma(pragma_name, pragma_value.is_some()),
        A::Function { function_name } => one_of(&FUNCTIONS, function_name)
            .then(|| format!("the function {function_name} may not be called")),
        _ if is_temporary(context) => Some("nothing temporary may be made".into()),
        A::CreateVtable { module_name, .. } | A::DropVtable { module_name, .. } => {
            (!one_of(&MODULES, module_name))
                .then(|| format!("virtual tables of the kind {module_name} may not be used"))
        }
        A::Attach { .. } | A::Detach { .. } => {
            Some("no other database may be attached, and VACUUM would do that".into())
        }
        A::CreateIndex { .. }
        | A::CreateTable { .. }
        | A::CreateTrigger { .. }
        | A::CreateView { .. }
        | A::Delete { .. }
        | A::DropIndex { .. }
        | A::DropTable { .. }
        | A::DropTrigger { .. }
        | A::DropView { .. }
        | A::Insert { .. }
        | A::Read { .. }
        | A::Select
        | A::Transaction { .. }
        | A::Update { .. }
        | A::AlterTable { .. }
        | A::Reindex { .. }
        | A::Analyze { .. }
        | A::Savepoint { .. }
        | A::Recursive => None,
        other => Some(format!("it may not do this: {other:?}")),
    }
}

/// Whether it makes something that belongs to the connection alone: with the word `TEMP`, or in the schema `temp`, into whose list of
/// things all that is made there is inserted. A trigger of that schema on a table of another says the other's name when it is made.
fn is_temporary(context: &AuthContext<'_>) -> bool {
    use AuthAction as A;
    let in_temp = || {
        context
            .database_name
            .is_some_and(|schema| schema.eq_ignore_ascii_case("temp"))
    };
    match &context.action {
        A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. } => true,
        A::Insert { .. } => in_temp(),
        _ => false,
    }
}

fn one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn pragma(name: &str, valued: bool) -> Option<String> {
    let harmless = if valued {
        one_of(&SETTABLE, name) || one_of(&TELLING_OF, name)
    } else {
        one_of(&TELLING, name) || one_of(&SETTABLE, name)
    };
    let verb = if valued { "set" } else { "used" };
    (!harmless).then(|| format!("PRAGMA {name} may not be {verb}"))
}
