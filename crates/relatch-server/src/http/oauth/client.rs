//! Which client asks (RFC 6749 §2.3): by HTTP Basic, by parameters, or, a public one, by its name alone.

use super::error::OauthError;
use crate::clients::ClientVerdict;
use crate::http::body::{media_type, read_bytes};
use crate::http::form::Form;
use crate::http::site::Site;
use axum::extract::Request;
use base64ct::{Base64, Encoding};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use relatch_store::ClientKind;
use relatch_token::{ClientId, Secret};

/// Reads the form of a request. Its headers are needed later, to see which client asks.
pub(super) async fn read_form(request: Request) -> Result<(HeaderMap, Form), OauthError> {
    if media_type(request.headers()).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(OauthError::invalid_request("send Content-Type: application/x-www-form-urlencoded"));
    }
    let headers = request.headers().clone();
    let form = Form::parse(&read_bytes(request).await?)
        .map_err(|_| OauthError::invalid_request("a parameter is repeated, or is no UTF-8"))?;
    Ok((headers, form))
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    /// The client; none where the asker is a first-party app, whose sessions belong to no client.
    pub(super) client_id: Option<ClientId>,
    /// Whether it proved a secret.
    pub(super) is_confidential: bool,
}

impl Asking {
    /// Who asks, or that it isn't who it says.
    pub(super) async fn of(site: &Site, headers: &HeaderMap, form: &Form) -> Result<Self, OauthError> {
        let tried_basic = headers.contains_key(AUTHORIZATION).then_some("Basic realm=\"relatch\"");
        let named = form.get("client_id");
        let in_form = form.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
        if tried_basic.is_some() {
            if in_form.is_some() {
                return Err(OauthError::invalid_request("send the client's secret in one way only"));
            }
            for (id, secret) in basic(headers) {
                if named.is_some_and(|named| named != id) {
                    continue;
                }
                if let Some(asking) = authenticate(site, &id, Some(&secret)).await? {
                    return Ok(asking);
                }
            }
            return Err(OauthError::invalid_client(tried_basic));
        }
        let first_party = &site.app.config.tokens.first_party_client_id;
        match named {
            None if in_form.is_none() => Ok(Self { client_id: None, is_confidential: false }),
            Some(id) => match authenticate(site, id, in_form.as_ref()).await? {
                Some(asking) => Ok(asking),
                None if id == first_party && in_form.is_none() => {
                    Ok(Self { client_id: None, is_confidential: false })
                }
                None => Err(OauthError::invalid_client(None)),
            },
            None => Err(OauthError::invalid_client(None)),
        }
    }
}

async fn authenticate(
    site: &Site,
    id: &str,
    secret: Option<&Secret<String>>,
) -> Result<Option<Asking>, OauthError> {
    let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
    Ok(match site.app.clients.authenticate(&id, secret).await? {
        ClientVerdict::Confidential(client) | ClientVerdict::Public(client) => Some(Asking {
            client_id: Some(client.id),
            is_confidential: client.kind == ClientKind::Confidential,
        }),
        ClientVerdict::Refused => None,
    })
}

/// The id and secret of HTTP Basic. RFC 6749 §2.3.1 wants both form-encoded first, and half of all libraries
/// forget that, so the raw reading counts too where it differs.
fn basic(headers: &HeaderMap) -> Vec<(String, Secret<String>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Vec::new() };
    let scheme = value.as_bytes().split_at_checked(BASIC.len());
    let encoded = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BASIC));
    let Some(encoded) = encoded.and_then(|(_, rest)| str::from_utf8(rest).ok()) else { return Vec::new() };
    // A secret of ours or not, this is one: it is wiped like any other.
    let decoded = Base64::decode_vec(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(decoded) = decoded.map(Secret::new) else { return Vec::new() };
    let Some((id, secret)) = decoded.expose().split_once(':') else { return Vec::new() };
    let raw = (id.to_owned(), Secret::new(secret.to_owned()));
    let unescaped = (unescape(id), Secret::new(unescape(secret)));
    if unescaped == raw { vec![raw] } else { vec![unescaped, raw] }
}

fn unescape(text: &str) -> String {
    let pair = url::form_urlencoded::parse(text.as_bytes()).next();
    // A text without `&` and `=` is one name without a value.
    pair.filter(|_| !text.contains(['&', '='])).map_or_else(|| text.to_owned(), |(name, _)| name.into_owned())
}

const BASIC: &[u8] = b"Basic ";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        basic(&headers).into_iter().map(|(id, secret)| (id, secret.expose().clone())).collect()
    }

    fn encoded(pair: &str) -> String {
        format!("basic {}", Base64::encode_string(pair.as_bytes()))
    }

    fn pair(id: &str, secret: &str) -> (String, String) {
        (id.to_owned(), secret.to_owned())
    }

    #[test]
    fn both_readings_of_http_basic_are_tried() {
        assert_eq!(read(&encoded("web:s-_1")), [pair("web", "s-_1")]);
        assert_eq!(read(&encoded("web:a:b")), [pair("web", "a:b")]);
        assert_eq!(read(&encoded("we%3Ab:a%2Bb")), [pair("we:b", "a+b"), pair("we%3Ab", "a%2Bb")]);
        assert_eq!(read(&encoded("web:a+b")), [pair("web", "a b"), pair("web", "a+b")]);
        assert_eq!(read(&encoded("web:a&b=c")), [pair("web", "a&b=c")]);
    }

    #[test]
    fn what_is_no_http_basic_names_nobody() {
        for value in ["Bearer x", "Basic", "Basic !", "Basic /w==", &encoded("no-colon")] {
            assert_eq!(read(value), [], "{value}");
        }
    }
}
