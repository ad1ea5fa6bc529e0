//! Request bodies: read within their bounds, and JSON taken strictly.
//!
//! [`body!`] declares what a route takes; the struct, its reader and its schema come from that one place.

use super::code;
use super::edge::Limits;
use super::json;
use super::problem::{FieldError, Problem};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use relatch_core::Transport;
use relatch_token::Secret;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a route takes as a JSON object: see [`body!`](crate::http::body).
pub trait JsonBody: Sized {
    /// Reads every field. [`None`] where one is not acceptable, which `fields` then knows of.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// Declares what a route takes: a struct with a schema and a strict reader. A field is optional where its type
/// is an [`Option`]; `null` then counts as absent.
macro_rules! body {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        $vis struct $name { $($(#[$field_meta])* $vis $field: $kind,)* }

        impl $crate::http::body::JsonBody for $name {
            fn read(fields: &mut $crate::http::body::Fields) -> Option<Self> {
                $(let $field = fields.take::<$kind>(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
pub(crate) use body;

/// A JSON body that must be there.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON body that may be left out, which is the same as `{}`.
#[derive(Debug)]
pub struct MaybeJson<T>(pub T);

impl<S: Sync, T: JsonBody> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_json(request.headers())?;
        parse(&read_bytes(request).await?).map(Self)
    }
}

impl<S: Sync, T: JsonBody> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = check_json(request.headers());
        match read_bytes(request).await? {
            bytes if bytes.is_empty() => parse(b"{}").map(Self),
            bytes => is_json.and_then(|()| parse(&bytes)).map(Self),
        }
    }
}

/// Reads the whole body: `413` where it is too large, `408` where it comes too slowly.
pub async fn read_bytes(request: Request) -> Result<Bytes, Problem> {
    let limits = request.extensions().get::<Limits>().copied().unwrap_or_default();
    let body = Limited::<Body>::new(request.into_body(), limits.body_bytes_max);
    match tokio::time::timeout(limits.body_timeout, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(&code::BODY_TOO_LARGE)
            .detail(format!("The body is larger than {} bytes. Send less.", limits.body_bytes_max))),
        Ok(Err(_)) => Err(Problem::invalid_request("The body broke off. Send the whole body.")),
        Err(_) => Err(Problem::new(&code::REQUEST_TIMEOUT)),
    }
}

/// The media type of a request's body, in lower case and without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type(headers).as_deref() {
        Some("application/json") => Ok(()),
        _ => Err(Problem::new(&code::UNSUPPORTED_MEDIA_TYPE)),
    }
}

/// Reads a body: `400` where its form is wrong, `422` with all errors where fields are.
fn parse<T: JsonBody>(bytes: &[u8]) -> Result<T, Problem> {
    read_members(json::parse_object(bytes)?)
}

/// Reads what a route takes from members that came as JSON, or by a form.
pub fn read_members<T: JsonBody>(members: Map<String, Value>) -> Result<T, Problem> {
    let mut fields = Fields { left: members, errors: Vec::new() };
    let read = T::read(&mut fields);
    if let Some(unknown) = fields.left.keys().next() {
        let name = json::shown(unknown);
        return Err(Problem::invalid_request(format!("The field `{name}` is unknown here. Leave it out.")));
    }
    read.filter(|_| fields.errors.is_empty()).ok_or_else(|| Problem::validation(fields.errors))
}

/// The fields of a body that have not been taken yet, and what was wrong with the others.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Takes a field. [`None`] where it is not acceptable, which is noted.
    pub fn take<T: FieldValue>(&mut self, name: &str) -> Option<T> {
        let read = match self.left.shift_remove(name) {
            Some(value) => T::read(value),
            None => T::absent().ok_or(Fault::new("missing", "Send this field.")),
        };
        let noted = |fault: Fault| {
            let Fault { code, detail } = fault;
            self.errors.push(FieldError { field: name.to_owned(), code: code.to_owned(), detail });
        };
        read.map_err(noted).ok()
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub struct Fault {
    code: &'static str,
    detail: String,
}

impl Fault {
    /// With a word for programs and a sentence for people.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    fn wrong_type(expected: &str) -> Self {
        Self::new("wrong_type", format!("Send {expected}."))
    }
}

/// What a field can hold.
pub trait FieldValue: Sized {
    /// The value, or what is wrong with it.
    fn read(value: Value) -> Result<Self, Fault>;

    /// What stands for a field that wasn't sent; [`None`] where it must be sent.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn read(value: Value) -> Result<Self, Fault> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl FieldValue for String {
    fn read(value: Value) -> Result<Self, Fault> {
        match value {
            // No text of ours has a use for it, and C libraries cut theirs short at it.
            Value::String(text) if text.contains('\0') => {
                Err(Fault::new("wrong_value", "Leave out the NUL character."))
            }
            Value::String(text) => Ok(text),
            _ => Err(Fault::wrong_type("a string")),
        }
    }
}

impl FieldValue for Secret<String> {
    fn read(value: Value) -> Result<Self, Fault> {
        String::read(value).map(Self::new)
    }
}

impl FieldValue for bool {
    fn read(value: Value) -> Result<Self, Fault> {
        value.as_bool().ok_or(Fault::wrong_type("true or false"))
    }
}

/// How a refresh token travels: in a cookie beside a device cookie (browsers), or in bodies.
#[derive(Clone, Copy, Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Transport)]
pub enum TransportName {
    /// Browsers.
    Cookie,
    /// Mobile, native, server to server.
    Body,
}

impl FieldValue for Transport {
    fn read(value: Value) -> Result<Self, Fault> {
        match String::read(value)?.as_str() {
            "cookie" => Ok(Self::Cookie),
            "body" => Ok(Self::Body),
            _ => Err(Fault::new("wrong_value", "Send \"cookie\" or \"body\".")),
        }
    }
}

impl FieldValue for Vec<String> {
    fn read(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Array(items) => items.into_iter().map(String::read).collect(),
            _ => Err(Fault::wrong_type("a list of strings")),
        }
    }
}

impl FieldValue for Map<String, Value> {
    fn read(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Object(members) => Ok(members),
            _ => Err(Fault::wrong_type("an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    body! {
        /// A sample.
        struct Sample {
            /// Must be there.
            email: String,
            /// May be left out.
            #[schema(value_type = Option<TransportName>)]
            transport: Option<Transport>,
            /// May be left out.
            remember: Option<bool>,
        }
    }

    /// The code, or the codes of the fields.
    fn refusal(json: &str) -> String {
        let problem = parse::<Sample>(json.as_bytes()).unwrap_err();
        let text = format!("{problem:?}");
        let errors: Vec<&str> = text
            .split("FieldError { field: \"")
            .skip(1)
            .map(|error| error.split(", detail").next().unwrap())
            .collect();
        if errors.is_empty() { problem.code().slug.to_owned() } else { errors.join(" + ") }
    }

    #[test]
    fn a_right_body_is_read_and_null_counts_as_absent() {
        let sample: Sample = parse(br#"{"email":"a","transport":"body","remember":null}"#).unwrap();
        assert_eq!(
            (sample.email.as_str(), sample.transport, sample.remember),
            ("a", Some(Transport::Body), None)
        );
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let expected =
            r#"email", code: "missing" + transport", code: "wrong_value" + remember", code: "wrong_type""#;
        assert_eq!(refusal(r#"{"transport":"pigeon","remember":1}"#), expected);
        assert_eq!(refusal(r#"{"email":null}"#), r#"email", code: "wrong_type""#);
        assert_eq!(refusal(r#"{"email":"a\u0000b"}"#), r#"email", code: "wrong_value""#);
    }

    #[test]
    fn an_unknown_field_is_named_before_anything_else() {
        assert_eq!(refusal(r#"{"e-mail":"a"}"#), "invalid_request");
        let problem = parse::<Sample>(br#"{"email":"a","Email":"b"}"#).unwrap_err();
        assert!(format!("{problem:?}").contains("`Email`"));
    }

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = Request::new(body.into());
        if let Some(kind) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        request
    }

    #[tokio::test]
    async fn only_json_is_json() {
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(Json::<Sample>::from_request(request(Some(kind), r#"{"email":""}"#), &()).await.is_ok());
        }
        for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
            let refused = Json::<Sample>::from_request(request(kind, r#"{"email":""}"#), &()).await;
            assert_eq!(refused.unwrap_err().code().slug, "unsupported_media_type", "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_body_may_have_its_full_size_and_not_a_byte_more() {
        let limits = Limits::default();
        let of = |bytes: usize| async move {
            let mut request = request(None, vec![b' '; bytes]);
            request.extensions_mut().insert(limits);
            read_bytes(request).await.map(|body| body.len())
        };
        assert_eq!(of(limits.body_bytes_max).await.unwrap(), limits.body_bytes_max);
        assert_eq!(of(limits.body_bytes_max + 1).await.unwrap_err().code().slug, "body_too_large");
    }

    #[tokio::test]
    async fn an_optional_body_may_be_empty_but_not_of_another_kind() {
        body! {
            /// Nothing needed.
            struct Free {
                /// May be left out.
                name: Option<String>,
            }
        }
        let read = |kind, text: &'static str| MaybeJson::<Free>::from_request(request(kind, text), &());
        assert!(read(None, "").await.unwrap().0.name.is_none());
        assert!(read(Some("application/json"), "{}").await.is_ok());
        assert_eq!(read(None, "{}").await.unwrap_err().code().slug, "unsupported_media_type");
    }
}
