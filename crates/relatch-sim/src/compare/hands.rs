//! Playing a story by hand: requests that are answered at once, or when the story says so.

use crate::rule::{Answer, DoorKind, Grant, Request};
use crate::timeline::Millis;
use crate::world::{World, WorldOptions};
use anyhow::{Context, Result};
use std::future::Future;

/// A world with one session in it, played by hand.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) world: World,
    pub(super) door: DoorKind,
    /// The token that the login handed out.
    pub(super) first: Grant,
}

/// How a story is played: the whole of it, in a world of its own.
pub(super) fn play<T: 'static, F: Future<Output = Result<T>> + 'static>(
    options: &WorldOptions,
    door: DoorKind,
    story: impl FnOnce(Hands) -> F + 'static,
) -> Result<T> {
    let world = World::new(options)?;
    let stage = world.stage.clone();
    stage.play(async move {
        let answer = world.rule.serve(Request::LogIn { user: 0, door }).await;
        let first = answer.and_then(|reply| reply.answer.grant()).context("nobody could log in")?;
        story(Hands { world, door, first }).await
    })
}

impl Hands {
    /// Presents a token, rightly bound.
    pub(super) async fn refresh(&self, token: &str, attempt: Option<&str>) -> Option<Grant> {
        self.refresh_through(token, attempt, self.door).await?.grant()
    }

    /// Presents a token through any door.
    pub(super) async fn refresh_through(
        &self,
        token: &str,
        attempt: Option<&str>,
        door: DoorKind,
    ) -> Option<Answer> {
        let attempt = attempt.map(str::to_owned);
        let request = Request::Refresh { token: token.to_owned(), door, attempt };
        Some(self.world.rule.serve(request).await?.answer)
    }

    /// Lets time pass.
    pub(super) async fn wait(&self, millis: Millis) {
        self.world.timeline.sleep(millis).await;
    }
}

/// A browser's device cookie.
pub(super) const BROWSER: DoorKind = DoorKind::Cookie(Some(*b"browser."));
