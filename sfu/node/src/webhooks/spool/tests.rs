use super::*;
use hanse_runtime::clock;
use std::os::unix::fs::PermissionsExt;

const NOW_UNIX_S: u64 = 1_700_000_000;

/// A folder of its own for each test, gone at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("hanse-spool-{name}-{}", std::process::id()));
        let _was_there = std::fs::remove_dir_all(&place);
        Place(place)
    }

    fn open(&self, urls: &[&str]) -> (Spool, Found) {
        Spool::open(&self.0, &parsed(urls), NOW_UNIX_S).unwrap()
    }

    /// Everything in it that is a file, by name.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&self.0).unwrap().display().to_string());
                }
            }
        }
        files.retain(|file| file != LOCK);
        files.sort();
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn parsed(urls: &[&str]) -> Vec<Url> {
    urls.iter().map(|url| Url::parse(url).unwrap()).collect()
}

fn webhook(number: u64, room: &str, event: &str) -> Webhook {
    Webhook {
        number,
        room: room.into(),
        event: event.into(),
        importance: Importance::Ending,
        created_unix_s: NOW_UNIX_S,
        body: Bytes::from(format!("{{\"event\":\"{event}\",\"letter\":\"ü\"}}")),
    }
}

fn keep(destination: usize, webhook: Webhook) -> Change {
    Change::Keep { destination, webhook }
}

fn said(found: &Found) -> Vec<(usize, u64, String)> {
    let said = |(place, webhook): &(usize, Webhook)| (*place, webhook.number, webhook.event.to_string());
    found.webhooks.iter().map(said).collect()
}

const A: &str = "https://a.example/sfu_webhook";
const B: &str = "https://b.example/sfu_webhook?token=hunter2";

#[test]
fn what_was_not_deleted_is_found_again_unchanged_and_in_order_by_destination() {
    let place = Place::new("again");
    let (mut spool, found) = place.open(&[A, B]);
    assert_eq!((said(&found), found.next_number), (vec![], 1));
    let now = clock::now();
    let mut changes = Vec::new();
    for number in [1, 2, 3, 10] {
        changes.push(keep(0, webhook(number, "one", "left")));
        changes.push(keep(1, webhook(number, "one", "left")));
    }
    changes.push(Change::Delete {
        destination: 0,
        number: 1,
    });
    changes.push(Change::Delete {
        destination: 1,
        number: 3,
    });
    spool.apply(now, changes);
    drop(spool);

    // The other way round in the configuration: each destination keeps what is its own.
    let (_spool, found) = place.open(&[B, A]);
    let expected = [(0, 1), (0, 2), (0, 10), (1, 2), (1, 3), (1, 10)];
    assert_eq!(
        said(&found),
        expected.map(|(place, number)| (place, number, "left".to_owned()))
    );
    assert_eq!(found.next_number, 11);
    let (first, before) = (&found.webhooks[0].1, webhook(1, "one", "left"));
    assert_eq!((&first.room, &first.body), (&before.room, &before.body));
    assert_eq!(
        (first.importance, first.created_unix_s),
        (before.importance, NOW_UNIX_S)
    );
}

