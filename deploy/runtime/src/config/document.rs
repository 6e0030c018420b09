//! A configuration as it was found: every value, and where it came from.

use super::{ConfigError, Section, Table};
use crate::Secret;
use serde::de::DeserializeOwned;
use std::fmt;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Default,
    File { file: String, line: usize },
    Environment { variable: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { file, line } => write!(f, "{file} line {line}"),
            Origin::Environment { variable } => write!(f, "environment variable {variable}"),
        }
    }
}

struct Setting {
    name: &'static str,
    value: Value,
    origin: Origin,
}

struct LoadedTable {
    table: &'static Table,
    settings: Vec<Setting>,
    secrets: Vec<(&'static str, Secret<String>)>,
}

/// Every value of every known table, and where it came from.
pub struct Document {
    tables: Vec<LoadedTable>,
}

impl Document {
    /// Puts defaults, file and environment together. `file` is its path (for sentences) and its text; `None` means
    /// that there is no file and defaults hold. `environment` looks a variable up.
    ///
    /// # Errors
    ///
    /// When the file is not TOML, or names something that no table knows.
    pub fn load(
        tables: &[&'static Table],
        file: Option<(&str, &str)>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut loaded = Vec::with_capacity(tables.len());
        for &table in tables {
            loaded.push(LoadedTable {
                table,
                settings: defaults(table)?,
                secrets: table
                    .secrets
                    .iter()
                    .filter_map(|secret| Some((secret.variable, Secret::new(environment(secret.variable)?))))
                    .collect(),
            });
        }
        if let Some((file, text)) = file {
            read_file(&mut loaded, file, text)?;
        }
        for table in &mut loaded {
            read_environment(table, environment)?;
        }
        Ok(Document { tables: loaded })
    }

    /// The settings of one service.
    ///
    /// # Errors
    ///
    /// As [`Section::resolve`]; also when the table was not among those that were loaded.
    pub fn section<S: Section>(&self) -> Result<S, ConfigError> {
        let name = S::TABLE.name;
        let table = self
            .tables
            .iter()
            .find(|loaded| loaded.table.name == name)
            .ok_or_else(|| ConfigError::Refused(format!("this executable does not read [{name}]")))?;
        S::resolve(&Values { table })
    }

    /// Every value and where it came from, for `check-config`. Secrets are named, never shown.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for loaded in &self.tables {
            text.push_str(&format!("[{}]\n", loaded.table.name));
            for setting in &loaded.settings {
                text.push_str(&format!(
                    "{} = {}    # {}\n",
                    setting.name, setting.value, setting.origin
                ));
            }
            for secret in loaded.table.secrets {
                let set = loaded
                    .secrets
                    .iter()
                    .any(|(variable, _)| *variable == secret.variable);
                let state = if set { "set, not shown" } else { "not set" };
                text.push_str(&format!("# environment variable {}: {state}\n", secret.variable));
            }
            text.push('\n');
        }
        text
    }
}

/// The values of one table, for [`Section::resolve`].
pub struct Values<'a> {
    table: &'a LoadedTable,
}

impl Values<'_> {
    /// One value, as the type that the caller wants.
    ///
    /// # Errors
    ///
    /// When the value is of another type or out of range.
    pub fn read<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, ConfigError> {
        let setting = self
            .setting(key)
            .ok_or_else(|| ConfigError::Refused(format!("[{}] has no key {key}", self.table.table.name)))?;
        // Only the first line of the message: the rest quotes TOML that the value was taken out of.
        setting
            .value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| {
                let message = error.message().lines().next().unwrap_or_default().to_owned();
                self.refuse(key, &message)
            })
    }

    /// A secret from the environment.
    pub fn secret(&self, variable: &str) -> Option<&Secret<String>> {
        self.table
            .secrets
            .iter()
            .find(|(name, _)| *name == variable)
            .map(|(_, secret)| secret)
    }

    /// The error that says what is wrong with a value, and where it stands.
    pub fn refuse(&self, key: &'static str, reason: &str) -> ConfigError {
        ConfigError::BadValue {
            place: self
                .setting(key)
                .map_or_else(String::new, |setting| setting.origin.to_string()),
            table: self.table.table.name.to_owned(),
            key: key.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn setting(&self, key: &str) -> Option<&Setting> {
        self.table.settings.iter().find(|setting| setting.name == key)
    }
}

fn defaults(table: &'static Table) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::with_capacity(table.keys.len());
    for key in table.keys {
        let value = parse_value(key.default).ok_or_else(|| {
            ConfigError::Refused(format!(
                "the default of [{}] {} is not TOML",
                table.name, key.name
            ))
        })?;
        settings.push(Setting {
            name: key.name,
            value,
            origin: Origin::Default,
        });
    }
    Ok(settings)
}

fn parse_value(text: &str) -> Option<Value> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    (table.len() == 1).then(|| table.remove("value")).flatten()
}

