//! A process that has no descriptors left. A file of its own, because the limit holds for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod http_support;

use http_support::{Site, hello};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn connections_are_accepted_again_when_descriptors_are_free_again() {
    let site = Site::start(vec![("/", hello())]);
    let mut first = site.connect().await;
    first.send(GET).await;
    assert_eq!(first.reply().await.status, 200);
    // Each of our connections takes two descriptors: the client's and the server's. The first one without a partner
    // stays in the queue of the listening socket.
    let usual = getrlimit(Resource::Nofile);
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: u64::try_from(next + 1).ok(),
            maximum: usual.maximum,
        },
    )
    .unwrap();

    let mut waiting = site.connect().await;
    waiting.send(GET).await;
    site.until(|site| !site.lines("worker").is_empty()).await;
    let line = site.lines("worker")[0].to_string();
    setrlimit(Resource::Nofile, usual).unwrap();

    assert!(line.contains("no connection could be accepted"), "{line}");
    assert_eq!(waiting.reply().await.status, 200);
    first.send(GET).await;
    assert_eq!(first.reply().await.status, 200);
    assert!(
        site.lines("worker").len() < 20,
        "the accept loop was spinning"
    );
}
