//! Which of the hosts that run an app answers a request.
//!
//! Of two taken at random, the one with less to do: what it said last about its load, which counts half as much with each second that it is
//! old, and what is on its way to it from here. A host that fails is left out for a while, which doubles each time; after that
//! one request tries it. When all are left out, none is: a request that may fail is better than one that must.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peer::PeerAddress;

/// Failures one after the other that a host may have of its guests before it is left out.
const PATIENCE: u32 = 5;
/// How long a host is left out at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Milliseconds that one request has to find out whether a host is back, before another one tries.
const TRIAL: u64 = 1000;
/// Shares of a request, so that what is on its way to many workers is not rounded away.
const UNIT: u64 = 1000;

/// What is known here of another host.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: PeerAddress,
    begun: Instant,
    outstanding: AtomicU64,
    load: AtomicU64,
    /// When it said so, in milliseconds since `begun`.
    said: AtomicU64,
    failures: AtomicU32,
    /// Times that it was left out, since it last answered.
    times: AtomicU32,
    /// Until when it is left out, in milliseconds since `begun`; 0 when it is not.
    out: AtomicU64,
    /// Whether one request finds out if it is back.
    trying: AtomicBool,
}

/// How a host has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// It cannot be reached, or has broken off.
    Lost,
    /// Its guest failed.
    Guest,
}

impl Peer {
    fn new(address: PeerAddress) -> Self {
        Self {
            address,
            begun: Instant::now(),
            outstanding: AtomicU64::new(0),
            load: AtomicU64::new(0),
            said: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            times: AtomicU32::new(0),
            out: AtomicU64::new(0),
            trying: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a request as on its way until what this gives is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> OnItsWay {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        OnItsWay(self.clone())
    }

    /// It has answered, and maybe said how much it has to do.
    pub(super) fn answered(&self, load: Option<u64>) {
        if let Some(load) = load {
            self.load.store(load, Ordering::Relaxed);
            self.said.store(self.now(), Ordering::Relaxed);
        }
    }

    /// What it answered was in order.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.times.store(0, Ordering::Relaxed);
        self.out.store(0, Ordering::Relaxed);
        self.trying.store(false, Ordering::Relaxed);
    }

    /// It has failed; gives how long it is left out, when that begins now.
    pub(super) fn failed(&self, fault: Fault) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let trying = self.trying.swap(false, Ordering::Relaxed);
        let once_more = fault == Fault::Guest && failures < PATIENCE;
        if !trying && (once_more || self.is_out()) {
            return None;
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        let pause = FIRST.saturating_mul(1 << times.min(10)).min(LONGEST);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.out
            .store(self.now().saturating_add(millis), Ordering::Relaxed);
        Some(pause)
    }

    /// Whether it is not left out now.
    pub(super) fn is_in(&self) -> bool {
        !self.is_out()
    }

    fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed) > self.now()
    }

    /// Whether a request may go there. Of those that come when it was left out long enough, one may, and the others see how it goes.
    fn is_open(&self) -> bool {
        let (out, now) = (self.out.load(Ordering::Relaxed), self.now());
        if out == 0 {
            return true;
        }
        let again = now.saturating_add(TRIAL);
        let tries = out <= now
            && self
                .out
                .compare_exchange(out, again, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if tries {
            self.trying.store(true, Ordering::Relaxed);
        }
        tries
    }

    /// How much it has to do, for each of its workers.
    fn busy(&self) -> u64 {
        let age = self.now().saturating_sub(self.said.load(Ordering::Relaxed)) / 1000;
        let load = self.load.load(Ordering::Relaxed);
        let load = load
            .checked_shr(u32::try_from(age).unwrap_or(u32::MAX))
            .unwrap_or(0);
        let workers = u64::try_from(self.address.workers.max(1)).unwrap_or(1);
        let ours = self.outstanding.load(Ordering::Relaxed);
        load.saturating_mul(UNIT)
            .saturating_add(ours.saturating_mul(UNIT) / workers)
    }
}

/// A request that is on its way to a host.
#[derive(Debug)]
pub(super) struct OnItsWay(pub(super) Arc<Peer>);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All other hosts. What is known of one outlives the table that named it.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<PeerAddress, Arc<Peer>>>);

impl Known {
    /// These hosts, in their order; others are forgotten.
    pub(super) fn of(&self, addresses: &[PeerAddress]) -> Vec<Arc<Peer>> {
        let wanted: HashSet<_> = addresses.iter().collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|address, _| wanted.contains(address));
        addresses
            .iter()
            .map(|address| {
                known
                    .entry(address.clone())
                    .or_insert_with(|| Arc::new(Peer::new(address.clone())))
                    .clone()
            })
            .collect()
    }
}

