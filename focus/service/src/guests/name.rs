//! The name that a guest gives, as others see it: what could pretend to be something else is taken out, and nothing is added.

use super::NAME_LETTERS_MAX;

/// Marks above or below one letter that are kept: enough for every script, too few to paint over other lines.
const MARKS_MAX: usize = 3;

/// The name; `None`: nothing is left that could be seen.
pub(crate) fn clean(name: &str) -> Option<String> {
    let mut cleaned = String::new();
    let (mut letters, mut marks) = (0, 0);
    for letter in name.chars() {
        if letters == NAME_LETTERS_MAX {
            break;
        }
        if letter.is_whitespace() || letter.is_control() {
            // All gaps are one space, also line breaks and tabs.
            if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                cleaned.push(' ');
                letters += 1;
            }
            continue;
        }
        if is_invisible(letter) {
            continue;
        }
        marks = if is_mark(letter) { marks + 1 } else { 0 };
        if marks > MARKS_MAX || (marks > 0 && cleaned.is_empty()) {
            continue;
        }
        cleaned.push(letter);
        letters += 1;
    }
    let cleaned = cleaned.trim_end();
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

/// What turns the direction of text (also of text that comes after), has no width, or is for nobody to see: it lets two names
/// look alike, and a name look like another's words.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'
    )
}

/// Marks that are drawn onto the letter before them.
fn is_mark(letter: char) -> bool {
    matches!(
        letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_all_scripts_stay_as_they_are() {
        for name in [
            "Åsa Öberg",
            "山田太郎",
            "محمد",
            "Владимир",
            "Ngũgĩ wa Thiong'o",
            "Zoë 🌻",
            "e\u{301}",
        ] {
            assert_eq!(clean(name).as_deref(), Some(name), "{name}");
        }
    }

    #[test]
    fn what_turns_hides_or_breaks_is_taken_out() {
        for (name, expected) in [
            ("  Alice \n\t Example  ", "Alice Example"),
            ("\u{202e}ecilA\u{202c}", "ecilA"),
            ("Al\u{200b}ice\u{feff}", "Alice"),
            ("\u{2066}Alice\u{2069}", "Alice"),
            ("Alice\u{0}\u{1b}[2J", "Alice [2J"),
            ("Alice\u{e0041}\u{e007f}", "Alice"),
            ("\u{301}Alice", "Alice"),
            ("<b>Alice</b>", "<b>Alice</b>"),
        ] {
            assert_eq!(clean(name).as_deref(), Some(expected), "{name:?}");
        }
        assert_eq!(
            clean(&format!("A{}", "\u{335}".repeat(50)))
                .unwrap()
                .chars()
                .count(),
            4
        );
    }

    #[test]
    fn a_name_that_nobody_can_see_is_none() {
        for name in [
            "",
            "   ",
            "\u{202e}",
            "\u{200b}\u{2060}",
            "\u{3164}",
            "\u{2800}",
            "\n",
        ] {
            assert_eq!(clean(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_off() {
        assert_eq!(clean(&"x".repeat(10_000)).unwrap().len(), NAME_LETTERS_MAX);
    }

    proptest! {
        #[test]
        fn whatever_is_given_what_comes_out_is_short_and_clean_and_stays_so(name in any::<String>()) {
            if let Some(cleaned) = clean(&name) {
                prop_assert!(cleaned.chars().count() <= NAME_LETTERS_MAX);
                prop_assert!(!cleaned.chars().any(|letter| letter.is_control() || is_invisible(letter)));
                prop_assert_eq!(clean(&cleaned), Some(cleaned.clone()));
            }
        }
    }
}
