//! Every parser of this crate as a function of bytes, with what must hold whatever the bytes are (feature `fuzzing`;
//! never part of a release). As in [`hanse_sfu_core::fuzz`]: `tests/properties.rs` calls them, and a fuzzer may.

pub use crate::http::fuzz::{parse_forwarded, parse_query, parse_signal_frame, parse_twirp_json};
pub use crate::secure::fuzz::{read_dtls, read_sctp};

use crate::SfuConfig;
use hanse_runtime::config::{Document, Section, Table};

/// The lines of `[sfu]` about webhooks, or any others: read or refused with a sentence in which no password stands.
pub fn parse_webhook_config(lines: &[u8]) {
    static TABLE: Table = SfuConfig::TABLE;
    let text = format!("[sfu]\n{}\n", String::from_utf8_lossy(lines));
    let environment = |name: &str| (name == "LIVEKIT_KEYS").then(|| "one: first\ntwo: second".to_owned());
    let config = Document::load(&[&TABLE], Some(("hanse.toml", &text)), &environment)
        .and_then(|document| document.section::<SfuConfig>());
    match config {
        Ok(config) => {
            let webhooks = config.webhooks;
            assert!(
                webhooks
                    .urls
                    .iter()
                    .all(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            );
            assert!(webhooks.urls.iter().all(|url| url.password().is_none()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
