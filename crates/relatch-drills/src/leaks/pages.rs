//! The part of the tour that goes through the hosted pages, as a browser without scripts does.

use super::tour::Tour;
use crate::wire::{Answer, Ask, Transport};
use anyhow::{Context, Result, ensure};

impl Tour<'_> {
    pub(super) async fn pages(&mut self) -> Result<()> {
        let email = "pages@example.com";
        let mut password = self.new_password();
        let signed_up = self.send("signup", None, &[("email", email), ("password", &password)]).await?;
        ensure!(
            signed_up.jar().is_some(),
            "the sign-up page answered {}: {}",
            signed_up.status,
            signed_up.body
        );
        let wrong = self.new_password();
        for refused in [&wrong, &"a".repeat(3)] {
            self.send("login", None, &[("email", email), ("password", refused)]).await?;
            self.send("signup", None, &[("email", email), ("password", refused)]).await?;
        }
        let jar = self.enter(email, &password).await?;
        for page in
            ["account", "history", "password", "email", "delete", "login", "signup", "ended", "forgot"]
        {
            self.show(page, &jar).await?;
        }
        let new = self.new_password();
        for (current, new) in [(&wrong, &new), (&password, &"a".repeat(3)), (&password, &new)] {
            let fields = [("current_password", current.as_str()), ("new_password", new)];
            self.send("password", Some(&jar), &fields).await?;
        }
        password = new;
        let jar = self.enter(email, &password).await?;
        let moving = [("current_password", password.as_str()), ("new_email", "moved@example.com")];
        self.send("email", Some(&jar), &moving).await?;
        self.send("forgot", None, &[("email", email)]).await?;
        // Its code alone: a page that refuses a code shows it again, in the field where it was typed.
        let links = self.read_mail().await?;
        let newest = links.last().context("no link was mailed")?;
        password = self.new_password();
        let reset = self.send("reset", None, &[("token", newest), ("new_password", &password)]).await?;
        ensure!(reset.status == 303, "the page to set a new password answered {}", reset.status);
        let jar = self.enter(email, &password).await?;
        for typed in [&wrong, &password] {
            self.send("delete", Some(&jar), &[("current_password", typed)]).await?;
        }
        self.send("logout", Some(&jar), &[]).await.map(drop)
    }

    async fn enter(&mut self, email: &str, password: &str) -> Result<(String, String)> {
        let entered = self.send("login", None, &[("email", email), ("password", password)]).await?;
        entered.jar().with_context(|| format!("the login page answered {}", entered.status))
    }

    async fn show(&mut self, page: &str, (refresh_token, device): &(String, String)) -> Result<Answer> {
        let ask = Ask::get(format!("/auth/pages/{page}"));
        self.ask(ask.presenting(Transport::Cookie, refresh_token, device)).await
    }

    async fn send(
        &mut self,
        page: &str,
        jar: Option<&(String, String)>,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+").replace('@', "%40")))
            .collect();
        let ask = Ask::post(format!("/auth/pages/{page}"))
            .body("application/x-www-form-urlencoded", form.join("&"));
        let ask = match jar {
            Some((refresh_token, device)) => ask.presenting(Transport::Cookie, refresh_token, device),
            None => ask,
        };
        self.ask(ask).await
    }
}
