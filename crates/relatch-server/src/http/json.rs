//! JSON as RFC 8259 has it, without its liberties: no name twice, no endless nesting.

use super::problem::Problem;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads a text that must be one object. Of two parties who read a repeated name, one may see the first value
/// and one the second (RFC 8259 §4), so it is refused; lone surrogates are no text at all.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth_left: DEPTH_MAX }.deserialize(&mut reader);
    match value.and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::invalid_request("The body must be a JSON object.")),
        Err(error) => Err(Problem::invalid_request(format!("The body is not acceptable JSON: {error}."))),
    }
}

/// A name as an answer may repeat it. Longer than any name of ours is a secret, perhaps, that somebody put where a
/// name belongs; of that only the beginning is shown.
pub(super) fn shown(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS_SHOWN).chain(['…']).collect()
}

const NAME_CHARS_MAX: usize = 32;
const NAME_CHARS_SHOWN: usize = 8;
/// Far deeper than anything a route takes.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom(format_args!("nested deeper than {DEPTH_MAX} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the name `{}` stands there twice", shown(&name))));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = r#" {"a":null,"b":[true,-1,1.5,18446744073709551615],"c":{"d":"é\ud83d\ude00"}} "#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(parse_object(text.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn a_secret_in_the_place_of_a_name_is_not_repeated() {
        assert_eq!(shown("e-mail"), "e-mail");
        assert_eq!(shown(&"n".repeat(32)), "n".repeat(32));
        assert_eq!(shown("rlk_AAECAwQFBgcICQoLDA0ODxAREhMUF"), "rlk_AAEC…");
        let twice =
            parse_object(br#"{"rlk_AAECAwQFBgcICQoLDA0ODxAREhMUF":1,"rlk_AAECAwQFBgcICQoLDA0ODxAREhMUF":2}"#);
        assert!(!format!("{:?}", twice.unwrap_err()).contains("AwQFBg"));
    }

    #[test]
    fn a_text_that_two_readers_could_read_differently_is_refused() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_object(deep(DEPTH_MAX - 1).as_bytes()).is_ok());
        for refused in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"a":1} {}"#,
            r#"{"a":1},"#,
            r#"{"a":1,}"#,
            r#"{'a':1}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00x"}"#,
            r#"{"a":1e999}"#,
            r#"{"a":NaN}"#,
            "{\"a\":\"\n\"}",
            "[]",
            "null",
            "\"a\"",
            "",
            "\u{feff}{}",
            &deep(DEPTH_MAX),
            &deep(100_000),
        ] {
            let shown = refused.get(..30).unwrap_or(refused);
            assert_eq!(
                parse_object(refused.as_bytes()).unwrap_err().code().slug,
                "invalid_request",
                "{shown}"
            );
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse_object(b"{\"a\":\"\xed\xa0\x80\"}").is_err());
    }
}
