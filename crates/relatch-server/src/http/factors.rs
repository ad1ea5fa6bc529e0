//! `/auth/factors` and `/auth/recovery-codes`: one's second factors, added and removed.

use super::bearer::Bearer;
use super::body::{Json, body};
use super::caller::Caller;
use super::code;
use super::fields::FactorName;
use super::problem::{Answer, Problem};
use super::proof::{proof, refused};
use super::site::{Shared, Site};
use crate::accounts::{BeginRefusal, BegunFactor, ConfirmRefusal, ConfirmTotp, FactorRefusal};
use crate::factors::RecoveryCode;
use crate::wire_time::rfc3339;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use relatch_core::Session;
use relatch_store::{Factor, FactorKind, FactorState};
use relatch_token::{FactorId, Secret};
use serde::Serialize;
use utoipa::ToSchema;

/// A second factor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Factor)]
pub struct FactorView {
    /// Its name.
    #[schema(example = "fac_AAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// What it is.
    #[schema(example = "totp")]
    kind: &'static str,
    /// What its owner calls it.
    name: Option<String>,
    /// When it was begun.
    #[schema(format = "date-time")]
    created_at: String,
    /// Since when logins ask for it; `null` as long as it waits for its first code.
    #[schema(format = "date-time")]
    confirmed_at: Option<String>,
}

impl FactorView {
    fn of(factor: &Factor) -> Self {
        Self {
            id: factor.id.to_string(),
            kind: match factor.kind {
                FactorKind::Totp => "totp",
            },
            name: Some(factor.name.clone()).filter(|name| !name.is_empty()),
            created_at: rfc3339(factor.created_at),
            confirmed_at: match factor.state {
                FactorState::Pending { .. } => None,
                FactorState::Confirmed { at, .. } => Some(rfc3339(at)),
            },
        }
    }
}

/// One's second factors.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorsAnswer {
    /// The factors, the oldest first.
    factors: Vec<FactorView>,
    /// How many recovery codes are left.
    recovery_codes_left: u32,
}

/// List my second factors
#[utoipa::path(
    get, path = "/auth/factors", tag = "Second factors", security(("access_token" = [])),
    responses((status = 200, description = "The factors, and how many recovery codes are left.", body = FactorsAnswer)),
)]
pub(super) async fn list(State(site): Shared, Bearer(bearer): Bearer) -> Answer<axum::Json<FactorsAnswer>> {
    let found = site.app.accounts.second_factors(bearer.loaded.user.id).await?;
    let factors = found.factors.iter().map(FactorView::of).collect();
    Ok(axum::Json(FactorsAnswer { factors, recovery_codes_left: found.recovery_codes }))
}

body! {
    /// An authenticator app that is about to be added.
    pub struct BeginTotpBody {
        /// The password.
        #[schema(value_type = String, format = "password")]
        current_password: Secret<String>,
        /// A code, where there is a second factor already.
        #[schema(value_type = Option<String>)]
        code: Option<Secret<String>>,
        /// What to call it.
        #[schema(value_type = Option<String>, max_length = 64)]
        name: Option<FactorName>,
    }
}

/// What an authenticator app needs. Told once.
#[derive(Serialize, ToSchema)]
pub struct BegunAnswer {
    /// The factor that waits for its first code.
    factor_id: String,
    /// The seed, to be typed: base32.
    secret: String,
    /// The seed as a URI that apps open.
    #[schema(example = "otpauth://totp/id.example.com:ada%40example.com?secret=…&issuer=id.example.com")]
    otpauth_uri: String,
    /// The URI as a picture that apps scan: an SVG element.
    qr_svg: String,
}

