//! What a receiver is sent: one event, in the form that the audit shows it.

use crate::http::views::EventView;
use crate::wire_time::rfc3339;
use relatch_core::EventKind;
use relatch_store::{Channel, Delivery, DeliveryId, Event};
use relatch_token::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A message as it waits in the outbox. Nothing in it is as good as a password, so that it is not sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// The `webhook-id`: the same at each attempt and each replay, so that a receiver can drop doubles.
    pub(super) id: String,
    /// What is posted.
    pub(super) body: String,
}

/// The body (Standard Webhooks, "Payload structure").
#[derive(Serialize)]
struct Body<'a, D: Serialize> {
    r#type: &'a str,
    timestamp: String,
    data: D,
}

impl Message {
    /// What tells of an event.
    pub(super) fn of(event: &Event) -> serde_json::Result<Self> {
        let kind = event.event.kind.as_str();
        Self::new(format!("evt_{}", event.cursor.0), kind, event.event.at, EventView::anyones(event))
    }

    /// What tells of nothing, to see whether it arrives.
    pub(super) fn ping(name: &str, now: Timestamp) -> serde_json::Result<Self> {
        Self::new(format!("ping_{}", now.as_millis()), "ping", now, serde_json::json!({ "webhook": name }))
    }

    fn new(id: String, kind: &str, at: Timestamp, data: impl Serialize) -> serde_json::Result<Self> {
        let body = Body { r#type: kind, timestamp: rfc3339(at), data };
        Ok(Self { id, body: serde_json::to_string(&body)? })
    }
}

/// The delivery of an event to the receiver of that name. Its id follows from both, so that an event never
/// waits twice for one receiver.
pub(super) fn delivery(name: &str, event: &Event, now: Timestamp) -> serde_json::Result<Delivery> {
    let hash = Sha256::digest(format!("webhook\n{name}\n{}", event.cursor.0));
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    // What waits leaves with its user. That the user is gone holds nothing personal, and has to arrive.
    let user_id = (event.event.kind != EventKind::UserDeleted).then_some(event.event.user_id);
    Ok(Delivery {
        id: DeliveryId(id),
        channel: Channel::Webhook(name.to_owned()),
        user_id,
        payload: serde_json::to_vec(&Message::of(event)?)?,
        created_at: now,
        due_at: now,
        attempts: 0,
    })
}
