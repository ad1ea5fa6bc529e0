//! What is said to a mail server, and what its answers mean.

use crate::sink::{Certificates, Sink, smtp};
use relatch_server::mail::{Letter, MailError, Mailer, Message, SmtpSecurity, SmtpSettings};
use relatch_token::{Secret, Timestamp};

const LOGIN: &str = "relatch:sesame";

async fn send(settings: SmtpSettings, to: &str) -> Result<(), MailError> {
    let message = Message {
        to: to.into(),
        subject: "Grüße – id".into(),
        text: Secret::new("open rll_code, please ü\n".into()),
        html: Some(Secret::new("<p>open</p>".into())),
    };
    let letter = Letter { name: "00ff", at: Timestamp::from_seconds(1_800_000_000), message: &message };
    smtp(settings).send(letter).await
}

fn login(password: &str) -> Option<(String, Secret<String>)> {
    Some(("relatch".into(), Secret::new(password.into())))
}

fn why(answer: Result<(), MailError>) -> String {
    match answer {
        Err(MailError::Later(why)) => why,
        other => panic!("{other:?} is not for later"),
    }
}

#[tokio::test]
async fn a_message_arrives_whole_over_every_guarded_way_with_a_login() {
    let certificates = Certificates::new();
    for (word, security) in [("starttls", SmtpSecurity::StartTls), ("tls", SmtpSecurity::Tls)] {
        let sink = certificates.sink(word, &["--login", LOGIN]);
        let settings = SmtpSettings {
            ca_file: Some(certificates.ca.clone()),
            login: login("sesame"),
            ..sink.settings(security)
        };
        assert_eq!(send(settings, "ada@example.com").await, Ok(()), "{word}");
        let taken = sink.next();
        assert_eq!(taken["id"], "<00ff@relatch.example>");
        assert_eq!((&taken["is_tls"], &taken["login"]), (&true.into(), &"relatch".into()), "{word}");
        assert_eq!((&taken["to"][0], &taken["subject"]), (&"ada@example.com".into(), &"Grüße – id".into()));
        assert!(taken["text"].as_str().unwrap().starts_with("open rll_code, please ü"), "{taken}");
        let types = taken["types"].as_array().unwrap();
        assert_eq!(types[..], ["multipart/alternative", "text/plain", "text/html"]);
    }
}

#[tokio::test]
async fn a_server_on_this_machine_may_do_without_tls() {
    let sink = Sink::start(&[]);
    assert_eq!(send(sink.settings(SmtpSecurity::None), "ada@example.com").await, Ok(()));
    assert_eq!(sink.next()["is_tls"], false);
}

#[tokio::test]
async fn a_wrong_password_is_for_later_and_names_the_setting_but_not_the_password() {
    let certificates = Certificates::new();
    let sink = certificates.sink("starttls", &["--login", LOGIN]);
    let settings = |login| SmtpSettings {
        ca_file: Some(certificates.ca.clone()),
        login,
        ..sink.settings(SmtpSecurity::StartTls)
    };
    let refused = why(send(settings(login("hunter2")), "ada@example.com").await);
    assert!(refused.contains("`mail.smtp.username`") && !refused.contains("hunter2"), "{refused}");
    let without = why(send(settings(None), "ada@example.com").await);
    assert!(without.contains("530"), "{without}");
    assert!(sink.rest().is_empty());
}

#[tokio::test]
async fn a_certificate_that_is_not_vouched_for_or_of_another_host_ends_it_before_the_login() {
    let certificates = Certificates::new();
    for (word, security) in [("starttls", SmtpSecurity::StartTls), ("tls", SmtpSecurity::Tls)] {
        let sink = certificates.sink(word, &["--login", LOGIN]);
        let unknown = SmtpSettings { login: login("sesame"), ..sink.settings(security) };
        let stranger = why(send(unknown.clone(), "ada@example.com").await);
        assert!(stranger.contains("certificate"), "{stranger}");
        let elsewhere =
            SmtpSettings { host: "127.0.0.1".into(), ca_file: Some(certificates.ca.clone()), ..unknown };
        let other = why(send(elsewhere, "ada@example.com").await);
        assert!(other.contains("certificate"), "{other}");
        assert!(sink.rest().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_hides_its_tls_gets_nothing() {
    let sink = Sink::start(&[]);
    let stripped = why(send(sink.settings(SmtpSecurity::StartTls), "ada@example.com").await);
    assert!(stripped.contains("localhost"), "{stripped}");
    assert!(sink.rest().is_empty(), "a message went out in the clear");
}

#[tokio::test]
async fn a_refusal_for_good_is_told_from_one_for_now_and_neither_names_the_receiver() {
    let sink = Sink::start(&[]);
    let settings = || sink.settings(SmtpSecurity::None);
    let Err(MailError::Never(gone)) = send(settings(), "gone@example.com").await else { panic!("taken") };
    assert!(gone.contains("550") && !gone.contains("gone@"), "{gone}");
    let busy = why(send(settings(), "busy@example.com").await);
    assert!(busy.contains("451") && !busy.contains("busy@"), "{busy}");
    assert_eq!(send(settings(), "busy@example.com").await, Ok(()));
    assert_eq!(sink.next()["to"][0], "busy@example.com");
}

#[tokio::test]
async fn a_server_that_is_away_is_for_later() {
    let settings = {
        let sink = Sink::start(&[]);
        sink.settings(SmtpSecurity::None)
    };
    assert!(why(send(settings, "ada@example.com").await).contains("localhost"));
}