fn read_file(loaded: &mut [LoadedTable], file: &str, text: &str) -> Result<(), ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        file: file.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    };
    // Twice: once for the values, once for the lines on which they stand.
    let mut values: toml::Table = toml::from_str(text).map_err(syntax)?;
    let places = DeTable::parse(text).map_err(syntax)?;
    let line_at = |offset: usize| text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1;

    for (name, place) in places.get_ref() {
        let (name, line) = (name.get_ref().as_ref(), line_at(name.span().start));
        let Some(table) = loaded.iter_mut().find(|table| table.table.name == name) else {
            let known: Vec<&str> = loaded.iter().map(|table| table.table.name).collect();
            let hint = hint(name, &known, "the tables are");
            return Err(ConfigError::UnknownTable {
                file: file.to_owned(),
                line,
                table: name.to_owned(),
                hint,
            });
        };
        let (DeValue::Table(keys), Some(Value::Table(mut values))) = (place.get_ref(), values.remove(name))
        else {
            return Err(ConfigError::BadValue {
                place: format!("{file} line {line}"),
                table: name.to_owned(),
                key: String::new(),
                reason: "this is a table, not a value".to_owned(),
            });
        };
        for key in keys.keys() {
            let (name, line) = (key.get_ref().as_ref(), line_at(key.span().start));
            let setting = table.settings.iter_mut().find(|setting| setting.name == name);
            let (Some(setting), Some(value)) = (setting, values.remove(name)) else {
                let known: Vec<&str> = table.table.keys.iter().map(|key| key.name).collect();
                return Err(ConfigError::UnknownKey {
                    file: file.to_owned(),
                    line,
                    table: table.table.name.to_owned(),
                    key: name.to_owned(),
                    hint: hint(name, &known, "its keys are"),
                });
            };
            setting.value = value;
            setting.origin = Origin::File {
                file: file.to_owned(),
                line,
            };
        }
    }
    Ok(())
}

/// Texts are taken as they stand; a list of texts may be written with commas; everything else as in the file.
fn read_environment(
    table: &mut LoadedTable,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    for setting in &mut table.settings {
        let variable = format!("HANSE_{}_{}", table.table.name, setting.name).to_uppercase();
        let Some(text) = environment(&variable) else {
            continue;
        };
        let value = match &setting.value {
            Value::String(_) => Some(Value::String(text)),
            Value::Array(_) if !text.trim_start().starts_with('[') => Some(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            )),
            _ => parse_value(&text),
        };
        setting.value = value.ok_or_else(|| ConfigError::BadValue {
            place: format!("environment variable {variable}"),
            table: table.table.name.to_owned(),
            key: setting.name.to_owned(),
            reason: "this is no value of the kind that the key takes".to_owned(),
        })?;
        setting.origin = Origin::Environment { variable };
    }
    Ok(())
}

