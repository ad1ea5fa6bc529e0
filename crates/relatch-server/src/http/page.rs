//! Lists in pages: `?cursor=&limit=`.

use super::problem::{FieldError, Problem};
use axum::extract::FromRequestParts;
use http::request::Parts;

/// What a list's address says.
#[derive(Debug)]
pub struct Page {
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// How many to answer.
    pub limit: usize,
    others: Vec<(String, String)>,
}

impl Page {
    /// The largest page.
    pub const LIMIT_MAX: usize = 200;
    /// The page where none is asked for.
    pub const LIMIT_DEFAULT: usize = 50;

    /// Another parameter of the list, read as what it names; [`None`] where it was left out.
    pub fn other<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let found = self.others.iter().find(|(known, _)| known == name);
        found
            .map(|(_, text)| text.parse().map_err(|_| wrong(name, "Send an identifier of ours.")))
            .transpose()
    }

    /// The cursor, read as what it stands for.
    pub fn after<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let read = |text| read(text).ok_or_else(|| wrong("cursor", "Send a `next_cursor` of this list."));
        self.cursor.as_deref().map(read).transpose()
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut page = Self { cursor: None, limit: Self::LIMIT_DEFAULT, others: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()) {
            match &*name {
                "cursor" => page.cursor = Some(value.into_owned()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=Self::LIMIT_MAX).contains(limit));
                    let advice = format!("Send a number from 1 to {}.", Self::LIMIT_MAX);
                    page.limit = limit.ok_or_else(|| wrong("limit", &advice))?;
                }
                _ => page.others.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok(page)
    }
}

fn wrong(field: &str, detail: &str) -> Problem {
    let (field, code, detail) = (field.to_owned(), "wrong_value".to_owned(), detail.to_owned());
    Problem::validation(vec![FieldError { field, code, detail }])
}
