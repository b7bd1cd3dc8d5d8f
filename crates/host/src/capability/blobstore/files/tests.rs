//! The folders of blobs against a model, and against what somebody may plant in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const PLENTY: u64 = 1 << 30;

/// A folder of blobs as a worker opens it.
struct Place {
    folder: TempDir,
    blobs: Arc<BlobFolder>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobFolder::at(folder.path()).unwrap();
        Self { folder, blobs }
    }

    fn put(
        &self,
        container: &str,
        object: &str,
        bytes: &[u8],
        store: u64,
    ) -> Result<(), BlobError> {
        let (mut file, name) = self.blobs.begin()?;
        std::io::Write::write_all(&mut file, bytes)?;
        let committed = self
            .blobs
            .commit((&file, &name), (container, object), store);
        self.blobs.discard(&name);
        committed
    }

    fn get(&self, container: &str, object: &str) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        let mut file = self.blobs.read(container, object)?;
        std::io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    }

    fn names(&self, container: &str) -> Result<Vec<String>, BlobError> {
        let mut listed = self.blobs.list(container)?;
        let mut names = some_names(&mut listed, usize::MAX)?;
        names.sort();
        Ok(names)
    }

    /// What the ledger says, and what another worker would count.
    fn used(&self, container: &str) -> (u64, u64) {
        let ledger = self.folder.path().join("blobstore/.used").join(container);
        let read = || fs::read_to_string(&ledger).unwrap().trim().parse().unwrap();
        let kept = read();
        let other = BlobFolder::open(self.folder.path()).unwrap();
        other.delete(container, &[]).unwrap();
        (kept, read())
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join("blobstore").join(below)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Remove(usize),
    Clear(usize),
    Put(usize, usize, Vec<u8>),
    Delete(usize, usize),
    Move((usize, usize), (usize, usize)),
}

const CONTAINERS: [&str; 2] = ["one", "two"];
const OBJECTS: [&str; 4] = ["a", "../a", "a/b", ".hidden"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..CONTAINERS.len(), 0..OBJECTS.len());
    let bytes = prop_oneof![Just(0), 1..100_usize, 4000..9000_usize].prop_map(|n| vec![7; n]);
    let step = prop_oneof![
        2 => (0..2_usize).prop_map(Step::Create),
        1 => (0..2_usize).prop_map(Step::Remove),
        1 => (0..2_usize).prop_map(Step::Clear),
        8 => (place(), bytes).prop_map(|((c, o), bytes)| Step::Put(c, o, bytes)),
        2 => place().prop_map(|(c, o)| Step::Delete(c, o)),
        4 => (place(), place()).prop_map(|(from, to)| Step::Move(from, to)),
    ];
    proptest::collection::vec(step, 1..40)
}

type Model = BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>;

