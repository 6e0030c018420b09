//! From one occurrence to the next.
//!
//! The crate `rrule` computes with dates on the wall, which it is told are in UTC: so the clock's changes do not concern it, and
//! each occurrence gets its instant from [`Meeting::occurrence`]. It is one step to any time, however far from the start, as all
//! that a rule takes from the start can be written into it (§3.3.10) and the start be put at a later day, week, month or year
//! that is a whole number of intervals away. Only with `COUNT` must all be counted: that grows with the number of occurrences
//! before, which is [`super::COUNT_MAX`] at most.

use super::{Frequency, Meeting, Rule, letters};
use crate::meeting::{Change, Occurrence};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span, Timestamp, ToSpan, Zoned};
use rrule::RRuleSet;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::iter;

/// The farthest that a clock has been turned at once, in Samoa in 2011.
const CLOCK_JUMP_MAX: SignedDuration = SignedDuration::from_hours(24);

impl Meeting {
    /// When the meeting is held, in order of beginning: all that end after `from`, the running one first.
    ///
    /// What was cancelled is left out, and what was moved comes at its new place. The meeting's status is not asked. It is computed
    /// while it is asked for: memory is for the changes and for one day or one period of the rule (a year at most), and the first
    /// answer takes as long for a daily meeting of twenty years as for one of today, except with `COUNT` (see the module). No
    /// single step looks further than the year 9999, nor than 100,000 days, weeks, months or years without any occurrence: then
    /// the meeting has ended.
    pub fn occurrences(&self, from: &Zoned) -> impl Iterator<Item = Occurrence> + use<'_> {
        let from = from.timestamp();
        let longest = SignedDuration::from_mins(self.minutes.into()) + CLOCK_JUMP_MAX;
        let since = self.time_zone().to_datetime(from).saturating_sub(longest);
        let mut by_rule = self
            .originals(since)
            .filter(|original| !self.changes.contains_key(original))
            .peekable();
        // In order of beginning. The original tells apart what begins at the same instant.
        let mut waiting: BTreeMap<(Timestamp, DateTime), Occurrence> = self.moved().map(keyed).collect();
        iter::from_fn(move || {
            loop {
                // The clock's changes can put what comes later on the wall before: one day further none does.
                while let Some(next) = by_rule.next_if(|next| match waiting.first_key_value() {
                    Some((_, first)) => *next <= first.start.datetime().saturating_add(CLOCK_JUMP_MAX),
                    None => true,
                }) {
                    waiting.extend(self.occurrence(next).map(keyed));
                }
                let (_, first) = waiting.pop_first()?;
                if first.end.timestamp() > from {
                    return Some(first);
                }
            }
        })
    }

    /// The occurrence that is held at this time or next; `None` when there is none any more.
    pub fn next(&self, now: &Zoned) -> Option<Occurrence> {
        self.occurrences(now).next()
    }

    /// When the last occurrence ends; `None` when the rule has no end. If nothing is left of the meeting, when its first would have.
    ///
    /// With `COUNT` all occurrences are counted, with `UNTIL` only the last ones are looked at.
    pub fn last_end(&self) -> Option<Zoned> {
        let unchanged = |original: &DateTime| !self.changes.contains_key(original);
        let rule = self.rule();
        let last = match rule.as_ref().map(|rule| (rule.count, rule.until)) {
            None | Some((Some(_), _)) => self.originals(DateTime::MIN).filter(unchanged).last(),
            Some((None, None)) => return None,
            // There may be none in its last days: look back twice as far until there is one.
            Some((None, Some(until))) => {
                let end = self.time_zone().to_datetime(until.instant(&self.time_zone()));
                let mut days = 32;
                loop {
                    let since = end.saturating_sub(days.days());
                    let last = self.originals(since).filter(unchanged).last();
                    if last.is_some() || since <= self.start {
                        break last;
                    }
                    days *= 2;
                }
            }
        };
        let last = last.and_then(|original| self.occurrence(original));
        let ends = last
            .into_iter()
            .chain(self.moved())
            .map(|occurrence| occurrence.end);
        ends.max().or_else(|| {
            let first = self.start.to_zoned(self.time_zone()).ok()?;
            first
                .checked_add(SignedDuration::from_mins(self.minutes.into()))
                .ok()
        })
    }

    /// When the rule has an occurrence begin for the first time, be it cancelled or moved: `DTSTART` (§3.8.5.3 wants it to be in
    /// step with the rule). `None` for a rule that never does from this start on.
    pub(crate) fn first_original(&self) -> Option<DateTime> {
        self.originals(DateTime::MIN).next()
    }

    /// The changes of occurrences that the rule has, in order. Others are left from an earlier rule and concern nothing.
    pub(crate) fn changes_in_force(&self) -> impl Iterator<Item = (DateTime, &Change)> {
        let is_counted = self.rule().is_some_and(|rule| rule.count.is_some());
        let first = self.first_original();
        let mut walk = self.originals(DateTime::MIN).peekable();
        // Where nothing has to be counted, each is one step, instead of many between two of them.
        let mut walk_to = move |original: DateTime| {
            if is_counted {
                while walk.next_if(|next| *next < original).is_some() {}
                walk.peek() == Some(&original)
            } else {
                self.originals(original).next() == Some(original)
            }
        };
        let changes = self
            .changes
            .iter()
            .filter(move |(original, _)| first.is_some_and(|first| **original >= first));
        changes
            .filter(move |(original, _)| walk_to(**original))
            .map(|(original, change)| (*original, change))
    }

    fn moved(&self) -> impl Iterator<Item = Occurrence> {
        let moved = self
            .changes_in_force()
            .filter(|(_, change)| matches!(change, Change::Moved { .. }));
        moved.filter_map(|(original, _)| self.occurrence(original))
    }

    fn rule(&self) -> Option<Rule<'_>> {
        // What was checked can be read.
        Rule::read(self.repeat.as_ref()?.as_str()).ok()
    }

    /// When occurrences begin by the rule, in order, without those before `since`; only the first without a rule.
    fn originals(&self, since: DateTime) -> impl Iterator<Item = DateTime> + use<> {
        let zone = self.time_zone();
        let until = self
            .rule()
            .and_then(|rule| rule.until)
            .map(|until| until.instant(&zone));
        // As an instant is what UNTIL means, and the wall tells it only to a day: the rule is asked for one day more.
        let limit = until.map(|until| zone.to_datetime(until).saturating_add(CLOCK_JUMP_MAX));
        let by_rule = self
            .rule()
            .and_then(|rule| rule.evaluate(self.start, since, limit).ok());
        let once = self.repeat.is_none().then_some(self.start);
        let is_before_end = move |original: &DateTime| match until {
            Some(until) => zone.to_timestamp(*original).is_ok_and(|instant| instant <= until),
            None => true,
        };
        let all = once.into_iter().chain(by_rule.into_iter().flatten());
        all.skip_while(move |original| *original < since)
            .filter(is_before_end)
    }
}

