//! A command component of WASI 0.3: arguments to standard output, one line each; `fail` as the first one fails.

use futures::join;
use wasip3::cli::{environment, stdout};
use wasip3::wit_stream;

wasip3::cli::command::export!(Command);

struct Command;

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let words = arguments.get(1..).unwrap_or_default();
        let mut text = words.join("\n");
        text.push('\n');
        let (mut sender, receiver) = wit_stream::new();
        let (written, ()) = join!(async { stdout::write_via_stream(receiver).await }, async {
            sender.write_all(text.into_bytes()).await;
            drop(sender);
        });
        written.map_err(|_| ())?;
        if words.first().is_some_and(|word| word == "fail") {
            Err(())
        } else {
            Ok(())
        }
    }
}
