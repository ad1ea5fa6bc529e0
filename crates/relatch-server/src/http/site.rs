//! What every route works with.

use super::edge::Edge;
use super::feed::Feed;
use super::problem::Problem;
use crate::app::App;
use crate::environment::ShiftedClock;
use crate::mail::DevMailbox;
use crate::sessions::Doubt;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use relatch_token::{Seconds, Timestamp};
use std::sync::Arc;

/// The state of the router.
pub struct Site {
    /// The rooms behind the doors.
    pub app: App,
    /// What happens around every request.
    pub edge: Arc<Edge>,
    /// The revocation feed.
    pub feed: Feed,
    /// Renders the metrics, where they are answered here.
    pub metrics: Option<PrometheusHandle>,
    /// What only `relatch dev` has.
    pub dev: Option<DevDoor>,
    /// The API document, as it is served.
    pub document: Bytes,
    /// The same for people.
    pub docs_page: super::docs_page::DocsPage,
}

/// How handlers get at it.
pub type Shared = axum::extract::State<Arc<Site>>;

/// What only `relatch dev` opens.
#[derive(Clone)]
pub struct DevDoor {
    /// The mail that was sent.
    pub mailbox: Arc<DevMailbox>,
    /// The clock that can be moved, with `--test-clock`.
    pub clock: Option<Arc<ShiftedClock>>,
}

impl Site {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.app.now()
    }
}

impl From<Doubt> for Problem {
    /// A doubt is 503 and ends nobody's session; it is logged here, where it is handled.
    fn from(doubt: Doubt) -> Self {
        tracing::warn!(%doubt, "could not decide");
        Self::unavailable(match doubt {
            // An operator has to look at it first.
            Doubt::LostWrites { .. } | Doubt::Sealed(_) => Seconds(60),
            Doubt::Busy(busy) => busy.retry_after(),
            Doubt::Store(_) | Doubt::Contended | Doubt::Signing(_) | Doubt::Breached(_) => Seconds(1),
        })
    }
}

impl From<relatch_store::StoreError> for Problem {
    fn from(error: relatch_store::StoreError) -> Self {
        Doubt::from(error).into()
    }
}
