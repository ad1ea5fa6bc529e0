//! Form-encoded bodies of the OAuth routes (RFC 6749 appendix B).

use relatch_token::Secret;

/// The parameters of a request; what nobody takes is ignored (RFC 6749 §3.2).
#[derive(Debug, Default)]
pub struct Form(Vec<(String, Secret<String>)>);

/// A parameter stands there twice (RFC 6749 §3.2), or the text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedForm;

impl Form {
    /// Reads a body. A parameter without a value counts as left out (RFC 6749 §3.2).
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedForm> {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            // The parser turns bytes that are no UTF-8 into this.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') || form.get(&name).is_some() {
                return Err(MalformedForm);
            }
            form.0.push((name.into_owned(), Secret::new(value.into_owned())));
        }
        form.0.retain(|(_, value)| !value.expose().is_empty());
        Ok(form)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_left_out() {
        let form = Form::parse(b"grant_type=refresh_token&token=a%2Bb+c&scope=&x").unwrap();
        assert_eq!(form.get("grant_type"), Some("refresh_token"));
        assert_eq!(form.get("token"), Some("a+b c"));
        assert_eq!((form.get("scope"), form.get("x"), form.get("y")), (None, None, None));
    }

    #[test]
    fn a_repeated_parameter_is_refused_whatever_it_is() {
        for body in ["a=1&a=1", "a=1&b=2&a=", "a=&a=1", "a&a", "a=1&%61=1"] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap_err(), MalformedForm, "{body}");
        }
        assert!(Form::parse(b"a=%ff").is_err());
    }
}
