//! Every error code of the HTTP interface, in one table: what programs switch on, and what people do next.

use http::StatusCode;
use std::fmt::Write;

/// An error code: stable for programs, explained for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The word that programs switch on.
    pub slug: &'static str,
    /// The status that it always comes with.
    pub status: StatusCode,
    /// What it is, in a few words; the same each time (RFC 9457 §3.1.3).
    pub title: &'static str,
    /// What to do next.
    pub advice: &'static str,
}

macro_rules! codes {
    ($($name:ident = $status:ident $slug:literal: $title:literal, $advice:literal;)*) => {
        $(
            #[doc = concat!("`", $slug, "`: ", $title, ".")]
            pub const $name: Code =
                Code { slug: $slug, status: StatusCode::$status, title: $title, advice: $advice };
        )*

        /// Every code, by status.
        pub const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    INVALID_REQUEST = BAD_REQUEST "invalid_request": "The request can't be read",
        "Correct the request as the detail says. Repeating it unchanged gives the same answer.";
    DUPLICATE_COOKIE = BAD_REQUEST "duplicate_cookie": "Several cookies of one name",
        "Another site under the same domain has set cookies with our names, and none of them is the one that we \
         set. Remove the cookies of the parent domain, then log in again. Nothing was cleared.";
    INVALID_LINK = BAD_REQUEST "invalid_link": "The link is not valid",
        "It was used before, is too old, or was replaced by a newer one. Ask for a new link.";
    MISSING_TOKEN = UNAUTHORIZED "missing_token": "No token was sent",
        "Send the access token as `Authorization: Bearer …`; for a refresh, send the refresh token in its cookie \
         or in the body. Where there is none, log in.";
    INVALID_TOKEN = UNAUTHORIZED "invalid_token": "The token is not valid",
        "It was not issued by this server for this use. Log in again.";
    TOKEN_EXPIRED = UNAUTHORIZED "token_expired": "The access token has expired",
        "Refresh, then repeat the request with the new access token.";
    TOKEN_REVOKED = UNAUTHORIZED "token_revoked": "The session of the access token has ended",
        "Log in again. Refreshing doesn't help.";
    SESSION_EXPIRED = UNAUTHORIZED "session_expired": "The session has expired",
        "Nobody came back in time, or the session reached its greatest age. Log in again.";
    SESSION_REVOKED = UNAUTHORIZED "session_revoked": "The session was ended",
        "Somebody logged out, changed the password, or ended the session from elsewhere. Log in again.";
    TOKEN_REUSED = UNAUTHORIZED "token_reused": "A superseded refresh token was used",
        "Two parties held copies of one refresh token, so the session was ended. Tell the user, and log in again. \
         If it happens without a theft, let tabs and processes share the newest token and the Idempotency-Key.";
    DEVICE_MISMATCH = UNAUTHORIZED "device_mismatch": "The refresh token belongs to another device",
        "It works only beside the device cookie that it was issued with, and where the operator binds sessions more \
         tightly, from the browser or address of the login. Send both cookies, or log in again.";
    INVALID_CREDENTIALS = UNAUTHORIZED "invalid_credentials": "Address or password is wrong",
        "Try again, or reset the password. Whether the address has an account is never told.";
    MFA_REQUIRED = UNAUTHORIZED "mfa_required": "A second factor is required",
        "Continue with one of `methods`, sending `mfa_token` to `/auth/mfa`.";
    INVALID_MFA_TOKEN = UNAUTHORIZED "invalid_mfa_token": "The login has to begin anew",
        "The `mfa_token` is older than five minutes, was given to another browser, or the password was changed since. \
         Log in again.";
    INVALID_CODE = UNAUTHORIZED "invalid_code": "The code is wrong",
        "Ask for the next code that the app shows: each works once. Otherwise ask for a recovery code.";
    CSRF_CHECK_FAILED = FORBIDDEN "csrf_check_failed": "The request didn't come from a page of ours",
        "Call from the server's own origin, or add the page's origin to `server.allowed_origins`. Programs \
         without a browser use `\"transport\": \"body\"`.";
    WRONG_PASSWORD = FORBIDDEN "wrong_password": "The current password is wrong",
        "Ask for the current password again. The session goes on.";
    CODE_REQUIRED = FORBIDDEN "code_required": "A code is required beside the password",
        "Ask for a code by one of `methods`, and send the request again with the code in `code`. The session goes on.";
    WRONG_CODE = FORBIDDEN "wrong_code": "The code is wrong",
        "Ask for the next code that the app shows: each works once. The session goes on.";
    STEP_UP_REQUIRED = FORBIDDEN "step_up_required": "The person has to prove again who they are",
        "Continue with one of `methods`, sending `mfa_token`.";
    INSUFFICIENT_SCOPE = FORBIDDEN "insufficient_scope": "The key may not do this",
        "Use an API key with the scope that the detail names: `relatch api-keys create --name … --scopes …`.";
    EMAIL_NOT_VERIFIED = FORBIDDEN "email_not_verified": "The address has to be proved first",
        "Follow the link that was mailed at sign-up, or sign up again to get a new one. Then log in.";
    SIGNUP_DISABLED = FORBIDDEN "signup_disabled": "Sign-up is closed",
        "Accounts are made by the operator: `relatch users create`, or set `signup.enabled`.";
    NOT_FOUND = NOT_FOUND "not_found": "There is nothing here",
        "Check the path and the identifier. What belongs to others looks as if it didn't exist.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed": "The path has no such method",
        "Use one of the methods of the `Allow` header.";
    REQUEST_TIMEOUT = REQUEST_TIMEOUT "request_timeout": "The request came too slowly",
        "Send the whole body at once.";
    EMAIL_TAKEN = CONFLICT "email_taken": "The address has an account",
        "Log in, or reset the password.";
    TOO_MANY_SESSIONS = CONFLICT "too_many_sessions": "There are as many sessions as one person may have",
        "Log out on another device first, or set a new password, which logs out everywhere.";
    USER_DISABLED = CONFLICT "user_disabled": "The user is disabled",
        "Enable the user first: `relatch users enable`.";
    TOO_MANY_FACTORS = CONFLICT "too_many_factors": "The account has as many second factors as it may",
        "Remove one that is not in use any more, then add the new one.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body_too_large": "The body is too large",
        "Send less: the limit is 64 KiB unless `server.limits.body_bytes` says otherwise.";
    URI_TOO_LONG = URI_TOO_LONG "uri_too_long": "The address of the request is too long",
        "Send data in the body.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type": "The body has the wrong type",
        "Send JSON with `Content-Type: application/json`.";
    VALIDATION_FAILED = UNPROCESSABLE_ENTITY "validation_failed": "Some fields are not acceptable",
        "Correct the fields that `errors` lists.";
    TOO_MANY_ATTEMPTS = TOO_MANY_REQUESTS "too_many_attempts": "Too many attempts",
        "Wait as long as `retry_after` says.";
    TOO_MANY_REFRESHES = TOO_MANY_REQUESTS "too_many_refreshes": "Too many refreshes of one session",
        "Wait as long as `retry_after` says, and refresh when `refresh_in` has passed, not at every request.";
    HEAD_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large": "The request head is too large",
        "Send fewer or shorter headers and cookies.";
    INTERNAL_ERROR = INTERNAL_SERVER_ERROR "internal_error": "The server made a mistake",
        "It is not your fault. Report the `request_id`; the session goes on.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "unavailable": "The server can't answer now",
        "Repeat the request after `retry_after`. Nothing was decided: the session goes on.";
}

/// The page of all error codes, in Markdown, as it stands in the documentation.
pub fn errors_reference() -> String {
    let mut page = String::from(
        "<!-- Written by `cargo xtask gen`; change `http/code.rs`. -->\n\n# Errors\n\nEvery error of `/auth`, `/account` and `/admin` is `application/problem+json` (RFC 9457). \
         Programs switch on `code`;\n`type` leads to the same words on the server's own page. A refusal (4xx) is final for that request; 429 and 503 \
         name in `retry_after` when to try again\nand never end a session.\n",
    );
    for code in ALL {
        let status = code.status.as_u16();
        // Writing into a string never fails.
        let _ = write!(page, "\n## {}\n\n{status}: {}. {}\n", code.slug, code.title, code.advice);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_meaning_and_a_sentence_on_what_to_do() {
        for code in ALL {
            assert_eq!(ALL.iter().filter(|other| other.slug == code.slug).count(), 1, "{}", code.slug);
            assert!(code.status.is_client_error() || code.status.is_server_error());
            assert!(code.advice.ends_with('.') && !code.title.ends_with('.'), "{}", code.slug);
        }
    }

    #[test]
    fn the_reference_has_a_heading_for_every_code() {
        let page = errors_reference();
        for code in ALL {
            assert!(page.contains(&format!("\n## {}\n", code.slug)));
        }
    }
}