/// Begin to add an authenticator app
///
/// Nothing changes before a first code confirms it, for which there are fifteen minutes. Another one that was begun
/// and not confirmed is forgotten.
#[utoipa::path(
    post, path = "/auth/factors/totp", tag = "Second factors", security(("access_token" = [])),
    request_body = BeginTotpBody,
    responses(
        (status = 200, description = "What the app needs; never told again.", body = BegunAnswer),
        (status = 403, description = "`wrong_password`, `code_required` or `wrong_code`."),
        (status = 409, description = "`too_many_factors`."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn begin_totp(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Json(body): Json<BeginTotpBody>,
) -> Answer<Response> {
    let begun = begin(&site, &caller, bearer.loaded.session, body).await?;
    let enrolment = &begun.enrolment;
    Ok(secret_answer(BegunAnswer {
        factor_id: begun.id.to_string(),
        secret: enrolment.secret.expose().clone(),
        otpauth_uri: enrolment.uri.expose().clone(),
        qr_svg: enrolment.qr_svg.expose().clone(),
    }))
}

/// Begins an authenticator app for the person whose session asks.
pub(super) async fn begin(
    site: &Site,
    caller: &Caller,
    session: Session,
    body: BeginTotpBody,
) -> Answer<BegunFactor> {
    let proof = proof(caller, session, body.current_password, body.code);
    match site.app.accounts.begin_totp(proof, body.name.map(|name| name.0)).await? {
        Ok(begun) => Ok(begun),
        Err(BeginRefusal::Proof(refusal)) => Err(refused(refusal)),
        Err(BeginRefusal::TooManyFactors) => Err(Problem::new(&code::TOO_MANY_FACTORS)),
    }
}

body! {
    /// The first code of an authenticator app.
    pub struct ConfirmTotpBody {
        /// The factor that was begun.
        factor_id: String,
        /// What the app shows.
        #[schema(value_type = String, example = "123456")]
        code: Secret<String>,
    }
}

/// Recovery codes. Told once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodesAnswer {
    /// The codes, each good for one login; empty where those from before are still good.
    #[schema(example = json!(["0123-4567-89ab-cdef"]))]
    recovery_codes: Vec<String>,
}

/// Confirm an authenticator app by its first code
///
/// From then on a login asks for a code. With the first factor come recovery codes.
#[utoipa::path(
    post, path = "/auth/factors/totp/confirm", tag = "Second factors", security(("access_token" = [])),
    request_body = ConfirmTotpBody,
    responses(
        (status = 200, description = "It counts. The recovery codes are never told again.", body = RecoveryCodesAnswer),
        (status = 403, description = "`wrong_code`."),
        (status = 404, description = "No such factor waits for its first code; begin again."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn confirm_totp(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Json(body): Json<ConfirmTotpBody>,
) -> Answer<Response> {
    let codes = confirm(&site, &caller, bearer.loaded.session, body).await?;
    Ok(secret_answer(RecoveryCodesAnswer { recovery_codes: texts(&codes.unwrap_or_default()) }))
}

/// Confirms an authenticator app of the person whose session asks.
pub(super) async fn confirm(
    site: &Site,
    caller: &Caller,
    session: Session,
    body: ConfirmTotpBody,
) -> Answer<Option<Vec<RecoveryCode>>> {
    let factor_id = factor_id(&body.factor_id)?;
    let confirm = ConfirmTotp { session, factor_id, code: body.code, origin: caller.origin(None) };
    match site.app.accounts.confirm_totp(confirm).await? {
        Ok(codes) => Ok(codes),
        Err(ConfirmRefusal::NotFound) => Err(Problem::new(&code::NOT_FOUND)),
        Err(ConfirmRefusal::WrongCode) => Err(Problem::new(&code::WRONG_CODE)),
        Err(ConfirmRefusal::TooMany { retry_after }) => {
            Err(Problem::new(&code::TOO_MANY_ATTEMPTS).retry_after(retry_after))
        }
    }
}

body! {
    /// The proof that it is the owner who asks.
    pub struct ProofBody {
        /// The password.
        #[schema(value_type = String, format = "password")]
        current_password: Secret<String>,
        /// A code of an app or a recovery code, where there is a second factor.
        #[schema(value_type = Option<String>)]
        code: Option<Secret<String>>,
    }
}

/// Remove a second factor
///
/// With the last one the recovery codes go too, and a login asks for the password alone.
#[utoipa::path(
    delete, path = "/auth/factors/{id}", tag = "Second factors", security(("access_token" = [])),
    params(("id" = String, Path, description = "The factor's `id`.")),
    request_body = ProofBody,
    responses(
        (status = 204, description = "It is removed."),
        (status = 403, description = "`wrong_password`, `code_required` or `wrong_code`."),
        (status = 404, description = "There is no such factor of yours."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn remove(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<ProofBody>,
) -> Answer<StatusCode> {
    remove_own(&site, &caller, bearer.loaded.session, &id, body).await.map(|()| StatusCode::NO_CONTENT)
}

/// Removes a factor that its owner names.
pub(super) async fn remove_own(
    site: &Site,
    caller: &Caller,
    session: Session,
    id: &str,
    body: ProofBody,
) -> Answer<()> {
    let proof = proof(caller, session, body.current_password, body.code);
    site.app.accounts.remove_factor(proof, factor_id(id)?).await?.map_err(factor_refused)
}

/// Make new recovery codes
///
/// The old ones don't work any more.
#[utoipa::path(
    post, path = "/auth/recovery-codes", tag = "Second factors", security(("access_token" = [])),
    request_body = ProofBody,
    responses(
        (status = 200, description = "The codes, which are never told again.", body = RecoveryCodesAnswer),
        (status = 403, description = "`wrong_password`, `code_required` or `wrong_code`."),
        (status = 404, description = "There is no second factor that they could stand in for."),
        (status = 429, description = "`too_many_attempts`; wait as `Retry-After` says."),
    ),
)]
pub(super) async fn recovery_codes(
    State(site): Shared,
    Bearer(bearer): Bearer,
    caller: Caller,
    Json(body): Json<ProofBody>,
) -> Answer<Response> {
    let codes = make_codes(&site, &caller, bearer.loaded.session, body).await?;
    Ok(secret_answer(RecoveryCodesAnswer { recovery_codes: texts(&codes) }))
}

/// Makes new recovery codes for the person whose session asks.
pub(super) async fn make_codes(
    site: &Site,
    caller: &Caller,
    session: Session,
    body: ProofBody,
) -> Answer<Vec<RecoveryCode>> {
    let proof = proof(caller, session, body.current_password, body.code);
    site.app.accounts.make_recovery_codes(proof).await?.map_err(factor_refused)
}

/// Codes as people write them down.
pub(super) fn texts(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(|code| code.text().expose().clone()).collect()
}

fn factor_refused(refusal: FactorRefusal) -> Problem {
    match refusal {
        FactorRefusal::Proof(refusal) => refused(refusal),
        FactorRefusal::NotFound => Problem::new(&code::NOT_FOUND),
    }
}

fn factor_id(id: &str) -> Answer<FactorId> {
    id.parse().map_err(|_| Problem::new(&code::NOT_FOUND))
}

/// An answer that nobody may keep.
fn secret_answer(answer: impl Serialize) -> Response {
    let headers = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, axum::Json(answer)).into_response()
}
