//! The program `wisp-worker`: see the library of the same name.

use std::process::ExitCode;

/// Requests allocate and free many small blocks; glibc's allocator took a twelfth of the time of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wisp_worker::main()
}
