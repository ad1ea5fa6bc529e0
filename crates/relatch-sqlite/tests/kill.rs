//! SIGKILL in the middle of the work: a child process acknowledges writes on its standard output until it is
//! killed; whatever it had acknowledged must be there when the database is opened again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use relatch_core::{RevokeReason, State};
use relatch_sqlite::{Options, SqliteStore};
use relatch_store::conformance::{START, load, log_in, move_head, revoke, session_id, sign_up};
use relatch_store::{Commit, Maintenance, SessionStore};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "RELATCH_TEST_KILL_FOLDER";
const CALLERS: u64 = 16;
const KILLS: u64 = 12;
/// Acknowledgements that are read before each kill: a different moment each time.
const LINES_STEP: usize = 397;

/// What the child said last of a session: how far its head was, and whether it was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    generation: u64,
    is_revoked: bool,
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut told: HashMap<u64, Told> = HashMap::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "write_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        // Reads on after the kill: what was in the pipe had been acknowledged too.
        for line in lines.map_while(Result::ok) {
            let Some(words) = line.strip_prefix("done ") else { continue };
            let numbers: Vec<u64> = words.split(' ').map_while(|word| word.parse().ok()).collect();
            let [session, generation, is_revoked] = numbers[..] else { continue };
            told.insert(session, Told { generation, is_revoked: is_revoked == 1 });
            heard += 1;
            if heard == (kill as usize + 1) * LINES_STEP {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= LINES_STEP, "the child acknowledged only {heard} writes");
        check(folder.path(), &told);
    }
}

/// Opens what the kill left, as the next start does.
#[tokio::main(flavor = "current_thread")]
async fn check(folder: &Path, told: &HashMap<u64, Told>) {
    let store = SqliteStore::open(&folder.join("a.db"), Options::new([7; 16])).unwrap();
    for (session, told) in told {
        let row = load(&store, session_id(*session)).await;
        assert!(row.head.generation.0 >= told.generation, "session {session}: {row:?} after {told:?}");
        assert!(!told.is_revoked || row.state != State::Live, "session {session} lives again");
    }
    assert_eq!(store.damage().await, Ok(Vec::new()));
}

#[test]
#[ignore = "the child of the test above"]
fn write_until_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    work(Path::new(&folder));
}

#[tokio::main(worker_threads = 2)]
async fn work(folder: &Path) {
    let store = SqliteStore::open(&folder.join("a.db"), Options::new([7; 16])).unwrap();
    let store: Arc<SqliteStore> = Arc::new(store);
    let begun = store.statistics().await.unwrap()[1].1;
    let ada = sign_up(&*store, begun + 1).await;
    let callers = (0..CALLERS).map(|caller| {
        let (store, ada) = (Arc::clone(&store), ada.clone());
        tokio::spawn(async move {
            for round in 0.. {
                let n = (begun * CALLERS + caller) * 1_000_000 + round;
                let mut row = log_in(&*store, &ada, n).await;
                acknowledge(n, Told::default());
                for _ in 0..5 {
                    let change = move_head(&row, START);
                    assert_eq!(store.commit(change.clone()).await, Ok(Commit::Done));
                    change.update.apply(&mut row);
                    acknowledge(n, Told { generation: row.head.generation.0, is_revoked: false });
                }
                assert_eq!(store.commit(revoke(&row, RevokeReason::Logout, START)).await, Ok(Commit::Done));
                acknowledge(n, Told { generation: row.head.generation.0, is_revoked: true });
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

fn acknowledge(session: u64, told: Told) {
    let line = format!("done {session} {} {}\n", told.generation, u8::from(told.is_revoked));
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}