/// The nearest known name if one is near (a third of the letters may differ), else all of them.
fn hint(written: &str, known: &[&str], all: &str) -> String {
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| {
            *distance <= name.chars().count().max(written.chars().count()).div_ceil(3)
        });
    match nearest {
        Some((_, name)) => format!("did you mean \"{name}\"?"),
        None => format!("{all} {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Key, SecretKey};

    static SHOP: Table = Table {
        name: "shop",
        about: "A table for tests.",
        keys: &[
            Key {
                name: "port",
                default: "7880",
                about: "A number.",
            },
            Key {
                name: "opening_delay_s",
                default: "5",
                about: "A time.",
            },
            Key {
                name: "names",
                default: "[]",
                about: "A list.",
            },
            Key {
                name: "sign",
                default: "\"open\"",
                about: "A text.",
            },
        ],
        secrets: &[SecretKey {
            variable: "SHOP_KEY",
            about: "A secret.",
        }],
    };

    #[derive(Debug, PartialEq)]
    struct Shop {
        port: u16,
        names: Vec<String>,
        sign: String,
    }

    impl Section for Shop {
        const TABLE: Table = Table {
            name: "shop",
            about: "",
            keys: &[],
            secrets: &[],
        };
        fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
            Ok(Shop {
                port: values.read("port")?,
                names: values.read("names")?,
                sign: values.read("sign")?,
            })
        }
    }

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Document, ConfigError> {
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Document::load(&[&SHOP], Some(("shop.toml", text)), &lookup)
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let environment = [
            ("HANSE_SHOP_PORT", "3"),
            ("HANSE_SHOP_NAMES", "a, b"),
            ("HANSE_SHOP_SIGN", "7"),
        ];
        let shop: Shop = load("[shop]\nport = 2\n", &environment)
            .unwrap()
            .section()
            .unwrap();
        assert_eq!(
            shop,
            Shop {
                port: 3,
                names: vec!["a".into(), "b".into()],
                sign: "7".into()
            }
        );
        let shop: Shop = load("[shop]\nport = 2\n", &[]).unwrap().section().unwrap();
        assert_eq!(
            shop,
            Shop {
                port: 2,
                names: vec![],
                sign: "open".into()
            }
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_table_its_line_and_the_nearest_name() {
        let error = load("\n[shop]\nport = 2\nopening_delay_ms = 5\n", &[])
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            error,
            "shop.toml line 4: [shop] has no key \"opening_delay_ms\"; did you mean \"opening_delay_s\"?"
        );
        let error = load("[shop]\ncolour = 1\n", &[]).err().unwrap().to_string();
        assert_eq!(
            error,
            "shop.toml line 2: [shop] has no key \"colour\"; its keys are port, opening_delay_s, names, sign"
        );
    }

    #[test]
    fn an_unknown_table_is_refused_with_the_nearest_name() {
        let error = load("[shpo]\n", &[]).err().unwrap().to_string();
        assert_eq!(
            error,
            "shop.toml line 1: there is no table [shpo]; did you mean \"shop\"?"
        );
        assert!(
            load("port = 1\n", &[])
                .err()
                .unwrap()
                .to_string()
                .contains("no table [port]")
        );
        assert!(
            load("shop = 1\n", &[])
                .err()
                .unwrap()
                .to_string()
                .contains("this is a table, not a value")
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_place() {
        let in_file = load("[shop]\n\nport = \"x\"\n", &[])
            .unwrap()
            .section::<Shop>()
            .err()
            .unwrap()
            .to_string();
        assert!(
            in_file.starts_with("shop.toml line 3: [shop] port: invalid type"),
            "{in_file}"
        );
        let outside = load("", &[("HANSE_SHOP_PORT", "70000")])
            .unwrap()
            .section::<Shop>()
            .err()
            .unwrap();
        assert!(outside.to_string().contains("HANSE_SHOP_PORT"), "{outside}");
    }

    #[test]
    fn broken_toml_is_refused_with_its_place() {
        let error = load("[shop\n", &[]).err().unwrap().to_string();
        assert!(
            error.contains("shop.toml is not valid TOML") && error.contains("line 1"),
            "{error}"
        );
    }

    #[test]
    fn explaining_says_where_each_value_came_from_and_shows_no_secret() {
        let document = load(
            "[shop]\nport = 2\n",
            &[("SHOP_KEY", "hunter2"), ("HANSE_SHOP_SIGN", "shut")],
        )
        .unwrap();
        let text = document.explain();
        assert!(text.contains("port = 2    # shop.toml line 2"), "{text}");
        assert!(
            text.contains("sign = \"shut\"    # environment variable HANSE_SHOP_SIGN"),
            "{text}"
        );
        assert!(text.contains("names = []    # default"), "{text}");
        assert!(text.contains("SHOP_KEY: set, not shown"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_example_is_a_valid_file_that_changes_nothing() {
        let text = crate::config::example(&[&SHOP]);
        let from_example: Shop = load(&text, &[]).unwrap().section().unwrap();
        let from_nothing: Shop = load("", &[]).unwrap().section().unwrap();
        assert_eq!(from_example, from_nothing);
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    }
}
