//! Email addresses: as a person types them, and as accounts are told apart by them.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::fmt;
use std::str::FromStr;

/// The longest local part, in bytes (RFC 5321 §4.5.3.1.1).
pub const LOCAL_BYTES_MAX: usize = 64;

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets: RFC 3696 erratum 1690).
pub const ADDRESS_BYTES_MAX: usize = 254;

/// An address that mail can be sent to.
///
/// Two addresses are one account when their [`unique_key`](Self::unique_key) is the same:
/// - white space around the address does not count;
/// - the local part is compared without case. RFC 5321 §2.4 would let a host tell `Ada` from `ada`, none of
///   note does, and people change their minds about it. Nothing else is folded: dots and `+tags` mean
///   something at some hosts and nothing at others;
/// - the local part is ASCII (RFC 5322 §3.2.3, dot-atom). No other spelling can look the same, and no mail
///   server on the way needs SMTPUTF8;
/// - the domain is compared in the ASCII form of UTS #46 (non-transitional, STD3 rules), thus without case,
///   width or composition. Look-alikes of other scripts stay what they are: other domains.
///
/// ```
/// use relatch_server::email::EmailAddress;
/// let typed: EmailAddress = " Ada@Bücher.example ".parse()?;
/// assert_eq!(typed.unique_key(), "ada@xn--bcher-kva.example");
/// assert_eq!(typed.display(), "Ada@bücher.example");
/// # Ok::<(), relatch_server::email::EmailError>(())
/// ```
#[derive(Clone)]
pub struct EmailAddress {
    display: String,
    mailbox: String,
    unique_key: String,
}

/// Why a text is no address that can have an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not one `@`, with something on both sides.
    #[error("an email address has one @, with a name before and a domain after it")]
    Shape,
    /// Longer than mail servers take.
    #[error("the email address is too long; at most 64 characters before the @ and 254 in all are possible")]
    TooLong,
    /// A local part that needs quotes, or isn't ASCII.
    #[error(
        "the part before the @ may hold ASCII letters, digits, single dots and !#$%&'*+-/=?^_`{{|}}~ only"
    )]
    Local,
    /// No domain name, or one that nobody can register.
    #[error("the part after the @ is not a domain name, such as example.com")]
    Domain,
}

impl EmailError {
    /// The stable slug for `errors[].code`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Shape => "not_an_address",
            Self::TooLong => "too_long",
            Self::Local => "invalid_local_part",
            Self::Domain => "invalid_domain",
        }
    }
}

impl EmailAddress {
    /// Reads what somebody typed.
    pub fn parse(typed: &str) -> Result<Self, EmailError> {
        // Far beyond what can become valid; spares the look at the rest.
        if typed.len() > 4 * ADDRESS_BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        let typed = typed.trim();
        let (local, domain) = typed.split_once('@').ok_or(EmailError::Shape)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(EmailError::Shape);
        }
        if !is_dot_atom(local) {
            return Err(EmailError::Local);
        }
        let host = host_name(domain).ok_or(EmailError::Domain)?;
        if local.len() > LOCAL_BYTES_MAX || local.len() + 1 + host.len() > ADDRESS_BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        let display = match domain.is_ascii() {
            true => typed.to_owned(),
            false => format!("{local}@{}", readable(&host)),
        };
        let unique_key = format!("{}@{host}", local.to_ascii_lowercase());
        Ok(Self { display, mailbox: format!("{local}@{host}"), unique_key })
    }

    /// For people: as typed, trimmed. Only a domain in another script than ASCII is put in its normal form,
    /// since what was typed may hold characters that nobody sees.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// For mail servers: the local part as typed, the domain in ASCII.
    pub fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// For telling accounts apart: the same for every spelling of one address.
    pub fn unique_key(&self) -> &str {
        &self.unique_key
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    fn from_str(typed: &str) -> Result<Self, EmailError> {
        Self::parse(typed)
    }
}

/// Addresses are personal and belong in no log.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress([redacted])")
    }
}

