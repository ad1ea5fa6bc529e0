//! Writing a message: words, filled in and laid out.

use super::de::DE;
use super::en::EN;
use super::{About, Language, Note, Way, Words};
use crate::mail::Message;
use askama::Template;
use relatch_token::{Seconds, Secret};

/// Writes messages in the name of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letters {
    /// What the service is called.
    pub service: String,
    /// The language where nobody says another.
    pub language: Language,
}

impl Letters {
    /// The message to that address.
    pub fn write(&self, to: &str, about: &About, language: Option<Language>) -> Message {
        let words = words(language.unwrap_or(self.language));
        let (note, way) = match about {
            About::Reset(way) => (&words.reset, Some(way)),
            About::Verify(way) => (&words.verify, Some(way)),
            About::ChangeEmail(way) => (&words.change_email, Some(way)),
            About::MoveAsked => (&words.move_asked, None),
            About::Moved => (&words.moved, None),
            About::HasAccount { .. } => (&words.has_account, None),
            About::Deleted => (&words.deleted, None),
        };
        let login = if let About::HasAccount { login } = about { login.as_str() } else { "" };
        let fill = |text: &str| text.replace("{service}", &self.service).replace("{login}", login);
        let subject = format!("{} – {}", note.subject, self.service);
        let parts = Parts {
            language: words.code,
            subject: &subject,
            title: note.subject,
            paragraphs: note.text.iter().map(|paragraph| fill(paragraph)).collect(),
            way: way.map(|way| shown(words, note, way, &fill)),
            closing: way.map_or_else(String::new, |_| fill(words.not_you)),
        };
        let text = Plain(&parts).render().map(|text| format!("{}\n", text.trim_end()));
        let html = Page(&parts).render();
        // Both only put texts together, which can't fail; the page is left out rather than the message.
        let text = Secret::new(text.unwrap_or_else(|error| unreachable!("{error}")));
        Message { to: to.to_owned(), subject, text, html: html.ok().map(Secret::new) }
    }
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

fn shown<'a>(words: &Words, note: &Note, way: &'a Way, fill: &dyn Fn(&str) -> String) -> Shown<'a> {
    let lead = if way.is_link { words.by_link } else { words.by_code };
    Shown {
        is_link: way.is_link,
        secret: way.secret.expose(),
        button: note.button,
        lead: fill(&lead.replace("{span}", &span(words, way.life))),
    }
}

fn span(words: &Words, life: Seconds) -> String {
    match life.0 / 3600 {
        1 => words.an_hour.to_owned(),
        hours => words.hours.replace("{hours}", &hours.to_string()),
    }
}

/// What both forms of a message are made of.
struct Parts<'a> {
    language: &'static str,
    subject: &'a str,
    title: &'static str,
    paragraphs: Vec<String>,
    way: Option<Shown<'a>>,
    closing: String,
}

struct Shown<'a> {
    is_link: bool,
    secret: &'a str,
    button: &'static str,
    lead: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Plain<'a>(&'a Parts<'a>);

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Page<'a>(&'a Parts<'a>);

impl<'a> std::ops::Deref for Plain<'a> {
    type Target = Parts<'a>;

    fn deref(&self) -> &Parts<'a> {
        self.0
    }
}

impl<'a> std::ops::Deref for Page<'a> {
    type Target = Parts<'a>;

    fn deref(&self) -> &Parts<'a> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> Letters {
        Letters { service: "A & <b>B</b>".into(), language: Language::En }
    }

    fn way(is_link: bool) -> Way {
        let secret = if is_link { "https://id.example/reset#rll_code" } else { "rll_code" };
        Way { secret: Secret::new(secret.into()), is_link, life: Seconds(3600) }
    }

    fn all() -> Vec<About> {
        let login = "https://id.example".to_owned();
        let mut all = vec![About::MoveAsked, About::Moved, About::HasAccount { login }, About::Deleted];
        for is_link in [true, false] {
            let way = || way(is_link);
            all.extend([About::Reset(way()), About::Verify(way()), About::ChangeEmail(way())]);
        }
        all
    }

    #[test]
    fn every_message_is_whole_in_every_language_as_text_and_as_a_page() {
        for about in all() {
            let [english, german] =
                [Language::En, Language::De].map(|language| letters().write("a@b", &about, Some(language)));
            assert_ne!(english.subject, german.subject, "{about:?}");
            for message in [english, german] {
                let (text, html) = (message.text.expose(), message.html.as_ref().unwrap().expose());
                for form in [text, html, &message.subject] {
                    assert!(!form.contains('{') && !form.contains('}'), "{form}");
                }
                assert!(html.contains("A &#38; &#60;b&#62;B") && text.contains("A & <b>B</b>"), "{html}");
                assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("url("), "{html}");
                let has_code = !matches!(
                    about,
                    About::MoveAsked | About::Moved | About::HasAccount { .. } | About::Deleted
                );
                assert_eq!((text.contains("rll_code"), html.contains("rll_code")), (has_code, has_code));
                assert!(text.lines().all(|line| !line.starts_with(' ')) && !text.contains("\n\n\n"), "{text}");
            }
        }
    }

    #[test]
    fn the_language_of_the_request_counts_before_that_of_the_configuration() {
        let subject = |letters: &Letters, language| letters.write("a@b", &About::Deleted, language).subject;
        let german = Letters { language: Language::De, ..letters() };
        assert!(subject(&german, None).starts_with("Ihr Konto"));
        assert!(subject(&german, Some(Language::En)).starts_with("Your account"));
        assert!(subject(&letters(), None).starts_with("Your account"));
    }

    #[test]
    fn a_link_is_a_button_and_a_code_stands_alone() {
        let page = |is_link| letters().write("a@b", &About::Reset(way(is_link)), None).html.unwrap();
        assert!(page(true).expose().contains("href=\"https://id.example/reset#rll_code\""));
        assert!(!page(false).expose().contains("href"));
        let text = letters().write("a@b", &About::Reset(way(false)), Some(Language::De)).text;
        assert!(text.expose().contains("innerhalb von einer Stunde"), "{}", text.expose());
    }
}
