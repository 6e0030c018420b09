//! Taking the place of Element's MatrixRTC Authorization Service: its environment variables are read where they are meant
//! (`hanse check-config` names them). Here are those that have no effect, so that nobody relies on one.

/// A variable of Element's service, and what to do instead.
const WITHOUT_EFFECT: [(&str, &str); 8] = [
    (
        "LIVEKIT_REDIS_URL",
        "delayed leaves are kept in the database of [store]",
    ),
    (
        "LIVEKIT_REDIS_PASSWORD",
        "delayed leaves are kept in the database of [store]",
    ),
    (
        "LIVEKIT_AS_REGISTRATION_FILE",
        "its registration watches every user of the homeserver; have `hanse setup` write one that does not",
    ),
    (
        "LIVEKIT_AS_TOKEN",
        "the registration that `hanse setup` writes has it",
    ),
    (
        "LIVEKIT_HS_TOKEN",
        "the registration that `hanse setup` writes has it",
    ),
    (
        "LIVEKIT_HS_SERVER_NAME",
        "the registration that `hanse setup` writes has it",
    ),
    (
        "LIVEKIT_MEMBERSHIP_CHECK_INTERVAL_SECONDS",
        "who sits in a call is asked about every two seconds, or at once where the homeserver tells",
    ),
    (
        "LIVEKIT_INSECURE_SKIP_VERIFY_TLS",
        "certificates are always checked; name your authority in [homeservers] ca_files",
    ),
];

/// A sentence for each such variable that is set.
pub fn warnings(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    WITHOUT_EFFECT
        .iter()
        .filter(|(name, _)| is_set(name))
        .map(|(name, instead)| format!("the environment variable {name} has no effect: {instead}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_without_effect_is_named_with_what_to_do_instead_and_others_are_not() {
        let warned = warnings(|name| name == "LIVEKIT_REDIS_URL");
        assert_eq!(
            warned,
            [
                "the environment variable LIVEKIT_REDIS_URL has no effect: delayed leaves are kept in the database of [store]"
            ]
        );
        assert!(warnings(|_| false).is_empty());
    }
}
