//! What a guest of wisp sees of the world: WASI 0.2 and 0.3 with `wasi:http`, none of it granted.
//!
//! A crate of its own because here, and only here, the compiler makes the code of every WASI function for our state:
//! minutes of work that a change elsewhere in the core should not repeat.

mod cpu;
mod denial;
mod egress;
mod files;
mod linker;
mod meter;
mod output;
mod state;

pub use cpu::{OutOfTime, Stopwatch, interrupted, thread_time};
pub use denial::{Denial, Denials, Table};
pub use egress::{Egress, Patience, Sending};
pub use files::{Folder, Folders, Listener, Room};
pub use linker::{add_preview1, exit_code, linker, run_command};
pub use meter::{Limit, Meter};
pub use output::{Captured, Lines, Output, Stream};
pub use state::{
    Allowance, Bounds, Companion, Embedded, OWN_APP, OWN_HOST, PeerResponse, Peers, State,
};
