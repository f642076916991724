//! When a cron expression comes, on clocks that go forward and back.
//!
//! The expression is searched on a clock that never changes, as a calendar without a zone; what its times mean in the zone is
//! decided here. Between two changes a zone has one offset, and each such stretch of time answers for a range of local times:
//! for an interval those that its clock shows, for fixed times from where the clock of the stretch before would have gone on. So
//! a fixed time in an hour that is left out falls to the moment of the change, and one in an hour that comes twice to its first.

use std::str::FromStr;

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp as Instant};
use posthaste_core::Timestamp;
use posthaste_core::limits::{MAX_MISSED_TICKS, SCHEDULE_ON_TIME};

use crate::expression;
use crate::schedule::{MissedPolicy, ScheduleError, invalid};

/// Changes of the clock that one search goes over: more than any date is away.
const MAX_CHANGES: usize = 2_000;

/// Ticks that are due.
#[derive(Debug, PartialEq)]
pub(crate) struct Due {
    /// To be enqueued, oldest first.
    pub(crate) run: Vec<Timestamp>,
    /// The latest tick, enqueued or not: up to here all is taken care of.
    pub(crate) latest: Option<Timestamp>,
}

/// A cron expression in a time zone.
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
    /// Whether it names times of the day, not how often.
    fixed: bool,
}

/// A stretch of time with one offset.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    offset: Offset,
    /// When it began, and the offset before.
    start: Option<(Instant, Offset)>,
    /// When it ends.
    end: Option<Instant>,
}

impl Stretch {
    /// The first local time that it answers for.
    fn first(&self, fixed: bool) -> Option<DateTime> {
        self.start.map(|(at, before)| if fixed { before } else { self.offset }.to_datetime(at))
    }

    /// The first local time that it does not answer for any more.
    fn behind(&self) -> Option<DateTime> {
        self.end.map(|at| self.offset.to_datetime(at))
    }

    /// When a local time comes that it answers for.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let at = self.offset.to_timestamp(local).ok()?;
        let at = self.start.map_or(at, |(start, _)| at.max(start));
        Some(Timestamp::from_millis(at.as_millisecond()))
    }
}

impl Times {
    pub(crate) fn new(cron: &str, zone: &str) -> Result<Self, ScheduleError> {
        Ok(Self {
            fixed: expression::is_fixed(cron),
            cron: Cron::from_str(cron).map_err(|_| invalid("cron", expression::explain(cron)))?,
            zone: TimeZone::get(zone).map_err(|_| {
                invalid("time_zone", "not a time zone: use a name such as Europe/Berlin or UTC")
            })?,
        })
    }

    /// The stretch that holds a moment.
    fn stretch(&self, at: Instant) -> Option<Stretch> {
        let second = SignedDuration::from_secs(1);
        let behind = at.checked_add(second).ok()?;
        let start = match self.zone.preceding(behind).next().map(|t| t.timestamp()) {
            Some(start) => Some((start, self.zone.to_offset(start.checked_sub(second).ok()?))),
            None => None,
        };
        let end = self.zone.following(at).next().map(|t| t.timestamp());
        Some(Stretch { offset: self.zone.to_offset(at), start, end })
    }

    /// The next local time that the expression names, by the calendar alone.
    fn next(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let from = from.to_zoned(TimeZone::UTC).ok()?;
        self.cron.find_next_occurrence(&from, inclusive).ok().map(|t| t.datetime())
    }

    fn previous(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let from = from.to_zoned(TimeZone::UTC).ok()?;
        self.cron.find_previous_occurrence(&from, inclusive).ok().map(|t| t.datetime())
    }

