//! Who may be in a call here, and with which rights: the organisation's rules, those of the room, and who somebody is in it.
//!
//! The organisation decides for its own server ([`SitePolicy`], from `hanse.toml`). A room may be stricter for everybody. It
//! may be more generous to strangers only if one of our own users made it: else whoever makes a room could give away places
//! on our SFU.

use crate::policy_config::PolicyConfig;
use hanse_matrixrtc::{
    Access, LEVEL_MAX, Membership, RoomFacts, ServerName, ServerNameError, UserId, is_guest,
};
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

    /// Whether this homeserver is listed by name.
    pub fn names(&self, server: &ServerName) -> bool {
        matches!(self, FullAccess::Only(names) if names.contains(server))
    }

    /// Whether users of this homeserver may publish.
    pub fn includes(&self, server: &ServerName) -> bool {
        match self {
            FullAccess::Everyone => true,
            FullAccess::Only(names) => names.contains(server),
        }
    }
}

/// What the organisation says for its own focus. Changes while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePolicy {
    /// Our own homeservers: whoever is on them may publish.
    pub full_access: FullAccess,
    /// What holds for all others.
    pub rules: PolicyConfig,
    /// Homeservers that were blocked by hand (`hanse block`); as if they were denied.
    pub blocked: HashSet<ServerName>,
}

/// What somebody is in a call. The later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Takes part without an account, for this meeting only. Whatever power they are given: they stay that.
    Guest,
    /// Takes part.
    Participant,
    /// Shows something to all.
    Presenter,
    /// May mute and remove others, and end the call for all.
    Moderator,
    /// May do the same to moderators, and change the rules.
    Administrator,
}

impl Role {
    /// Its name in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Participant => "participant",
            Role::Presenter => "presenter",
            Role::Moderator => "moderator",
            Role::Administrator => "administrator",
        }
    }
}

/// What somebody may do in a call. Everybody who is admitted may watch and listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What they are in it.
    pub role: Role,
    /// Whether they may switch on their camera.
    pub camera: bool,
    /// Whether they may switch on their microphone.
    pub microphone: bool,
    /// Whether they may show their screen, with its sound.
    pub screen: bool,
    /// Kilobits per second that they are sent at most; `None`: no limit.
    pub bitrate_kbps: Option<u32>,
}

impl Rights {
    /// Of somebody of whom nothing is known but their homeserver.
    fn of(access: Access, user: &UserId) -> Self {
        let publishes = matches!(access, Access::Publish);
        Rights {
            role: if is_guest(user) {
                Role::Guest
            } else {
                Role::Participant
            },
            camera: publishes,
            microphone: publishes,
            screen: publishes,
            bitrate_kbps: None,
        }
    }

    /// Whether they may publish anything.
    pub const fn publishes(self) -> bool {
        self.camera || self.microphone || self.screen
    }

    /// What they may publish, in the words of LiveKit's tokens and permissions.
    pub fn sources(self) -> impl Iterator<Item = &'static str> {
        let screen: &[&str] = &["screen_share", "screen_share_audio"];
        let allowed: [(bool, &[&str]); 3] = [
            (self.camera, &["camera"]),
            (self.microphone, &["microphone"]),
            (self.screen, screen),
        ];
        allowed
            .into_iter()
            .filter(|(may, _)| *may)
            .flat_map(|(_, names)| names.iter().copied())
    }

    /// Whether it is the same to the SFU: only their role may differ.
    pub fn same_on_sfu(self, other: Rights) -> bool {
        Rights {
            role: other.role,
            ..self
        } == other
    }

    /// Whether they may publish something, and not everything.
    pub const fn publishes_some(self) -> bool {
        self.publishes() && !(self.camera && self.microphone && self.screen)
    }
}

