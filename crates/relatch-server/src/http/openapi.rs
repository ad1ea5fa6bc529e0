//! The API document (OpenAPI 3.1), made from the routes that serve it and completed by what all have in common.

use super::oauth::OauthErrorBody;
use super::problem::{FieldError, ProblemBody};
use crate::config::WebUrl;
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement, Server,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Relatch",
        description = "A session server. Short-lived access tokens come from a refresh token that changes at \
            every use, and a copied one betrays itself.",
    ),
    tags(
        (name = "Sessions", description = "Log in, stay logged in, log out."),
        (name = "Devices", description = "What somebody has logged in with."),
        (name = "Accounts", description = "Accounts and their passwords."),
        (name = "Second factors", description = "Authenticator apps and recovery codes."),
        (name = "OAuth 2.0", description = "The same sessions for OAuth clients. Errors are those of RFC 6749."),
        (name = "Server to server", description = "For other systems, by API key."),
        (name = "Operations", description = "For operators and verifiers."),
    ),
    components(schemas(ProblemBody, FieldError, OauthErrorBody)),
)]
struct Beginning;

/// What the document begins with; the routes add themselves.
pub(super) fn beginning() -> OpenApi {
    Beginning::openapi()
}

/// Completes the document: the server's address, how to authenticate, and the errors that any route can answer.
pub(super) fn finish(mut document: OpenApi, public_url: &WebUrl) -> OpenApi {
    document.servers = Some(vec![Server::new(public_url.as_str())]);
    let components = document.components.get_or_insert_default();
    for (name, scheme) in security_schemes() {
        components.add_security_scheme(name, scheme);
    }
    for (path, item) in &mut document.paths.paths {
        let errors = if path.starts_with("/oauth/") { Errors::OAUTH } else { Errors::PROBLEM };
        for (method, operation) in [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ] {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, path));
                make_body_optional(operation);
                errors.complete(operation);
            }
        }
    }
    document
}

/// A body that may be left out: it is then not there, which is not the same as `null`.
fn make_body_optional(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(ways))) = &content.schema {
            let own = ways.items.iter().find(|way| matches!(way, RefOr::Ref(_))).cloned();
            content.schema = own.or(content.schema.take());
            body.required = Some(Required::False);
        }
    }
}

/// Functions share names across modules; routes don't: `post_auth_login`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The document as it is served.
pub(super) fn to_json(document: &OpenApi) -> Bytes {
    document.to_json().map_or_else(|_| Bytes::new(), Bytes::from)
}

/// The shape of a group's errors.
struct Errors {
    content_type: &'static str,
    schema: &'static str,
    /// Whether fields that are not acceptable have a status of their own; RFC 6749 §5.2 has 400 for everything.
    has_field_errors: bool,
}

impl Errors {
    const PROBLEM: Self =
        Self { content_type: "application/problem+json", schema: "Problem", has_field_errors: true };
    const OAUTH: Self =
        Self { content_type: "application/json", schema: "OauthError", has_field_errors: false };

    fn complete(&self, operation: &mut Operation) {
        let responses = &mut operation.responses.responses;
        let has_body = operation.request_body.is_some();
        // What stands in a path names something, or nothing: 404, and never a mistake in a field.
        let has_parameters = operation.parameters.iter().flatten().any(|one| match one {
            RefOr::T(parameter) => parameter.parameter_in != ParameterIn::Path,
            RefOr::Ref(_) => true,
        });
        let has_fields = self.has_field_errors && (has_body || has_parameters);
        let ways = operation.security.as_deref().unwrap_or_default();
        let needs_proof = !ways.is_empty() && !ways.contains(&SecurityRequirement::default());
        let takes_key = ways.contains(&SecurityRequirement::new("api_key", NO_SCOPES));
        for (status, description, applies) in [
            ("400", "The request can't be read.", true),
            ("401", "Token or key is missing or not valid.", needs_proof),
            ("403", "The API key lacks the scope.", takes_key),
            ("408", "The body came too slowly.", has_body),
            ("413", "The body is too large.", has_body),
            ("414", "The address is too long.", true),
            ("415", "The body has the wrong type.", has_body),
            ("422", "Some fields are not acceptable; `errors` lists them.", has_fields),
            ("431", "The head is too large.", true),
            ("500", "The server made a mistake.", true),
            ("503", "Nothing was decided; try again as `Retry-After` says.", true),
        ] {
            if applies {
                responses
                    .entry(status.to_owned())
                    .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
            }
        }
        for (status, response) in responses {
            if let RefOr::T(response) = response
                && status.starts_with(['4', '5'])
                && response.content.is_empty()
            {
                self.give_content(response);
            }
        }
    }

    fn give_content(&self, response: &mut Response) {
        let content = Content::new(Some(Ref::from_schema_name(self.schema)));
        response.content.insert(self.content_type.to_owned(), RefOr::T(content));
    }
}

/// An API key's scopes are not OAuth's; the document has no word for them.
const NO_SCOPES: [&str; 0] = [];

fn security_schemes() -> [(&'static str, SecurityScheme); 4] {
    let http = |scheme, description: &str| {
        let mut http = Http::new(scheme);
        http.description = Some(description.to_owned());
        SecurityScheme::Http(http)
    };
    let cookie = ApiKeyValue::with_description(
        "__Secure-relatch-refresh",
        "Beside the cookie `__Host-relatch-device`, from a page of ours.",
    );
    [
        ("access_token", http(HttpAuthScheme::Bearer, "An access token.")),
        ("api_key", http(HttpAuthScheme::Bearer, "An API key (`rlk_…`): `relatch api-keys create`.")),
        ("client_secret", http(HttpAuthScheme::Basic, "Id and secret of an OAuth client.")),
        ("refresh_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}
