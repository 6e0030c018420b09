//! What a client is, as far as it matters for codecs: some browsers offer what they do badly. The rules are LiveKit's
//! (`pkg/clientconfiguration/conf.go`, `pkg/rtc/clientinfo.go`).

use crate::negotiate::codec::{CODECS, mime};
use hanse_sfu_core::command::Codec;
use livekit_protocol::client_info::Sdk;
use livekit_protocol::{ClientConfiguration, ClientInfo, DisabledCodecs};

/// Bytes of a browser's name, version or system that are kept of a `User-Agent`.
const NAME_BYTES_MAX: usize = 32;

/// Clients up to this protocol version expect a new section for every track.
const PROTOCOL_WITHOUT_REUSE: i32 = 3;

/// Some devices, and what they must not use.
struct Rule {
    concerns: fn(&ClientInfo) -> bool,
    codecs: &'static [Codec],
    /// They may still receive it.
    only_publishing: bool,
    /// Clients are told, so that they choose another codec by themselves.
    is_told: bool,
}

const RULES: [Rule; 4] = [
    Rule {
        concerns: is_safari,
        codecs: &[Codec::Av1],
        only_publishing: false,
        is_told: true,
    },
    Rule {
        concerns: |client| is_safari(client) && version(client) > (18, 3),
        codecs: &[Codec::Vp9],
        only_publishing: true,
        is_told: true,
    },
    Rule {
        concerns: |client| {
            is_firefox(client) && (is_on(client, "linux") || is_on(client, "android"))
                || client.device_model.eq_ignore_ascii_case("xiaomi 2201117ti") && is_on(client, "android")
        },
        codecs: &[Codec::H264],
        only_publishing: true,
        is_told: true,
    },
    Rule {
        concerns: |client| is_firefox(client) || is_safari(client),
        codecs: &[Codec::Red],
        only_publishing: false,
        is_told: false,
    },
];

/// What a client may publish and receive.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Abilities {
    /// In the order of [`CODECS`].
    pub publish: Vec<Codec>,
    /// In the order of [`CODECS`]; has everything that `publish` has.
    pub subscribe: Vec<Codec>,
    told: Option<DisabledCodecs>,
}

impl Abilities {
    /// Of a client on a node where these codecs are enabled.
    pub fn new(enabled: &[Codec], client: &ClientInfo) -> Self {
        let rules: Vec<&Rule> = RULES.iter().filter(|rule| (rule.concerns)(client)).collect();
        let without = |is_meant: fn(&Rule) -> bool| -> Vec<Codec> {
            let is_left = |codec: &Codec| {
                enabled.contains(codec)
                    && !rules
                        .iter()
                        .any(|rule| is_meant(rule) && rule.codecs.contains(codec))
            };
            CODECS.into_iter().filter(is_left).collect()
        };
        let list = |only_publishing: bool| -> Vec<livekit_protocol::Codec> {
            let rules = rules
                .iter()
                .filter(|rule| rule.is_told && rule.only_publishing == only_publishing);
            rules
                .flat_map(|rule| rule.codecs)
                .map(|codec| message(*codec))
                .collect()
        };
        Abilities {
            publish: without(|_| true),
            subscribe: without(|rule| !rule.only_publishing),
            told: rules.iter().any(|rule| rule.is_told).then(|| DisabledCodecs {
                codecs: list(false),
                publish: list(true),
            }),
        }
    }

    /// `enabled_publish_codecs`; retransmissions go without saying.
    pub fn publish_codecs(&self) -> Vec<livekit_protocol::Codec> {
        self.publish.iter().map(|codec| message(*codec)).collect()
    }

    /// `client_configuration`, if there is anything to say.
    pub fn configuration(&self) -> Option<ClientConfiguration> {
        self.told.clone().map(|disabled| ClientConfiguration {
            disabled_codecs: Some(disabled),
            ..ClientConfiguration::default()
        })
    }

    /// The codec itself if the client may publish it, else what every client can decode.
    pub fn or_alternative(&self, codec: Option<Codec>, is_video: bool) -> Option<Codec> {
        codec.filter(|codec| self.publish.contains(codec)).or_else(|| {
            self.publish
                .iter()
                .copied()
                .find(|codec| codec.is_video() == is_video)
        })
    }
}

fn message(codec: Codec) -> livekit_protocol::Codec {
    livekit_protocol::Codec {
        mime: mime(codec).to_owned(),
        ..livekit_protocol::Codec::default()
    }
}

fn is_firefox(client: &ClientInfo) -> bool {
    ["firefox", "firefox mobile"]
        .iter()
        .any(|name| client.browser.eq_ignore_ascii_case(name))
}

fn is_safari(client: &ClientInfo) -> bool {
    client.browser.eq_ignore_ascii_case("safari")
}

/// Whether a media section of it may carry one track after another. To Safari and to clients of long ago every track is
/// given a section of its own, as LiveKit's server does (`SupportsTransceiverReuse`).
pub(crate) fn reuses_sections(client: &ClientInfo) -> bool {
    !is_safari(client) && client.protocol > PROTOCOL_WITHOUT_REUSE
}

fn is_on(client: &ClientInfo, system: &str) -> bool {
    client.os.eq_ignore_ascii_case(system)
}

