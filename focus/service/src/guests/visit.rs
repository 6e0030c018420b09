//! One visit, from the link to the end: what follows from what is seen. No clock and no I/O.

use hanse_matrixrtc::{Membership, RoomId, UserId};

/// How long somebody may take from the link to the door: their page knocks at once.
pub const COMING_MAX_MS: u64 = 10 * 60 * 1000;

/// How long somebody waits to be let in, and how long one who is in waits for a call.
pub const WAITING_MAX_MS: u64 = 2 * 60 * 60 * 1000;

/// How far a visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitState {
    /// The user is being made, or has not knocked yet.
    Coming,
    /// Has knocked, or has been let in and not come yet.
    Waiting,
    /// In the room.
    Inside,
    /// Over; the homeserver has to erase the user.
    Ending,
}

impl VisitState {
    /// Its name in the store and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            VisitState::Coming => "coming",
            VisitState::Waiting => "waiting",
            VisitState::Inside => "inside",
            VisitState::Ending => "ending",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL_STATES.into_iter().find(|state| state.as_str() == name)
    }
}

/// All of them.
pub(crate) const ALL_STATES: [VisitState; 4] = [
    VisitState::Coming,
    VisitState::Waiting,
    VisitState::Inside,
    VisitState::Ending,
];

/// A guest as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestVisit {
    /// Who.
    pub user: UserId,
    /// By which link.
    pub link_id: String,
    /// Into which room.
    pub room_id: RoomId,
    /// Of the access token; `None`: not made yet.
    pub token_hash: Option<String>,
    /// How far it is.
    pub state: VisitState,
    /// Since when, in Unix ms.
    pub entered_at_ms: u64,
    /// When it ends at the latest, in Unix ms.
    pub ends_at_ms: u64,
}

/// What is seen of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How the guest stands to the room; `None`: nothing is known of the room at the moment.
    pub membership: Option<Membership>,
    /// When anybody but guests was seen in the room's call last, in Unix ms.
    pub hosted_at_ms: Option<u64>,
    /// Whether organisation and room have guests at all.
    pub is_allowed: bool,
    /// How long guests stay without others in the call, in ms.
    pub after_call_ms: u64,
}

/// Why a visit is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    NeverCame,
    NotLetIn,
    Gone,
    TimeIsUp,
    CallIsOver,
    NoCall,
    NotAllowed,
}

impl Why {
    /// Its name in log lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::NeverCame => "never_came",
            Why::NotLetIn => "not_let_in",
            Why::Gone => "left_or_removed",
            Why::TimeIsUp => "time_is_up",
            Why::CallIsOver => "call_is_over",
            Why::NoCall => "no_call",
            Why::NotAllowed => "not_allowed",
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Stays,
    /// They are further than before.
    Becomes(VisitState),
    /// It is over.
    Ends(Why),
}

