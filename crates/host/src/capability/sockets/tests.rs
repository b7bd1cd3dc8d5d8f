//! Names that are granted for sockets, with a resolver that says what a test wants.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use wasmtime_wasi::sockets::SocketAddrUse;
use wisp_wasi::{Denial, Denials};

use super::{MOST_NAMES, NoLookup, REMEMBERED, Sockets};
use crate::capability::{Resolver, Resolving};
use crate::locked::{LockedTarget, TargetKind};

/// Tells what it was told to, in turn; the last answer again and again.
#[derive(Debug, Default)]
struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    fn lead(&self, name: &str, answers: &[&str]) {
        let read = |text: &&str| text.split(' ').map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(read).collect();
        let mut all = self.answers.lock().unwrap();
        all.insert(name.to_owned(), answers);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn resolve(&self, name: &str) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.pop().unwrap()),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(std::io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[derive(Debug, Default)]
struct Refusals(Mutex<Vec<String>>);

impl Denials for Refusals {
    fn deny(&self, denial: Denial<'_>) {
        let mut all = self.0.lock().unwrap();
        all.push(format!(
            "{} {} {}",
            denial.import, denial.target, denial.grant
        ));
    }
}

struct Guest {
    sockets: Arc<Sockets>,
    names: Arc<Names>,
    refusals: Arc<Refusals>,
}

fn target(kind: TargetKind, host: &str) -> LockedTarget {
    LockedTarget {
        text: host.to_owned(),
        scheme: "tcp".into(),
        kind,
        host: host.to_owned(),
        first_port: 5432,
        last_port: 5432,
        private: false,
        roots: None,
        certificate: None,
        key: None,
    }
}

fn granted(targets: &[LockedTarget]) -> Guest {
    let (names, refusals) = (Arc::<Names>::default(), Arc::<Refusals>::default());
    let permits = Arc::new(Semaphore::new(10));
    let sockets = Sockets::new(targets, 10, permits, refusals.clone(), names.clone());
    Guest {
        sockets: sockets.unwrap(),
        names,
        refusals,
    }
}

impl Guest {
    async fn connects(&self, address: &str) -> bool {
        let address: SocketAddr = address.parse().unwrap();
        self.sockets.may(address, SocketAddrUse::TcpConnect).await
    }
}

#[tokio::test]
async fn a_guest_connects_to_where_a_granted_name_leads_without_having_asked() {
    let guest = granted(&[target(TargetKind::Name, "db.example.com")]);
    guest
        .names
        .lead("db.example.com", &["1.1.1.1 2606:4700::1"]);

    assert!(guest.connects("1.1.1.1:5432").await);
    assert!(guest.connects("[2606:4700::1]:5432").await);
    assert!(!guest.connects("1.1.1.1:5433").await);
    assert!(!guest.connects("1.1.1.2:5432").await);

    // It is remembered, also for addresses that it does not lead to.
    assert_eq!(guest.names.asked(), 1);
    let refused = guest.refusals.0.lock().unwrap().clone();
    assert_eq!(
        refused,
        [
            r#"wasi:sockets/tcp tcp://1.1.1.1:5433 sockets = ["tcp://1.1.1.1:5433"]"#,
            r#"wasi:sockets/tcp tcp://1.1.1.2:5432 sockets = ["tcp://1.1.1.2:5432"]"#,
        ]
    );
}

#[tokio::test]
async fn a_name_of_a_suffix_is_one_that_the_guest_looked_up() {
    let guest = granted(&[target(TargetKind::Suffix, "example.com")]);
    guest.names.lead("db.example.com", &["1.1.1.1"]);

    assert!(!guest.connects("1.1.1.1:5432").await);
    let found = guest.sockets.look_up("DB.example.com.").await;

    assert_eq!(found, Ok(vec![[1, 1, 1, 1].into()]));
    assert!(guest.connects("1.1.1.1:5432").await);
    // The grant is of TCP.
    let address = "1.1.1.1:5432".parse().unwrap();
    assert!(!guest.sockets.may(address, SocketAddrUse::UdpReceive).await);
}

#[tokio::test]
async fn a_name_that_leads_inside_leads_nowhere() {
    let guest = granted(&[target(TargetKind::Name, "db.example.com")]);
    guest.names.lead("db.example.com", &["1.1.1.1 10.0.0.1"]);

    assert_eq!(
        guest.sockets.look_up("db.example.com").await,
        Err(NoLookup::Denied)
    );
    assert!(!guest.connects("10.0.0.1:5432").await);
    assert!(!guest.connects("1.1.1.1:5432").await);
}

#[tokio::test]
async fn a_name_leads_inside_where_a_granted_network_is_and_only_with_its_port() {
    let network = LockedTarget {
        first_port: 6000,
        last_port: 6000,
        ..target(TargetKind::Network, "10.0.0.0/8")
    };
    let guest = granted(&[target(TargetKind::Name, "db.example.com"), network]);
    guest.names.lead("db.example.com", &["10.0.0.1"]);

    let found = guest.sockets.look_up("db.example.com").await;

    assert_eq!(found, Ok(vec![[10, 0, 0, 1].into()]));
    assert!(guest.connects("10.0.0.1:6000").await);
    assert!(!guest.connects("10.0.0.1:5432").await);
}

#[tokio::test]
async fn a_name_that_leads_inside_when_asked_again_was_checked_again() {
    let guest = granted(&[target(TargetKind::Name, "db.example.com")]);
    guest
        .names
        .lead("db.example.com", &["1.1.1.1", "127.0.0.1"]);

    assert!(guest.sockets.look_up("db.example.com").await.is_ok());
    assert_eq!(
        guest.sockets.look_up("db.example.com").await,
        Err(NoLookup::Denied)
    );
    assert!(!guest.connects("127.0.0.1:5432").await);
}

#[tokio::test(start_paused = true)]
async fn where_a_name_led_is_forgotten_after_a_while() {
    let guest = granted(&[target(TargetKind::Name, "db.example.com")]);
    guest.names.lead("db.example.com", &["1.1.1.1", "1.1.1.2"]);

    assert!(guest.connects("1.1.1.1:5432").await);
    tokio::time::advance(REMEMBERED).await;
    assert!(guest.connects("1.1.1.2:5432").await);
    assert!(!guest.connects("1.1.1.1:5432").await);
}

#[tokio::test]
async fn a_guest_that_looks_up_very_many_names_fills_no_memory() {
    let guest = granted(&[target(TargetKind::Any, "*")]);
    for number in 0..MOST_NAMES + 50 {
        let name = format!("a{number}.example");
        guest.names.lead(&name, &["1.1.1.1"]);
        assert!(guest.sockets.look_up(&name).await.is_ok());
    }

    assert_eq!(guest.sockets.lock().len(), MOST_NAMES);
}

#[tokio::test]
async fn names_that_were_not_granted_and_what_is_no_name_are_not_looked_up() {
    let guest = granted(&[target(TargetKind::Name, "db.example.com")]);

    let look_up = async |name| guest.sockets.look_up(name).await;
    assert_eq!(look_up("other.example").await, Err(NoLookup::Denied));
    assert_eq!(look_up("0x7f.1").await, Err(NoLookup::Malformed));
    assert_eq!(look_up("a b").await, Err(NoLookup::Malformed));
    assert_eq!(look_up("[::1]").await, Err(NoLookup::Malformed));
    assert_eq!(look_up("127.0.0.1").await, Ok(vec![[127, 0, 0, 1].into()]));
    assert_eq!(guest.names.asked(), 0);
    assert_eq!(look_up("db.example.com").await, Err(NoLookup::Unknown));
}

#[test]
fn what_is_shadowed_is_there_to_be_shadowed() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let mut linker = wisp_wasi::linker(&engine, true).unwrap();

    // Without permission to shadow, each of these is defined twice; another version would be a second interface instead.
    for (interface, function) in [
        ("wasi:sockets/tcp-create-socket@0.2.12", "create-tcp-socket"),
        ("wasi:sockets/udp-create-socket@0.2.12", "create-udp-socket"),
        ("wasi:sockets/types@0.3.0", "[static]tcp-socket.create"),
        ("wasi:sockets/types@0.3.0", "[static]udp-socket.create"),
        ("wasi:sockets/ip-name-lookup@0.2.12", "resolve-addresses"),
        (
            "wasi:sockets/ip-name-lookup@0.2.12",
            "[method]resolve-address-stream.resolve-next-address",
        ),
        (
            "wasi:sockets/ip-name-lookup@0.2.12",
            "[method]resolve-address-stream.subscribe",
        ),
        ("wasi:sockets/ip-name-lookup@0.3.0", "resolve-addresses"),
        ("wasi:http/types@0.2.12", "http-error-code"),
    ] {
        let mut instance = linker.instance(interface).unwrap();
        let twice = instance.func_wrap(function, |_, (): ()| Ok(()));
        assert!(twice.is_err(), "{interface} {function}");
    }
    linker.allow_shadowing(true);
    assert!(super::add_to_linker(&mut linker, true).is_ok());
}
