//! Content lines (RFC 5545 §3.1), made by the crate `icalendar`, and what is done before to text that anybody wrote.
//!
//! Only the crate's [`Property`] is used: its components put the machine's time and a random `UID` where there is none, also into
//! time zones and alarms, which have none.

use icalendar::Property;

/// Octets of a line (§3.1).
const OCTETS_MAX: usize = 75;

/// A calendar file that is being written.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn begin(&mut self, component: &str) {
        self.add("BEGIN", component, &[]);
    }

    pub(super) fn end(&mut self, component: &str) {
        self.add("END", component, &[]);
    }

    /// Adds a property without parameters.
    pub(super) fn plain(&mut self, name: &str, value: impl Into<String>) {
        self.add(name, value, &[]);
    }

    /// Adds a property. Text of people goes through [`one_line`] or [`lines_of`] first, and a parameter through [`parameter`].
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>, parameters: &[(&str, &str)]) {
        let mut property = Property::new(name, value);
        for (name, value) in parameters {
            property.add_parameter(name, value);
        }
        // It fails only if writing to a String does.
        let line: String = property.try_into().unwrap_or_default();
        self.0.push_str(&line);
        // The crate leaves the last part of a folded line one octet too long where it just fits without the space in front.
        let part = line
            .trim_end_matches("\r\n")
            .rsplit("\r\n")
            .next()
            .unwrap_or_default();
        if let Some(letter) = part.chars().next_back().filter(|_| part.len() > OCTETS_MAX) {
            self.0.truncate(self.0.len() - letter.len_utf8() - "\r\n".len());
            self.0.push_str("\r\n ");
            self.0.push(letter);
            self.0.push_str("\r\n");
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Text that may have several lines, each ended by a line feed (which becomes `\n`), without what cannot be printed (§3.3.11) and
/// without what turns the direction of the text around it.
pub(super) fn lines_of(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let letter = |letter: char| match letter {
        // What some programs take for the end of a line, among them Python's splitlines.
        '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '\n' | '\t' => Some(letter),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        _ => (!letter.is_control()).then_some(letter),
    };
    text.chars().filter_map(letter).collect()
}

/// [`lines_of`], with spaces for the ends of lines.
pub(super) fn one_line(text: &str) -> String {
    lines_of(text).replace(['\n', '\t'], " ")
}

/// Text for a parameter, which has no escapes of its own: no quotes (§3.2).
pub(super) fn parameter(text: &str) -> String {
    one_line(text).replace('"', "'")
}

/// A URI as it was given, if it can stand in a line: with a scheme, and nothing that RFC 3986 does not have.
pub(super) fn uri(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let has_scheme = !scheme.is_empty() && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric());
    let is_fine = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet);
    (has_scheme && text.bytes().all(is_fine)).then_some(text)
}
