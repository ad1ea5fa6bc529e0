//! Virtual time, and the tasks that live in it: one thread, one order of events, no waiting.
//!
//! Time jumps from one timer to the next as soon as nothing can be done at the present instant. Timers of one
//! instant go off in the order in which they were set, so that a seed has one history.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Milliseconds since the simulation began.
pub(crate) type Millis = i64;

/// The virtual time; clones show the same.
#[derive(Clone, Default)]
pub(crate) struct Timeline(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Millis,
    timers: BinaryHeap<Reverse<Timer>>,
    timers_set: u64,
    ready: VecDeque<usize>,
}

impl Timeline {
    /// The present instant.
    pub(crate) fn now(&self) -> Millis {
        self.lock().now
    }

    /// Waits. At once where there is nothing to wait for.
    pub(crate) async fn sleep(&self, millis: Millis) {
        let until = self.now() + millis;
        self.sleep_until(until).await;
    }

    /// Waits for an instant.
    pub(crate) async fn sleep_until(&self, until: Millis) {
        let mut is_set = false;
        poll_fn(|context| {
            let mut state = self.lock();
            if state.now >= until {
                return Poll::Ready(());
            }
            if !is_set {
                is_set = true;
                state.timers_set += 1;
                let timer = Timer { at: until, order: state.timers_set, waker: context.waker().clone() };
                state.timers.push(Reverse(timer));
            }
            Poll::Pending
        })
        .await;
    }

    /// What comes first: the end of `work`, or `None` after so many milliseconds.
    pub(crate) async fn within<T>(&self, millis: Millis, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut end) = (pin!(work), pin!(self.sleep(millis)));
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => end.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Timer {
    at: Millis,
    order: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Where tasks play; clones are the same stage.
#[derive(Clone)]
pub(crate) struct Stage {
    timeline: Timeline,
    tasks: Rc<RefCell<Vec<Option<Task>>>>,
    alive: Rc<Cell<usize>>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

impl Stage {
    /// An empty stage in that time.
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self { timeline, tasks: Rc::default(), alive: Rc::default() }
    }

    /// Begins a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(task)));
        self.alive.set(self.alive.get() + 1);
        self.timeline.lock().ready.push_back(tasks.len() - 1);
    }

    /// Plays `main` and whatever it begins until nothing is left to happen, and answers with what `main` came to.
    ///
    /// # Panics
    /// Where `main` waits for something that will never come: the simulation itself has a mistake then.
    pub(crate) fn play<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let end = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&end);
        self.spawn(async move {
            let value = main.await;
            *slot.borrow_mut() = Some(value);
        });
        while self.turn() {}
        let value = end.borrow_mut().take();
        assert!(self.alive.get() == 0 && value.is_some(), "an actor waits for what will never come");
        value.unwrap_or_else(|| unreachable!("it was there a moment ago"))
    }

    /// Polls every task, so that each notices a crash of what it waits for.
    pub(crate) fn wake_everyone(&self) {
        let tasks = self.tasks.borrow();
        let waiting = (0..tasks.len()).filter(|id| tasks[*id].is_some());
        self.timeline.lock().ready.extend(waiting);
    }

    /// One step; `false` when nothing can happen any more.
    fn turn(&self) -> bool {
        let next = self.timeline.lock().ready.pop_front();
        if let Some(id) = next {
            self.poll(id);
            return true;
        }
        let timer = {
            let mut state = self.timeline.lock();
            let Some(Reverse(timer)) = state.timers.pop() else { return false };
            state.now = state.now.max(timer.at);
            timer
        };
        timer.waker.wake();
        true
    }

    fn poll(&self, id: usize) {
        // Taken out, so that the task can begin others while it runs.
        let Some(mut task) = self.tasks.borrow_mut()[id].take() else { return };
        let waker = Waker::from(Arc::new(TaskWaker { id, timeline: self.timeline.clone() }));
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => self.tasks.borrow_mut()[id] = Some(task),
            Poll::Ready(()) => self.alive.set(self.alive.get() - 1),
        }
    }
}

struct TaskWaker {
    id: usize,
    timeline: Timeline,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.timeline.lock().ready.push_back(self.id);
    }
}

/// Runs work that other threads do (a store with a writer of its own) to its end, while virtual time stands still.
pub(crate) fn wait_here<T>(work: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_from_timer_to_timer_and_one_instant_keeps_its_order() {
        let timeline = Timeline::default();
        let stage = Stage::new(timeline.clone());
        let seen = Rc::new(RefCell::new(Vec::new()));
        for (name, millis) in [("late", 3_600_000), ("first", 5), ("second", 5)] {
            let (timeline, seen) = (timeline.clone(), Rc::clone(&seen));
            stage.spawn(async move {
                timeline.sleep(millis).await;
                seen.borrow_mut().push((name, timeline.now()));
            });
        }
        let slept = timeline.clone();
        stage.play(async move { assert_eq!(slept.within(7, slept.sleep(8)).await, None) });
        assert_eq!(*seen.borrow(), [("first", 5), ("second", 5), ("late", 3_600_000)]);
    }

    #[test]
    fn what_other_threads_do_takes_no_virtual_time() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(wait_here(receiver), Ok(7));
        other.join().unwrap();
    }
}
