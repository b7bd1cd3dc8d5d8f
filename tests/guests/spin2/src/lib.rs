//! A component as the SDKs of Spin 2 and 3 make them: `wasi:http` 0.2, and what the host gives as `fermyon:spin`.
//!
//! The last segment of the path says what it does; words come from the query.

use std::io::Write;

use serde_json::json;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/spin",
        inline: "
            package test:spin;

            world guest {
                include wisp:spin/first@0.1.0;
                include wisp:spin/second@0.1.0;
                include wisp:spin/third-synchronous@0.1.0;
                import fermyon:spin/llm@2.0.0;
                import fermyon:spin/mqtt@2.0.0;
                import fermyon:spin/mysql@2.0.0;
                import fermyon:spin/postgres@2.0.0;
                import fermyon:spin/redis@2.0.0;
                import fermyon:spin/http;
                import fermyon:spin/redis;
                import spin:postgres/postgres@4.2.0;
            }
        ",
        world: "test:spin/guest",
        generate_all,
    });
}
use bindings::fermyon::spin as first;
use bindings::fermyon::spin2_0_0 as second;
use bindings::spin::postgres4_2_0::postgres as third_postgres;
use bindings::spin::sqlite3_0_0::sqlite as third_sqlite;
use second::key_value::Store;
use second::sqlite::{Connection, Value};

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let said = answer(path.rsplit('/').next().unwrap_or_default(), query);
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().expect("the stream is taken once");
        stream
            .write_all(said.to_string().as_bytes())
            .expect("the client reads");
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn shown<T: std::fmt::Debug>(value: T) -> serde_json::Value {
    format!("{value:?}").into()
}

fn answer(verb: &str, query: &str) -> serde_json::Value {
    match verb {
        "key-value" => key_value(query).unwrap_or_else(shown),
        "key-value-1" => key_value_first(query).unwrap_or_else(shown),
        "sqlite" => sqlite(query).unwrap_or_else(shown),
        "sqlite-1" => sqlite_first(query).unwrap_or_else(shown),
        "sqlite-3" => sqlite_third(query).unwrap_or_else(shown),
        "variable" => shown(second::variables::get(query)),
        "variable-1" => shown(first::config::get_config(query)),
        "absent" => absent(),
        other => json!(format!("no verb {other}")),
    }
}

fn key_value(label: &str) -> Result<serde_json::Value, second::key_value::Error> {
    let store = Store::open(label)?;
    store.set("b", b"two")?;
    store.set("a", b"one")?;
    let keys = store.get_keys()?;
    store.delete("b")?;
    let (there, gone) = (store.exists("a")?, store.exists("b")?);
    Ok(json!([keys, store.get("a")?, store.get("b")?, there, gone]))
}

fn key_value_first(label: &str) -> Result<serde_json::Value, first::key_value::Error> {
    let store = first::key_value::open(label)?;
    first::key_value::set(store, "first", b"one")?;
    let value = first::key_value::get(store, "first")?;
    let absent = shown(first::key_value::get(store, "absent"));
    let keys = first::key_value::get_keys(store)?;
    first::key_value::close(store);
    let closed = shown(first::key_value::exists(store, "first"));
    Ok(json!([value, absent, keys, closed]))
}

fn sqlite(name: &str) -> Result<serde_json::Value, second::sqlite::Error> {
    let connection = Connection::open(name)?;
    connection.execute("CREATE TABLE IF NOT EXISTS t (a, b, c, d, e)", &[])?;
    connection.execute("DELETE FROM t", &[])?;
    let values = [
        Value::Integer(1),
        Value::Real(0.5),
        Value::Text("x".into()),
        Value::Blob(vec![1]),
        Value::Null,
    ];
    connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", &values)?;
    let found = connection.execute("SELECT * FROM t", &[])?;
    let attached = shown(connection.execute("ATTACH '/tmp/x.db' AS x", &[]));
    let wrong = shown(connection.execute("SELECT * FROM absent", &[]));
    Ok(json!([
        found.columns,
        shown(&found.rows[0].values),
        attached,
        wrong
    ]))
}

fn sqlite_first(name: &str) -> Result<serde_json::Value, first::sqlite::Error> {
    let connection = first::sqlite::open(name)?;
    let found = first::sqlite::execute(connection, "SELECT 1 AS one", &[])?;
    first::sqlite::close(connection);
    let closed = shown(first::sqlite::execute(connection, "SELECT 1", &[]));
    Ok(json!([found.columns, shown(&found.rows[0].values), closed]))
}

fn sqlite_third(name: &str) -> Result<serde_json::Value, third_sqlite::Error> {
    let connection = third_sqlite::Connection::open(name)?;
    connection.execute("CREATE TABLE IF NOT EXISTS u (a)", &[])?;
    connection.execute("DELETE FROM u", &[])?;
    connection.execute("INSERT INTO u VALUES (1), (2)", &[])?;
    Ok(json!([
        connection.changes(),
        connection.last_insert_rowid()
    ]))
}

/// The error of each interface that needs what the host does not have.
fn absent() -> serde_json::Value {
    let builder = third_postgres::ConnectionBuilder::new("host=localhost");
    json!([
        shown(second::llm::infer("llama2-chat", "Hello", None)),
        shown(second::mqtt::Connection::open("mqtt://localhost", "", "", 1).err()),
        shown(second::mysql::Connection::open("mysql://localhost").err()),
        shown(second::postgres::Connection::open("host=localhost").err()),
        shown(second::redis::Connection::open("redis://localhost").err()),
        shown(first::redis::get("redis://localhost", "key")),
        shown(builder.set_ca_root("")),
        shown(builder.build().err()),
        shown(third_postgres::Connection::open("host=localhost").err()),
        shown(
            first::http::send_request(&first::http_types::Request {
                method: first::http_types::Method::Get,
                uri: "http://localhost".into(),
                headers: Vec::new(),
                params: Vec::new(),
                body: None,
            })
            .err()
        ),
    ])
}
