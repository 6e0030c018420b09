//! Values that must not be printed, and clear names for them.

use std::fmt;

/// A secret: a key, a token, a password. Its `Debug` form says nothing; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value in.
    pub const fn new(value: T) -> Self {
        Secret(value)
    }

    /// Lends the value to the one place that needs it. Never hand it to a log line or an error.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_lent_but_not_printed() {
        let secret = Secret::new("correct horse".to_owned());
        assert_eq!(secret.expose(), "correct horse");
        assert!(!format!("{secret:?}").contains("horse"));
    }
}
