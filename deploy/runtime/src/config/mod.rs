//! One TOML file, a table per service.
//!
//! A [`Table`] lists its keys once, with default and explanation; the example file, `check-config` and the refusal of
//! an unknown key all come from that list. Of several places that name a value the environment wins
//! (`HANSE_<TABLE>_<KEY>`), then the file, then the default. Secrets never stand in the file: they come from a file
//! of their own or from the environment, and are never printed.

mod document;
mod error;

pub use document::{Document, Values};
pub use error::ConfigError;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its name; ends in its unit where it has one (`room_empty_timeout_s`).
    pub name: &'static str,
    /// Its default, as it would stand in the file.
    pub default: &'static str,
    /// What it does, in sentences.
    pub about: &'static str,
}

/// A secret that comes from the environment only.
#[derive(Debug)]
pub struct SecretKey {
    /// Name of the variable.
    pub variable: &'static str,
    /// What it holds, in sentences.
    pub about: &'static str,
}

/// The settings of one service.
#[derive(Debug)]
pub struct Table {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is for, in sentences.
    pub about: &'static str,
    /// Its keys, in the order in which they are explained.
    pub keys: &'static [Key],
    /// Its secrets.
    pub secrets: &'static [SecretKey],
}

/// Settings as a service uses them, made from its table.
pub trait Section: Sized {
    /// The table.
    const TABLE: Table;

    /// Turns what was written into what is meant, and refuses what cannot be.
    ///
    /// # Errors
    ///
    /// A sentence that names the key, where its value came from, and what would be right.
    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError>;
}

/// Columns of an example file.
const WIDTH: usize = 110;

/// The whole example file: every table, key, default and explanation.
pub fn example(tables: &[&Table]) -> String {
    let mut text = String::new();
    for table in tables {
        comment(&mut text, table.about);
        text.push_str(&format!("[{}]\n", table.name));
        for key in table.keys {
            comment(&mut text, key.about);
            text.push_str(&format!("{} = {}\n", key.name, key.default));
        }
        for secret in table.secrets {
            comment(
                &mut text,
                &format!("Environment only, {}: {}", secret.variable, secret.about),
            );
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn comment(text: &mut String, sentence: &str) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