/// Why somebody is not in a call, or no longer. The sentences are for them; they name nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Not a member of the Matrix room.
    #[error("You are not in the Matrix room of this call")]
    NotJoined,
    /// Banned from the Matrix room.
    #[error("You are banned from the Matrix room of this call")]
    Banned,
    /// The organisation lets nobody of that homeserver in.
    #[error("This organisation's rules admit nobody of your homeserver to its calls")]
    Homeserver,
    /// The room lets nobody of that homeserver in.
    #[error("The rules of this room (org.hanse.call_policy) admit nobody of your homeserver to its calls")]
    HomeserverInRoom,
    /// The room lets nobody in who has no account.
    #[error("The rules of this room (org.hanse.call_policy) admit no guests to its calls")]
    GuestsInRoom,
    /// A guest whose time is over.
    #[error("The time for which you were a guest of this meeting is over")]
    GuestOver,
    /// Nobody is in the call, and not everybody may start one.
    #[error(
        "The rules of this room (org.hanse.call_policy) do not let you start a call; you can join one that has begun"
    )]
    MayNotStart,
    /// The room's seats are taken.
    #[error("All seats that the rules of this room (org.hanse.call_policy) give are taken")]
    Full,
    /// Not powerful enough to act on others.
    #[error("Only moderators of this room may do that")]
    NoModerator,
    /// Not powerful enough to act on this one.
    #[error("They have more power in this room than you")]
    MorePowerful,
    /// The call that goes on is locked.
    #[error("A moderator has locked this call: nobody new gets in until it is unlocked or over")]
    Locked,
    /// A moderator has taken them out.
    #[error("A moderator has taken you out of the call")]
    Removed,
    /// A moderator has ended the call.
    #[error("A moderator has ended the call")]
    Ended,
    /// An administrator of this server has taken them out (`hanse remove`).
    #[error("An administrator of this server has taken you out of the call")]
    RemovedByOperator,
    /// The seats of that homeserver are taken.
    #[error(
        "All seats that the rules of this room (org.hanse.call_policy) give to your homeserver are taken"
    )]
    FullForHomeserver,
}

impl Denied {
    /// Its name in log lines and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Denied::NotJoined => "not_joined",
            Denied::Banned => "banned",
            Denied::Homeserver => "homeserver_denied",
            Denied::HomeserverInRoom => "homeserver_denied_by_room",
            Denied::GuestsInRoom => "guests_denied_by_room",
            Denied::GuestOver => "guest_over",
            Denied::MayNotStart => "may_not_start",
            Denied::Full => "full",
            Denied::NoModerator => "no_moderator",
            Denied::MorePowerful => "more_powerful",
            Denied::Locked => "locked",
            Denied::Removed => "removed_by_moderator",
            Denied::Ended => "ended_by_moderator",
            Denied::RemovedByOperator => "removed_by_operator",
            Denied::FullForHomeserver => "full_for_homeserver",
        }
    }
}

/// How full a call is, without the one who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// People in it.
    pub all: usize,
    /// Of these, people of the asker's homeserver.
    pub same_homeserver: usize,
    /// Whether the asker has been in it already, and has not left.
    pub has_asker: bool,
}

impl SitePolicy {
    /// Whether people of this homeserver publish here whatever a room says about strangers.
    fn trusts(&self, server: &ServerName) -> bool {
        self.full_access.includes(server) || self.rules.publishing.contains(server)
    }

    /// What somebody who takes part already may do now. `facts`: of the room, where they are known; without them only the
    /// homeserver counts, and that somebody is in the room is for others to find out.
    ///
    /// # Errors
    ///
    /// Why they may not be in the call any longer.
    pub fn rights(&self, facts: Option<&RoomFacts>, user: &UserId) -> Result<Rights, Denied> {
        let server = user.server_name();
        let trusted = self.trusts(server);
        let site = if self.rules.denied.contains(server) || self.blocked.contains(server) {
            Access::Deny
        } else if trusted {
            Access::Publish
        } else {
            self.rules.strangers
        };
        if site == Access::Deny {
            return Err(Denied::Homeserver);
        }
        let Some(facts) = facts else {
            return Ok(Rights::of(site, user));
        };
        match facts.membership(user) {
            Membership::Join => {}
            Membership::Ban => return Err(Denied::Banned),
            _ => return Err(Denied::NotJoined),
        }
        let rule = facts.policy.rule_for(server, trusted);
        let access = match rule.access {
            Access::Deny => return Err(Denied::HomeserverInRoom),
            Access::Publish if site < Access::Publish && !self.made(facts) => site,
            access => access,
        };
        if is_guest(user) && !facts.policy.guests {
            return Err(Denied::GuestsInRoom);
        }
        let power = facts.power.of(user);
        let reaches = |needed: i64| power.reaches(needed);
        let presents_from = facts.policy.present(&facts.power);
        let is_named = facts.policy.presenters.contains(user);
        // Whoever is named counts as somebody with the power that makes a presenter, for what they publish and for nothing else. What
        // is out of reach stays so.
        let presents = |needed: i64| is_named && needed <= presents_from && needed < LEVEL_MAX;
        let may = |needed: i64| access == Access::Publish && (reaches(needed) || presents(needed));
        let without = facts.policy.without;
        let role = if is_guest(user) {
            Role::Guest
        } else if reaches(facts.policy.administer(&facts.power)) {
            Role::Administrator
        } else if reaches(facts.policy.moderate(&facts.power)) {
            Role::Moderator
        } else if is_named || reaches(presents_from) {
            Role::Presenter
        } else {
            Role::Participant
        };
        Ok(Rights {
            role,
            camera: !without.camera && may(facts.policy.camera),
            microphone: !without.microphone && may(facts.policy.microphone),
            screen: !without.screen && may(facts.policy.screen),
            bitrate_kbps: rule.bitrate_kbps,
        })
    }