#[test]
fn a_delivered_webhook_leaves_no_trace_and_nobody_else_may_look() {
    let place = Place::new("traces");
    let (mut spool, _) = place.open(&[B]);
    let now = clock::now();
    spool.apply(now, vec![keep(0, webhook(1, "one", "left"))]);
    let files = place.files();
    assert_eq!(files.len(), 1);
    assert!(
        !files[0].contains("hunter2") && files[0].ends_with("/00000000000000000001.json"),
        "{files:?}"
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = place.0.join(&files[0]);
    assert_eq!(
        (mode(&place.0), mode(file.parent().unwrap()), mode(&file)),
        (0o700, 0o700, 0o600)
    );
    let gone = Change::Delete {
        destination: 0,
        number: 1,
    };
    spool.apply(now, vec![gone]);
    assert!(place.files().is_empty());
}

#[test]
fn what_is_answered_at_once_is_never_synced_and_the_rest_within_a_second() {
    let place = Place::new("sync");
    let (mut spool, _) = place.open(&[A]);
    let now = clock::now();
    let gone = Change::Delete {
        destination: 0,
        number: 1,
    };
    spool.apply(now, vec![keep(0, webhook(1, "one", "left")), gone]);
    assert_eq!(spool.poll_timeout(), None);
    spool.apply(now, vec![keep(0, webhook(2, "one", "left"))]);
    let later = now + SYNC_AFTER / 2;
    spool.apply(later, vec![keep(0, webhook(3, "one", "left"))]);
    assert_eq!(
        (spool.poll_timeout(), spool.unsynced.len()),
        (Some(now + SYNC_AFTER), 2)
    );
    spool.apply(now + SYNC_AFTER, vec![]);
    assert_eq!((spool.poll_timeout(), spool.unsynced.len()), (None, 0));
    let flood = (4..)
        .take(UNSYNCED_MAX)
        .map(|number| keep(0, webhook(number, "one", "left")));
    spool.apply(now, flood.collect());
    assert!(spool.unsynced.is_empty(), "no more open files than that");
}

#[test]
fn broken_files_are_set_aside_and_the_others_are_sent() {
    let place = Place::new("broken");
    let (mut spool, _) = place.open(&[A]);
    let changes = (1..=4).map(|number| keep(0, webhook(number, "one", "left")));
    spool.apply(clock::now(), changes.collect());
    drop(spool);
    let files = place.files();
    let path = |index: usize| place.0.join(&files[index]);
    std::fs::write(path(0), "").unwrap();
    let whole = std::fs::read(path(2)).unwrap();
    std::fs::write(path(2), &whole[..whole.len() - 9]).unwrap();
    std::fs::write(path(3), vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
    // A process was killed while it wrote.
    std::fs::write(path(3).with_file_name("00000000000000000005.half"), &whole).unwrap();

    let (_spool, found) = place.open(&[A]);
    assert_eq!(said(&found), [(0, 2, "left".to_owned())]);
    assert_eq!(found.next_number, 5, "no number of a broken one comes again");
    let left = place.files();
    assert_eq!(left.len(), 4);
    assert_eq!(
        left.iter().filter(|file| file.starts_with("broken/to-")).count(),
        3,
        "{left:?}"
    );
}

#[test]
fn broken_files_are_kept_for_a_day_and_no_more_than_so_many() {
    let place = Place::new("broken-bounds");
    drop(place.open(&[A]));
    let to = place.0.join(folder_name(&parsed(&[A])[0]));
    for number in 0..BROKEN_MAX as u64 + 5 {
        std::fs::write(to.join(file_name(number)), "no record").unwrap();
    }
    let open = |unix_s: u64| Spool::open(&place.0, &parsed(&[A]), unix_s).unwrap();
    let today = clock::unix_s();
    drop(open(today));
    assert_eq!(place.files().len(), BROKEN_MAX);
    drop(open(today + AGE_MAX.as_secs() - 60));
    assert_eq!(place.files().len(), BROKEN_MAX);
    drop(open(today + AGE_MAX.as_secs() + 60));
    assert!(place.files().is_empty());
}

#[test]
fn what_is_older_than_a_day_is_deleted_unsent() {
    let place = Place::new("late");
    let (mut spool, _) = place.open(&[A]);
    let old = |number, age| Webhook {
        created_unix_s: NOW_UNIX_S - age,
        ..webhook(number, "one", "left")
    };
    let day = AGE_MAX.as_secs();
    spool.apply(clock::now(), vec![keep(0, old(1, day + 1)), keep(0, old(2, day))]);
    drop(spool);
    let (_spool, found) = place.open(&[A]);
    assert_eq!(said(&found), [(0, 2, "left".to_owned())]);
    assert_eq!(place.files().len(), 1);
}

#[test]
fn nothing_is_kept_for_a_destination_that_is_not_configured_any_more() {
    let place = Place::new("other");
    let (mut spool, _) = place.open(&[A, B]);
    let both = vec![
        keep(0, webhook(1, "one", "left")),
        keep(1, webhook(1, "one", "left")),
    ];
    spool.apply(clock::now(), both);
    drop(spool);
    let (_spool, found) = place.open(&[B]);
    assert_eq!(said(&found), [(0, 1, "left".to_owned())]);
    assert_eq!(place.files().len(), 1);
}

#[test]
fn two_servers_do_not_share_a_folder_and_a_dead_one_holds_none() {
    let place = Place::new("two");
    let first = place.open(&[A]);
    let second = Spool::open(&place.0, &parsed(&[A]), NOW_UNIX_S).err().unwrap();
    assert!(second.to_string().contains("another server uses"), "{second}");
    drop(first);
    drop(place.open(&[A]));
}

#[test]
fn a_folder_that_cannot_be_is_refused_with_a_sentence() {
    let place = Place::new("file");
    std::fs::write(&place.0, "a file").unwrap();
    let error = Spool::open(&place.0, &parsed(&[A]), NOW_UNIX_S).err().unwrap();
    assert!(error.to_string().starts_with("[sfu] webhook_folder: "), "{error}");
    std::fs::remove_file(&place.0).unwrap();
}

#[test]
fn a_disk_that_does_not_take_it_stops_nobody() {
    let place = Place::new("gone");
    let (mut spool, _) = place.open(&[A]);
    std::fs::remove_dir_all(&place.0).unwrap();
    spool.apply(clock::now(), vec![keep(0, webhook(1, "one", "left"))]);
    assert!(spool.is_failing);
    drop(spool);
    let (mut spool, found) = place.open(&[A]);
    assert!(found.webhooks.is_empty());
    spool.apply(clock::now(), vec![keep(0, webhook(1, "one", "left"))]);
    assert!(!spool.is_failing);
}

#[test]
fn the_book_says_of_every_field_why_it_is_on_disk() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/personal-data.md");
    let page = std::fs::read_to_string(page).unwrap();
    let record = Record {
        room: String::new(),
        event: String::new(),
        is_ending: false,
        created_unix_s: 0,
        body: String::new(),
    };
    let record = serde_json::to_value(record).unwrap();
    for field in record.as_object().unwrap().keys() {
        let row = format!("| `webhook {field}` |");
        assert!(page.contains(&row), "{row} is missing");
    }
}