fn keyed(occurrence: Occurrence) -> ((Timestamp, DateTime), Occurrence) {
    ((occurrence.start.timestamp(), occurrence.original), occurrence)
}

impl Rule<'_> {
    /// The times that meet the rule if it begins at `start`: those of the period in which `since` is (day, week, month or year),
    /// and all later ones that are not after `limit`. With `COUNT`, from the start.
    ///
    /// # Errors
    ///
    /// What the crate has against the rule.
    pub(super) fn evaluate(
        &self,
        start: DateTime,
        since: DateTime,
        limit: Option<DateTime>,
    ) -> Result<impl Iterator<Item = DateTime> + use<>, String> {
        let far = if self.count.is_none() {
            self.anchor(start, since)
        } else {
            None
        };
        let begin = far.unwrap_or(start);
        let mut text = format!(
            "DTSTART:{}Z\nRRULE:{}",
            begin.strftime("%Y%m%dT%H%M%S"),
            self.explicit(start)
        );
        if let Some(limit) = limit {
            // Writing to a String does not fail.
            let _ = write!(text, ";UNTIL={}Z", limit.strftime("%Y%m%dT%H%M%S"));
        }
        let set: RRuleSet = text
            .parse()
            .map_err(|error: rrule::RRuleError| error.to_string())?;
        let times = (&set.limit()).into_iter();
        Ok(times.map_while(|time| {
            Some(
                Timestamp::from_second(time.timestamp())
                    .ok()?
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .datetime(),
            )
        }))
    }

    /// The beginning of the period in which `since` is, a whole number of intervals after that of `start`; `None` while that is the
    /// first.
    fn anchor(&self, start: DateTime, since: DateTime) -> Option<DateTime> {
        let (start, since) = (start.date(), since.date());
        let (first, periods) = match self.frequency {
            Frequency::Daily => (start, days(start, since)),
            Frequency::Weekly => {
                let first = start.saturating_sub(i64::from(self.week_start.until(start.weekday())).days());
                (first, days(first, since).div_euclid(7))
            }
            Frequency::Monthly => {
                let years = i64::from(since.year()) - i64::from(start.year());
                (
                    start.first_of_month(),
                    years * 12 + i64::from(since.month()) - i64::from(start.month()),
                )
            }
            Frequency::Yearly => (
                start.first_of_year(),
                i64::from(since.year()) - i64::from(start.year()),
            ),
        };
        let interval = i64::from(self.interval);
        let whole = periods.div_euclid(interval) * interval;
        let span = match self.frequency {
            Frequency::Daily => Span::new().try_days(whole),
            Frequency::Weekly => Span::new().try_weeks(whole),
            Frequency::Monthly => Span::new().try_months(whole),
            Frequency::Yearly => Span::new().try_years(whole),
        };
        let anchor = first.checked_add(span.ok()?).ok()?;
        (whole > 0).then(|| anchor.to_datetime(jiff::civil::Time::midnight()))
    }

    /// The rule without `UNTIL`, with all that it takes from its start written out (§3.3.10: "information missing from the rule is
    /// taken from DTSTART").
    fn explicit(&self, start: DateTime) -> String {
        let frequency = match self.frequency {
            Frequency::Daily => "DAILY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Yearly => "YEARLY",
        };
        let mut text = format!(
            "FREQ={frequency};INTERVAL={};WKST={}",
            self.interval,
            letters(self.week_start)
        );
        let mut add = |name: &str, value: String| {
            let _ = write!(text, ";{name}={value}");
        };
        for (name, value) in &self.by {
            // The crate does not take a plus.
            add(name, value.replace('+', ""));
        }
        if let Some(count) = self.count {
            add("COUNT", count.to_string());
        }
        let chooses = ["BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY"]
            .into_iter()
            .any(|name| self.by(name).is_some());
        match self.frequency {
            Frequency::Daily => {}
            _ if chooses => {}
            Frequency::Weekly => add("BYDAY", letters(start.weekday()).to_owned()),
            Frequency::Monthly => add("BYMONTHDAY", start.day().to_string()),
            Frequency::Yearly => {
                add("BYMONTHDAY", start.day().to_string());
                if self.by("BYMONTH").is_none() {
                    add("BYMONTH", start.month().to_string());
                }
            }
        }
        for (name, value) in [
            ("BYHOUR", start.hour()),
            ("BYMINUTE", start.minute()),
            ("BYSECOND", start.second()),
        ] {
            if self.by(name).is_none() {
                add(name, value.to_string());
            }
        }
        text
    }
}

fn days(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}
