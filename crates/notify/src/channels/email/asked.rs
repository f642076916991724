//! The time that the text of an answer asks for.

use std::time::Duration;

/// Longest pause that a text can ask for: it is prose, not a protocol.
const MAX_ASKED: Duration = Duration::from_secs(3600);

/// The time that a text names in a form that means it: `try again in 5 minutes`, `retry after 60`, `wait 90 seconds`,
/// `come back in 00:05:00`, `greylisted for 300 seconds`. Numbers anywhere else, in a URL, a limit or a count, say nothing.
/// From a second to an hour.
pub fn asked_pause(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let trimmed = |w| str::trim_matches(w, |c: char| c.is_ascii_punctuation());
    let words: Vec<&str> = text.split_whitespace().map(trimmed).filter(|w| !w.is_empty()).collect();
    let seconds = (0..words.len()).find_map(|at| time_of(&words[at..]))?;
    Some(Duration::from_secs(seconds.max(1)).min(MAX_ASKED))
}

/// Seconds that `words` ask for, if they begin with a form that asks.
fn time_of(words: &[&str]) -> Option<u64> {
    let (first, rest) = words.split_first()?;
    match *first {
        "try" | "retry" | "retrying" | "resend" => {
            let rest = skip(rest, &["again", "later", "sending", "delivery", "this", "your", "message"]);
            number(after_preposition(rest)?, *first == "retry")
        }
        "come" => number(after_preposition(skip(rest.strip_prefix(&["back"])?, &["again", "later"]))?, false),
        "wait" => number(skip(rest, &["for", "another", "about", "at", "least"]), false),
        "greylisted" | "graylisted" | "greylisting" => number(rest.strip_prefix(&["for"])?, false),
        "retry-after" => number(rest, true),
        _ => None,
    }
}

fn skip<'a, 'b>(words: &'a [&'b str], known: &[&str]) -> &'a [&'b str] {
    let n = words.iter().take_while(|w| known.contains(w)).count();
    &words[n..]
}

fn after_preposition<'a, 'b>(words: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let (first, rest) = words.split_first()?;
    matches!(*first, "in" | "after").then(|| skip(rest, &["about", "approximately", "at", "least"]))
}

/// A number with its unit, glued or not, or hours, minutes and seconds. `bare` takes a number alone for seconds.
fn number(words: &[&str], bare: bool) -> Option<u64> {
    let first = words.first()?;
    if let [h, m, s] = first.split(':').collect::<Vec<_>>()[..] {
        let part = |p: &str| p.parse::<u64>().ok().filter(|n| *n < 60);
        return Some(part(h)? * 3600 + part(m)? * 60 + part(s)?);
    }
    let digits = first.bytes().take_while(u8::is_ascii_digit).count();
    let (number, glued) = first.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = if glued.is_empty() { words.get(1).copied().unwrap_or_default() } else { glued };
    let seconds = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        _ if bare && glued.is_empty() => 1,
        _ => return None,
    };
    Some(number.saturating_mul(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_out_of_forms_that_mean_it() {
        let s = |n| Some(Duration::from_secs(n));
        for (text, pause) in [
            ("4.7.1 Greylisted, please try again in 300 seconds", s(300)),
            ("4.7.0 Try again in 5 minutes.", s(300)),
            ("4.7.1 <a@example.com>: Recipient address rejected: please try again later in 2 min", s(120)),
            ("retry after 90s", s(90)),
            ("Retry-After: 120", s(120)),
            ("retry after 45", s(45)),
            ("retry in about 3 minutes, thank you", s(180)),
            ("try again in 2 hours", s(3600)),
            ("please wait 1 minute", s(60)),
            ("Please wait for at least 90 seconds (greylisting)", s(90)),
            ("Greylisting in action, please come back in 00:14:59", s(899)),
            ("Greylisted for 5 minutes", s(300)),
            ("limit of 100 messages in 60 minutes reached, try again after 10 minutes", s(600)),
            ("try again in 0 seconds", s(1)),
        ] {
            assert_eq!(asked_pause(text), pause, "{text}");
        }
    }

    #[test]
    fn any_other_number_says_nothing() {
        for text in [
            "See https://example.com/in/90/minutes",
            "see https://example.com/?wait=90seconds",
            "in/90/minutes",
            "in 90 minutes",
            "after 3 hours in the queue",
            "You have sent 500 messages in 60 minutes",
            "limit: 100 messages in 1 hour",
            "try again in 99999999999999999999 seconds",
            "try again in 90",
            "try again later",
            "try again in 3 days",
            "try in/90/minutes",
            "delivery in progress",
            "try again in",
            "wait",
            "come back in 99:99:99",
            "",
        ] {
            assert_eq!(asked_pause(text), None, "{text}");
        }
    }
}