/// Chooses one of the hosts that was not tried yet. `random` is asked for a number below its argument.
pub(super) fn choose(
    peers: &[Arc<Peer>],
    tried: &[Arc<Peer>],
    mut random: impl FnMut(usize) -> usize,
) -> Option<Arc<Peer>> {
    let untried: Vec<_> = peers
        .iter()
        .filter(|peer| !tried.iter().any(|tried| Arc::ptr_eq(tried, peer)))
        .collect();
    let mut left: Vec<_> = untried
        .iter()
        .copied()
        .filter(|peer| !peer.is_out())
        .collect();
    while !left.is_empty() {
        let first = left.swap_remove(random(left.len()));
        let second = match left.len() {
            0 => None,
            count => Some(left.swap_remove(random(count))),
        };
        let (better, other) = match second {
            Some(second) if second.busy() < first.busy() => (second, Some(first)),
            other => (first, other),
        };
        if better.is_open() {
            return Some(better.clone());
        }
        left.extend(other);
    }
    match untried.len() {
        0 => None,
        count => untried.get(random(count)).map(|peer| (*peer).clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<Arc<Peer>> {
        let address = |number| PeerAddress {
            host: format!("host-{number}"),
            address: "127.0.0.1:1".to_owned(),
            workers: 1,
        };
        let addresses: Vec<_> = (0..count).map(address).collect();
        Known::default().of(&addresses)
    }

    /// Numbers that look random and are the same in every run.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 1_u64;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        }
    }

    fn chosen(peers: &[Arc<Peer>], times: usize) -> HashMap<String, usize> {
        let mut random = numbers();
        let mut counts = HashMap::new();
        for _ in 0..times {
            let peer = choose(peers, &[], &mut random).unwrap();
            *counts.entry(peer.address.host.clone()).or_default() += 1;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_hosts_the_one_with_less_to_do_is_chosen() {
        let peers = peers(2);
        peers[0].answered(Some(9));
        peers[1].answered(Some(3));

        assert_eq!(chosen(&peers, 100), HashMap::from([("host-1".into(), 100)]));

        let on_their_way: Vec<_> = (0..7).map(|_| peers[1].begin()).collect();
        assert_eq!(chosen(&peers, 100), HashMap::from([("host-0".into(), 100)]));
        drop(on_their_way);
        assert_eq!(chosen(&peers, 100), HashMap::from([("host-1".into(), 100)]));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_with_the_same_to_do_take_turns_and_the_busiest_of_many_is_left_alone() {
        let peers = peers(4);
        peers[3].answered(Some(50));

        let counts = chosen(&peers, 3000);

        assert!(!counts.contains_key("host-3"), "{counts:?}");
        for host in ["host-0", "host-1", "host-2"] {
            assert!(counts[host] > 800, "{counts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_host_said_of_its_load_counts_less_the_older_it_is() {
        let peers = peers(2);
        peers[0].answered(Some(64));
        peers[1].answered(Some(8));
        let _ours: Vec<_> = (0..8).map(|_| peers[1].begin()).collect();
        assert_eq!(chosen(&peers, 10), HashMap::from([("host-1".into(), 10)]));

        tokio::time::advance(Duration::from_secs(5)).await;

        assert_eq!(chosen(&peers, 10), HashMap::from([("host-0".into(), 10)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_cannot_be_reached_is_left_out_for_longer_and_longer_and_tried_by_one_request()
     {
        let peers = peers(2);
        let only = |host: &str| HashMap::from([(host.to_owned(), 10)]);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let pause = peers[0].failed(Fault::Lost).unwrap();
            waits.push(pause.as_secs());
            assert_eq!(chosen(&peers, 10), only("host-1"));
            tokio::time::advance(pause).await;
            // It looks less busy than the other, so that it is the choice as soon as it may be.
            let _busy = peers[1].begin();
            let counts = chosen(&peers, 10);
            assert_eq!(counts["host-0"], 1, "{counts:?}");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30]);

        peers[0].succeeded();
        let _busy = peers[1].begin();
        assert_eq!(chosen(&peers, 10), only("host-0"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_whose_guests_fail_again_and_again_is_left_out_too() {
        let peers = peers(2);
        for _ in 1..PATIENCE {
            assert_eq!(peers[0].failed(Fault::Guest), None);
        }
        peers[0].succeeded();
        for _ in 1..PATIENCE {
            assert_eq!(peers[0].failed(Fault::Guest), None);
        }

        assert_eq!(peers[0].failed(Fault::Guest), Some(FIRST));

        assert_eq!(chosen(&peers, 10), HashMap::from([("host-1".into(), 10)]));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_left_out_none_is_and_none_is_tried_twice() {
        let peers = peers(2);
        for peer in &peers {
            peer.failed(Fault::Lost);
        }
        let mut random = numbers();

        let first = choose(&peers, &[], &mut random).unwrap();
        let second = choose(&peers, std::slice::from_ref(&first), &mut random).unwrap();

        assert!(!Arc::ptr_eq(&first, &second));
        assert!(choose(&peers, &[first, second], &mut random).is_none());
    }
}
