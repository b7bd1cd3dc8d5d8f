//! A component as the SDKs of Spin 4 make them: `wasi:http` 0.3, and the asynchronous functions of `spin:*`.
//!
//! The last segment of the path says what it does; words come from the query.

use serde_json::json;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_future;

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/spin",
        inline: "
            package test:spin;

            world guest {
                include wisp:spin/third@0.1.0;
                import spin:mqtt/mqtt@3.0.0;
                import spin:mysql/mysql@3.0.0;
                import spin:postgres/postgres@4.2.0;
                import spin:redis/redis@3.0.0;
            }
        ",
        world: "test:spin/guest",
        generate_all,
    });
}
use bindings::spin::key_value::key_value;
use bindings::spin::postgres4_2_0::postgres;
use bindings::spin::sqlite3_1_0::sqlite::{self, Value};
use bindings::spin::{mqtt::mqtt, mysql::mysql, redis::redis, variables::variables};

wasip3::http::service::export!(Guest);

struct Guest;

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let said = match path.rsplit('/').next().unwrap_or_default() {
            "key-value" => key_value(query).await.unwrap_or_else(shown),
            "sqlite" => sqlite(query).await.unwrap_or_else(shown),
            "variable" => shown(variables::get(query.to_owned()).await),
            "absent" => absent().await,
            other => json!(format!("no verb {other}")),
        };
        let (mut writer, reader) = wasip3::wit_stream::new();
        wasip3::wit_bindgen::spawn_local(async move {
            writer.write_all(said.to_string().into_bytes()).await;
        });
        let (_trailers, trailers) = wit_future::new(|| Ok(None));
        Ok(Response::new(Fields::new(), Some(reader), trailers).0)
    }
}

fn shown<T: std::fmt::Debug>(value: T) -> serde_json::Value {
    format!("{value:?}").into()
}

async fn key_value(label: &str) -> Result<serde_json::Value, key_value::Error> {
    let store = key_value::Store::open(label.to_owned()).await?;
    store.set("a".into(), b"one".to_vec()).await?;
    store.set("b".into(), b"two".to_vec()).await?;
    store.delete("b".into()).await?;
    let (keys, result) = store.get_keys().await;
    let keys = keys.collect().await;
    result.await?;
    let (a, b) = (
        store.get("a".into()).await?,
        store.exists("b".into()).await?,
    );
    Ok(json!([keys, a, b]))
}

async fn sqlite(name: &str) -> Result<serde_json::Value, sqlite::Error> {
    let connection = sqlite::Connection::open_async(name.to_owned()).await?;
    let mut last = Vec::new();
    for text in [
        "CREATE TABLE IF NOT EXISTS v (a)",
        "DELETE FROM v",
        "INSERT INTO v VALUES (1), (2)",
        "SELECT a AS x FROM v WHERE a > ?",
    ] {
        let parameters = if text.contains('?') {
            vec![Value::Integer(0)]
        } else {
            Vec::new()
        };
        let (columns, rows, result) = connection
            .execute_async(text.to_owned(), parameters)
            .await?;
        let rows = rows.collect().await;
        result.await?;
        last = vec![
            json!(columns),
            shown(rows.iter().map(|row| &row.values).collect::<Vec<_>>()),
        ];
    }
    let (changes, rowid) = (
        connection.changes_async().await,
        connection.last_insert_rowid_async().await,
    );
    let wrong = connection
        .execute_async("SELECT * FROM absent".into(), Vec::new())
        .await
        .err();
    Ok(json!([last, changes, rowid, shown(wrong)]))
}

/// The error of each interface that needs what the host does not have.
async fn absent() -> serde_json::Value {
    let text = || "localhost".to_owned();
    json!([
        shown(
            mqtt::Connection::open(text(), text(), text(), 1)
                .await
                .err()
        ),
        shown(mysql::Connection::open(text()).await.err()),
        shown(postgres::Connection::open_async(text()).await.err()),
        shown(redis::Connection::open(text()).await.err()),
        shown(postgres::ConnectionBuilder::new("localhost").build_async().await.err()),
    ])
}
