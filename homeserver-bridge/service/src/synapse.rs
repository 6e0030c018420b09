//! Synapse's configuration, as far as calls have to do with it: what a configuration that is there says, and what has to be
//! added to it.
//!
//! Synapse reads several files, and of a key that stands in more than one it takes the whole value of the last. So a file of
//! our own repeats, for each key that it sets, what the files before it say of that key.

use crate::registration::Registration;
use serde_json::{Map, Value, json};

/// Bytes of a file of Synapse's configuration. A longer one is refused.
pub const SYNAPSE_CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Features of Synapse that calls need, and what for.
const FEATURES: [(&str, &str); 5] = [
    ("msc3266_enabled", "what a room is, before joining it"),
    ("msc4143_enabled", "tells clients where calls are"),
    ("msc4222_enabled", "state that clients can rely on"),
    (
        "msc4354_enabled",
        "sticky events: memberships of calls without power for state events",
    ),
    ("msc4502_enabled", "lets Hanse ask who is in a room"),
];

/// What the signed form of tokens needs besides.
const SIGNED_FEATURE: (&str, &str) = ("msc4512_enabled", "passes requests for tokens on to Hanse");

/// Keys that are left as they are where a file has them.
const LEFT_ALONE: [(&str, &str, &str); 3] = [
    (
        "max_event_delay_duration",
        "24h",
        "leaves that the homeserver sends when a device is gone (MSC4140)",
    ),
    (
        "rc_message",
        "{per_second: 0.5, burst_count: 30}",
        "keys of calls are messages",
    ),
    (
        "rc_delayed_event_mgmt",
        "{per_second: 1, burst_count: 20}",
        "clients keep their leaves waiting",
    ),
];

/// All files of a Synapse's configuration, the later ones over the earlier ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SynapseConfig(Map<String, Value>);

/// Where clients and other homeservers find a call's focus and SFU.
#[derive(Clone, Copy, Debug)]
pub struct CallUrls<'a> {
    /// `livekit_service_url`: the focus.
    pub service: &'a str,
    /// The SFU's WebSocket; announced in the signed form only.
    pub sfu: &'a str,
}

impl SynapseConfig {
    /// Adds a file that Synapse reads after those before.
    ///
    /// # Errors
    ///
    /// A sentence without anything of the file's contents.
    pub fn add(&mut self, yaml: &str) -> Result<(), String> {
        if yaml.len() > SYNAPSE_CONFIG_BYTES_MAX {
            return Err(format!("it is longer than {SYNAPSE_CONFIG_BYTES_MAX} bytes"));
        }
        let read: Option<Map<String, Value>> = serde_saphyr::from_str(yaml).map_err(|error| {
            let error = error.without_snippet().to_string();
            format!(
                "it is no YAML that can be read: {}",
                error.lines().next().unwrap_or_default()
            )
        })?;
        self.0.extend(read.unwrap_or_default());
        Ok(())
    }

    /// `server_name`, if it says one.
    pub fn server_name(&self) -> Option<&str> {
        self.0.get("server_name")?.as_str()
    }

