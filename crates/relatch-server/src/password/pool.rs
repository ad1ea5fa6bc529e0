//! A bounded pool of threads for slow work, so that a flood of logins takes neither the memory nor the
//! cores that refreshes need.

use crate::environment::Stopwatch;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use relatch_token::Seconds;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How much lower than the rest of the process its threads are ranked (nice value): where cores are short,
/// a refresh of a tenth of a millisecond goes before a hash of thirty.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The longest wait that a refusal proposes: who waits longer than this has better things to do.
const RETRY_SECONDS_MAX: u32 = 60;

/// Why a password was neither hashed nor compared. Each is a 503 with `Retry-After`, never a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// As many wait as may wait.
    #[error("too many passwords wait to be checked; try again in {} s", .retry_after.0)]
    Full {
        /// When the queue of now will have been worked off.
        retry_after: Seconds,
    },
    /// The server is going down; another one, or the next one, will answer.
    #[error("the server is stopping; try again")]
    Stopping,
    /// Out of memory, or a fault of ours that is in the log.
    #[error("the password could not be checked; try again")]
    Failed,
}

impl Busy {
    /// What to say in `Retry-After`.
    pub const fn retry_after(self) -> Seconds {
        match self {
            Self::Full { retry_after } => retry_after,
            Self::Stopping | Self::Failed => Seconds(1),
        }
    }
}

/// Threads that work off a queue.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    queue_max: usize,
    threads: usize,
    /// What the latest job took: the next ones will take about as long.
    work_micros: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Box<dyn Job>, Stopwatch)>,
    is_stopping: bool,
}

trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    fn run(self: Box<Self>);
}

struct Task<T, F> {
    work: F,
    reply: oneshot::Sender<T>,
}

impl<T: Send, F: FnOnce() -> T + Send> Job for Task<T, F> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(self: Box<Self>) {
        // Who has stopped waiting meanwhile misses nothing.
        let _ = self.reply.send((self.work)());
    }
}

impl Pool {
    /// Starts the threads; at least one of them, and a queue for at least one job.
    pub(super) fn start(threads: usize, queue_max: usize) -> std::io::Result<Self> {
        describe_metrics();
        let (threads, queue_max) = (threads.max(1), queue_max.max(1));
        let (state, wake, work_micros) = (Mutex::default(), Condvar::new(), AtomicU64::new(0));
        let pool = Self {
            shared: Arc::new(Shared { state, wake, queue_max, threads, work_micros }),
            threads: Mutex::default(),
        };
        for number in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name(format!("password-{number}"));
            lock(&pool.threads).push(builder.spawn(move || shared.work_off())?);
        }
        Ok(pool)
    }

    /// Queues a job and waits for its answer. Dropping the future before its turn cancels the job.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        self.submit(work)?.await.map_err(|_| Busy::Failed)
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Busy> {
        let (reply, answer) = oneshot::channel();
        self.shared.push(Box::new(Task { work, reply })).inspect_err(|_| {
            counter!("relatch_password_rejected_total").increment(1);
        })?;
        Ok(answer)
    }

    /// Takes no more jobs, finishes those it has taken, and ends the threads.
    pub(super) async fn stop(&self) {
        self.shared.close();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let join = move || threads.into_iter().try_for_each(JoinHandle::join);
        if !matches!(tokio::task::spawn_blocking(join).await, Ok(Ok(()))) {
            tracing::error!("a password thread ended before its time; answers may have been lost");
        }
    }
}

impl Drop for Pool {
    /// The threads finish what was taken, unattended, and end.
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn push(&self, job: Box<dyn Job>) -> Result<(), Busy> {
        let mut state = lock(&self.state);
        if state.is_stopping {
            return Err(Busy::Stopping);
        }
        if state.queue.len() >= self.queue_max {
            // Who asks and hangs up must not hold a place against those who wait.
            state.queue.retain(|(job, _)| job.is_wanted());
        }
        if state.queue.len() >= self.queue_max {
            return Err(Busy::Full { retry_after: self.time_to_drain() });
        }
        state.queue.push_back((job, Stopwatch::start()));
        show_depth(&state);
        self.wake.notify_one();
        Ok(())
    }

    fn close(&self) {
        lock(&self.state).is_stopping = true;
        self.wake.notify_all();
    }

    fn work_off(&self) {
        give_way();
        while let Some((job, waited)) = self.next() {
            if !job.is_wanted() {
                counter!("relatch_password_abandoned_total").increment(1);
                continue;
            }
            histogram!("relatch_password_wait_seconds").record(waited.elapsed());
            let working = Stopwatch::start();
            // A panic must not cost the pool its thread; whoever waits is answered `Failed`.
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                tracing::error!("hashing a password panicked; the panic is logged above, please report it");
            }
            let took = working.elapsed();
            histogram!("relatch_password_work_seconds").record(took);
            self.work_micros.store(took.as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The next job; `None` when the pool is stopping and there is none left.
    fn next(&self) -> Option<(Box<dyn Job>, Stopwatch)> {
        let state = lock(&self.state);
        let idle = |state: &mut State| state.queue.is_empty() && !state.is_stopping;
        let mut state = self.wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let job = state.queue.pop_front();
        show_depth(&state);
        job
    }

    fn time_to_drain(&self) -> Seconds {
        let rounds = self.queue_max.div_ceil(self.threads) as u64;
        let micros = rounds.saturating_mul(self.work_micros.load(Ordering::Relaxed));
        let seconds = Duration::from_micros(micros).as_secs() + 1;
        Seconds(seconds.try_into().map_or(RETRY_SECONDS_MAX, |seconds: u32| seconds.min(RETRY_SECONDS_MAX)))
    }
}

/// No code of ours can panic while it holds one of these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lowers the rank of the calling thread; a system that refuses this has no harm done.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "password threads keep the rank of all others");
    }
}