/// RFC 5322 §3.2.3: runs of `atext`, one dot between them. No quotes, comments or spaces.
fn is_dot_atom(local: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// The ASCII form of a domain that can have mail: two labels or more, and no IP address.
fn host_name(domain: &str) -> Option<String> {
    let host = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?;
    // A top-level domain is never all digits (RFC 3696 §2), the end of an IPv4 address always is.
    let (_, top) = host.rsplit_once('.')?;
    (!top.bytes().all(|b| b.is_ascii_digit())).then(|| host.into_owned())
}

/// The Unicode form of a domain that [`host_name`] has found valid.
fn readable(host: &str) -> String {
    Uts46::new().to_unicode(host.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(typed: &str) -> Result<String, EmailError> {
        EmailAddress::parse(typed).map(|address| address.unique_key().to_owned())
    }

    #[test]
    fn every_spelling_of_one_address_is_one_account() {
        for (unique_key, spellings) in [
            (
                "ada@example.com",
                &[
                    "ada@example.com",
                    "ADA@EXAMPLE.COM",
                    " Ada@Example.com\t",
                    "\u{a0}ada@ｅxample.ｃom",
                    "ada@example。com",
                    "ada@exam\u{ad}ple.com",
                ][..],
            ),
            (
                "ada@xn--bcher-kva.example",
                &[
                    "ada@bücher.example",
                    "ada@BÜCHER.example",
                    "ada@bu\u{308}cher.example",
                    "ada@xn--bcher-kva.example",
                    "ada@XN--BCHER-KVA.example",
                ],
            ),
            ("o'neil+tag@sub.example.co.uk", &["O'Neil+Tag@sub.example.co.uk"]),
            ("ada@xn--fa-hia.example", &["ada@faß.example"]),
        ] {
            for spelling in spellings {
                assert_eq!(key(spelling).as_deref(), Ok(unique_key), "{spelling:?}");
            }
        }
    }

    #[test]
    fn what_hosts_may_tell_apart_stays_apart() {
        let keys: std::collections::BTreeSet<_> = [
            "ada.byron@gmail.com",
            "adabyron@gmail.com",
            "adabyron+x@gmail.com",
            "adabyron@googlemail.com",
            "adabyron@example.com",
            "adabyron@exаmple.com", // with a Cyrillic а
            "adabyron@fass.example",
            "adabyron@faß.example",
        ]
        .map(|typed| key(typed).unwrap())
        .into();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn a_local_part_beyond_ascii_is_refused_whatever_it_resembles() {
        for typed in [
            "аda@example.com",
            "ａda@example.com",
            "adä@example.com",
            "\u{212a}elvin@example.com",
            "a\u{ad}da@example.com",
            "ada\u{200d}@example.com",
            "\u{202e}ada@example.com",
        ] {
            assert_eq!(key(typed), Err(EmailError::Local), "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_fault() {
        for (typed, error) in [
            ("", EmailError::Shape),
            ("ada", EmailError::Shape),
            ("@example.com", EmailError::Shape),
            ("ada@", EmailError::Shape),
            ("ada@b@example.com", EmailError::Shape),
            ("\"ada@b\"@example.com", EmailError::Shape),
            ("ada＠example.com", EmailError::Shape),
            ("\"ada\"@example.com", EmailError::Local),
            ("ada byron@example.com", EmailError::Local),
            ("ada(comment)@example.com", EmailError::Local),
            ("Ada <ada@example.com>", EmailError::Local),
            ("mailto:ada@example.com", EmailError::Local),
            (".ada@example.com", EmailError::Local),
            ("ada.@example.com", EmailError::Local),
            ("ada..b@example.com", EmailError::Local),
            ("ada\0@example.com", EmailError::Local),
            ("ada\r\nBcc: x@example.com", EmailError::Local),
            ("ada@example.com\r\nBcc: x", EmailError::Domain),
            ("ada@exam\u{0}ple.com", EmailError::Domain),
            ("ada@localhost", EmailError::Domain),
            ("ada@127.0.0.1", EmailError::Domain),
            ("ada@[127.0.0.1]", EmailError::Domain),
            ("ada@[IPv6:::1]", EmailError::Domain),
            ("ada@example.com.", EmailError::Domain),
            ("ada@.example.com", EmailError::Domain),
            ("ada@example..com", EmailError::Domain),
            ("ada@-example.com", EmailError::Domain),
            ("ada@example-.com", EmailError::Domain),
            ("ada@exa_mple.com", EmailError::Domain),
            ("ada@exam ple.com", EmailError::Domain),
            ("ada@example.com,b", EmailError::Domain),
            ("ada@xn--a.example", EmailError::Domain),
            ("ada@ex\u{202e}ample.com", EmailError::Domain),
            ("ada@example.com(comment)", EmailError::Domain),
        ] {
            assert_eq!(key(typed), Err(error), "{typed:?}");
        }
    }

    #[test]
    fn lengths_are_those_that_mail_servers_take() {
        let local = |bytes: usize| format!("{}@example.com", "a".repeat(bytes));
        assert!(key(&local(64)).is_ok());
        assert_eq!(key(&local(65)), Err(EmailError::TooLong));
        // Labels of 63 and 64 bytes.
        let label = |bytes: usize| format!("ada@{}.com", "b".repeat(bytes));
        assert!(key(&label(63)).is_ok());
        assert_eq!(key(&label(64)), Err(EmailError::Domain));
        // 254 and 255 bytes in all.
        let total = |bytes: usize| {
            let domain = [63, 63, 58].map(|length| "c".repeat(length)).join(".") + ".com";
            format!("{}@{domain}", "a".repeat(bytes - 1 - domain.len()))
        };
        assert_eq!(total(254).len(), 254);
        assert!(key(&total(254)).is_ok());
        assert_eq!(key(&total(255)), Err(EmailError::TooLong));
        assert_eq!(key(&"a".repeat(1 << 20)), Err(EmailError::TooLong));
        // What counts is the ASCII form: 63 bytes of it fit in fewer letters.
        assert_eq!(key(&format!("ada@{}.com", "ü".repeat(63))), Err(EmailError::Domain));
    }

    #[test]
    fn people_see_what_they_typed_and_mail_servers_what_they_can_read() {
        let typed = EmailAddress::parse(" Ada.Byron@Example.COM ").unwrap();
        assert_eq!((typed.display(), typed.mailbox()), ("Ada.Byron@Example.COM", "Ada.Byron@example.com"));
        let hidden = EmailAddress::parse("Ada@BÜ\u{ad}CHER.example").unwrap();
        assert_eq!((hidden.display(), hidden.mailbox()), ("Ada@bücher.example", "Ada@xn--bcher-kva.example"));
        assert_eq!(format!("{typed:?}"), "EmailAddress([redacted])");
    }

    #[test]
    fn every_form_reads_back_as_the_same_account() {
        for typed in ["Ada@BÜCHER.example", "ada@faß.example", "Ada@Example.com"] {
            let address = EmailAddress::parse(typed).unwrap();
            for form in [address.display(), address.mailbox(), address.unique_key()] {
                assert_eq!(key(form).as_deref(), Ok(address.unique_key()), "{form}");
            }
        }
    }
}
