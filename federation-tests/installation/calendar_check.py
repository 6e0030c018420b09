"""Has other programs read the calendar files that `hanse-meetings` makes.

In: lines of JSON on standard input, as homeserver-bridge/meetings/examples/calendars.rs prints them. Out: a JSON list with null for each
file in which everybody finds the same, and a sentence for each other.

Each file is read twice: as it is, where icalendar takes the zones from its own database by their names, and with names that it cannot
know, so that what the file itself says of its zones is all that there is. Those zones are also read by dateutil.
"""

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from dateutil import tz


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def found(calendar: icalendar.Calendar, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """What is in a time, in UTC. The lengths are exact (RFC 5545 §3.8.5.3), where Python would count what the clocks show."""
    length = {}
    for event in calendar.walk("VEVENT"):
        start, end = event["DTSTART"].dt, event.get("DTEND")
        exact = end.dt.astimezone(UTC) - start.astimezone(UTC) if end else event["DURATION"].dt
        key = event["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in event else None
        length[key] = exact
    times = []
    # A day around, since it asks its question by the clock.
    for event in recurring_ical_events.of(calendar).between(since - timedelta(days=2), until + timedelta(days=2)):
        start = event["DTSTART"].dt.astimezone(UTC)
        original = event["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in event else None
        end = start + length.get(original, length[None])
        if end > since and start < until:
            times.append((start, end))
    return sorted(times)


def offsets_by_dateutil(ics: str, times: list[datetime]) -> dict[datetime, timedelta]:
    """How far each time, as it stands on the wall of the file's only zone, is from UTC by what the file says of the zone."""
    text = ics.replace("\r\n ", "")
    begin, end = text.index("BEGIN:VTIMEZONE"), text.index("END:VTIMEZONE")
    zone = tz.tzical(io.StringIO(text[begin:end] + "END:VTIMEZONE\n")).get()
    return {time: time.astimezone(zone).utcoffset() for time in times}


def verdict(number: int, case: dict) -> str | None:
    ours = [(instant(each["start"]), instant(each["end"])) for each in case["occurrences"]]
    since, until = instant(case["from"]), instant(case["to"])
    # icalendar remembers zones by their names: those of the files before would stand for it.
    own = f"Own{number}-"
    for ics in (case["ics"], case["ics"].replace("TZID=", f"TZID={own}").replace("TZID:", f"TZID:{own}")):
        calendar = icalendar.Calendar.from_ical(ics)
        for component in calendar.walk():
            if component.errors:
                return f"{component.name} cannot be read: {component.errors}"
        for event in calendar.walk("VEVENT"):
            if (event["SUMMARY"], event["DESCRIPTION"]) != (case["title"], case["description"]):
                return f"read as {event['SUMMARY']!r} with {event['DESCRIPTION']!r}"
        theirs = found(calendar, since, until)
        if theirs != ours:
            only_ours = [str(start) for start, _ in sorted(set(ours) - set(theirs))]
            only_theirs = [str(start) for start, _ in sorted(set(theirs) - set(ours))]
            return f"{len(ours)} times by us, {len(theirs)} by them; only ours: {only_ours[:3]}, only theirs: {only_theirs[:3]}"
    if "BEGIN:VTIMEZONE" in case["ics"]:
        name = next(line[5:] for line in case["ics"].splitlines() if line.startswith("TZID:"))
        known = ZoneInfo(name)
        for time, offset in offsets_by_dateutil(case["ics"], [start for start, _ in ours]).items():
            if offset != time.astimezone(known).utcoffset():
                return f"{name} at {time}: {offset} by the file, {time.astimezone(known).utcoffset()} by the database"
    return None


json.dump([verdict(number, json.loads(line)) for number, line in enumerate(sys.stdin)], sys.stdout)
