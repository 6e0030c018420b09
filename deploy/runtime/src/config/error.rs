//! Why a configuration is refused, in sentences for the person who wrote it.

use thiserror::Error;

/// A refused configuration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("{file} is not valid TOML: {reason}")]
    Syntax {
        /// Path of the file as it was given.
        file: String,
        /// What the parser says, with the place.
        reason: String,
    },
    /// A table, or a key outside any table, that nobody reads.
    #[error("{file} line {line}: there is no table [{table}]; {hint}")]
    UnknownTable {
        /// Path of the file as it was given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What was written.
        table: String,
        /// The nearest name, or all names.
        hint: String,
    },
    /// A key that nobody reads.
    #[error("{file} line {line}: [{table}] has no key \"{key}\"; {hint}")]
    UnknownKey {
        /// Path of the file as it was given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// The table it stands in.
        table: String,
        /// What was written.
        key: String,
        /// The nearest name, or all names.
        hint: String,
    },
    /// A value of the wrong type, or one that cannot be.
    #[error("{place}: [{table}] {key}: {reason}")]
    BadValue {
        /// File and line, environment variable, or the default.
        place: String,
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Something that belongs to no single key.
    #[error("{0}")]
    Refused(String),
}