    /// The first tick after `at`.
    pub(crate) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let (from, _) = second_of(at)?;
        let mut stretch = self.stretch(from)?;
        let now = stretch.offset.to_datetime(from);
        let mut local = match stretch.first(self.fixed) {
            Some(first) if now < first => self.next(first, true)?,
            _ => self.next(now, false)?,
        };
        for _ in 0..MAX_CHANGES {
            let Some(end) = stretch.end.filter(|_| stretch.behind().is_some_and(|b| local >= b)) else {
                return stretch.instant(local);
            };
            stretch = self.stretch(end)?;
            local = self.next(stretch.first(self.fixed)?, true)?;
        }
        None
    }

    /// The last tick before `at`, or at it.
    pub(crate) fn before(&self, at: Timestamp, inclusive: bool) -> Option<Timestamp> {
        let (from, whole) = second_of(at)?;
        let inclusive = inclusive || !whole;
        let mut stretch = self.stretch(from)?;
        // All that a change of the clock left out comes at that moment.
        let only_before = !inclusive && stretch.start.is_some_and(|(start, _)| start == from);
        let mut local = self.previous(stretch.offset.to_datetime(from), inclusive)?;
        for n in 0..MAX_CHANGES {
            let skip = n == 0 && only_before;
            let first = stretch.first(self.fixed).filter(|first| skip || local < *first);
            let (Some(_), Some((start, before))) = (first, stretch.start) else {
                return stretch.instant(local);
            };
            stretch = self.stretch(start.checked_sub(SignedDuration::from_secs(1)).ok()?)?;
            local = self.previous(before.to_datetime(start), false)?;
        }
        None
    }

    /// The ticks after `last_run` and up to `now`, as the policy wants them. Walks back from now, so
    /// that a long absence costs no more than a short one.
    pub(crate) fn due(&self, last_run: Timestamp, now: Timestamp, missed: MissedPolicy) -> Due {
        let mut run = Vec::new();
        let latest = self.before(now, true).filter(|t| *t > last_run);
        let mut tick = latest;
        while let Some(at) = tick.filter(|t| *t > last_run && run.len() < MAX_MISSED_TICKS) {
            let on_time = now.since(at) <= SCHEDULE_ON_TIME;
            let wanted = match missed {
                MissedPolicy::Skip => on_time,
                // A tick that is on time makes up for the missed ones too.
                MissedPolicy::RunOnce => on_time || run.is_empty(),
                MissedPolicy::RunAll => true,
            };
            if !wanted {
                break;
            }
            run.push(at);
            tick = self.before(at, false);
        }
        run.reverse();
        Due { run, latest }
    }
}

