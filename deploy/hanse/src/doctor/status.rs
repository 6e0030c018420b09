//! The status page for browsers: what the doctor has seen, as one file without scripts that any web server can show.
//!
//! German and English are both in it. What is on it is what is printed: names and addresses of this server, no secret.

use super::CHECKS;
use super::book::capital;
use super::sentence::{Colour, Line};
use crate::html::{escaped, with_code};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Everything that the page may load: nothing but its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("status.css");

/// One of the two languages.
struct Language {
    code: &'static str,
    /// The link to it from the other one.
    name: &'static str,
    title: &'static str,
    well: &'static str,
    ill: &'static str,
    examined: &'static str,
    colours: [&'static str; 3],
    text: fn(&Line) -> (&str, &str),
}

/// English is shown until German is asked for. German stands first, so that what follows it can give way (`:target` in the style).
const LANGUAGES: [Language; 2] = [
    Language {
        code: "de",
        name: "Deutsch",
        title: "Hanse: Zustand",
        well: "Alles in Ordnung.",
        ill: "Zu beheben:",
        examined: "Untersucht am",
        colours: ["in Ordnung", "zu beheben", "nicht angesehen"],
        text: |line| (&line.title_de, &line.de),
    },
    Language {
        code: "en",
        name: "English",
        title: "Hanse: status",
        well: "All is well.",
        ill: "To mend:",
        examined: "Examined on",
        colours: ["well", "to mend", "not looked at"],
        text: |line| (&line.title_en, &line.en),
    },
];

/// Writes the page in place of the one before, at once: who reads gets either.
///
/// # Errors
///
/// A sentence: the file cannot be written.
pub fn write(path: &Path, lines: &[Line], now: SystemTime) -> Result<()> {
    let fails = || format!("--status: {} cannot be written", path.display());
    let mut name = path.file_name().with_context(fails)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        // A web server reads it.
        .mode(0o644)
        .open(&fresh)
        .and_then(|mut file| file.write_all(page(lines, now).as_bytes()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // It may not be there.
        let _ = fs::remove_file(&fresh);
    }
    written.with_context(fails)
}

/// The whole page.
fn page(lines: &[Line], now: SystemTime) -> String {
    let now = httpdate::fmt_http_date(now);
    let is_ill = lines.iter().any(|line| line.colour == Colour::Red);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"content-security-policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} Hanse</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        if is_ill { "✗" } else { "✓" },
    );
    let names = LANGUAGES
        .each_ref()
        .map(|language| (language.code, language.name));
    for language in &LANGUAGES {
        let _ = write!(page, "<main id=\"{0}\" lang=\"{0}\">\n<nav>", language.code);
        for (code, name) in names.iter().filter(|(code, _)| *code != language.code) {
            let _ = write!(
                page,
                "<a href=\"#{code}\" lang=\"{code}\" hreflang=\"{code}\">{name}</a>"
            );
        }
        let verdict = if is_ill { language.ill } else { language.well };
        let _ = writeln!(
            page,
            "</nav>\n<h1>{}</h1>\n<p class=\"verdict\">{verdict}</p>",
            language.title
        );
        let of = |colours: &[Colour]| {
            let mut lines: Vec<&Line> = lines
                .iter()
                .filter(|line| colours.contains(&line.colour))
                .collect();
            // They came as they were known.
            lines.sort_by_key(|line| CHECKS.iter().position(|check| check.id == line.check));
            lines
        };
        for part in [of(&[Colour::Red]), of(&[Colour::Green, Colour::Grey])] {
            if !part.is_empty() {
                list(&mut page, language, &part);
            }
        }
        let _ = writeln!(page, "<p>{} <time>{now}</time></p>\n</main>", language.examined);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn list(page: &mut String, language: &Language, lines: &[&Line]) {
    let [green, red, grey] = language.colours;
    page.push_str("<ul>\n");
    for line in lines {
        let (class, word, sign) = match line.colour {
            Colour::Green => ("green", green, "✓"),
            Colour::Red => ("red", red, "✗"),
            Colour::Grey => ("grey", grey, "–"),
        };
        let (title, text) = (language.text)(line);
        let _ = writeln!(
            page,
            "<li class=\"{class}\"><span class=\"sign\" role=\"img\" aria-label=\"{word}\">{sign}</span> <h2>{}</h2> <p>{}</p></li>",
            escaped(&capital(title)),
            with_code(&escaped(text)),
        );
    }
    page.push_str("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(colour: Colour, en: &str) -> Line {
        Line {
            check: "name".to_owned(),
            title_en: "name".to_owned(),
            title_de: "Name".to_owned(),
            colour,
            sentence: "name-none".to_owned(),
            en: en.to_owned(),
            de: "auf Deutsch".to_owned(),
            ms: 1,
        }
    }

    #[test]
    fn what_is_to_be_mended_stands_first_in_both_languages() {
        let lines = [line(Colour::Green, "fine"), line(Colour::Red, "mend this: `a b`")];
        let page = page(&lines, SystemTime::UNIX_EPOCH);
        assert!(page.find("mend this").unwrap() < page.find("fine").unwrap());
        assert!(page.contains("<h2>Name</h2> <p>mend this: <code>a b</code></p>"));
        assert!(page.contains("To mend:") && page.contains("Zu beheben:"));
        assert!(page.contains("Thu, 01 Jan 1970"));
        assert!(!page.contains("All is well."));
    }

    #[test]
    fn nothing_that_others_say_becomes_a_part_of_the_page() {
        let page = page(
            &[line(
                Colour::Green,
                "<img src=x onerror=\"alert(1)\">\u{202e}&amp;",
            )],
            SystemTime::UNIX_EPOCH,
        );
        assert!(page.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;\\u{202e}&amp;amp;"));
        assert!(!page.contains("<img") && !page.contains('\u{202e}'));
        assert!(page.contains("All is well."));
    }

    #[test]
    fn the_page_before_is_replaced_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("hanse-status-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("status.html");
        for text in ["first", "second"] {
            write(&path, &[line(Colour::Green, text)], SystemTime::now()).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap().contains("second"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let nowhere = write(&folder.join("nowhere/status.html"), &[], SystemTime::now());
        assert!(format!("{:#}", nowhere.unwrap_err()).contains("cannot be written"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
