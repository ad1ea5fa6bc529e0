//! A form that was sent: proved to be ours, then read.

use super::faults::Faults;
use super::visit::Visit;
use crate::http::body::{JsonBody, media_type, read_bytes, read_members};
use crate::http::form::Form;
use crate::http::origins::Origins;
use crate::http::problem::{Answer, Problem};
use crate::http::site::Site;
use crate::http::{code, csrf};
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A form of ours, as it was filled in.
pub(super) struct Posted(Form);

impl FromRequest<Arc<Site>> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, site: &Arc<Site>) -> Answer<Self> {
        // Pages of listed origins may call the API; forms come from our own pages alone.
        csrf::check(request.headers(), &Origins::new(&site.app.identity.public_url, &[]))?;
        if media_type(request.headers()).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Problem::new(&code::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = read_bytes(request).await?;
        let malformed = |_| Problem::invalid_request("The form names a field twice, or is no UTF-8.");
        Form::parse(&bytes).map(Self).map_err(malformed)
    }
}

impl Posted {
    /// What stands in a field.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or("")
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// Reads what a route of the API takes, from the fields of the same names.
    pub(super) fn read<T: JsonBody>(&self, names: &[&str]) -> Answer<T> {
        self.read_with(names, Map::new())
    }

    /// The same, with members that are no texts.
    pub(super) fn read_with<T: JsonBody>(
        &self,
        names: &[&str],
        mut members: Map<String, Value>,
    ) -> Answer<T> {
        for name in names {
            if let Some(value) = self.0.get(name) {
                members.insert((*name).to_owned(), value.into());
            }
        }
        read_members(members)
    }
}

/// What is wrong with the form, or the problem where it is none of the form's.
pub(super) fn faults(problem: &Problem, visit: &Visit) -> Answer<Faults> {
    Faults::of(problem, visit).ok_or_else(|| problem.clone())
}
