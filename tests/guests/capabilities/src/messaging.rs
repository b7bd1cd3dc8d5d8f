//! `wisp:messaging`: publishes the body to `subject`, with the headers `header=name:value,name:value`.

use crate::answer::{Ask, Said};
use crate::bindings::wisp::messaging::producer::{self, Error, Message};

pub fn answer(ask: &Ask) -> Said {
    let headers = ask.text("header").split(',');
    let headers = headers.filter_map(|header| header.split_once(':'));
    let message = Message {
        body: ask.body.clone(),
        content_type: ask.find("type").map(str::to_owned),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.replace("%0A", "\n")))
            .collect(),
    };
    match ask.verb.as_str() {
        "publish" => producer::publish(ask.text("subject"), &message)
            .map(|()| b"done".to_vec())
            .map_err(|error| match error {
                Error::AccessDenied => "access-denied".into(),
                Error::InvalidSubject => "invalid-subject".into(),
                Error::TooLarge => "too-large".into(),
                Error::Unavailable(message) => format!("unavailable: {message}"),
                Error::Other(message) => format!("other: {message}"),
            }),
        _ => crate::unknown(ask),
    }
}
