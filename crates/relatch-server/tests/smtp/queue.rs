//! The queue before a mail server that refuses, goes away and comes back. Time is moved by hand.

use crate::sink::{Sink, smtp};
use relatch_server::environment::{Clock, OsEntropy};
use relatch_server::mail::{MailCarrier, Message, SmtpSecurity, SmtpSettings};
use relatch_server::outbox::{GIVEN_UP_AFTER, Outbox, Worker};
use relatch_server::sessions::Surroundings;
use relatch_store::memory::MemoryStore;
use relatch_store::{Channel, ChannelKind, OutboxStore, Waiting};
use relatch_token::{KeyRing, MasterKey, Secret, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const START: i64 = 1_800_000_000_000;

struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// An outbox with its worker.
struct Post {
    store: Arc<MemoryStore>,
    clock: Arc<HandClock>,
    outbox: Outbox,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

impl Post {
    fn open(settings: SmtpSettings) -> Self {
        Self::reopen(settings, Arc::new(MemoryStore::new([7; 16])))
    }

    fn reopen(settings: SmtpSettings, store: Arc<MemoryStore>) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(START)));
        let surroundings =
            Surroundings { clock: clock.clone(), entropy: Arc::new(OsEntropy::open().unwrap()) };
        let master = MasterKey { id: 1, secret: Secret::new([1; 32]) };
        let ring = Arc::new(KeyRing::new(&[7; 16], vec![master]).unwrap());
        let outbox = Outbox::new(store.clone(), ring, surroundings);
        let (stop, stopping) = watch::channel(false);
        let carrier = Arc::new(MailCarrier(Arc::new(smtp(settings))));
        let worker = tokio::spawn(Worker::new(outbox.clone(), carrier, stopping).run());
        Self { store, clock, outbox, stop, worker }
    }

    async fn post(&self, to: &str) {
        let text = Secret::new("text".to_owned());
        let message = Message { to: to.into(), subject: "subject".into(), text, html: None };
        let delivery = self.outbox.delivery(Channel::Mail, None, &message.to_payload());
        self.outbox.enqueue(delivery).await.unwrap();
    }

    fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Waits until the queue is as it should be.
    async fn until(&self, is_so: impl Fn(Waiting) -> bool) {
        for _ in 0..1500 {
            if is_so(self.store.waiting(ChannelKind::Mail).await.unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", self.store.waiting(ChannelKind::Mail).await);
    }

    /// Waits until the one message that waits was tried and put off.
    async fn until_put_off(&self) {
        // The lease is 15 s, the first pause about 5 s.
        let now = self.clock.now().as_millis();
        self.until(|waiting| {
            let due = waiting.next_due_at.map_or(0, Timestamp::as_millis);
            (now + 4_000..now + 6_000).contains(&due)
        })
        .await;
    }
}

fn is_empty(waiting: Waiting) -> bool {
    waiting.count == 0
}

#[tokio::test]
async fn what_is_refused_for_now_arrives_later_once() {
    let sink = Sink::start(&[]);
    let post = Post::open(sink.settings(SmtpSecurity::None));
    post.post("busy@example.com").await;
    post.until_put_off().await;
    assert!(sink.rest().is_empty());
    post.advance(6);
    post.until(is_empty).await;
    assert_eq!(sink.next()["to"][0], "busy@example.com");
    assert!(sink.rest().is_empty());
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_and_holds_nothing_else_up() {
    let sink = Sink::start(&[]);
    let post = Post::open(sink.settings(SmtpSecurity::None));
    for to in ["gone@example.com", "ada@example.com", "gone.too@example.com", "bob@example.com"] {
        post.post(to).await;
    }
    post.until(is_empty).await;
    let mut to = [sink.next(), sink.next()].map(|taken| taken["to"][0].as_str().unwrap().to_owned());
    to.sort();
    assert_eq!(to, ["ada@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn what_was_queued_while_the_server_was_away_arrives_when_it_is_back() {
    let sink = Sink::start(&[]);
    let (settings, port) = (sink.settings(SmtpSecurity::None), sink.port.to_string());
    drop(sink);
    let post = Post::open(settings);
    post.post("ada@example.com").await;
    post.until_put_off().await;
    let sink = Sink::start(&["--port", &port]);
    post.advance(6);
    post.until(is_empty).await;
    assert_eq!(sink.next()["to"][0], "ada@example.com");
}

#[tokio::test]
async fn what_never_arrives_is_given_up_after_three_days_and_not_before() {
    let settings = Sink::start(&[]).settings(SmtpSecurity::None);
    let post = Post::open(settings);
    post.post("ada@example.com").await;
    post.until_put_off().await;
    post.advance(i64::from(GIVEN_UP_AFTER.0) - 30);
    post.until(|waiting| waiting.count == 1 && waiting.next_due_at > Some(post.clock.now())).await;
    post.advance(40);
    post.until(is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_has_taken_and_the_next_one_does_the_rest() {
    let sink = Sink::start(&["--pause", "0.3"]);
    let post = Post::open(sink.settings(SmtpSecurity::None));
    for n in 0..12 {
        post.post(&format!("ada{n}@example.com")).await;
    }
    let first = sink.next();
    post.stop.send_replace(true);
    post.worker.await.unwrap();
    let left = post.store.waiting(ChannelKind::Mail).await.unwrap().count;
    assert!((1..12).contains(&left), "{left} of 12 are left");
    let next = Post::reopen(sink.settings(SmtpSecurity::None), post.store);
    next.until(is_empty).await;
    let mut ids: Vec<_> =
        std::iter::once(first).chain(sink.rest()).map(|taken| taken["id"].to_string()).collect();
    ids.sort();
    let taken = ids.len();
    ids.dedup();
    assert_eq!((taken, ids.len()), (12, 12), "each once");
}