    /// Worker processes besides the main one, by the names that `instance_map` and `stream_writers` give them.
    pub fn workers(&self) -> Vec<&str> {
        let mapped = self.0.get("instance_map").and_then(Value::as_object);
        let mapped = mapped.into_iter().flatten().map(|(name, _)| name.as_str());
        let writers = self.0.get("stream_writers").and_then(Value::as_object);
        let writers = writers.into_iter().flatten().flat_map(|(_, names)| match names {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            name => name.as_str().into_iter().collect::<Vec<_>>(),
        });
        let mut names: Vec<&str> = mapped
            .chain(writers)
            .filter(|name| *name != "main" && *name != "master")
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Where this machine reaches the client-server API without TLS: the first such listener.
    pub fn client_listener(&self) -> Option<String> {
        self.listeners().find_map(|listener| {
            let plain = listener.get("tls").and_then(Value::as_bool) != Some(true);
            let port = listener.get("port").and_then(Value::as_u64)?;
            (plain && serves(listener, &["client"]))
                .then(|| format!("http://{}:{port}", reached_at(listener)))
        })
    }

    /// Whether some listener answers other organisations' questions who has an OpenID token; `None`: it names no listeners.
    pub fn serves_openid(&self) -> Option<bool> {
        self.0.get("listeners")?;
        Some(
            self.listeners()
                .any(|listener| serves(listener, &["federation", "openid"])),
        )
    }

    /// URLs of the focuses that are announced to clients, in this order.
    pub fn announced(&self) -> Vec<&str> {
        let transports = self.0.get("matrix_rtc").and_then(|calls| calls.get("transports"));
        let transports = transports.and_then(Value::as_array).into_iter().flatten();
        transports
            .filter_map(|each| each.get("livekit_service_url")?.as_str())
            .collect()
    }

    fn listeners(&self) -> impl Iterator<Item = &Value> {
        self.0
            .get("listeners")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// What a Synapse with this configuration needs besides, as one more file after the others: the registration at `path`,
    /// and what calls need. What the others say of the same keys is repeated.
    pub fn lines_for_calls(&self, registration: &Registration, path: &str, urls: CallUrls<'_>) -> String {
        let signed = registration.proxy_url.is_some();
        let mut lines = "app_service_config_files:\n".to_owned();
        for file in self
            .list("app_service_config_files")
            .iter()
            .filter(|file| file.as_str() != Some(path))
        {
            lines.push_str(&format!("  - {file}\n"));
        }
        lines.push_str(&format!("  - {}\n", Value::from(path)));
        for (key, value, about) in LEFT_ALONE {
            if !self.0.contains_key(key) {
                lines.push_str(&format!("{key}: {value}   # {about}\n"));
            }
        }
        let features: Vec<(&str, &str)> = FEATURES
            .into_iter()
            .chain(signed.then_some(SIGNED_FEATURE))
            .collect();
        lines.push_str("experimental_features:\n");
        for (key, value) in self.map("experimental_features") {
            if features.iter().all(|(feature, _)| *feature != key) {
                lines.push_str(&format!("  {}: {value}\n", Value::from(key.as_str())));
            }
        }
        for (feature, about) in features {
            lines.push_str(&format!("  {feature}: true   # {about}\n"));
        }
        let mut ours = json!({"type": "livekit", "livekit_service_url": urls.service});
        if let (true, Some(ours)) = (signed, ours.as_object_mut()) {
            ours.insert("url".to_owned(), urls.sfu.into());
        }
        lines.push_str("matrix_rtc:\n");
        let calls = self.map("matrix_rtc");
        for (key, value) in calls.iter().filter(|(key, _)| key.as_str() != "transports") {
            lines.push_str(&format!("  {}: {value}\n", Value::from(key.as_str())));
        }
        lines.push_str(&format!("  transports:\n    - {ours}\n"));
        let others = calls.get("transports").and_then(Value::as_array);
        for other in others.into_iter().flatten() {
            if other.get("livekit_service_url").and_then(Value::as_str) != Some(urls.service) {
                lines.push_str(&format!("    - {other}\n"));
            }
        }
        if self.serves_openid() != Some(true) {
            lines.push_str("# One listener that other organisations reach needs the resource `federation` or `openid`.\n");
        }
        lines
    }

    fn map(&self, key: &str) -> Map<String, Value> {
        self.0
            .get(key)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    }

    fn list(&self, key: &str) -> Vec<Value> {
        self.0
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }
}

/// Whether a listener has one of these resources.
fn serves(listener: &Value, wanted: &[&str]) -> bool {
    let resources = listener
        .get("resources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut names = resources
        .filter_map(|resource| resource.get("names"))
        .flat_map(|names| match names {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            name => name.as_str().into_iter().collect::<Vec<_>>(),
        });
    names.any(|name| wanted.contains(&name))
}

/// The address at which this machine reaches a listener.
fn reached_at(listener: &Value) -> String {
    let addresses = listener.get("bind_addresses").and_then(Value::as_array);
    let one = listener.get("bind_address").and_then(Value::as_str);
    let addresses: Vec<&str> = addresses
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .chain(one)
        .collect();
    let here = |address: &&str| matches!(*address, "" | "0.0.0.0" | "::" | "127.0.0.1" | "localhost");
    match addresses.first() {
        Some(first) if !addresses.iter().any(here) => match first.contains(':') {
            true => format!("[{first}]"),
            false => (*first).to_owned(),
        },
        _ => "127.0.0.1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URLS: CallUrls<'static> = CallUrls {
        service: "https://hanse.org-a.example/livekit/jwt",
        sfu: "wss://hanse.org-a.example",
    };

    fn fresh() -> Registration {
        let name = "org-a.example:8448".parse().unwrap();
        Registration::generate(&name, "http://127.0.0.1:8008/", "http://127.0.0.1:7880").unwrap()
    }

    fn config(files: &[&str]) -> SynapseConfig {
        let mut config = SynapseConfig::default();
        for file in files {
            config.add(file).unwrap();
        }
        config
    }

    fn lines(config: &SynapseConfig, registration: &Registration) -> Value {
        let lines = config.lines_for_calls(registration, "/etc/hanse/r.yaml", URLS);
        serde_saphyr::from_str(&lines).unwrap()
    }

    #[test]
    fn the_lines_for_the_homeserver_are_yaml_and_name_the_file_and_the_focus() {
        let read = lines(&SynapseConfig::default(), &fresh());
        assert_eq!(read["app_service_config_files"], json!(["/etc/hanse/r.yaml"]));
        let transport = &read["matrix_rtc"]["transports"][0];
        assert_eq!(transport["livekit_service_url"], URLS.service);
        assert_eq!(read["experimental_features"]["msc4502_enabled"], true);
        assert_eq!(read["max_event_delay_duration"], "24h");
        assert_eq!(read["rc_message"]["burst_count"], 30);
        assert!(transport["url"].is_null() && read["experimental_features"]["msc4512_enabled"].is_null());
        let signed = lines(&SynapseConfig::default(), &fresh().signed());
        assert_eq!(signed["matrix_rtc"]["transports"][0]["url"], URLS.sfu);
        assert_eq!(signed["experimental_features"]["msc4512_enabled"], true);
    }

    #[test]
    fn what_the_other_files_say_of_the_same_keys_is_kept() {
        let there = config(&[
            "server_name: org-a.example\napp_service_config_files: [/etc/other.yaml, /etc/hanse/r.yaml]\n",
            "experimental_features: {msc3861: {enabled: true}, msc4143_enabled: false}\n\
             max_event_delay_duration: 1h\n\
             rc_message: {per_second: 5, burst_count: 50}\n\
             matrix_rtc: {livekit: 1, transports: [{type: livekit, livekit_service_url: 'https://old.example'}]}\n",
        ]);
        let read = lines(&there, &fresh());
        assert_eq!(
            read["app_service_config_files"],
            json!(["/etc/other.yaml", "/etc/hanse/r.yaml"])
        );
        assert_eq!(read["experimental_features"]["msc3861"]["enabled"], true);
        assert_eq!(read["experimental_features"]["msc4143_enabled"], true);
        assert!(read["max_event_delay_duration"].is_null() && read["rc_message"].is_null());
        assert_eq!(read["matrix_rtc"]["livekit"], 1);
        let transports = read["matrix_rtc"]["transports"].as_array().unwrap();
        assert_eq!(transports.len(), 2);
        assert_eq!(transports[0]["livekit_service_url"], URLS.service);
        assert_eq!(transports[1]["livekit_service_url"], "https://old.example");
        assert_eq!(there.announced(), ["https://old.example"]);
    }

    #[test]
    fn listeners_workers_and_the_name_are_read() {
        let there = config(&["server_name: org-a.example\n\
             listeners:\n\
             - {port: 9000, type: metrics}\n\
             - {port: 8448, tls: true, type: http, resources: [{names: [client, federation]}]}\n\
             - {port: 8010, type: http, bind_addresses: ['10.0.0.5'], resources: [{names: [client], compress: true}]}\n\
             instance_map: {main: {host: localhost, port: 9093}, worker1: {host: localhost, port: 9094}}\n\
             stream_writers: {events: [worker2, worker1], typing: worker3}\n"]);
        assert_eq!(there.server_name(), Some("org-a.example"));
        assert_eq!(there.client_listener().as_deref(), Some("http://10.0.0.5:8010"));
        assert_eq!(there.serves_openid(), Some(true));
        assert_eq!(there.workers(), ["worker1", "worker2", "worker3"]);
        let none = config(&["# nothing\n"]);
        assert_eq!(
            (none.server_name(), none.client_listener(), none.serves_openid()),
            (None, None, None)
        );
        let closed = config(&["listeners: [{port: 8008, resources: [{names: [client]}]}]"]);
        assert_eq!(closed.serves_openid(), Some(false));
        assert_eq!(closed.client_listener().as_deref(), Some("http://127.0.0.1:8008"));
    }

    #[test]
    fn what_is_no_configuration_is_refused_without_showing_it() {
        let mut config = SynapseConfig::default();
        for wrong in ["- a list of secret", "secret: [", "\tsecret"] {
            let said = config.add(wrong).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
        assert!(config.add(&"x".repeat(SYNAPSE_CONFIG_BYTES_MAX + 1)).is_err());
        assert_eq!(config, SynapseConfig::default());
    }
}
