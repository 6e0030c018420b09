//! Whose users may publish here.

use hanse_matrixrtc::{ServerName, ServerNameError};
use std::collections::HashSet;

/// The homeservers whose users may publish on this SFU. Users of all others may watch and listen: in a call between
/// organisations everybody publishes on their own SFU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FullAccess {
    /// Those of every homeserver.
    Everyone,
    /// Those of these homeservers, compared letter by letter.
    Only(HashSet<ServerName>),
}

/// Why a list of homeservers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FullAccessError {
    /// There is none.
    #[error(
        "nobody could speak here: name your homeserver as in its user ids ([\"org-a.example\"]), or everybody ([\"*\"])"
    )]
    Empty,
    /// `*` and others.
    #[error("\"*\" means every homeserver and stands alone")]
    StarAndOthers,
    /// Not a server name.
    #[error("\"{0}\" is no server name: {1}")]
    Name(String, ServerNameError),
}

impl FullAccess {
    /// Reads a list of server names, or the single entry `*`.
    ///
    /// # Errors
    ///
    /// See [`FullAccessError`].
    pub fn read(entries: &[String]) -> Result<Self, FullAccessError> {
        if entries.is_empty() {
            return Err(FullAccessError::Empty);
        }
        if entries.iter().any(|entry| entry == "*") {
            return match entries.len() {
                1 => Ok(FullAccess::Everyone),
                _ => Err(FullAccessError::StarAndOthers),
            };
        }
        let names = entries.iter().map(|entry| {
            entry
                .parse()
                .map_err(|error| FullAccessError::Name(entry.clone(), error))
        });
        Ok(FullAccess::Only(names.collect::<Result<_, _>>()?))
    }

    /// Whether users of this homeserver may publish.
    pub fn includes(&self, server: &ServerName) -> bool {
        match self {
            FullAccess::Everyone => true,
            FullAccess::Only(names) => names.contains(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[&str]) -> Result<FullAccess, FullAccessError> {
        FullAccess::read(
            &entries
                .iter()
                .map(|entry| (*entry).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn only_listed_servers_publish_and_a_star_lists_all() {
        let server = |text: &str| text.parse::<ServerName>().unwrap();
        let listed = read(&["org-a.example", "org-c.example:8448"]).unwrap();
        assert!(listed.includes(&server("org-a.example")) && listed.includes(&server("org-c.example:8448")));
        for other in [
            "org-b.example",
            "org-c.example",
            "ORG-A.example",
            "x.org-a.example",
        ] {
            assert!(!listed.includes(&server(other)), "{other}");
        }
        assert!(read(&["*"]).unwrap().includes(&server("org-b.example")));
    }

    #[test]
    fn a_list_that_helps_nobody_is_refused() {
        assert_eq!(read(&[]), Err(FullAccessError::Empty));
        assert_eq!(read(&["*", "org-a.example"]), Err(FullAccessError::StarAndOthers));
        let error = read(&["https://org-a.example"]).unwrap_err().to_string();
        assert!(
            error.contains("\"https://org-a.example\" is no server name"),
            "{error}"
        );
        assert!(read(&["*.example"]).is_err());
    }
}
