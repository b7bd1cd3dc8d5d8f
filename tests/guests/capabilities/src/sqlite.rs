//! `wisp:sqlite`: `name` names the database (`shop` if not given). The body is JSON: statements, each with its parameters, which are
//! run one after the other; the answers of all are answered.

use serde_json::{Value as Json, json};

use crate::answer::{Ask, Said, json};
use crate::bindings::wisp::sqlite::sqlite::{Answer, Connection, Error, Outcome, Problem, Value};

pub fn answer(ask: &Ask) -> Said {
    let connection = Connection::open(ask.find("name").unwrap_or("shop")).map_err(name)?;
    let steps = serde_json::from_slice::<Vec<Json>>(&ask.body).unwrap_or_default();
    match ask.verb.as_str() {
        "run" => run(&connection, &steps),
        "transaction" => transaction(&connection, &steps, ask.text("end")),
        // The instance ends in the middle of it.
        "trap" => {
            let open = connection.begin().map_err(name)?;
            let _kept = execute_all(&steps, |text| open.execute(text, &[]))?;
            panic!("trapped in a transaction");
        }
        "open-many" => open_many(ask.number("count", 1)),
        _ => crate::unknown(ask),
    }
}

fn name(error: Error) -> String {
    let shown = |Problem { code, message }| format!("{code} {message}");
    match error {
        Error::AccessDenied => "access-denied".into(),
        Error::Refused(reason) => format!("refused: {reason}"),
        Error::Invalid(problem) => format!("invalid: {}", shown(problem)),
        Error::Constraint(problem) => format!("constraint: {}", shown(problem)),
        Error::Busy => "busy".into(),
        Error::TimedOut => "timed-out".into(),
        Error::TooLarge(message) => format!("too-large: {message}"),
        Error::Full => "full".into(),
        Error::Other(message) => format!("other: {message}"),
    }
}

fn text(step: &Json) -> &str {
    step[0].as_str().unwrap_or_default()
}

fn parameters(step: &Json) -> Vec<Value> {
    let values = step.as_array().into_iter().flatten().skip(1);
    values
        .map(|value| match value {
            Json::Null => Value::Null,
            Json::Number(number) if number.is_i64() => Value::Integer(number.as_i64().unwrap()),
            Json::Number(number) => Value::Real(number.as_f64().unwrap()),
            Json::Array(bytes) => {
                let byte = |byte: &Json| byte.as_u64().unwrap() as u8;
                Value::Blob(bytes.iter().map(byte).collect())
            }
            other => Value::Text(other.as_str().unwrap_or_default().to_owned()),
        })
        .collect()
}

fn shown(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => bytes.into(),
    }
}

fn rows(answer: Answer) -> Json {
    let row = |row: Vec<Value>| row.into_iter().map(shown).collect::<Vec<_>>();
    let rows: Vec<_> = answer.rows.into_iter().map(row).collect();
    json!({ "columns": answer.columns, "rows": rows })
}

fn run(connection: &Connection, steps: &[Json]) -> Said {
    let mut answers = Vec::new();
    for step in steps {
        let (text, parameters) = (text(step), parameters(step));
        let is_query = text.starts_with("SELECT") || text.starts_with("WITH");
        answers.push(if is_query {
            rows(connection.query(text, &parameters).map_err(name)?)
        } else {
            outcome(connection.execute(text, &parameters).map_err(name)?)
        });
    }
    json(&answers.into())
}

fn outcome(outcome: Outcome) -> Json {
    json!([outcome.affected, outcome.last_rowid])
}

fn execute_all(
    steps: &[Json],
    execute: impl Fn(&str) -> Result<Outcome, Error>,
) -> Result<usize, String> {
    for step in steps {
        execute(text(step)).map_err(name)?;
    }
    Ok(steps.len())
}

fn transaction(connection: &Connection, steps: &[Json], end: &str) -> Said {
    let open = connection.begin().map_err(name)?;
    execute_all(steps, |text| open.execute(text, &[]))?;
    match end {
        "commit" => open.commit().map_err(name)?,
        "rollback" => open.rollback().map_err(name)?,
        _ => drop(open),
    }
    // What comes now belongs to no transaction any more.
    run(connection, &[json!(["SELECT count(*) FROM t"])])
}

fn open_many(count: usize) -> Said {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(Connection::open("shop").map_err(name)?);
    }
    Ok(open.len().to_string().into_bytes())
}
