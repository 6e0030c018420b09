//! What is remembered about who delegates to whom: the answers of `/.well-known/matrix/server` and `…/client`.

use super::DialError;
use super::limits::{
    DELEGATION_LIFETIME_DEFAULT, DELEGATION_LIFETIME_MAX, DELEGATION_LIFETIME_MIN, DELEGATIONS_MAX,
};
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A delegation as it was read, and for how long it may be believed.
pub(super) struct Delegated<T> {
    pub(super) to: T,
    pub(super) lifetime: Duration,
}

/// Reads the time; an argument, so that a day passes at once in a test.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Clone)]
struct Remembered<T> {
    /// `Err` only for what says nothing about the server; it is forgotten at once.
    outcome: Result<Option<T>, DialError>,
    /// Until then nobody asks again.
    fresh_until: Instant,
    /// Until then `outcome` stands in for an answer that does not come.
    usable_until: Instant,
}

/// By host name. However many ask for one name at a time, it is fetched once.
pub(super) struct Delegations<T> {
    cache: Cache<String, Remembered<T>>,
    clock: Clock,
}

impl<T: Clone + Send + Sync + 'static> Delegations<T> {
    pub(super) fn new(clock: Clock) -> Self {
        Delegations {
            cache: Cache::new(DELEGATIONS_MAX),
            clock,
        }
    }

    /// Whom the host delegates to, if anybody: as remembered, or as `fetch` finds out. A fetch that fails means that there is
    /// no delegation, except that one which was read less than a day ago is kept.
    pub(super) async fn of(
        &self,
        host: &str,
        fetch: impl Future<Output = Result<Delegated<T>, DialError>>,
    ) -> Result<Option<T>, DialError> {
        let now = (self.clock)();
        let before = self.cache.get(host).await;
        let found = async {
            let fetched = fetch.await;
            self.judge(fetched, before)
        };
        self.cache
            .entry_by_ref(host)
            .or_insert_with_if(found, |remembered| remembered.fresh_until <= now)
            .await
            .into_value()
            .outcome
    }

    fn judge(
        &self,
        fetched: Result<Delegated<T>, DialError>,
        before: Option<Remembered<T>>,
    ) -> Remembered<T> {
        let now = (self.clock)();
        match fetched {
            Ok(delegated) => Remembered {
                outcome: Ok(Some(delegated.to)),
                fresh_until: now + delegated.lifetime,
                usable_until: now + DELEGATION_LIFETIME_MAX,
            },
            Err(DialError::Busy) => Remembered {
                outcome: Err(DialError::Busy),
                fresh_until: now,
                usable_until: now,
            },
            Err(_) => {
                let before = before.filter(|before| now < before.usable_until);
                Remembered {
                    usable_until: before.as_ref().map_or(now, |before| before.usable_until),
                    outcome: before.map_or(Ok(None), |before| before.outcome),
                    fresh_until: now + DELEGATION_LIFETIME_MIN,
                }
            }
        }
    }
}

/// For how long the answer wants to be believed, within our limits (RFC 9111, section 5.2.2).
pub(super) fn lifetime(headers: &HeaderMap) -> Duration {
    let directives = || {
        headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|directive| directive.trim().to_ascii_lowercase())
    };
    if directives().any(|directive| directive == "no-store" || directive == "no-cache") {
        return DELEGATION_LIFETIME_MIN;
    }
    directives()
        .find_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
        .map_or(DELEGATION_LIFETIME_DEFAULT, Duration::from_secs)
        .clamp(DELEGATION_LIFETIME_MIN, DELEGATION_LIFETIME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use hanse_matrixrtc::ServerName;
    use http::HeaderValue;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct World {
        delegations: Delegations<ServerName>,
        now: Arc<Mutex<Instant>>,
        fetches: AtomicU32,
    }

    impl World {
        fn new() -> Self {
            let now = Arc::new(Mutex::new(Instant::now()));
            let clock = now.clone();
            World {
                delegations: Delegations::new(Arc::new(move || *clock.lock().unwrap())),
                now,
                fetches: AtomicU32::new(0),
            }
        }

        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }

        /// Asks; the homeserver would answer `to`, to be believed for ten minutes, or nothing.
        async fn ask(&self, to: Option<&str>) -> Option<String> {
            let fetch = async {
                self.fetches.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                let to = to.ok_or(DialError::TimedOut)?;
                Ok(Delegated {
                    to: to.parse().unwrap(),
                    lifetime: Duration::from_secs(600),
                })
            };
            let found = self.delegations.of("org-a.example", fetch).await.unwrap();
            found.map(|name| name.as_str().to_owned())
        }

        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn a_delegation_is_remembered_for_as_long_as_it_says() {
        let world = World::new();
        assert_eq!(
            world.ask(Some("one.example")).await.as_deref(),
            Some("one.example")
        );
        world.pass(599);
        assert_eq!(
            world.ask(Some("two.example")).await.as_deref(),
            Some("one.example")
        );
        assert_eq!(world.fetches(), 1);
        world.pass(1);
        assert_eq!(
            world.ask(Some("two.example")).await.as_deref(),
            Some("two.example")
        );
        assert_eq!(world.fetches(), 2);
    }

    #[tokio::test]
    async fn that_there_is_no_delegation_is_remembered_for_a_minute() {
        let world = World::new();
        assert_eq!(world.ask(None).await, None);
        world.pass(59);
        assert_eq!(world.ask(Some("one.example")).await, None);
        world.pass(1);
        assert_eq!(
            world.ask(Some("one.example")).await.as_deref(),
            Some("one.example")
        );
        assert_eq!(world.fetches(), 2);
    }

    #[tokio::test]
    async fn a_well_known_that_fails_for_a_while_does_not_undo_a_delegation_for_a_day() {
        let world = World::new();
        world.ask(Some("one.example")).await;
        world.pass(600);
        assert_eq!(world.ask(None).await.as_deref(), Some("one.example"));
        world.pass(59);
        assert_eq!(
            world.ask(Some("two.example")).await.as_deref(),
            Some("one.example")
        );
        world.pass(24 * 3600 - 659);
        assert_eq!(world.ask(None).await, None, "a day after it was read");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_fetch_once() {
        let world = World::new();
        let answers = join_all((0..20).map(|_| world.ask(Some("one.example")))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_deref() == Some("one.example"))
        );
        assert_eq!(world.fetches(), 1);
    }

    #[tokio::test]
    async fn that_we_were_busy_is_not_remembered() {
        let world = World::new();
        let busy = world
            .delegations
            .of("org-a.example", async { Err(DialError::Busy) })
            .await;
        assert_eq!(busy, Err(DialError::Busy));
        assert_eq!(
            world.ask(Some("one.example")).await.as_deref(),
            Some("one.example")
        );
    }

    #[test]
    fn cache_headers_count_within_a_minute_and_a_day() {
        let lifetime = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            lifetime(&headers).as_secs()
        };
        assert_eq!(super::lifetime(&HeaderMap::new()), DELEGATION_LIFETIME_DEFAULT);
        assert_eq!(lifetime("public, Max-Age=600"), 600);
        assert_eq!(lifetime("max-age=\"600\""), 600);
        assert_eq!(lifetime("max-age=0"), 60);
        assert_eq!(lifetime("max-age=31536000"), 24 * 3600);
        assert_eq!(
            lifetime("max-age=99999999999999999999"),
            3600,
            "no number that we know"
        );
        assert_eq!(lifetime("no-store, max-age=600"), 60);
        assert_eq!(lifetime("s-maxage=600"), 3600);
    }
}