    /// What somebody gets who wants in at this time (ms since 1970).
    ///
    /// # Errors
    ///
    /// Why they may not.
    pub fn admit(
        &self,
        facts: Option<&RoomFacts>,
        user: &UserId,
        crowd: Crowd,
        now_ms: u64,
    ) -> Result<Rights, Denied> {
        let rights = self.rights(facts, user)?;
        let Some(facts) = facts else {
            return Ok(rights);
        };
        if self.locks_out(facts, user, crowd, now_ms) {
            return Err(Denied::Locked);
        }
        let has_place = |seats: Option<u32>, taken: usize| seats.is_none_or(|seats| taken < seats as usize);
        if crowd.all == 0 && !facts.power.of(user).reaches(facts.policy.start) {
            return Err(Denied::MayNotStart);
        }
        if !has_place(facts.policy.seats, crowd.all) {
            return Err(Denied::Full);
        }
        let server = user.server_name();
        let rule = facts.policy.rule_for(server, self.trusts(server));
        if !has_place(rule.seats, crowd.same_homeserver) {
            return Err(Denied::FullForHomeserver);
        }
        Ok(rights)
    }

    /// Whether a lock keeps somebody out, at this time (ms since 1970): all but those who are in the call, those whom it names, and
    /// moderators. A lock is for the call that goes on: once everybody has left, nobody is kept from beginning another one.
    pub(crate) fn locks_out(&self, facts: &RoomFacts, user: &UserId, crowd: Crowd, now_ms: u64) -> bool {
        let Some(inside) = &facts.policy.locked else {
            return false;
        };
        let moderates = |who: &UserId| {
            self.rights(Some(facts), who)
                .is_ok_and(|rights| rights.role >= Role::Moderator)
        };
        let may_pass = |who: &UserId| inside.contains(who) || moderates(who);
        if crowd.has_asker || may_pass(user) {
            return false;
        }
        // Others may be in it at another organisation's server only. Anybody may say so of themselves, so of these only those count
        // whom the lock lets in, if it names any: else two who are kept out would keep out each other.
        let mut members = facts.call_members(now_ms);
        crowd.all > 0
            || members.any(|member| member.user != *user && (inside.is_empty() || may_pass(&member.user)))
    }