/// Elsewhere the call would lower the whole process.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn show_depth(state: &State) {
    gauge!("relatch_password_queue_depth").set(state.queue.len() as f64);
}

fn describe_metrics() {
    describe_gauge!("relatch_password_queue_depth", "Passwords that wait to be hashed or compared.");
    describe_histogram!("relatch_password_wait_seconds", "Time that a password waited for a thread.");
    describe_histogram!("relatch_password_work_seconds", "Time that hashing or comparing a password took.");
    describe_counter!("relatch_password_rejected_total", "Passwords refused because too many waited.");
    describe_counter!("relatch_password_abandoned_total", "Passwords skipped: the client had gone.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A pool of one thread, held by a job until the sender is dropped.
    fn held_pool(queue_max: usize) -> (Pool, mpsc::Sender<()>) {
        let pool = Pool::start(1, queue_max).unwrap();
        let (release, held) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        pool.submit(move || {
            started.send(()).unwrap();
            held.recv().unwrap_err()
        })
        .map(std::mem::forget)
        .unwrap();
        has_started.recv().unwrap();
        (pool, release)
    }

    #[tokio::test]
    async fn a_job_is_answered() {
        let pool = Pool::start(2, 8).unwrap();
        let answers = futures::future::join_all((0..8).map(|n| pool.run(move || n * n))).await;
        assert_eq!(answers, [0, 1, 4, 9, 16, 25, 36, 49].map(Ok));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_takes_again_once_it_has_room() {
        let (pool, release) = held_pool(2);
        let first = pool.submit(|| 1).unwrap();
        let second = pool.submit(|| 2).unwrap();
        let refusal = pool.submit(|| 3).unwrap_err();
        assert_eq!(refusal, Busy::Full { retry_after: Seconds(1) });
        drop(release);
        assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn a_job_nobody_waits_for_is_skipped_and_yields_its_place() {
        let (pool, release) = held_pool(1);
        let (ran, has_run) = mpsc::channel();
        drop(pool.submit(move || ran.send(())).unwrap());
        let next = pool.submit(|| 2).expect("the abandoned job makes room");
        drop(release);
        assert_eq!(next.await, Ok(2));
        assert!(has_run.try_recv().is_err());

        let (pool, release) = held_pool(2);
        let (ran, has_run) = mpsc::channel();
        drop(pool.submit(move || ran.send(())).unwrap());
        let next = pool.submit(|| 2).unwrap();
        drop(release);
        assert_eq!(next.await, Ok(2));
        assert!(has_run.try_recv().is_err());
    }

    #[tokio::test]
    async fn stopping_answers_what_was_taken_and_takes_no_more() {
        let (pool, release) = held_pool(4);
        let taken = pool.submit(|| 1).unwrap();
        let (_, stopped) = tokio::join!(
            async {
                while !lock(&pool.shared.state).is_stopping {
                    tokio::task::yield_now().await;
                }
                assert_eq!(pool.submit(|| 2).unwrap_err(), Busy::Stopping);
                drop(release);
            },
            pool.stop()
        );
        assert_eq!((stopped, taken.await), ((), Ok(1)));
        assert_eq!(Busy::Stopping.retry_after(), Seconds(1));
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_job_only() {
        let pool = Pool::start(1, 8).unwrap();
        assert_eq!(pool.run(|| panic!("on purpose")).await, Err::<(), _>(Busy::Failed));
        assert_eq!(pool.run(|| 2).await, Ok(2));
    }

    #[tokio::test]
    async fn the_wait_proposed_is_the_time_the_queue_takes() {
        let pool = Pool::start(2, 1024).unwrap();
        let after = |work_micros| {
            pool.shared.work_micros.store(work_micros, Ordering::Relaxed);
            pool.shared.time_to_drain()
        };
        assert_eq!(after(0), Seconds(1));
        assert_eq!(after(20_000), Seconds(11));
        assert_eq!(after(u64::MAX), Seconds(60));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_give_way_to_all_others() {
        let rank = || rustix::process::getpriority_process(None).unwrap();
        let ours = rank();
        let pool = Pool::start(1, 1).unwrap();
        assert_eq!(pool.run(rank).await, Ok((ours + NICE).min(19)));
        assert_eq!(rank(), ours, "the rest of the process keeps its rank");
    }
}