/// Does the same to both, and says whether both could.
fn apply(place: &Place, model: &mut Model, step: Step) -> (bool, bool) {
    let blobs = &place.blobs;
    match step {
        Step::Create(c) => {
            let name = CONTAINERS[c];
            let expected = !model.contains_key(name);
            model.entry(name).or_default();
            (blobs.create(name).is_ok(), expected)
        }
        Step::Remove(c) => {
            model.remove(CONTAINERS[c]);
            (blobs.clear(CONTAINERS[c], true).is_ok(), true)
        }
        Step::Clear(c) => {
            let expected = model.contains_key(CONTAINERS[c]);
            model.entry(CONTAINERS[c]).and_modify(BTreeMap::clear);
            (blobs.clear(CONTAINERS[c], false).is_ok(), expected)
        }
        Step::Put(c, o, bytes) => {
            let done = place.put(CONTAINERS[c], OBJECTS[o], &bytes, PLENTY).is_ok();
            let found = model.get_mut(CONTAINERS[c]);
            let expected = found.is_some();
            found.map(|objects| objects.insert(OBJECTS[o].to_owned(), bytes));
            (done, expected)
        }
        Step::Delete(c, o) => {
            let done = blobs
                .delete(CONTAINERS[c], &[OBJECTS[o].to_owned()])
                .is_ok();
            let found = model.get_mut(CONTAINERS[c]);
            let expected = found.is_some();
            found.map(|objects| objects.remove(OBJECTS[o]));
            (done, expected)
        }
        Step::Move((c, o), (to_c, to_o)) => {
            let from = (CONTAINERS[c], OBJECTS[o]);
            let to = (CONTAINERS[to_c], OBJECTS[to_o]);
            let done = blobs.rename(from, to, PLENTY).is_ok();
            let there = model
                .get(from.0)
                .is_some_and(|found| found.contains_key(from.1));
            let expected = there && model.contains_key(to.0);
            if expected && let Some(bytes) = model.get_mut(from.0).unwrap().remove(from.1) {
                model.get_mut(to.0).unwrap().insert(to.1.to_owned(), bytes);
            }
            (done, expected)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn containers_behave_like_maps_and_know_what_they_hold(steps in steps()) {
        let (place, mut model) = (Place::new(), Model::new());

        for step in steps {
            let said = format!("{step:?}");
            let (done, expected) = apply(&place, &mut model, step);
            prop_assert_eq!(done, expected, "{}", said);
        }

        for (container, objects) in &model {
            let names: Vec<_> = objects.keys().cloned().collect();
            prop_assert_eq!(place.names(container).unwrap(), names);
            for (object, bytes) in objects {
                prop_assert_eq!(&place.get(container, object).unwrap(), bytes);
            }
            let (kept, counted) = place.used(container);
            prop_assert_eq!(kept, counted);
        }
        prop_assert_eq!(fs::read_dir(place.path(".incoming")).unwrap().count(), 0);
    }
}

#[test]
fn a_store_takes_no_more_than_it_may_and_says_so() {
    let place = Place::new();
    place.blobs.create("one").unwrap();
    place.put("one", "a", &[1; 5000], 16_384).unwrap();
    place.put("one", "b", b"", 16_384).unwrap();

    let full = place.put("one", "c", &[1; 5000], 16_384);
    place.put("one", "a", &[2; 8000], 16_384).unwrap();
    place.put("one", "c", &[1; 4096], 16_384).unwrap();
    let many = place.put("one", "d", b"", 16_384);

    assert!(matches!(full, Err(BlobError::Full(16_384))));
    assert!(
        matches!(many, Err(BlobError::Full(16_384))),
        "an empty object takes room too"
    );
    assert_eq!(place.names("one").unwrap(), ["a", "b", "c"]);
}

#[test]
fn a_link_that_somebody_planted_leads_nowhere() {
    let (place, outside) = (Place::new(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    place.blobs.create("one").unwrap();
    symlink(&secret, place.path("one/link")).unwrap();
    symlink(outside.path(), place.path("two")).unwrap();

    assert!(matches!(place.get("one", "link"), Err(BlobError::NoFile)));
    assert!(matches!(
        place.get("two", "secret"),
        Err(BlobError::NoContainer(_))
    ));
    assert!(matches!(
        place.put("two", "new", b"", PLENTY),
        Err(BlobError::NoContainer(_))
    ));
    assert_eq!(place.names("one").unwrap(), Vec::<String>::new());
    place.put("one", "link", b"mine", PLENTY).unwrap();
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(place.get("one", "link").unwrap(), b"mine");
}

#[test]
fn a_pipe_that_somebody_planted_does_not_hold_a_thread() {
    let place = Place::new();
    place.blobs.create("one").unwrap();
    let pipe = rustix::fs::CWD;
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(pipe, place.path("one/pipe"), FileType::Fifo, mode, 0).unwrap();

    assert!(matches!(place.get("one", "pipe"), Err(BlobError::NoFile)));
}

#[test]
fn only_so_many_blobs_are_open_at_once() {
    let place = Place::new();
    let open: Vec<_> = (0..256).map(|_| place.blobs.hold_open().unwrap()).collect();

    assert!(matches!(
        place.blobs.hold_open(),
        Err(BlobError::TooManyOpen(256))
    ));
    drop(open);
    assert!(place.blobs.hold_open().is_ok());
}

#[test]
fn what_a_killed_worker_was_writing_is_swept_when_the_next_one_starts() {
    let place = Place::new();
    place.blobs.create("one").unwrap();
    let (held, of_a_living_one) = place.blobs.begin().unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    held.set_modified(old).unwrap();
    let orphan = place.path(".incoming/1-1-1");
    fs::write(&orphan, "half").unwrap();
    fs::File::options()
        .write(true)
        .open(&orphan)
        .unwrap()
        .set_modified(old)
        .unwrap();
    fs::write(place.path(".incoming/1-1-2"), "just now").unwrap();

    BlobFolder::open(place.folder.path()).unwrap();

    let left = fs::read_dir(place.path(".incoming")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(
        left,
        ["1-1-2".into(), std::ffi::OsString::from(of_a_living_one)]
    );
}
