//! `[store]`: where what must survive a restart is kept.

use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Key, SecretKey, Section, Table, Values};

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// What [`super::Store::open`] takes; with its password, if it came with one.
    pub url: Secret<String>,
}

impl Section for StoreConfig {
    const TABLE: Table = Table {
        name: "store",
        about: "What must survive a restart: delayed leaves, who was admitted, blocked homeservers. docs/personal-data.md \
                says what is kept, why and how long.",
        keys: &[Key {
            name: "url",
            default: "\"sqlite:hanse.db\"",
            about: "The database. \"sqlite:FILE\": made when it is missing; a relative path begins in the folder that hanse \
                    runs in. \"postgres://USER@HOST/DATABASE?sslmode=verify-full&sslrootcert=FILE\": several hanse processes \
                    may share it; its tables are made at the first start. The password comes from PGPASSWORD or PGPASSFILE.",
        }],
        secrets: &[SecretKey {
            variable: "DATABASE_URL",
            about: "The same, and may hold the password; replaces url.",
        }],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        const KINDS: &str = "a URL is expected that begins with sqlite: or postgres://";
        if let Some(url) = values.secret("DATABASE_URL") {
            if !is_known(url.expose()) {
                let refusal = format!("environment variable DATABASE_URL: {KINDS}");
                return Err(ConfigError::Refused(refusal));
            }
            return Ok(StoreConfig { url: url.clone() });
        }
        let url: String = values.read("url")?;
        if !is_known(&url) {
            return Err(values.refuse("url", KINDS));
        }
        if has_password(&url) {
            return Err(values.refuse(
                "url",
                "a password does not stand here: give it by PGPASSWORD, PGPASSFILE or DATABASE_URL",
            ));
        }
        Ok(StoreConfig {
            url: Secret::new(url),
        })
    }
}

fn is_known(url: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|start| url.starts_with(start))
}

fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user_has_one = place.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    user_has_one || query.split('&').any(|pair| pair.starts_with("password="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = StoreConfig::TABLE;

    fn resolve(text: &str, database_url: Option<&str>) -> Result<String, String> {
        let lookup = |name: &str| {
            let wanted = name == "DATABASE_URL";
            database_url.filter(|_| wanted).map(str::to_owned)
        };
        let text = format!("[store]\n{text}");
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &lookup)
            .and_then(|document| document.section::<StoreConfig>())
            .map(|config| config.url.expose().clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_a_file_where_hanse_runs() {
        assert_eq!(resolve("", None).as_deref(), Ok("sqlite:hanse.db"));
    }

    #[test]
    fn the_environment_may_hold_a_password_and_wins() {
        let with_password = "postgresql://hanse:hunter2@db/hanse";
        assert_eq!(
            resolve("url = \"sqlite:a.db\"", Some(with_password)).as_deref(),
            Ok(with_password)
        );
    }

    #[test]
    fn the_file_may_not_hold_a_password() {
        for good in [
            "postgres://hanse@db:5432/hanse?sslmode=verify-full",
            "postgres://db/hanse",
            "sqlite:/var/lib/hanse/a:b@c.db",
        ] {
            assert_eq!(resolve(&format!("url = \"{good}\""), None).as_deref(), Ok(good));
        }
        for bad in [
            "postgres://hanse:hunter2@db/hanse",
            "postgres://db/hanse?user=a&password=hunter2",
        ] {
            let error = resolve(&format!("url = \"{bad}\""), None).unwrap_err();
            assert!(
                error.contains("PGPASSFILE") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn another_database_is_refused_wherever_it_is_named() {
        let error = resolve("url = \"mysql://db/hanse\"", None).unwrap_err();
        assert!(error.contains("begins with sqlite:"), "{error}");
        let error = resolve("", Some("hanse.db")).unwrap_err();
        assert!(error.contains("DATABASE_URL"), "{error}");
    }
}
