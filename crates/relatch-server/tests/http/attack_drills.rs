//! Attack drills: whole campaigns against the server, and what the owner of an account notices of them.

use crate::support::{Actor, PASSWORD, Server};
use relatch_server::config::Config;
use reqwest::Method;
use serde_json::json;

/// A server that believes who calls, as behind a proxy, so that one machine can play many addresses.
async fn behind_a_proxy(change: impl FnOnce(&mut Config)) -> Server {
    Server::start(|config| {
        config.server.trusted_proxies = serde_json::from_value(json!(["127.0.0.0/8", "::1/128"])).unwrap();
        change(config);
    })
    .await
}

impl Actor {
    /// Logs in from an address of one's choice.
    async fn log_in_from(&mut self, address: &str, email: &str, password: &str) -> u16 {
        let body = json!({"email": email, "password": password, "transport": "body"});
        let request = self.request(Method::POST, "/auth/login").header("x-forwarded-for", address);
        self.send(request.json(&body)).await.status
    }
}

fn answered(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|one| **one == status).count()
}

/// One likely password over many accounts, from many addresses of one network: each account sees one failure,
/// each address two, and the subnet stops it.
#[tokio::test]
async fn spraying_one_password_from_a_whole_subnet_is_stopped_and_others_come_in() {
    let server = behind_a_proxy(|config| config.limits.login_failures_per_subnet_max = 40).await;
    server.make("ada@example.com").await;
    let mut mallory = server.program();
    let mut seen = Vec::new();
    for n in 0..100 {
        let address = format!("203.0.113.{}", n / 2);
        seen.push(mallory.log_in_from(&address, &format!("user{n}@example.com"), "Summer2027!").await);
    }
    assert_eq!((answered(&seen, 401), answered(&seen, 429)), (40, 60));
    let mut ada = server.program();
    assert_eq!(ada.log_in_from("203.0.113.200", "ada@example.com", PASSWORD).await, 429, "a neighbour");
    assert_eq!(ada.log_in_from("203.0.112.200", "ada@example.com", PASSWORD).await, 200, "anybody else");
    // The same over the networks of one IPv6 customer.
    let mut seen = Vec::new();
    for n in 0..60 {
        let address = format!("2001:db8:7:{n:x}::1");
        seen.push(mallory.log_in_from(&address, &format!("user{n}@example.org"), "Summer2027!").await);
    }
    assert_eq!(answered(&seen, 401), 40);
}

/// Pairs of a leak, each from an address of its own in a network of its own: no budget but that of all
/// failures together notices, and then addresses have a tenth of theirs.
#[tokio::test]
async fn stuffing_from_everywhere_makes_addresses_narrow_and_refuses_nobody_for_others() {
    let server = behind_a_proxy(|config| {
        config.limits.login_failures_max = 50;
        config.limits.login_failures_per_address_max = 30;
    })
    .await;
    server.make("ada@example.com").await;
    let mut mallory = server.program();
    for n in 0..50 {
        let status =
            mallory.log_in_from(&format!("198.51.{n}.9"), &format!("u{n}@example.com"), "leaked pw").await;
        assert_eq!(status, 401);
    }
    let mut seen = Vec::new();
    for n in 0..20 {
        seen.push(mallory.log_in_from("198.51.100.9", &format!("v{n}@example.com"), "leaked pw").await);
    }
    assert_eq!((answered(&seen, 401), answered(&seen, 429)), (3, 17));
    let mut ada = server.program();
    assert_eq!(ada.log_in_from("192.0.2.1", "ada@example.com", PASSWORD).await, 200);
    assert_eq!(ada.log_in_from("192.0.2.2", "ada@example.com", "a typo").await, 401);
    assert_eq!(ada.log_in_from("192.0.2.2", "ada@example.com", PASSWORD).await, 200);
}

/// An attacker with as many addresses as he likes hammers at one account for a day.
#[tokio::test]
async fn who_hammers_at_an_account_guesses_slowly_and_locks_out_nobody_who_is_known() {
    let server = behind_a_proxy(|_| {}).await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    let mut phone = server.program();
    let refresh = phone.log_in_by_body("ada@example.com").await;
    let mut mallory = server.program();
    let mut guesses = 0;
    for minute in 0..(24 * 60) {
        for n in 0..2 {
            let address = format!("2001:db8:{:x}:{n}::1", minute % 0xFFFF);
            let status = mallory.log_in_from(&address, "ada@example.com", &format!("guess {minute}")).await;
            guesses += usize::from(status == 401);
        }
        if minute % 480 == 240 {
            assert_eq!(ada.log_in("ada@example.com").await.status, 200, "minute {minute}");
        }
        server.advance(60);
    }
    // Ten at first, and then one in ninety seconds.
    assert!((900..=980).contains(&guesses), "{guesses}");
    assert_eq!(ada.refresh().await.status, 200);
    let reply = phone.post("/auth/refresh", json!({"refresh_token": refresh})).await;
    assert_eq!(reply.status, 200, "a session goes on whatever others do");
}

