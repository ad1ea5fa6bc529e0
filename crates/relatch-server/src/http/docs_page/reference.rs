//! The pages on routes and errors in the documentation, and the API document that the client library is typed by:
//! written, and found stale, by the tests below.

use super::{Field, Group, Route, Shape, groups, shapes};
use crate::config::WebUrl;
use crate::http::{errors_reference, openapi, router};
use std::fmt::Write;
use std::path::Path;
use utoipa::openapi::OpenApi;

/// Run by `cargo xtask gen` with `UPDATE_GENERATED=1`, which writes the page instead of comparing it.
#[test]
fn generated_errors_page_is_current() {
    write_or_compare("docs/reference/errors.md", &errors_reference());
}

#[test]
fn generated_http_page_is_current() {
    write_or_compare("docs/reference/http.md", &http_reference());
}

/// The client library's types are made of it: `npm run types` in `client`, and `npm run check` finds them stale.
#[test]
fn generated_openapi_snapshot_is_current() {
    write_or_compare("client/openapi.json", &(document().to_pretty_json().unwrap() + "\n"));
}

fn write_or_compare(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{path} is stale; run `cargo xtask gen`");
}

fn document() -> OpenApi {
    let (_, document) = router::table().split_for_parts();
    openapi::finish(document, &WebUrl::try_from("https://id.example.com".to_owned()).unwrap())
}

/// The page of all routes, in Markdown.
fn http_reference() -> String {
    let document = serde_json::to_value(document()).unwrap();
    let mut page = BEGINNING.to_owned();
    for group in groups(&document) {
        write_group(&mut page, &group);
    }
    page.push_str("\n## Shapes\n");
    for shape in shapes(&document) {
        write_shape(&mut page, &shape);
    }
    page
}

fn write_group(page: &mut String, group: &Group) {
    write!(page, "\n## {}\n\n{}\n", group.name, group.about).unwrap();
    for route in &group.routes {
        write_route(page, route);
    }
}

fn write_route(page: &mut String, route: &Route) {
    write!(page, "\n### {} {}\n\n{}.\n", route.method, route.path, route.summary.trim_end_matches('?'))
        .unwrap();
    for paragraph in route.about.iter().filter(|paragraph| !paragraph.is_empty()) {
        write!(page, "\n{}\n", in_one_line(paragraph)).unwrap();
    }
    write_fields(page, &route.parameters);
    if let Some(takes) = &route.takes {
        write!(page, "\nTakes [{0}](#{1}).\n", takes.name, takes.name.to_lowercase()).unwrap();
    }
    page.push('\n');
    // What any route can answer is told once, at the top.
    for answer in route.answers.iter().filter(|answer| !EVERYWHERE.contains(&answer.status.as_str())) {
        write!(page, "- **{}**: {}", answer.status, in_one_line(&answer.about)).unwrap();
        if let Some(shape) = answer.shape.as_ref().filter(|_| answer.status.starts_with('2')) {
            write!(page, " [{0}](#{1})", shape.name, shape.name.to_lowercase()).unwrap();
        }
        page.push('\n');
    }
}

fn write_shape(page: &mut String, shape: &Shape) {
    write!(page, "\n### {}\n", shape.name).unwrap();
    if !shape.about.is_empty() {
        write!(page, "\n{}\n", in_one_line(&shape.about)).unwrap();
    }
    write_fields(page, &shape.fields);
}

fn write_fields(page: &mut String, fields: &[Field]) {
    if !fields.is_empty() {
        page.push('\n');
    }
    for field in fields {
        let optional = if field.is_required { "" } else { ", optional" };
        let about = in_one_line(&field.about);
        writeln!(page, "- **`{}`** ({}{optional}): {about}", field.name, field.kind).unwrap();
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const EVERYWHERE: [&str; 9] = ["400", "408", "413", "414", "415", "422", "431", "500", "503"];
const BEGINNING: &str = "<!-- Written by `cargo xtask gen` from the routes themselves; change those. -->\n\n# HTTP\n\n\
    A running server tells the same at `/docs`, and to machines at `/openapi.json`. Bodies are JSON, times are\n\
    RFC 3339 in UTC, durations are whole seconds. `/oauth` takes forms and answers the errors of RFC 6749; every\n\
    other error is a [problem](errors.md). Beside the answers listed, any route can answer 400, 414, 431, 500 and\n\
    503, and one that takes a body 408, 413, 415 and 422.\n";