/// The first two numbers of the browser's version.
fn version(client: &ClientInfo) -> (u32, u32) {
    let mut numbers = client
        .browser_version
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Fills in what a client does not say about itself from the `User-Agent` of its request: browser, its version, and the
/// system. livekit-client does not say it in the newer form of the protocol. Native clients know better themselves.
pub fn complete_client_info(client: &mut ClientInfo, user_agent: &str) {
    let runs_in_a_browser = matches!(
        client.sdk(),
        Sdk::Js | Sdk::ReactNative | Sdk::Flutter | Sdk::Unity | Sdk::Unknown
    );
    if !runs_in_a_browser || !client.browser.is_empty() {
        return;
    }
    // Most browsers name others, too; the first that is found is what it is.
    let browsers = [
        ("Firefox", "Firefox/"),
        ("Firefox", "FxiOS/"),
        ("Edge", "Edg/"),
        ("Chrome", "Chrome/"),
        ("Chrome", "CriOS/"),
    ];
    let found = browsers
        .into_iter()
        .find_map(|(name, mark)| Some((name, after(user_agent, mark)?)))
        .or_else(|| {
            // Only Safari calls its own version "Version".
            let version = after(user_agent, "Version/")?;
            user_agent.contains("Safari/").then_some(("Safari", version))
        });
    if let Some((name, version)) = found {
        name.clone_into(&mut client.browser);
        client.browser_version = version;
    }
    if client.os.is_empty() {
        let systems = [
            ("Android", "Android"),
            ("iPhone", "iOS"),
            ("iPad", "iOS"),
            ("Mac OS X", "macOS"),
            ("Windows", "Windows"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ];
        if let Some((_, name)) = systems.into_iter().find(|(mark, _)| user_agent.contains(mark)) {
            name.clone_into(&mut client.os);
        }
    }
}

/// The version after a mark.
fn after(user_agent: &str, mark: &str) -> Option<String> {
    let (_, rest) = user_agent.split_once(mark)?;
    let version = rest
        .chars()
        .take(NAME_BYTES_MAX)
        .take_while(|c| c.is_ascii_digit() || *c == '.');
    Some(version.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";
    const FIREFOX_LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const FIREFOX_WINDOWS: &str =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const SAFARI_18_3: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                               Version/18.3 Safari/605.1.15";
    const SAFARI_18_4: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                               Gecko) Version/18.4 Mobile/15E148 Safari/604.1";

    fn client(user_agent: &str) -> ClientInfo {
        let mut client = ClientInfo {
            sdk: Sdk::Js.into(),
            ..ClientInfo::default()
        };
        complete_client_info(&mut client, user_agent);
        client
    }

    fn abilities(user_agent: &str) -> Abilities {
        Abilities::new(&CODECS, &client(user_agent))
    }

    #[test]
    fn a_browser_is_known_by_its_user_agent_and_a_native_client_by_its_own_word() {
        let named = |user_agent| {
            let client = client(user_agent);
            (client.browser, client.browser_version, client.os)
        };
        let of = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(named(CHROME), of("Chrome", "143.0.0.0", "Linux"));
        assert_eq!(named(FIREFOX_LINUX), of("Firefox", "140.0", "Linux"));
        assert_eq!(named(FIREFOX_WINDOWS), of("Firefox", "140.0", "Windows"));
        assert_eq!(named(SAFARI_18_3), of("Safari", "18.3", "macOS"));
        assert_eq!(named(SAFARI_18_4), of("Safari", "18.4", "iOS"));
        assert_eq!(named("curl/8"), of("", "", ""));
        let mut native = ClientInfo {
            sdk: Sdk::Python.into(),
            os: "linux".into(),
            ..ClientInfo::default()
        };
        let before = native.clone();
        complete_client_info(&mut native, FIREFOX_LINUX);
        assert_eq!(native, before);
    }

    #[test]
    fn chromium_may_do_everything_and_is_told_nothing() {
        let chrome = abilities(CHROME);
        assert_eq!(
            (chrome.publish.as_slice(), chrome.subscribe.as_slice()),
            (&CODECS[..], &CODECS[..])
        );
        assert_eq!(chrome.configuration(), None);
    }

    #[test]
    fn firefox_on_linux_does_not_publish_h264_but_receives_it() {
        let firefox = abilities(FIREFOX_LINUX);
        assert!(!firefox.publish.contains(&Codec::H264) && firefox.subscribe.contains(&Codec::H264));
        let told = firefox.configuration().unwrap().disabled_codecs.unwrap();
        assert!(told.codecs.is_empty());
        assert_eq!(told.publish[0].mime, "video/H264");
        assert!(abilities(FIREFOX_WINDOWS).publish.contains(&Codec::H264));
    }

    #[test]
    fn safari_has_no_av1_and_a_new_one_does_not_publish_vp9() {
        let (old, new) = (abilities(SAFARI_18_3), abilities(SAFARI_18_4));
        for safari in [&old, &new] {
            assert!(!safari.subscribe.contains(&Codec::Av1) && !safari.publish.contains(&Codec::Av1));
        }
        assert!(old.publish.contains(&Codec::Vp9));
        assert!(!new.publish.contains(&Codec::Vp9) && new.subscribe.contains(&Codec::Vp9));
    }

    #[test]
    fn red_goes_neither_to_firefox_nor_to_safari_and_they_are_not_told() {
        for user_agent in [FIREFOX_WINDOWS, SAFARI_18_3] {
            let abilities = abilities(user_agent);
            assert!(!abilities.subscribe.contains(&Codec::Red) && !abilities.publish.contains(&Codec::Red));
            let told = abilities.configuration().map(|told| format!("{told:?}"));
            assert!(told.is_none_or(|told| !told.contains("red")));
        }
        assert!(abilities(CHROME).subscribe.contains(&Codec::Red));
    }

    #[test]
    fn a_codec_that_is_not_enabled_is_replaced_by_the_first_one_that_is() {
        let firefox = abilities(FIREFOX_LINUX);
        assert_eq!(firefox.or_alternative(Some(Codec::H264), true), Some(Codec::Vp8));
        assert_eq!(firefox.or_alternative(Some(Codec::Vp9), true), Some(Codec::Vp9));
        assert_eq!(firefox.or_alternative(None, false), Some(Codec::Opus));
    }
}
