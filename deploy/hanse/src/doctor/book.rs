//! The page of the book about the doctor, made of the checks themselves.

use super::CHECKS;
use super::sentence::Colour;

/// What stands before the checks.
const BEGINNING: &str = "# Hanse's doctor

```sh
hanse doctor --config /etc/hanse/hanse.toml
```

walks the chain from the name to a sealed call and prints a line for each link, as soon as it is known: `ok`, or `FAIL` with the sentence that
mends it, or `-` for what was not looked at. What depends on something broken is not looked at, so the red lines are those to mend.
Ask on the machine that Hanse runs on, as root or as the user that it runs as.

| Option | What it does |
|---|---|
| `--config FILE` | The configuration of the running server; without it, defaults and environment |
| `--no-call` | Makes no call |
| `--participant PATH` | Where `hanse-participant` is; without it, beside `hanse`, or in `PATH` |
| `--account FILE` | One of the two callers is this account; if it is on the homeserver that `--with` names, there is a call with that organisation besides: Matrix id in the first line, password in the second, and, if needed, the homeserver's URL in the third |
| `--with SERVER` | Looks at another organisation as well, by the name of its homeserver (`other.example`) |
| `--hold SECONDS` | Keeps a WebSocket open through the proxy for so long (up to 55) beside everything else, to see whether it is cut; 40 finds the usual limit of 30 s |
| `--german` | Prints in German |
| `--status FILE` | Writes what was seen as a page for browsers, too, in English and German |
| `--json` | A line of JSON for each check: `check`, `colour`, `sentence` (its id, as below), `en`, `de`, `ms`; a last line with the totals |

The exit status is 0 if nothing is red, 1 if something is, 2 if the command line is wrong. So monitoring needs no more than the command itself.

For the call the doctor makes two users in the namespace that the registration reserves for Hanse, `@hanse_doctor_a` and `@hanse_doctor_b`, and a
room for them, with Hanse's own token. They stay, so that the next examination makes nothing new; their devices are signed out. Nobody else is
in that room.

This page is what `hanse doctor --page` prints.

## The status page

```sh
hanse doctor --config /etc/hanse/hanse.toml --status /var/www/html/calls.html
```

writes one file without scripts, which any web server can show; from a timer (`OnCalendar=hourly`) it is a page that tells how calls are. It says
when it was made, and what is printed, no more: names and addresses of this server, no secret, and of people only the id of an account that
`--account` gives. A page before it is replaced at once. It is light or dark as the browser likes, and fits a phone.

![The status page of a server whose proxy takes upgrades out of requests](pictures/status-page.png)

## Another organisation

```sh
hanse doctor --config /etc/hanse/hanse.toml --with other.example
```

also walks to another organisation, as a stranger: is its homeserver found, where are its calls, are name, certificate and routes of its focus sound,
and does it find out who your people are? That last question goes there and back, so it says whether federation works both ways. Nobody over there
has to do anything. With an account over there (`--account`) there is a real call between the organisations besides. Red lines whose sentence begins
with “their administrator” are for the other side.
";

/// The whole page.
pub fn page() -> String {
    let mut page = BEGINNING.to_owned();
    for check in CHECKS {
        page.push_str(&format!("\n## {}\n\n{}\n\n", capital(check.en), check.about));
        let of = |colour| {
            check
                .sentences
                .iter()
                .filter(move |sentence| sentence.colour == colour)
        };
        for sentence in of(Colour::Red) {
            page.push_str(&format!("- **`{}`** {}", sentence.id, readable(sentence.en)));
            if !sentence.more.is_empty() {
                page.push_str(&format!(" *{}*", sentence.more));
            }
            page.push('\n');
        }
        for sentence in of(Colour::Green).chain(of(Colour::Grey)) {
            page.push_str(&format!("- `{}` {}\n", sentence.id, readable(sentence.en)));
        }
    }
    page
}

/// With dots for what is filled in, and an end.
fn readable(template: &str) -> String {
    let mut text = template.to_owned();
    for number in 0..3 {
        text = text.replace(&format!("{{{number}}}"), "…");
    }
    if !text.ends_with(['.', '?', '…']) {
        text.push('.');
    }
    text
}

/// A text as it stands at a beginning.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sentence::Sentence;
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn sentences() -> impl Iterator<Item = &'static Sentence> {
        CHECKS.iter().flat_map(|check| check.sentences.iter().copied())
    }

    #[test]
    fn the_book_says_what_the_doctor_says() {
        let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
        assert!(
            std::fs::read_to_string(written).unwrap_or_default() == page(),
            "docs/doctor.md is out of date; say: cargo run -p hanse -- doctor --page > docs/doctor.md"
        );
    }

    #[test]
    fn no_check_can_say_what_the_book_does_not_explain() {
        let explained: BTreeSet<&str> = sentences().map(|sentence| sentence.id).collect();
        let mut said = BTreeSet::new();
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for colour in ["green(", "red(", "grey("] {
                for after in text.split(&format!(": Sentence = {colour}")).skip(1) {
                    said.insert(after.split('"').nth(1).unwrap().to_owned());
                }
            }
        }
        said.remove("waits");
        assert_eq!(
            said.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            explained
        );
        assert_eq!(sentences().count(), explained.len(), "an id stands twice");
    }

    #[test]
    fn both_languages_have_the_same_gaps_and_a_red_sentence_says_what_to_do() {
        for sentence in sentences() {
            for gap in ["{0}", "{1}", "{2}"] {
                assert_eq!(
                    sentence.en.contains(gap),
                    sentence.de.contains(gap),
                    "{}",
                    sentence.id
                );
            }
            let is_red = sentence.colour == Colour::Red;
            assert!(
                !is_red || sentence.en.contains(':') || sentence.en.contains(';'),
                "{}",
                sentence.id
            );
        }
    }
}