/// Judges a visit by what is seen of it.
pub(crate) fn judge(visit: &GuestVisit, seen: &Seen, now_ms: u64) -> Verdict {
    let since_ms = now_ms.saturating_sub(visit.entered_at_ms);
    if visit.state == VisitState::Ending {
        return Verdict::Stays;
    }
    if !seen.is_allowed {
        return Verdict::Ends(Why::NotAllowed);
    }
    if now_ms >= visit.ends_at_ms {
        return Verdict::Ends(Why::TimeIsUp);
    }
    let state = match (visit.state, seen.membership) {
        (_, Some(Membership::Join)) => VisitState::Inside,
        (VisitState::Inside, Some(Membership::Knock | Membership::Invite)) => {
            // Gone, and asking again, which a visit is not for; or our knowledge of the room is behind for a moment.
            return Verdict::Ends(Why::Gone);
        }
        (_, Some(Membership::Knock | Membership::Invite)) => VisitState::Waiting,
        (_, Some(Membership::Ban)) | (VisitState::Waiting | VisitState::Inside, Some(Membership::Leave)) => {
            return Verdict::Ends(Why::Gone);
        }
        (state, _) => state,
    };
    // A call that was over before they came is another one.
    let hosted = seen.hosted_at_ms.filter(|at_ms| *at_ms >= visit.entered_at_ms);
    if let Some(hosted_at_ms) = hosted
        && now_ms.saturating_sub(hosted_at_ms) >= seen.after_call_ms
    {
        return Verdict::Ends(Why::CallIsOver);
    }
    match state {
        VisitState::Coming if since_ms >= COMING_MAX_MS => Verdict::Ends(Why::NeverCame),
        VisitState::Waiting if since_ms >= WAITING_MAX_MS => Verdict::Ends(Why::NotLetIn),
        VisitState::Inside if hosted.is_none() && since_ms >= WAITING_MAX_MS => Verdict::Ends(Why::NoCall),
        state if state == visit.state => Verdict::Stays,
        state => Verdict::Becomes(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;
    const MINUTE_MS: u64 = 60_000;

    fn visit(state: VisitState) -> GuestVisit {
        GuestVisit {
            user: "@hanse-guest-a:org-a.example".parse().unwrap(),
            link_id: "link".to_owned(),
            room_id: "!a:org-a.example".parse().unwrap(),
            token_hash: None,
            state,
            entered_at_ms: NOW_MS,
            ends_at_ms: NOW_MS + 12 * 60 * MINUTE_MS,
        }
    }

    fn seen(membership: Membership) -> Seen {
        Seen {
            membership: Some(membership),
            hosted_at_ms: None,
            is_allowed: true,
            after_call_ms: 5 * MINUTE_MS,
        }
    }

    #[test]
    fn a_visit_goes_from_the_link_by_the_lobby_into_the_room() {
        use Membership::{Invite, Join, Knock, Leave};
        use VisitState::{Coming, Inside, Waiting};
        for (state, membership, verdict) in [
            (Coming, Leave, Verdict::Stays),
            (Coming, Knock, Verdict::Becomes(Waiting)),
            (Waiting, Knock, Verdict::Stays),
            (Waiting, Invite, Verdict::Stays),
            (Waiting, Join, Verdict::Becomes(Inside)),
            (Coming, Join, Verdict::Becomes(Inside)),
            (Inside, Join, Verdict::Stays),
        ] {
            let judged = judge(&visit(state), &seen(membership), NOW_MS + 1);
            assert_eq!(judged, verdict, "{state:?} {membership:?}");
        }
    }

    #[test]
    fn who_is_refused_removed_or_banned_or_leaves_has_been_a_guest() {
        use Membership::{Ban, Invite, Knock, Leave};
        use VisitState::{Coming, Inside, Waiting};
        for (state, membership) in [
            (Waiting, Leave),
            (Inside, Leave),
            (Coming, Ban),
            (Waiting, Ban),
            (Inside, Ban),
            (Inside, Knock),
            (Inside, Invite),
        ] {
            let judged = judge(&visit(state), &seen(membership), NOW_MS + 1);
            assert_eq!(judged, Verdict::Ends(Why::Gone), "{state:?} {membership:?}");
        }
    }

    #[test]
    fn nobody_waits_for_ever_at_any_place() {
        use Membership::{Join, Knock, Leave};
        use VisitState::{Coming, Inside, Waiting};
        for (state, membership, patience_ms, why) in [
            (Coming, Leave, COMING_MAX_MS, Why::NeverCame),
            (Waiting, Knock, WAITING_MAX_MS, Why::NotLetIn),
            (Inside, Join, WAITING_MAX_MS, Why::NoCall),
        ] {
            let at = |ms| judge(&visit(state), &seen(membership), NOW_MS + ms);
            assert_eq!(at(patience_ms - 1), Verdict::Stays, "{state:?}");
            assert_eq!(at(patience_ms), Verdict::Ends(why));
        }
    }

    #[test]
    fn a_guest_outlasts_the_others_in_the_call_by_some_minutes_and_a_call_of_before_does_not_count() {
        let with = |hosted_at_ms| Seen {
            hosted_at_ms: Some(hosted_at_ms),
            ..seen(Membership::Join)
        };
        let inside = visit(VisitState::Inside);
        let end_ms = NOW_MS + 60 * MINUTE_MS;
        let over_ms = end_ms + 5 * MINUTE_MS;
        assert_eq!(judge(&inside, &with(end_ms), over_ms - 1), Verdict::Stays);
        assert_eq!(
            judge(&inside, &with(end_ms), over_ms),
            Verdict::Ends(Why::CallIsOver)
        );
        assert_eq!(
            judge(&inside, &with(NOW_MS - 1), NOW_MS + 9 * MINUTE_MS),
            Verdict::Stays
        );
        // Also for those whom nobody has let in.
        let waiting = Seen {
            membership: Some(Membership::Knock),
            ..with(end_ms)
        };
        let judged = judge(&visit(VisitState::Waiting), &waiting, over_ms);
        assert_eq!(judged, Verdict::Ends(Why::CallIsOver));
    }

    #[test]
    fn the_deadline_and_the_rules_count_whatever_is_known_of_the_room() {
        let unknown = Seen {
            membership: None,
            ..seen(Membership::Join)
        };
        for state in [VisitState::Coming, VisitState::Waiting, VisitState::Inside] {
            let visit = visit(state);
            assert_eq!(
                judge(&visit, &unknown, NOW_MS + 1),
                Verdict::Stays,
                "a restart ends nothing"
            );
            let late = judge(&visit, &unknown, visit.ends_at_ms);
            assert_eq!(late, Verdict::Ends(Why::TimeIsUp));
            let not_allowed = Seen {
                is_allowed: false,
                ..unknown
            };
            assert_eq!(
                judge(&visit, &not_allowed, NOW_MS),
                Verdict::Ends(Why::NotAllowed)
            );
        }
    }

    #[test]
    fn nobody_comes_back_from_their_end() {
        for membership in [Membership::Join, Membership::Leave, Membership::Ban] {
            let judged = judge(&visit(VisitState::Ending), &seen(membership), u64::MAX);
            assert_eq!(judged, Verdict::Stays);
        }
    }

    #[test]
    fn states_have_names_of_their_own() {
        for state in ALL_STATES {
            assert_eq!(VisitState::from_name(state.as_str()), Some(state));
        }
        assert_eq!(VisitState::from_name("gone"), None);
    }
}
