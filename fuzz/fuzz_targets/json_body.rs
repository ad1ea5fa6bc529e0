//! JSON bodies: accepted exactly where RFC 8259 leaves one reading, refused with a 4xx everywhere else.
#![no_main]

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use relatch_server::http::body::Json;
use relatch_server::http::json::parse_object;
use relatch_server::http::signup::SignupBody;
use serde_json::Value;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

fuzz_target!(|input: &[u8]| {
    let ours = parse_object(input);
    let shape = Shape::of(input);
    match (&ours, serde_json::from_slice::<Value>(input)) {
        (Ok(members), Ok(Value::Object(theirs))) => {
            assert_eq!(members, &theirs);
            assert_eq!(shape.members, count(&Value::Object(theirs)), "a name stands there twice");
            assert!(shape.depth <= DEPTH_MAX);
        }
        (Ok(_), other) => panic!("serde_json reads {other:?}"),
        (Err(_), Ok(value @ Value::Object(_))) => {
            let is_ambiguous = shape.members > count(&value);
            assert!(is_ambiguous || shape.depth > DEPTH_MAX, "refused for no reason");
        }
        (Err(_), _) => {}
    }

    let mut request = Request::new(Body::from(input.to_vec()));
    request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    match (RUNTIME.block_on(Json::<SignupBody>::from_request(request, &())), &ours) {
        (Ok(_), Ok(members)) => assert!(members.contains_key("email") && members.contains_key("password")),
        (Ok(_), Err(_)) => panic!("a route reads what is no acceptable JSON"),
        (Err(problem), Ok(_)) => {
            let status = problem.code().status;
            assert!(matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY), "{status}");
        }
        (Err(problem), Err(_)) => assert_eq!(problem.code().status, StatusCode::BAD_REQUEST),
    }
});

/// What an object's text looks like from far away, without any parser: right wherever the text is JSON.
#[derive(Default)]
struct Shape {
    members: usize,
    depth: usize,
}

impl Shape {
    fn of(json: &[u8]) -> Self {
        let (mut shape, mut depth) = (Self::default(), 0_usize);
        let (mut is_text, mut is_escaped) = (false, false);
        for byte in json {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                _ if is_text => {}
                b':' => shape.members += 1,
                b'{' | b'[' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        shape
    }
}

/// The members of all objects in a value.
fn count(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(count).sum::<usize>(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
/// Objects and lists within each other; `http/json.rs` says why so few.
const DEPTH_MAX: usize = 16;
