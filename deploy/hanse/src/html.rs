//! Text as it stands in a page.

use crate::operate::printable;

/// What stands between backticks is to be typed.
pub fn with_code(escaped: &str) -> String {
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped.to_owned();
    }
    let mut text = String::with_capacity(escaped.len());
    for (number, part) in parts.into_iter().enumerate() {
        match number % 2 {
            0 => text.push_str(part),
            _ => text.extend(["<code>", part, "</code>"]),
        }
    }
    text
}

/// A text as it stands between tags. What is no visible letter appears as its number: servers that strangers named have a say in it.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in printable(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
