//! What a connection is doing, so that one that dawdles can be told from one that works.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    requests: AtomicUsize,
    /// When the present wait began, in milliseconds after `started`.
    waiting_since: AtomicU64,
    /// Whether a request head has begun to arrive, and not gone on to a request.
    is_head_begun: AtomicBool,
    is_http2: AtomicBool,
    /// Since when the peer has taken nothing of what we want to send, likewise; [`NEVER`] while it does.
    stuck_since: AtomicU64,
}

/// What a connection that holds no request has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It works on a request, whose own limits count.
    Working,
    /// It may wait this much longer.
    Left(Duration),
    /// It was idle for too long: close it politely.
    IdleOver,
    /// It took too long for a request head, or takes nothing of its answer: cut it off.
    Dawdles,
}

impl Activity {
    /// A connection that has just been accepted, and owes us a request head.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            requests: AtomicUsize::new(0),
            waiting_since: AtomicU64::new(0),
            is_head_begun: AtomicBool::new(true),
            is_http2: AtomicBool::new(false),
            stuck_since: AtomicU64::new(NEVER),
        })
    }

    /// A request was taken; it lasts until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, is_http2: bool) -> Working {
        self.is_http2.store(is_http2, Ordering::Relaxed);
        self.is_head_begun.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    /// How the present wait stands.
    pub(super) fn wait(&self, head_timeout: Duration, idle_timeout: Duration) -> Wait {
        let stuck_since = self.stuck_since.load(Ordering::Relaxed);
        if self.millis().saturating_sub(stuck_since) >= STUCK_MILLIS_MAX {
            return Wait::Dawdles;
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Wait::Working;
        }
        let is_head = self.is_head_begun.load(Ordering::Relaxed);
        let (limit, over) =
            if is_head { (head_timeout, Wait::Dawdles) } else { (idle_timeout, Wait::IdleOver) };
        let waited = self.millis().saturating_sub(self.waiting_since.load(Ordering::Relaxed));
        match limit.checked_sub(Duration::from_millis(waited)) {
            Some(left) if !left.is_zero() => Wait::Left(left),
            _ => over,
        }
    }

    /// Bytes came in. In HTTP/2 they need not be a request, so there the idle time goes on, whatever comes.
    fn note_read(&self) {
        let is_idle = self.requests.load(Ordering::Relaxed) == 0 && !self.is_http2.load(Ordering::Relaxed);
        if is_idle && !self.is_head_begun.swap(true, Ordering::Relaxed) {
            self.waiting_since.store(self.millis(), Ordering::Relaxed);
        }
    }

    /// The peer took something of what we send, or it didn't.
    fn note_write(&self, is_stuck: bool) {
        let since = self.stuck_since.load(Ordering::Relaxed);
        match is_stuck {
            true if since == NEVER => self.stuck_since.store(self.millis(), Ordering::Relaxed),
            false if since != NEVER => self.stuck_since.store(NEVER, Ordering::Relaxed),
            _ => {}
        }
    }

    fn millis(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// A request that is being worked on.
#[derive(Debug)]
pub(super) struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.waiting_since.store(self.0.millis(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// A body that counts as work until it has been sent.
    pub(super) struct WorkingBody<B> {
        #[pin]
        body: B,
        working: Working,
    }
}

impl<B> WorkingBody<B> {
    pub(super) fn new(body: B, working: Working) -> Self {
        Self { body, working }
    }
}

impl<B: Body<Data = Bytes>> Body for WorkingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// A stream whose reads and writes are noted.
    pub(super) struct Observed<S> {
        #[pin]
        stream: S,
        activity: Arc<Activity>,
    }
}

impl<S> Observed<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead> AsyncRead for Observed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        let polled = this.stream.poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.activity.note_read();
        }
        polled
    }
}

impl<S: AsyncWrite> AsyncWrite for Observed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write(context, bytes);
        this.activity.note_write(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write_vectored(context, slices);
        this.activity.note_write(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(context)
    }
}

const NEVER: u64 = u64::MAX;
/// How long a peer may take nothing of its answer.
const STUCK_MILLIS_MAX: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_first_byte_and_idleness_its_own() {
        let activity = Activity::new();
        let after = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Left(HEAD));
        let working = activity.begin(false);
        after(1000).await;
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Working);
        drop(working);
        after(74).await;
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Left(Duration::from_secs(1)));
        activity.note_read();
        after(9).await;
        activity.note_read();
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Left(Duration::from_secs(1)));
        after(1).await;
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Dawdles);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_http2_connection_is_not_kept_alive_by_bytes_that_are_no_request() {
        let activity = Activity::new();
        drop(activity.begin(true));
        for _ in 0..74 {
            tokio::time::advance(Duration::from_secs(1)).await;
            activity.note_read();
        }
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Left(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(activity.wait(HEAD, IDLE), Wait::IdleOver);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_the_answer_is_cut_off_and_who_takes_something_is_not() {
        let activity = Activity::new();
        let _working = activity.begin(false);
        activity.note_write(true);
        tokio::time::advance(Duration::from_secs(29)).await;
        activity.note_write(true);
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Working);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Dawdles);
        activity.note_write(false);
        assert_eq!(activity.wait(HEAD, IDLE), Wait::Working);
    }
}
