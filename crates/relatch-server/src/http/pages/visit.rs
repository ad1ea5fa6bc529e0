//! A page that is asked for: by whom, from where, in which language; and how it is answered.

use super::faults;
use super::language;
use super::return_to::ReturnTo;
use super::texts::Texts;
use crate::app::App;
use crate::environment::EntropyExt;
use crate::http::caller::Caller;
use crate::http::code;
use crate::http::problem::{Answer, Problem};
use crate::http::refresh::from_cookies;
use crate::http::site::Site;
use crate::sessions::Peek;
use askama::Template;
use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use base64ct::{Base64, Encoding};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use relatch_core::Ended;
use relatch_store::Loaded;
use relatch_token::SessionId;
use std::sync::Arc;

/// A page that is asked for.
pub(super) struct Visit {
    pub(super) site: Arc<Site>,
    pub(super) caller: Caller,
    pub(super) texts: &'static Texts,
    pub(super) nonce: String,
    /// Where to go on afterwards.
    pub(super) return_to: Option<ReturnTo>,
    path: String,
    query: Vec<(String, String)>,
    may_lack_cookies: bool,
}

/// How handlers get at it.
pub(super) type Visiting = Extension<Arc<Visit>>;

/// Who looks at a page, as far as the cookies tell.
pub(super) enum Who {
    /// Somebody with a live session.
    Somebody(Box<Loaded>),
    /// Somebody whose session has ended.
    Ended(SessionId, Ended),
    /// Nobody whom we know.
    Nobody,
    /// Somebody who followed a link from elsewhere: a Strict cookie, if there is one, stayed behind.
    Unclear,
}

impl Visit {
    async fn of(parts: &mut Parts, site: Arc<Site>) -> Self {
        let Ok(caller) = Caller::from_request_parts(parts, &site).await;
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
        let asked = |name: &str| parameter(&query, name);
        let is_from_here = parts.headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin");
        let own = &site.app.identity.public_url;
        Self {
            texts: language::choose(asked("lang"), &parts.headers),
            nonce: Base64::encode_string(&site.app.surroundings.entropy.array::<16>()),
            return_to: asked("return_to").and_then(|text| ReturnTo::parse(text, own, &site.edge.origins)),
            path: parts.uri.path().to_owned(),
            may_lack_cookies: parts.method == Method::GET && !is_from_here && asked(RELOADED).is_none(),
            query,
            caller,
            site,
        }
    }

    /// Who looks. Nothing is moved by looking, and a store that can't answer is a doubt, never "nobody".
    pub(super) async fn who(&self) -> Answer<Who> {
        let (token, door) = match from_cookies(&self.site, &self.caller).await {
            Ok(found) => found,
            Err(problem) if *problem.code() == code::MISSING_TOKEN => {
                let cookies = &self.caller.cookies;
                let has_been_here = cookies.has_hint || !cookies.device.is_empty();
                return Ok(if self.may_lack_cookies && has_been_here { Who::Unclear } else { Who::Nobody });
            }
            Err(problem) if problem.code().status.is_client_error() => return Ok(Who::Nobody),
            Err(problem) => return Err(problem),
        };
        Ok(match self.app().sessions.peek(&token, &door).await? {
            Peek::Live(loaded) => Who::Somebody(loaded),
            Peek::Ended(id, ended) => Who::Ended(id, ended),
            Peek::Nothing => Who::Nobody,
        })
    }

    /// The person whose page this is; for anybody else the answer that leads them on.
    pub(super) async fn person(&self) -> Answer<Result<Loaded, Response>> {
        Ok(match self.who().await? {
            Who::Somebody(loaded) => Ok(*loaded),
            Who::Ended(..) => Err(go(&self.page_and_back("ended"))),
            Who::Nobody => Err(go(&self.page_and_back("login"))),
            Who::Unclear => Err(self.reload()),
        })
    }

    /// The same page once more, asked for by a page of ours: then Strict cookies come along.
    pub(super) fn reload(&self) -> Response {
        let again = self.here_with(RELOADED, "1");
        self.show(StatusCode::OK, &Reload { page: self, again })
    }

    /// Answers with a page.
    pub(super) fn show(&self, status: StatusCode, page: &impl Template) -> Response {
        self.show_with(status, page, "")
    }

