//! Which keys of the configuration matter for people's data, and why the others do not. A key that is not here fails a test, and so
//! does one that is called relevant and changes no word of the report.

use Relevance::{Irrelevant, Relevant};

/// Whether a key of the configuration matters for people's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// The report says something else when it changes.
    Relevant,
    /// It does not, and this is why.
    Irrelevant(&'static str),
}

/// Why a secret, or the place where it is, does not matter.
const SECRET: Relevance =
    Irrelevant("a secret; it is printed nowhere, and which one it is changes nothing about data");

/// Why a limit does not matter.
const LIMIT: Relevance = Irrelevant("how much the server takes on, not what it does with it");

/// Why a variable of Element's service does not matter by itself.
const SAME: Relevance = Irrelevant("replaces a key of the file, and the report is made of what then holds");

/// Every key and every variable, by table.
pub static CLASSES: [(&str, &str, Relevance); 84] = [
    ("http", "bind_addresses", Relevant),
    ("http", "port", Relevant),
    ("http", "trusted_proxies", Relevant),
    ("http", "LIVEKIT_JWT_BIND", SAME),
    ("http", "LIVEKIT_JWT_PORT", SAME),
    ("tls", "names", Relevant),
    ("tls", "certificate_file", Relevant),
    ("tls", "key_file", SECRET),
    ("tls", "port", Relevant),
    ("tls", "redirect_port", Relevant),
    ("tls", "bind_addresses", Relevant),
    ("tls", "acme_directory", Relevant),
    ("tls", "acme_contact", Relevant),
    ("tls", "acme_folder", Relevant),
    (
        "tls",
        "acme_ca_file",
        Irrelevant("how the authority proves itself, not what it is told"),
    ),
    ("sfu", "bind_addresses", Relevant),
    ("sfu", "udp_port", Relevant),
    ("sfu", "tcp_port", Relevant),
    ("sfu", "addresses", Relevant),
    ("sfu", "stun_servers", Relevant),
    ("sfu", "offer_local_addresses", Relevant),
    ("sfu", "turn_urls", Relevant),
    ("sfu", "turn_secret_file", SECRET),
    ("sfu", "turn_credential_lifetime_s", Relevant),
    ("sfu", "shards", LIMIT),
    (
        "sfu",
        "auto_create",
        Irrelevant("who makes a room on the SFU; who may enter it is decided by tokens either way"),
    ),
    (
        "sfu",
        "codecs",
        Irrelevant("how sound and pictures are written down before they are sealed"),
    ),
    ("sfu", "room_empty_timeout_s", Relevant),
    ("sfu", "room_departure_timeout_s", Relevant),
    ("sfu", "room_participants_max", LIMIT),
    ("sfu", "participants_max", LIMIT),
    ("sfu", "region", Relevant),
    ("sfu", "simulate", Relevant),
    ("sfu", "keys_file", SECRET),
    ("sfu", "webhook_urls", Relevant),
    ("sfu", "webhook_key", SECRET),
    ("sfu", "webhook_folder", Relevant),
    ("sfu", "prometheus_port", Relevant),
    ("sfu", "prometheus_bind_addresses", Relevant),
    ("sfu", "prometheus_user", Relevant),
    ("sfu", "LIVEKIT_KEYS", SECRET),
    ("sfu", "TURN_SECRET", SECRET),
    ("sfu", "PROMETHEUS_PASSWORD", SECRET),
    ("focus", "sfu_url", Relevant),
    ("focus", "full_access_homeservers", Relevant),
    ("focus", "token_lifetime_s", Relevant),
    (
        "focus",
        "presence_check_interval_s",
        Irrelevant("how often the SFU is asked what it tells by itself in most cases"),
    ),
    ("focus", "sfu_api_url", Relevant),
    ("focus", "key_file", SECRET),
    ("focus", "LIVEKIT_URL", SAME),
    ("focus", "LIVEKIT_FULL_ACCESS_HOMESERVERS", SAME),
    ("focus", "LIVEKIT_SANITY_CHECK_INTERVAL_SECONDS", SAME),
    ("focus", "LIVEKIT_KEY", SECRET),
    ("focus", "LIVEKIT_SECRET", SECRET),
    ("focus", "LIVEKIT_KEY_FROM_FILE", SECRET),
    ("focus", "LIVEKIT_SECRET_FROM_FILE", SECRET),
    ("focus", "LIVEKIT_KEY_FILE", SECRET),
    ("policy", "publishing_homeservers", Relevant),
    ("policy", "denied_homeservers", Relevant),
    ("policy", "strangers", Relevant),
    ("guests", "allowed", Relevant),
    ("guests", "link_lifetime_max_h", Relevant),
    ("guests", "stay_max_h", Relevant),
    ("guests", "after_call_s", Relevant),
    ("homeservers", "registrations", Relevant),
    ("homeservers", "client_api_urls", Relevant),
    ("homeservers", "allowed_networks", Relevant),
    (
        "homeservers",
        "ca_files",
        Irrelevant("how homeservers prove themselves, not what they are told"),
    ),
    ("homeservers", "LIVEKIT_CS_API_URL_OVERRIDES", SAME),
    ("store", "url", Relevant),
    ("store", "DATABASE_URL", SAME),
    ("web", "page", Relevant),
    ("web", "homeservers", Relevant),
    ("web", "organisations", Relevant),
    ("operate", "socket", Relevant),
    (
        "operate",
        "drain_s",
        Irrelevant("how long calls go on while the server ends"),
    ),
    ("metrics", "bind_address", Relevant),
    ("metrics", "port", Relevant),
    ("log", "filter", Relevant),
    ("log", "LIVEKIT_LOG_LEVEL", SAME),
    ("privacy", "controller", Relevant),
    ("privacy", "contact", Relevant),
    ("privacy", "officer", Relevant),
    ("privacy", "log_days", Relevant),
];