#[tokio::test]
async fn the_wait_between_guesses_grows_and_is_said() {
    let server = behind_a_proxy(|_| {}).await;
    server.make("ada@example.com").await;
    let mut mallory = server.program();
    let mut waits = Vec::new();
    for n in 0..200 {
        let body = json!({"email": "ada@example.com", "password": format!("guess {n}"), "transport": "body"});
        let request = mallory.request(Method::POST, "/auth/login");
        let reply = mallory.send(request.header("x-forwarded-for", format!("192.0.{n}.1")).json(&body)).await;
        if reply.status == 429 {
            let wait: i64 = reply.header("retry-after").parse().unwrap();
            assert_eq!(reply.body["retry_after"], wait);
            waits.push(wait);
            server.advance(wait);
        }
        if waits.len() == 6 {
            break;
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30]);
}

/// Spellings of one address are one account with one budget; what the documentation calls another address is one.
#[tokio::test]
async fn variants_of_an_address_are_one_account_or_another_one_and_never_both() {
    let server = behind_a_proxy(|config| config.limits.mails_per_account_max = 2).await;
    let mut anon = server.browser();
    let sign_up = |email: &str| json!({"email": email, "password": PASSWORD});
    assert_eq!(anon.post("/auth/signup", sign_up("ada.l@bücher.example")).await.status, 201);
    let same = [
        "ADA.L@BÜCHER.EXAMPLE",
        " ada.l@bücher.example ",
        "ada.l@xn--bcher-kva.example",
        "Ada.L@bu\u{308}cher.example",
        "ada.l@ｂücher.example",
        "ada.l@bücher。example",
        "ada.l@bü\u{ad}cher.example",
    ];
    for email in same {
        assert_eq!(
            server.browser().post("/auth/signup", sign_up(email)).await.verdict(),
            "409 email_taken",
            "{email}"
        );
        assert_eq!(server.program().log_in_from("192.0.2.9", email, PASSWORD).await, 200, "{email}");
        server.browser().post("/auth/password/forgot", json!({"email": email})).await;
    }
    // Dots and tags mean something at some hosts; a look-alike domain is another domain.
    let others = [
        "adal@bücher.example",
        "ada.l+shop@bücher.example",
        "ada.l@bucher.example",
        "ada.l@b\u{fc}cher.example.org",
        "ada.l@bücher.ex\u{430}mple",
    ]
    .map(str::to_owned);
    for email in &others {
        assert_eq!(server.program().log_in_from("192.0.2.10", email, PASSWORD).await, 401, "{email}");
    }
    let mut seen = Vec::new();
    for (n, email) in same.iter().cycle().take(40).enumerate() {
        server.advance(31);
        seen.push(server.program().log_in_from(&format!("192.0.{n}.1"), email, "wrong horse").await);
    }
    assert!(answered(&seen, 401) < 30, "each spelling had a budget of its own: {seen:?}");
    // A confusable in the name itself is no address at all.
    for email in ["аda.l@bücher.example", "ada\u{200b}.l@bücher.example", "ada。l@bücher.example"] {
        assert_eq!(
            server.browser().post("/auth/signup", sign_up(email)).await.errors(),
            ["email: invalid_local_part"]
        );
    }
    let to_ada = |message: &&relatch_server::mail::Message| message.subject.starts_with("Set a new password");
    assert!(server.mail(3).await.iter().filter(to_ada).count() <= 2, "one account, one budget");
}

/// Sign-ups with a stranger's address, and moves to it, leave the stranger's own mails alone.
#[tokio::test]
async fn nobody_uses_up_the_mails_of_a_stranger_who_forgot_their_password() {
    let server = behind_a_proxy(|config| {
        config.signup.verify_email_first = true;
        config.limits.mails_per_account_max = 2;
        config.limits.signups_per_address_max = 5;
    })
    .await;
    server.make("ada@example.com").await;
    server.make("eve@example.com").await;
    let mut eve = server.browser();
    eve.log_in("eve@example.com").await;
    for _ in 0..5 {
        let body = json!({"email": "ada@example.com", "password": "another password"});
        assert_eq!(server.browser().post("/auth/signup", body).await.status, 202);
        eve.fill("email", &[("new_email", "ada@example.com"), ("current_password", PASSWORD)]).await;
    }
    assert_eq!(
        server.browser().post("/auth/password/forgot", json!({"email": "ada@example.com"})).await.status,
        202
    );
    // Two reminders, two codes to move, two notices of those, and the link.
    let messages = server.mail(7).await;
    let reset = messages.iter().find(|message| message.subject.starts_with("Set a new password"));
    assert_eq!(reset.map(|message| message.to.as_str()), Some("ada@example.com"));
}

/// A sanity check of the flood; `relatch-drills flood` measures it.
#[tokio::test]
async fn refreshes_are_answered_while_500_log_in_at_once() {
    let server = Server::start(|config| {
        config.passwords.threads = Some(1);
        config.passwords.argon2.memory_kib = 1024;
        config.limits.login_failures_per_account_max = 10_000;
        config.limits.login_failures_per_address_max = 10_000;
        config.limits.login_failures_per_subnet_max = 10_000;
    })
    .await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    let program = server.program();
    let flood: Vec<_> = (0..500)
        .map(|n| {
            let mut program = program.clone();
            let email = format!("user{n}@example.com");
            tokio::spawn(async move { program.log_in_from("192.0.2.1", &email, "wrong horse").await })
        })
        .collect();
    for _ in 0..20 {
        let reply = ada.refresh().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for login in flood {
        let status = login.await.unwrap();
        assert!(matches!(status, 401 | 503), "{status}");
    }
}