    /// Answers with a page for which the policy allows something more.
    pub(super) fn show_with(&self, status: StatusCode, page: &impl Template, allowed: &str) -> Response {
        let html = match page.render() {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "a page can't be rendered");
                return Problem::new(&code::INTERNAL_ERROR).into_response();
            }
        };
        let mut response = (status, Html(html)).into_response();
        let headers = response.headers_mut();
        // Chromium holds redirects after a form against `form-action` too, so the place to return to stands there.
        let elsewhere = self.return_to.as_ref().and_then(ReturnTo::origin);
        let elsewhere = elsewhere.map(|origin| format!(" {origin}")).unwrap_or_default();
        let nonce = &self.nonce;
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; \
             form-action 'self'{elsewhere}; frame-ancestors 'none'; base-uri 'none'{allowed}"
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Not `no-referrer`: browsers would send `Origin: null` with our own forms.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }

    /// Answers with a form again, and what was wrong with it.
    pub(super) fn refuse(&self, problem: &Problem, page: &impl Template) -> Response {
        let mut response = self.show(problem.code().status, page);
        if let Some(wait) = problem.wait() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.0));
        }
        response
    }

    /// A parameter of the page's address.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }

    /// The address of another page, from which one can still go on to where one came from.
    pub(super) fn link(&self, page: &str) -> String {
        self.link_with(page, &[])
    }

    /// The same with parameters.
    pub(super) fn link_with(&self, page: &str, more: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(more);
        if let Some(to) = &self.return_to {
            query.append_pair("return_to", to.location());
        }
        with_query(format!("{ROOT}{page}"), &query.finish())
    }

    /// The address of a page that leads back to this one, and this one then to where one came from.
    fn page_and_back(&self, page: &str) -> String {
        let mut onward = url::form_urlencoded::Serializer::new(String::new());
        if let Some(to) = &self.return_to {
            onward.append_pair("return_to", to.location());
        }
        let here = with_query(self.path.clone(), &onward.finish());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        with_query(format!("{ROOT}{page}"), &query.append_pair("return_to", &here).finish())
    }

    /// Where to go on: back to where one came from, else to the account.
    pub(super) fn next(&self) -> String {
        self.return_to.as_ref().map_or_else(|| format!("{ROOT}account"), |to| to.location().to_owned())
    }

    /// The other languages, and the address of this page in each.
    pub(super) fn languages(&self) -> Vec<(&'static Texts, Option<String>)> {
        let is_other = |texts: &Texts| texts.code != self.texts.code;
        let link = |texts: &'static Texts| is_other(texts).then(|| self.here_with("lang", texts.code));
        language::ALL.into_iter().map(|texts| (texts, link(texts))).collect()
    }

    /// The address of this page, of whose parameters only those are kept that mean something.
    fn here_with(&self, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| KEPT.contains(&name.as_str())));
        if let Some(to) = &self.return_to {
            query.append_pair("return_to", to.location());
        }
        with_query(self.path.clone(), &query.append_pair(name, value).finish())
    }

    /// The address of a file beside the pages.
    pub(super) fn asset(&self, file: &str) -> String {
        self.app().pages.as_ref().map(|look| look.address(file)).unwrap_or_default()
    }

    /// What the service is called.
    pub(super) fn service(&self) -> &str {
        self.app().pages.as_ref().map_or("", |look| look.name())
    }

    /// Whether there is a logo to stand for the name.
    pub(super) fn has_logo(&self) -> bool {
        self.app().pages.as_ref().is_some_and(|look| look.has_logo())
    }

    pub(super) fn app(&self) -> &App {
        &self.site.app
    }
}

/// Sends the browser on, by GET.
pub(super) fn go(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(to) = HeaderValue::try_from(to) {
        headers.insert(LOCATION, to);
    }
    response
}

/// What happens around every page: who asks, in which language; and what went wrong is a page too.
pub(super) async fn around(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let visit = Arc::new(Visit::of(&mut parts, site).await);
    parts.extensions.insert(Arc::clone(&visit));
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = faults::as_page(&visit, &problem);
    }
    if let Some(cookie) = visit.asked("lang").and_then(language::remember) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn parameter<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn with_query(path: String, query: &str) -> String {
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

#[derive(Template)]
#[template(path = "pages/reload.html")]
struct Reload<'a> {
    page: &'a Visit,
    again: String,
}

/// Where the pages are. The refresh cookie's `Path=/auth` reaches them.
pub(super) const ROOT: &str = "/auth/pages/";
/// Stands in the address of a page that was asked for once more, so that it never is a third time.
const RELOADED: &str = "reloaded";
/// What pages understand, apart from `return_to`, which is checked, and `lang`.
const KEPT: [&str; 6] = ["of", "reason", "notice", "cursor", "limit", "factor"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
