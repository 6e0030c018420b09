//! What goes into `https://<server name>/.well-known/matrix/client`, for clients whose homeserver does not tell them where calls
//! are (MSC4143).

use super::Installation;
use super::files::{Readers, Wanted};
use serde_json::{Map, Value, json};

/// The member of the object that names focuses.
pub const KEY: &str = "org.matrix.msc4143.rtc_foci";

/// The whole object: what is served there today, and our focus before any other.
pub fn object(installation: &Installation) -> Map<String, Value> {
    let mut object = installation.found.well_known_client.clone().unwrap_or_else(|| {
        let base_url = format!(
            "https://{}",
            super::homeserver::host_of(&installation.server_name)
        );
        let known = json!({"m.homeserver": {"base_url": base_url}});
        known.as_object().cloned().unwrap_or_default()
    });
    let mut focuses = vec![json!({"type": "livekit", "livekit_service_url": installation.service_url})];
    let others = object.remove(KEY);
    let others = others.as_ref().and_then(Value::as_array).into_iter().flatten();
    focuses.extend(others.filter(|other| !is_ours(other, installation)).cloned());
    object.insert(KEY.to_owned(), focuses.into());
    object
}

/// The member alone, for whoever has an object already.
pub fn line(service_url: &str) -> String {
    let focus = json!([{"type": "livekit", "livekit_service_url": service_url}]);
    format!("\"{KEY}\": {focus}")
}

/// Whether it is announced there already.
pub fn is_there(installation: &Installation) -> bool {
    let served = installation
        .found
        .well_known_client
        .as_ref()
        .and_then(|served| served.get(KEY));
    let mut served = served.and_then(Value::as_array).into_iter().flatten();
    served.any(|focus| is_ours(focus, installation))
}

fn is_ours(focus: &Value, installation: &Installation) -> bool {
    focus.get("livekit_service_url").and_then(Value::as_str) == Some(&installation.service_url)
}

/// The file.
pub fn file(installation: &Installation) -> Wanted {
    let object = Value::from(object(installation));
    Wanted {
        path: installation.out.join("well-known-matrix-client.json"),
        text: format!("{object:#}\n"),
        readers: Readers::Everybody,
        about: format!(
            "What https://{}/.well-known/matrix/client should say.",
            super::homeserver::host_of(&installation.server_name)
        ),
    }
}
