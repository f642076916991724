//! What a cron expression says about itself: whether it names fixed times, and what is wrong with it, in our own words.

use posthaste_core::limits::MAX_CRON_BYTES;

/// A field: its name, and its least and greatest number.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Words for its numbers, the least first.
    words: &'static [&'static str],
}

const fn numbers(name: &'static str, least: u32, most: u32) -> Field {
    Field { name, least, most, words: &[] }
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// With seconds in front.
static FIELDS: [Field; 6] = [
    numbers("second", 0, 59),
    numbers("minute", 0, 59),
    numbers("hour", 0, 23),
    numbers("day of month", 1, 31),
    Field { name: "month", least: 1, most: 12, words: MONTHS },
    Field { name: "day of week", least: 0, most: 7, words: DAYS },
];

const WORDS: [(&str, &str); 6] = [
    ("@YEARLY", "0 0 1 1 *"),
    ("@ANNUALLY", "0 0 1 1 *"),
    ("@MONTHLY", "0 0 1 * *"),
    ("@WEEKLY", "0 0 * * 0"),
    ("@DAILY", "0 0 * * *"),
    ("@HOURLY", "0 * * * *"),
];

/// What five fields are.
const FIVE: &str =
    "give five fields (minute, hour, day of month, month, day of week), or six with seconds in front";

/// Whether an expression names times of the day: one with `*` in minute or hour says how often (as cron(8) tells them apart).
pub(crate) fn is_fixed(cron: &str) -> bool {
    let upper = cron.trim().to_uppercase();
    let text = WORDS.iter().find(|(word, _)| *word == upper).map_or(upper.as_str(), |(_, text)| text);
    let fields: Vec<&str> = text.split_whitespace().collect();
    let minute = usize::from(fields.len() > 5);
    let open = |field: &&str| field.split(',').any(|part| part.starts_with('*'));
    !fields.iter().skip(minute).take(2).any(open)
}

/// Refuses what the parser reads and nobody means: a year behind the fields that we know, items of a list that are empty, and an
/// expression without end. It is for new schedules: those that an earlier program took go on as they are.
///
/// # Errors
/// What is wrong, and what to write instead.
pub(crate) fn check(cron: &str) -> Result<(), String> {
    let upper = cron.trim().to_uppercase();
    let texts: Vec<&str> = upper.split_whitespace().collect();
    if cron.len() > MAX_CRON_BYTES || texts.len() > FIELDS.len() {
        return Err(explain(cron));
    }
    let gap = fields_of(&texts).find_map(|(field, text)| field.gap(text));
    gap.map_or(Ok(()), Err)
}

/// Each text with the field that it is for.
fn fields_of<'t>(texts: &'t [&'t str]) -> impl Iterator<Item = (&'static Field, &'t str)> {
    let first = usize::from(texts.len() < FIELDS.len());
    FIELDS[first..].iter().zip(texts.iter().copied())
}

/// What is wrong with an expression that cannot be read, and what to write instead.
pub(crate) fn explain(cron: &str) -> String {
    if cron.len() > MAX_CRON_BYTES {
        return format!(
            "it is {} bytes long, and {MAX_CRON_BYTES} are the most: make two schedules of it",
            cron.len()
        );
    }
    let upper = cron.trim().to_uppercase();
    if upper.is_empty() {
        return format!("it is empty: {FIVE}");
    }
    if upper.starts_with('@') {
        return "there is no such word: use @hourly, @daily, @weekly, @monthly or @yearly, or five fields"
            .to_owned();
    }
    let texts: Vec<&str> = upper.split_whitespace().collect();
    if texts[0].starts_with("TZ=") || texts[0].starts_with("CRON_TZ=") {
        // As it was written: names of zones have capitals.
        let written = cron.split_whitespace().next().unwrap_or_default();
        return format!(
            "the time zone has a field of its own: take `{written}` out, and say it as time_zone"
        );
    }
    if !(5..=FIELDS.len()).contains(&texts.len()) {
        return format!("it has {} fields: {FIVE}", texts.len());
    }
    let wrong = fields_of(&texts).find_map(|(field, text)| field.wrong(text));
    wrong.unwrap_or_else(|| format!("it cannot be read: {FIVE}"))
}

impl Field {
    /// What is wrong with the text of this field, if anything is.
    fn wrong(&self, text: &str) -> Option<String> {
        self.gap(text).or_else(|| text.split(',').find_map(|part| self.wrong_part(part)))
    }

    /// What is wrong with a list that has an empty item, if the text is one.
    fn gap(&self, text: &str) -> Option<String> {
        // In front of days of the week a plus says that the day of month must fit, too.
        let plus = if self.name == "day of week" { text.strip_prefix('+') } else { None };
        let empty = plus.unwrap_or(text).split(',').any(str::is_empty);
        empty.then(|| self.said(text, "an item of the list is empty: take a comma out"))
    }

    fn wrong_part(&self, part: &str) -> Option<String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step {
            if step.parse::<u32>().is_err() || step.trim_start_matches('0').is_empty() {
                return Some(self.said(part, "the step must be a number from 1"));
            }
            if range != "*" && !range.contains('-') {
                let whole = format!("a step needs a range: write {range}-{}/{step}", self.most);
                return Some(self.said(part, &whole));
            }
            if step.parse::<u32>().is_ok_and(|n| n > self.most) {
                return Some(self.said(part, &format!("the step must be at most {}", self.most)));
            }
        }
        match range.split_once('-') {
            _ if range == "*" => None,
            Some((from, to)) => {
                let wrong = self.wrong_number(part, from).or_else(|| self.wrong_number(part, to));
                wrong.or_else(|| {
                    let (a, b) = (self.number(from)?, self.number(to)?);
                    let instead =
                        format!("the range runs backwards: write {a}-{},{}-{b}", self.most, self.least);
                    (a > b).then(|| self.said(part, &instead))
                })
            }
            None => self.wrong_number(part, range),
        }
    }

    fn wrong_number(&self, part: &str, text: &str) -> Option<String> {
        // What croner alone reads: the last day, the nearest weekday, the second Friday.
        let days = matches!(self.name, "day of month" | "day of week");
        let bare = if days { text.trim_start_matches('+').trim_end_matches(['L', 'W']) } else { text };
        let (bare, nth) = match bare.split_once('#') {
            Some((day, nth)) if self.name == "day of week" => (day, Some(nth)),
            _ => (bare, None),
        };
        if nth.is_some_and(|n| !matches!(n, "1" | "2" | "3" | "4" | "5" | "")) {
            return Some(self.said(part, "behind # stands 1 to 5, or L for the last"));
        }
        if days && (bare.is_empty() || bare == "?") {
            return None;
        }
        match self.number(bare) {
            Some(n) if (self.least..=self.most).contains(&n) => None,
            _ => Some(self.said(part, &format!("use {} to {}{}", self.least, self.most, self.or_words()))),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let word = self.words.iter().position(|w| *w == text);
        word.and_then(|n| u32::try_from(n).ok()).map(|n| n + self.least).or_else(|| text.parse().ok())
    }

    fn or_words(&self) -> String {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => format!(", or {first} to {last}"),
            _ => String::new(),
        }
    }

    fn said(&self, part: &str, what: &str) -> String {
        format!("the {} `{}`: {what}", self.name, part.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use croner::Cron;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_by_field_with_what_to_write() {
        let endless = "x,".repeat(20_000);
        for (cron, said) in [
            ("", "it is empty: give five fields"),
            ("every day", "it has 2 fields: give five fields"),
            ("75 * * * *", "the minute `75`: use 0 to 59"),
            ("0 24 * * *", "the hour `24`: use 0 to 23"),
            ("0 0 0 * *", "the day of month `0`: use 1 to 31"),
            ("0 0 1 13 *", "the month `13`: use 1 to 12, or JAN to DEC"),
            ("0 0 1 * 8", "the day of week `8`: use 0 to 7, or SUN to SAT"),
            ("0 0 1 * noday", "the day of week `noday`: use 0 to 7"),
            ("x 0 1 * *", "the minute `x`: use 0 to 59"),
            ("5/10 * * * *", "the minute `5/10`: a step needs a range: write 5-59/10"),
            ("*/0 * * * *", "the minute `*/0`: the step must be a number from 1"),
            ("0 22-2 * * *", "the hour `22-2`: the range runs backwards: write 22-23,0-2"),
            ("99 0 0 * * *", "the second `99`: use 0 to 59"),
            ("0 0 * * 5#9", "the day of week `5#9`: behind # stands 1 to 5"),
            ("@sometimes", "there is no such word: use @hourly"),
            ("1 2 3 4 5 6 7 8", "it has 8 fields"),
            ("0 0 7 * * * x", "it has 7 fields: give five fields"),
            ("TZ=UTC 0 7 * * *", "the time zone has a field of its own: take `TZ=UTC` out"),
            (
                "cron_tz=Europe/Berlin 0 7 * * * *",
                "the time zone has a field of its own: take `cron_tz=Europe/Berlin`",
            ),
            (endless.as_str(), "it is 40000 bytes long, and 255 are the most"),
        ] {
            assert!(Cron::from_str(cron).is_err(), "{cron} can be read");
            let told = explain(cron);
            assert!(told.starts_with(said), "{cron}: {told}");
        }
    }

    #[test]
    fn what_can_be_read_and_nobody_means_is_refused_in_our_words() {
        let long = format!("{} * * * *", ["5"; 200].join(","));
        for (cron, said) in [
            ("5,,6 * * * *", "the minute `5,,6`: an item of the list is empty"),
            ("5, * * * *", "the minute `5,`: an item of the list is empty"),
            (",5 * * * *", "the minute `,5`: an item of the list is empty"),
            (", * * * *", "the minute `,`: an item of the list is empty"),
            ("0 0 * * mon,,fri", "the day of week `mon,,fri`: an item of the list is empty"),
            ("0 0 1 * +", "the day of week `+`: an item of the list is empty"),
            ("5, 0 0 * * *", "the second `5,`: an item of the list is empty"),
            ("0 0 7 * * * 2030", "it has 7 fields: give five fields"),
            (long.as_str(), "it is 407 bytes long, and 255 are the most"),
        ] {
            assert!(Cron::from_str(cron).is_ok(), "{cron} cannot be read");
            let told = check(cron).expect_err(cron);
            assert!(told.starts_with(said), "{cron}: {told}");
        }
        for fine in [
            "0 7 * * 1-5",
            "*/20 * * * * *",
            "0 0 L * *",
            "0 0 1,15 * +fri",
            "0 0 * * 5#L",
            "@daily",
            " 0 7 ? * MON ",
        ] {
            assert!(Cron::from_str(fine).is_ok() && check(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn fixed_times_are_told_from_intervals_by_minute_and_hour() {
        for fixed in [
            "30 2 * * *",
            "15,45 2 * * *",
            "0-30 1-3 * * *",
            "0-59/5 2 * * *",
            "*/5 30 2 * * *",
            "@daily",
            " @Weekly ",
        ] {
            assert!(is_fixed(fixed), "{fixed}");
        }
        for interval in [
            "* * * * *",
            "*/5 2 * * *",
            "0 * * * *",
            "0 */2 * * *",
            "0 0 * 1 1 *",
            "@hourly",
            "7,*/15 2 * * *",
        ] {
            assert!(!is_fixed(interval), "{interval}");
        }
    }
}
