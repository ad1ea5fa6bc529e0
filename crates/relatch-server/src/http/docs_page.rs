//! `GET /docs`: the API document as a page, rendered once, without anything from outside.

use super::code::{self, Code};
use askama::Template;
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;

/// The page, and the policy under which browsers show it.
pub struct DocsPage {
    html: Bytes,
    policy: String,
}

impl DocsPage {
    /// Renders a document.
    pub(super) fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).unwrap_or_default();
        let page =
            Page { groups: groups(&document), shapes: shapes(&document), codes: code::ALL, style: STYLE };
        let html = page.render().unwrap_or_else(|error| format!("The page can't be rendered: {error}"));
        // Its own style and nothing else: no script, no picture, no font, no request to anywhere.
        let style = Base64::encode_string(&Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self { html: html.into(), policy }
    }

    /// The page as an answer.
    pub(super) fn respond(&self) -> Response {
        let headers =
            [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, self.policy.as_str())];
        (headers, self.html.clone()).into_response()
    }
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    groups: Vec<Group>,
    shapes: Vec<Shape>,
    codes: &'static [&'static Code],
    style: &'static str,
}

struct Group {
    name: String,
    about: String,
    routes: Vec<Route>,
}

struct Route {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<String>,
    parameters: Vec<Field>,
    takes: Option<Link>,
    answers: Vec<Answer>,
}

struct Answer {
    status: String,
    about: String,
    shape: Option<Link>,
}

/// A schema that has a section of its own.
struct Link {
    name: String,
}

struct Shape {
    name: String,
    about: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    about: String,
    is_required: bool,
}

fn groups(document: &Value) -> Vec<Group> {
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| Group {
        name: text(&tag["name"]),
        about: text(&tag["description"]),
        routes: routes(document, &tag["name"]),
    })
    .collect()
}

fn routes(document: &Value, tag: &Value) -> Vec<Route> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    methods
        .filter(|(_, _, operation)| operation["tags"][0] == *tag)
        .map(|(path, method, operation)| Route {
            anchor: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            about: text(&operation["description"]).split("\n\n").map(str::to_owned).collect(),
            parameters: operation["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
            takes: link(&operation["requestBody"]["content"]),
            answers: operation["responses"].as_object().into_iter().flatten().map(answer).collect(),
        })
        .collect()
}

fn parameter(parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        kind: format!("{}, {}", text(&parameter["in"]), kind(&parameter["schema"])),
        about: text(&parameter["description"]),
        is_required: parameter["required"] == true,
    }
}

fn answer((status, response): (&String, &Value)) -> Answer {
    let (status, about) = (status.clone(), text(&response["description"]));
    Answer { status, about, shape: link(&response["content"]) }
}

fn link(content: &Value) -> Option<Link> {
    let (_, content) = content.as_object()?.iter().next()?;
    let schema = &content["schema"];
    let optional = schema["oneOf"].as_array().into_iter().flatten();
    let name = optional.chain([schema]).find_map(|schema| name_of(&schema["$ref"]))?;
    Some(Link { name })
}

fn shapes(document: &Value) -> Vec<Shape> {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    schemas
        .map(|(name, schema)| Shape {
            name: name.clone(),
            about: text(&schema["description"]),
            fields: variants(schema).flat_map(fields).collect(),
        })
        .collect()
}

/// The schema itself, or the parts that it is made of.
fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    let parts = ["allOf", "oneOf"].into_iter().filter_map(|of| schema[of].as_array()).flatten();
    parts.chain([schema])
}

fn fields(schema: &Value) -> Vec<Field> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Field {
            name: name.clone(),
            kind: kind(property),
            about: text(&property["description"]),
            is_required: required.contains(&Value::from(name.as_str())),
        })
        .collect()
}

/// The type of a value in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = name_of(&schema["$ref"]) {
        return name;
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        return ways.iter().map(kind).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ");
    }
    if let Some(kinds) = schema["type"].as_array() {
        return kinds.iter().map(text).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ");
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => format!("list of {}", kind(&schema["items"])),
        (Some(kind), Some(format)) if kind == "string" => format!("{kind}, {format}"),
        (Some(kind), _) => kind.to_owned(),
        (None, _) => "any".to_owned(),
    }
}

fn name_of(reference: &Value) -> Option<String> {
    reference.as_str()?.strip_prefix("#/components/schemas/").map(str::to_owned)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

#[cfg(test)]
mod reference;

const STYLE: &str = include_str!("../../templates/docs.css");
