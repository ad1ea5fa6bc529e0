//! Mail by SMTP (RFC 5321), by way of a mail server that takes it from us.

use super::compose::compose;
use super::{Letter, MailError, Mailer};
use anyhow::Context;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport, Tokio1Executor};
use relatch_token::Secret;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// How the way to the mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Begins in the clear and must turn to TLS before anything is said (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Not at all.
    None,
}

/// Where the mail server is, and how to talk to it.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is guarded.
    pub security: SmtpSecurity,
    /// A certificate authority to trust besides those of the system (PEM).
    pub ca_file: Option<PathBuf>,
    /// Name and password.
    pub login: Option<(String, Secret<String>)>,
    /// After how long an attempt counts as failed.
    pub timeout: Duration,
}

/// Hands messages to a mail server.
pub struct Smtp {
    server: String,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Smtp {
    /// Nothing is said to the server yet.
    ///
    /// # Errors
    /// Where the authority's certificate can't be read.
    pub fn new(settings: SmtpSettings, from: Mailbox) -> anyhow::Result<Self> {
        let tls = match settings.security {
            SmtpSecurity::StartTls => Tls::Required(tls_parameters(&settings)?),
            SmtpSecurity::Tls => Tls::Wrapper(tls_parameters(&settings)?),
            SmtpSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some((name, password)) = settings.login {
            builder = builder.credentials(Credentials::new(name, password.expose().clone()));
        }
        let server = format!("{}:{}", settings.host, settings.port);
        Ok(Self { server, transport: builder.build(), from, timeout: settings.timeout })
    }
}

#[async_trait::async_trait]
impl Mailer for Smtp {
    async fn send(&self, letter: Letter<'_>) -> Result<(), MailError> {
        let composed = compose(&self.from, letter)?;
        match self.transport.send(composed).await {
            Ok(_) => Ok(()),
            Err(error) => Err(verdict(&self.server, &error)),
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn tls_parameters(settings: &SmtpSettings) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca_file {
        let named = || format!("`mail.smtp.ca_file`, {}", file.display());
        let pem = std::fs::read(file).with_context(named)?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).with_context(named)?);
    }
    builder.build_rustls().context("TLS for `mail.smtp` can't be set up")
}

/// Only a refusal of the message itself is for ever. What the server says beside its code may name people.
fn verdict(server: &str, error: &smtp::Error) -> MailError {
    let Some(code) = error.status() else {
        return MailError::Later(format!("{server}: {}", chain(error)));
    };
    match u16::from(code) {
        530 | 534 | 535 | 538 => MailError::Later(format!(
            "{server} refuses our name and password ({code}); check `mail.smtp.username` and its password"
        )),
        // About the server or the conversation, not about this message.
        500..=504 | 521 | 523 | 556 => {
            MailError::Later(format!("{server} does not take mail from us ({code})"))
        }
        number if number >= 500 => {
            MailError::Never(format!("{server} refuses the message for good ({code})"))
        }
        _ => MailError::Later(format!("{server} can't take the message now ({code})")),
    }
}

/// The error with what caused it; none of this comes from the message.
fn chain(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