    /// Whether one of our own users made the room.
    fn made(&self, facts: &RoomFacts) -> bool {
        let mut creators = facts.creation.creators.iter();
        creators.any(|creator| self.full_access.includes(creator.server_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_matrixrtc::Event;
    use serde_json::json;

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

    fn site() -> SitePolicy {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        SitePolicy {
            full_access: read(&["org-a.example"]).unwrap(),
            rules: PolicyConfig {
                publishing: names(&["guests.example"]),
                denied: names(&["evil.example"]),
                strangers: Access::Subscribe,
            },
            blocked: names(&["blocked.example"]),
        }
    }

    fn event(kind: &str, key: &str, sender: &str, content: serde_json::Value) -> Event {
        let event =
            json!({"type": kind, "state_key": key, "sender": sender, "event_id": "$1", "content": content});
        Event::read(event).unwrap()
    }

    /// A room of `creator`, with everybody in it, and this call policy.
    fn room(creator: &str, policy: serde_json::Value) -> RoomFacts {
        let mut state = vec![
            event("m.room.create", "", creator, json!({"room_version": "11"})),
            event(
                "m.room.power_levels",
                "",
                creator,
                json!({"users": {creator: 100, "@mod:org-a.example": 50}}),
            ),
            event("org.hanse.call_policy", "", creator, policy),
        ];
        let joined = [creator, "@mod:org-a.example", ALICE, BOB, CAROL, DAVE, EVE];
        for name in joined {
            state.push(event("m.room.member", name, name, json!({"membership": "join"})));
        }
        state.push(event(
            "m.room.member",
            FRANK,
            creator,
            json!({"membership": "ban"}),
        ));
        RoomFacts::read(&state).unwrap()
    }

    fn ours(policy: serde_json::Value) -> RoomFacts {
        room("@creator:org-a.example", policy)
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    /// Camera, microphone, screen.
    fn may(facts: &RoomFacts, name: &str) -> Result<[bool; 3], Denied> {
        let rights = site().rights(Some(facts), &user(name))?;
        Ok([rights.camera, rights.microphone, rights.screen])
    }

    const ALL: Result<[bool; 3], Denied> = Ok([true; 3]);
    const NONE: Result<[bool; 3], Denied> = Ok([false; 3]);

    const ALICE: &str = "@alice:org-a.example";
    const BOB: &str = "@bob:org-b.example";
    const CAROL: &str = "@carol:guests.example";
    const DAVE: &str = "@dave:org-d.example";
    const EVE: &str = "@eve:evil.example";
    const FRANK: &str = "@frank:org-a.example";
    const NOBODY: &str = "@nobody:org-a.example";
    const CREATOR: &str = "@creator:org-a.example";
    const MOD: &str = "@mod:org-a.example";
    const NOW_MS: u64 = 2_000;

    /// Says that somebody is in the call, wherever.
    fn in_call(facts: &mut RoomFacts, name: &str) {
        let content = json!({"application": "m.call", "call_id": "", "device_id": "D"});
        let key = format!("_{name}_D_m.call");
        let mut event = event("org.matrix.msc3401.call.member", &key, name, content);
        event.origin_server_ts = 1_000;
        assert_eq!(facts.apply(&event), Ok(true));
    }

    #[test]
    fn a_locked_call_takes_in_moderators_whom_it_names_and_whoever_is_in_it_and_nobody_else() {
        let enter = |facts: &RoomFacts, name: &str, has_asker: bool| {
            let crowd = Crowd {
                all: 1,
                has_asker,
                ..Crowd::default()
            };
            site().admit(Some(facts), &user(name), crowd, NOW_MS).err()
        };
        for locked in [json!(true), json!("nonsense")] {
            let room = ours(json!({"locked": locked}));
            for name in [ALICE, BOB, CAROL] {
                assert_eq!(enter(&room, name, false), Some(Denied::Locked), "{name}");
                assert_eq!(enter(&room, name, true), None, "{name} is there");
            }
            assert_eq!(enter(&room, MOD, false), None);
            assert_eq!(
                enter(&room, FRANK, true),
                Some(Denied::Banned),
                "a lock opens nothing"
            );
        }
        let named = ours(json!({"locked": [BOB, NOBODY]}));
        assert_eq!(enter(&named, BOB, false), None);
        assert_eq!(enter(&named, ALICE, false), Some(Denied::Locked));
        assert_eq!(enter(&named, NOBODY, false), Some(Denied::NotJoined));
        assert_eq!(enter(&ours(json!({"locked": false})), ALICE, false), None);
    }

    #[test]
    fn a_lock_is_over_with_the_call_and_holds_while_it_goes_on_elsewhere() {
        let enter = |facts: &RoomFacts, name: &str, now_ms: u64| {
            site()
                .admit(Some(facts), &user(name), Crowd::default(), now_ms)
                .err()
        };
        let mut room = ours(json!({"locked": [BOB]}));
        assert_eq!(enter(&room, ALICE, NOW_MS), None, "nobody is there");
        // Whoever is kept out keeps out nobody.
        in_call(&mut room, CAROL);
        assert_eq!(enter(&room, ALICE, NOW_MS), None);
        in_call(&mut room, BOB);
        assert_eq!(enter(&room, ALICE, NOW_MS), Some(Denied::Locked));
        assert_eq!(enter(&room, CAROL, NOW_MS), Some(Denied::Locked));
        assert_eq!(
            enter(&room, ALICE, u64::MAX),
            None,
            "his membership is out of date"
        );
        // Without names everybody counts.
        let mut all = ours(json!({"locked": true}));
        in_call(&mut all, ALICE);
        assert_eq!(enter(&all, ALICE, NOW_MS), None, "nobody but herself");
        assert_eq!(enter(&all, CAROL, NOW_MS), Some(Denied::Locked));
    }

    #[test]
    fn members_of_our_homeservers_publish_strangers_watch_and_others_stay_out() {
        let room = ours(json!({}));
        assert_eq!(may(&room, ALICE), ALL);
        assert_eq!(may(&room, CAROL), ALL);
        assert_eq!(may(&room, BOB), NONE);
        assert_eq!(may(&room, EVE), Err(Denied::Homeserver));
        assert_eq!(may(&room, FRANK), Err(Denied::Banned));
        assert_eq!(may(&room, NOBODY), Err(Denied::NotJoined));
    }

    #[test]
    fn without_the_facts_of_the_room_the_homeserver_decides() {
        let may = |name: &str| site().rights(None, &user(name)).map(Rights::publishes);
        assert_eq!(may(ALICE), Ok(true));
        assert_eq!(may(BOB), Ok(false));
        assert_eq!(may(EVE), Err(Denied::Homeserver));
        assert_eq!(may("@grace:blocked.example"), Err(Denied::Homeserver));
    }

    #[test]
    fn a_room_of_ours_opens_our_sfu_to_strangers_and_a_room_of_others_does_not() {
        let policy = json!({"homeservers": {"org-b.example": {"access": "publish"}, "evil.example": {"access": "publish"}}});
        let (own, foreign) = (ours(policy.clone()), room("@creator:org-b.example", policy));
        assert_eq!(may(&own, BOB), ALL);
        assert_eq!(may(&own, DAVE), NONE);
        assert_eq!(may(&own, EVE), Err(Denied::Homeserver));
        assert_eq!(may(&foreign, BOB), NONE);
        assert_eq!(may(&foreign, ALICE), ALL);
    }

    #[test]
    fn any_room_may_be_stricter_also_to_our_own_people() {
        let room = room(
            "@creator:org-b.example",
            json!({"strangers": "deny", "screen": 50, "homeservers": {"org-a.example": {"access": "publish"}}}),
        );
        assert_eq!(may(&room, ALICE), Ok([true, true, false]));
        assert_eq!(may(&room, "@mod:org-a.example"), ALL);
        assert_eq!(may(&room, BOB), Err(Denied::HomeserverInRoom));
        let quiet = ours(json!({"homeservers": {"org-a.example": {"access": "subscribe"}}}));
        assert_eq!(may(&quiet, ALICE), NONE);
        assert_eq!(may(&quiet, CAROL), ALL);
    }

    #[test]
    fn roles_follow_from_power() {
        let role =
            |facts: &RoomFacts, name: &str| site().rights(Some(facts), &user(name)).map(|rights| rights.role);
        let room = ours(json!({}));
        assert_eq!(role(&room, "@creator:org-a.example"), Ok(Role::Administrator));
        assert_eq!(role(&room, "@mod:org-a.example"), Ok(Role::Moderator));
        assert_eq!(role(&room, ALICE), Ok(Role::Participant));
        let presented = ours(json!({"present": 0, "moderate": 60}));
        assert_eq!(role(&presented, ALICE), Ok(Role::Presenter));
        assert_eq!(role(&presented, "@mod:org-a.example"), Ok(Role::Presenter));
    }

    #[test]
    fn a_named_presenter_publishes_what_presenters_may_and_moderates_nothing() {
        let rights =
            |policy: serde_json::Value, name: &str| site().rights(Some(&ours(policy)), &user(name)).unwrap();
        let shares = |policy: serde_json::Value, name: &str| {
            let rights = rights(policy, name);
            (rights.role, rights.screen)
        };
        let rule = |screen: serde_json::Value| json!({"screen": screen, "presenters": [ALICE, MOD, BOB]});
        assert_eq!(shares(json!({"screen": 50}), ALICE), (Role::Participant, false));
        assert_eq!(shares(rule(json!(50)), ALICE), (Role::Presenter, true));
        assert_eq!(
            shares(rule(json!(51)), ALICE),
            (Role::Presenter, false),
            "more than it takes to present"
        );
        assert_eq!(shares(rule(json!("none")), ALICE), (Role::Presenter, false));
        let closed = json!({"screen": "none", "present": "none", "presenters": [ALICE]});
        assert_eq!(
            shares(closed, ALICE),
            (Role::Presenter, false),
            "what cannot be understood stays closed"
        );
        assert_eq!(
            shares(rule(json!(50)), MOD),
            (Role::Moderator, true),
            "nobody is less than their power"
        );
        assert_eq!(
            shares(rule(json!(50)), CAROL),
            (Role::Participant, false),
            "others are not"
        );
        assert_eq!(
            shares(rule(json!(50)), BOB),
            (Role::Presenter, false),
            "a stranger publishes at home"
        );
        assert_eq!(may(&ours(rule(json!(50))), EVE), Err(Denied::Homeserver));
        assert_eq!(
            may(&ours(json!({"presenters": [NOBODY]})), NOBODY),
            Err(Denied::NotJoined)
        );
    }

    #[test]
    fn what_a_meeting_goes_without_nobody_publishes_whatever_their_power() {
        let sound = ours(json!({"without": ["camera", "screen"], "presenters": [ALICE]}));
        for name in [ALICE, MOD, CREATOR] {
            assert_eq!(may(&sound, name), Ok([false, true, false]), "{name}");
        }
        for policy in [
            json!({"without": ["camera", "microphone", "screen"]}),
            json!({"without": "everything"}),
        ] {
            let text = ours(policy);
            for name in [ALICE, MOD, CREATOR] {
                assert_eq!(may(&text, name), NONE, "{name}");
            }
            assert_eq!(
                site().rights(Some(&text), &user(MOD)).map(|rights| rights.role),
                Ok(Role::Moderator)
            );
        }
    }

    #[test]
    fn a_guest_stays_a_guest_whatever_power_they_are_given_and_goes_where_the_room_wants_none() {
        const GUEST: &str = "@hanse-guest-abc:org-a.example";
        let with = |policy: serde_json::Value| {
            let creator = "@creator:org-a.example";
            let mut room = ours(policy);
            let join = json!({"membership": "join"});
            room.apply(&event("m.room.member", GUEST, GUEST, join)).unwrap();
            let powers = json!({"users": {creator: 100, GUEST: 100}});
            room.apply(&event("m.room.power_levels", "", creator, powers))
                .unwrap();
            room
        };
        let rights = site().rights(Some(&with(json!({}))), &user(GUEST)).unwrap();
        assert_eq!((rights.role, rights.publishes()), (Role::Guest, true));
        assert!(Role::Guest < Role::Participant);
        assert_eq!(
            site().rights(None, &user(GUEST)).map(|rights| rights.role),
            Ok(Role::Guest)
        );
        let presenting = with(json!({"screen": 50, "presenters": [GUEST]}));
        let rights = site().rights(Some(&presenting), &user(GUEST)).unwrap();
        assert_eq!(
            (rights.role, rights.screen),
            (Role::Guest, true),
            "and may present"
        );
        let closed = with(json!({"guests": false}));
        assert_eq!(may(&closed, GUEST), Err(Denied::GuestsInRoom));
        assert_eq!(may(&closed, ALICE), ALL);
    }

    #[test]
    fn who_may_not_start_a_call_joins_one_that_has_begun() {
        let room = ours(json!({"start": 50}));
        let enter = |name: &str, all: usize| {
            let crowd = Crowd {
                all,
                ..Crowd::default()
            };
            site()
                .admit(Some(&room), &user(name), crowd, NOW_MS)
                .map(|rights| rights.role)
        };
        assert_eq!(enter(ALICE, 0), Err(Denied::MayNotStart));
        assert_eq!(enter("@mod:org-a.example", 0), Ok(Role::Moderator));
        assert_eq!(enter(ALICE, 1), Ok(Role::Participant));
    }

    #[test]
    fn seats_are_counted_for_the_room_and_for_each_homeserver() {
        let room = ours(json!({"seats": 3, "homeservers": {"org-b.example": {"seats": 1}}}));
        let enter = |name: &str, all: usize, same_homeserver: usize| {
            let crowd = Crowd {
                all,
                same_homeserver,
                has_asker: false,
            };
            site().admit(Some(&room), &user(name), crowd, NOW_MS).err()
        };
        assert_eq!(enter(ALICE, 2, 2), None);
        assert_eq!(enter(ALICE, 3, 2), Some(Denied::Full));
        assert_eq!(enter(BOB, 2, 0), None);
        assert_eq!(enter(BOB, 2, 1), Some(Denied::FullForHomeserver));
        assert_eq!(enter(DAVE, 2, 1), None);
    }
}