/// The whole second of `at`, and whether `at` is one: ticks are whole seconds.
fn second_of(at: Timestamp) -> Option<(Instant, bool)> {
    let millis = at.as_millis();
    let second = Instant::from_second(millis.div_euclid(1_000)).ok()?;
    Some((second, millis.rem_euclid(1_000) == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn berlin(cron: &str) -> Times {
        Times::new(cron, "Europe/Berlin").expect("valid")
    }

    /// All ticks in between, walked forward.
    fn forward(times: &Times, from: Timestamp, until: Timestamp) -> Vec<String> {
        std::iter::successors(times.after(from), |t| times.after(*t))
            .take_while(|t| *t <= until)
            .map(|t| t.to_string())
            .collect()
    }

    #[test]
    fn a_fixed_time_in_the_hour_that_does_not_exist_runs_right_after_it() {
        // On 2026-03-29 the clocks of Berlin go from 02:00 to 03:00, which is 01:00 UTC.
        let times = berlin("30 2 * * *");
        let ticks = forward(&times, at("2026-03-28T00:00:00Z"), at("2026-03-30T12:00:00Z"));
        assert_eq!(
            ticks,
            ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
        );
    }

    #[test]
    fn a_fixed_time_in_the_hour_that_comes_twice_runs_once() {
        // On 2026-10-25 they go from 03:00 back to 02:00, which is 01:00 UTC.
        let times = berlin("30 2 * * *");
        let ticks = forward(&times, at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"));
        assert_eq!(ticks, ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
    }

    #[test]
    fn an_interval_runs_in_both_of_the_hours_that_come_twice_and_not_in_the_missing_one() {
        let times = berlin("*/30 * * * *");
        let autumn = forward(&times, at("2026-10-24T23:45:00Z"), at("2026-10-25T02:00:00Z"));
        assert_eq!(autumn.len(), 5, "{autumn:?}");
        let spring = forward(&times, at("2026-03-29T00:45:00Z"), at("2026-03-29T02:00:00Z"));
        assert_eq!(
            spring,
            ["2026-03-29T01:00:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-29T02:00:00.000Z"]
        );
    }

    #[test]
    fn what_is_due_is_what_a_walk_forward_finds() {
        for cron in ["30 2 * * *", "*/20 * * * *", "0 */2 * * *", "15 1,2,3 * * *", "0 0 3 25 10 *"] {
            let times = berlin(cron);
            for (from, until) in [
                ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
                ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
                ("2026-06-01T00:00:00.500Z", "2026-06-01T23:59:59.999Z"),
            ] {
                let (from, until) = (at(from), at(until));
                let due = times.due(from, until, MissedPolicy::RunAll);
                let run: Vec<String> = due.run.iter().map(Timestamp::to_string).collect();
                assert_eq!(run, forward(&times, from, until), "{cron} from {from}");
                assert_eq!(due.latest, due.run.last().copied());
            }
        }
    }

    #[test]
    fn ticks_on_time_run_under_every_policy_even_when_several_came_at_once() {
        let times = Times::new("* * * * * *", "UTC").expect("valid");
        let (from, now) = (at("2026-01-31T12:00:00Z"), at("2026-01-31T12:00:05.400Z"));
        for missed in [MissedPolicy::Skip, MissedPolicy::RunOnce, MissedPolicy::RunAll] {
            assert_eq!(times.due(from, now, missed).run.len(), 5);
        }
    }

    #[test]
    fn a_clock_that_goes_back_runs_nothing_again() {
        let times = Times::new("* * * * *", "UTC").expect("valid");
        let due = times.due(at("2026-01-31T12:10:00Z"), at("2026-01-31T11:10:00Z"), MissedPolicy::RunAll);
        assert_eq!(due, Due { run: Vec::new(), latest: None });
    }

    #[test]
    fn lists_and_ranges_run_right_after_the_missing_hour_and_once_in_the_hour_that_comes_twice() {
        // On 2027-03-28 the missing hour ends at 01:00 UTC, on 2027-10-31 the repeated one begins at 00:00 UTC.
        for (cron, day, ticks) in [
            ("30 2 28 3 *", "2027-03-28", &["01:00"][..]),
            ("15,45 2 28 3 *", "2027-03-28", &["01:00"]),
            ("30 2,3 28 3 *", "2027-03-28", &["01:00", "01:30"]),
            (
                "0-59/15 1-3 28 3 *",
                "2027-03-28",
                &["00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45"],
            ),
            ("*/10 30 2 28 3 *", "2027-03-28", &["01:00"]),
            ("30 2 31 10 *", "2027-10-31", &["00:30"]),
            ("15,45 2 31 10 *", "2027-10-31", &["00:15", "00:45"]),
            ("30 2,3 31 10 *", "2027-10-31", &["00:30", "02:30"]),
            ("30 1-3 31 10 *", "2027-10-31", &["2027-10-30T23:30", "00:30", "02:30"]),
            (
                "30 * 31 10 *",
                "2027-10-31",
                &["2027-10-30T22:30", "2027-10-30T23:30", "00:30", "01:30", "02:30", "03:30", "04:30"],
            ),
            ("*/30 2 31 10 *", "2027-10-31", &["00:00", "00:30", "01:00", "01:30"]),
            ("0 */2 28 3 *", "2027-03-28", &["2027-03-27T23:00", "02:00", "04:00"]),
        ] {
            let wanted: Vec<String> = ticks
                .iter()
                .map(|t| if t.len() > 5 { format!("{t}:00.000Z") } else { format!("{day}T{t}:00.000Z") })
                .collect();
            let (from, until) = (at(&format!("{day}T00:00:00Z")), at(&format!("{day}T05:00:00Z")));
            let found = forward(&berlin(cron), Timestamp::from_millis(from.as_millis() - 7_200_001), until);
            assert_eq!(found, wanted, "{cron}");
        }
    }

    /// Zones whose clocks change in ways of their own: by half an hour, at midnight, for one month of the moon.
    const ZONES: [&str; 8] = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/Santiago",
        "Asia/Beirut",
        "Europe/Dublin",
        "Asia/Kolkata",
    ];

    /// What a day of these fixed times or this interval means, found out minute by minute.
    fn by_hand(
        zone: &str,
        days: (Instant, Instant),
        hit: impl Fn(DateTime) -> bool,
        fixed: bool,
    ) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("a zone");
        let minute = SignedDuration::from_mins(1);
        let (mut now, end) = days;
        let mut found = Vec::new();
        let mut furthest = zone.to_datetime(now);
        while now < end {
            now += minute;
            let local = zone.to_datetime(now);
            let comes = if fixed {
                // Every minute of the calendar that has become the past at this moment, each for the first time.
                let mut any = false;
                while furthest < local {
                    furthest = furthest.checked_add(minute).expect("a time");
                    any |= hit(furthest);
                }
                any
            } else {
                hit(local)
            };
            if comes {
                found.push(Timestamp::from_millis(now.as_millisecond()).to_string());
            }
        }
        found
    }

    /// Expressions that are nearly cron.
    fn nearly() -> impl Strategy<Value = String> {
        let field = prop_oneof![
            Just("*".to_owned()),
            "[0-9]{1,2}",
            "[0-9]{1,2}-[0-9]{1,2}",
            "\\*/[0-9]{1,2}",
            "[0-9]{1,2}(,[0-9]{1,2}){1,3}",
            Just("L".to_owned()),
            Just("MON-FRI".to_owned()),
            Just("5#2".to_owned()),
            Just("15W".to_owned()),
            Just("?".to_owned()),
            Just("FEB".to_owned()),
        ];
        prop::collection::vec(field, 4..8).prop_map(|f| f.join(" "))
    }

    /// A field of a fixed time: its text, and what it means.
    fn field(most: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
        prop_oneof![
            prop::collection::btree_set(0..=most, 1..4).prop_map(|all| {
                let text = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                (text, all.into_iter().collect())
            }),
            (0..=most, 0..=most, 1..20_i8).prop_map(|(a, b, step)| {
                let (a, b) = (a.min(b), a.max(b));
                (format!("{a}-{b}/{step}"), (a..=b).step_by(step as usize).collect())
            }),
            (0..=most, 0..=most).prop_map(|(a, b)| {
                let (a, b) = (a.min(b), a.max(b));
                (format!("{a}-{b}"), (a..=b).collect())
            }),
        ]
    }

    proptest! {
        #[test]
        fn around_each_change_of_the_clock_a_fixed_time_comes_once_and_an_interval_as_the_clock_shows(
            zone in prop::sample::select(&ZONES[..]),
            year in 2024_i16..2032,
            change in 0_usize..4,
            (minutes, at_minutes) in field(59),
            (hours, at_hours) in field(23),
            every in 1_i8..60,
        ) {
            let tz = TimeZone::get(zone).expect("a zone");
            let start = jiff::civil::date(year, 1, 1).to_zoned(TimeZone::UTC).expect("a day").timestamp();
            let day = SignedDuration::from_hours(24);
            let middle = tz.following(start).nth(change).map_or(start, |t| t.timestamp());
            let days = (middle - day, middle + day);
            let between = |times: &Times| {
                let (from, until) = (days.0.as_millisecond(), days.1.as_millisecond());
                forward(times, Timestamp::from_millis(from), Timestamp::from_millis(until))
            };

            let cron = format!("{minutes} {hours} * * *");
            let times = Times::new(&cron, zone).expect("valid");
            let hit = |t: DateTime| at_minutes.contains(&t.minute()) && at_hours.contains(&t.hour());
            let wanted = by_hand(zone, days, hit, true);
            prop_assert_eq!(between(&times), wanted.clone(), "{} in {}", &cron, zone);
            // And backwards.
            let back: Vec<String> = {
                let last = times.before(Timestamp::from_millis(days.1.as_millisecond()), true);
                let mut all: Vec<_> = std::iter::successors(last, |t| times.before(*t, false))
                    .take_while(|t| t.as_millis() > days.0.as_millisecond())
                    .map(|t| t.to_string())
                    .collect();
                all.reverse();
                all
            };
            prop_assert_eq!(back, wanted, "{} in {}, backwards", &cron, zone);

            let cron = format!("*/{every} {hours} * * *");
            let times = Times::new(&cron, zone).expect("valid");
            let hit = |t: DateTime| t.minute() % every == 0 && at_hours.contains(&t.hour());
            prop_assert_eq!(between(&times), by_hand(zone, days, hit, false), "{} in {}", &cron, zone);
        }

        #[test]
        fn any_expression_is_refused_or_has_ticks_that_only_go_on(
            cron in prop_oneof![3 => nearly(), 1 => ".{0,30}"],
            zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/Sao_Paulo"), Just("Australia/Lord_Howe"), Just("x/../y")],
            now in 0_i64..4_000_000_000_000,
        ) {
            let Ok(times) = Times::new(&cron, zone) else { return Ok(()) };
            let mut at = Timestamp::from_millis(now);
            for _ in 0..4 {
                let Some(next) = times.after(at) else { break };
                prop_assert!(next > at, "{} in {}: {} after {}", cron, zone, next, at);
                prop_assert_eq!(next.as_millis() % 1_000, 0);
                at = next;
            }
            let due = times.due(Timestamp::from_millis(now - 7 * 86_400_000), Timestamp::from_millis(now), MissedPolicy::RunAll);
            prop_assert!(due.run.len() <= MAX_MISSED_TICKS);
            prop_assert!(due.run.is_sorted_by(|a, b| a < b), "{} in {}: {:?}", cron, zone, due.run);
            prop_assert!(due.run.iter().all(|t| t.as_millis() <= now && t.as_millis() > now - 7 * 86_400_000));
        }
    }
}
