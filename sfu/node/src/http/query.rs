//! The query of a join. In the newer form it is one parameter with a message in it (`join_request`); in the older one
//! (`GET /rtc`, two peer connections) every setting is a parameter of its own. Both end as the same message.
//!
//! Read as LiveKit's server reads it: a switch is on with `1` or `true` and off with anything else, a number that is none
//! is 0, and what is not known is nobody's concern.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use livekit_protocol::client_info::{Capability, Sdk};
use livekit_protocol::{ClientInfo, ConnectionSettings, JoinRequest};
use serde::Deserialize;
use std::collections::HashMap;

const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The query, as far as it is ours.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    pub access_token: Option<String>,
    pub join_request: Option<String>,
    pub publish: Option<String>,
    auto_subscribe: String,
    auto_subscribe_data_track: String,
    adaptive_stream: String,
    subscriber_allow_pause: String,
    reconnect: String,
    reconnect_reason: String,
    sid: String,
    sdk: String,
    version: String,
    protocol: String,
    client_protocol: String,
    os: String,
    os_version: String,
    device_model: String,
    browser: String,
    browser_version: String,
    network: String,
    capabilities: String,
    disable_ice_lite: String,
    attributes: String,
}

impl Parameters {
    /// Whether the client speaks the newer form, wherever it asks.
    pub fn has_request(&self) -> bool {
        self.join_request
            .as_deref()
            .is_some_and(|request| !request.is_empty())
    }

    /// The attributes that a client of the older form brings: base64 of a JSON object of strings. `None`: they cannot be
    /// read.
    pub fn attributes(&self) -> Option<HashMap<String, String>> {
        if self.attributes.is_empty() {
            return Some(HashMap::new());
        }
        let json = BASE64_URL.decode(&self.attributes).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// What a client of the older form asks for.
    pub fn older_request(&self, attributes: HashMap<String, String>) -> JoinRequest {
        let reconnect = is_on(&self.reconnect);
        JoinRequest {
            client_info: Some(self.client_info()),
            connection_settings: Some(ConnectionSettings {
                auto_subscribe: switch(&self.auto_subscribe).unwrap_or(true),
                adaptive_stream: is_on(&self.adaptive_stream),
                subscriber_allow_pause: switch(&self.subscriber_allow_pause),
                disable_ice_lite: is_on(&self.disable_ice_lite),
                auto_subscribe_data_track: switch(&self.auto_subscribe_data_track),
            }),
            participant_attributes: attributes,
            reconnect,
            reconnect_reason: self.reconnect_reason.parse().unwrap_or_default(),
            participant_sid: self.sid.clone(),
            ..JoinRequest::default()
        }
    }

    fn client_info(&self) -> ClientInfo {
        ClientInfo {
            sdk: sdk(&self.sdk).into(),
            version: self.version.clone(),
            protocol: self.protocol.parse().unwrap_or_default(),
            client_protocol: self.client_protocol.parse().unwrap_or_default(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            device_model: self.device_model.clone(),
            browser: self.browser.clone(),
            browser_version: self.browser_version.clone(),
            network: self.network.clone(),
            capabilities: self
                .capabilities
                .split(',')
                .filter_map(|name| Capability::from_str_name(name.trim()))
                .map(Into::into)
                .collect(),
            ..ClientInfo::default()
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Parameters {
    /// All that are there.
    pub fn values(&self) -> impl Iterator<Item = &String> {
        let optional = [&self.access_token, &self.join_request, &self.publish];
        optional
            .into_iter()
            .flatten()
            .chain([&self.sid, &self.version, &self.capabilities, &self.attributes])
    }
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// `None`: nothing is said.
fn switch(value: &str) -> Option<bool> {
    (!value.is_empty()).then(|| is_on(value))
}

fn sdk(name: &str) -> Sdk {
    match name {
        "js" => Sdk::Js,
        "ios" | "swift" => Sdk::Swift,
        "android" => Sdk::Android,
        "flutter" => Sdk::Flutter,
        "go" => Sdk::Go,
        "unity" => Sdk::Unity,
        "reactnative" => Sdk::ReactNative,
        "rust" => Sdk::Rust,
        "python" => Sdk::Python,
        "cpp" => Sdk::Cpp,
        "unityweb" => Sdk::UnityWeb,
        "node" => Sdk::Node,
        "esp32" => Sdk::Esp32,
        _ => Sdk::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Query;

    fn read(query: &str) -> Parameters {
        let uri = format!("http://localhost/rtc?{query}").parse().unwrap();
        Query::try_from_uri(&uri).unwrap().0
    }

    fn request(query: &str) -> JoinRequest {
        let parameters = read(query);
        parameters.older_request(parameters.attributes().unwrap())
    }

    #[test]
    fn what_a_client_does_not_say_is_what_it_was_when_there_was_nothing_to_say() {
        let settings = request("access_token=t").connection_settings.unwrap();
        let expected = ConnectionSettings {
            auto_subscribe: true,
            ..ConnectionSettings::default()
        };
        assert_eq!(settings, expected);
        assert!(!request("sid=PA_1").reconnect);
    }

    #[test]
    fn a_switch_is_on_with_1_or_true_and_off_with_anything_else() {
        for (value, is_on) in [
            ("1", true),
            ("true", true),
            ("0", false),
            ("yes", false),
            ("TRUE", false),
        ] {
            let query = format!(
                "auto_subscribe={value}&adaptive_stream={value}&subscriber_allow_pause={value}&reconnect={value}&disable_ice_lite={value}&auto_subscribe_data_track={value}"
            );
            let request = request(&query);
            let settings = request.connection_settings.unwrap();
            assert_eq!(
                settings,
                ConnectionSettings {
                    auto_subscribe: is_on,
                    adaptive_stream: is_on,
                    subscriber_allow_pause: Some(is_on),
                    disable_ice_lite: is_on,
                    auto_subscribe_data_track: Some(is_on),
                }
            );
            assert_eq!(request.reconnect, is_on);
        }
    }

    #[test]
    fn a_client_says_who_it_is() {
        let info = request(
            "sdk=js&version=2.23.0&protocol=17&client_protocol=2&os=Linux&os_version=6&device_model=x&browser=Firefox\
             &browser_version=140&network=wifi&capabilities=CAP_PACKET_TRAILER,CAP_OF_TOMORROW,%20CAP_COMPRESSION_DEFLATE_RAW",
        )
        .client_info
        .unwrap();
        assert_eq!(
            (info.sdk(), info.protocol, info.client_protocol),
            (Sdk::Js, 17, 2)
        );
        assert_eq!(
            (info.browser.as_str(), info.browser_version.as_str()),
            ("Firefox", "140")
        );
        assert_eq!(
            info.capabilities,
            [Capability::CapPacketTrailer, Capability::CapCompressionDeflateRaw].map(i32::from)
        );
        let unknown = request("sdk=commodore&protocol=many").client_info.unwrap();
        assert_eq!((unknown.sdk(), unknown.protocol), (Sdk::Unknown, 0));
    }

    #[test]
    fn attributes_are_read_with_and_without_padding_and_nothing_else_is() {
        for text in ["eyJhIjoiYiJ9", "eyJhIjoiYmIifQ==", "eyJhIjoiYmIifQ"] {
            assert_eq!(read(&format!("attributes={text}")).attributes().unwrap().len(), 1);
        }
        for text in ["%25", "eyJhIjoxfQ", "W10"] {
            assert!(
                read(&format!("attributes={text}")).attributes().is_none(),
                "{text}"
            );
        }
    }
}
