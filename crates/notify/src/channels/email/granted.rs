//! How many connections a server grants: found out by its refusals, tried again upwards after a while.
//!
//! A refused connection says nothing about the message that wanted it. The message waits for one of those that stand.
//! Postfix slows down on such answers in the same way (`default_destination_concurrency_negative_feedback`).

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Refusal;

/// Longest wait until one more connection is tried.
const MAX_GROW: Duration = Duration::from_secs(300);
/// First and longest wait until a server is asked again that grants none.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// After this long without being asked, what a server said is forgotten.
const STALE: Duration = Duration::from_secs(30);

/// What is known about it.
#[derive(Debug)]
pub(super) struct Granted {
    /// What the settings allow.
    most: usize,
    /// What is used now: at least one, so that there is always one that asks.
    allowed: usize,
    /// How long until one more is tried after a refusal: the setting, doubled by each try that fails.
    base: Duration,
    grow: Duration,
    grow_at: Option<Instant>,
    /// Whether one more was tried and the server did not answer yet.
    trying: bool,
    none: Option<Drought>,
}

/// No other connection of ours stands, and the last one was one too many.
#[derive(Debug)]
struct Drought {
    since: Instant,
    pause: Duration,
    until: Instant,
    said: Refusal,
}

impl Granted {
    pub(super) fn new(most: usize, grow: Duration) -> Self {
        let most = most.max(1);
        Self { most, allowed: most, base: grow, grow, grow_at: None, trying: false, none: None }
    }

    /// How many may stand.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// Whether fewer may stand than the settings allow.
    pub(super) fn is_limited(&self) -> bool {
        self.allowed < self.most
    }

    /// Whether one more is tried now; then it is allowed.
    pub(super) fn grows(&mut self, now: Instant) -> bool {
        let due = self.is_limited() && self.grow_at.is_some_and(|at| now >= at);
        if due {
            self.allowed += 1;
            self.trying = true;
            self.grow_at = Some(now + self.grow);
        }
        due
    }

    /// A message went through, or was refused for what it is. A connection alone says little: some servers count them
    /// only once a message comes.
    pub(super) fn worked(&mut self) {
        self.none = None;
    }

    /// A connection was granted, and that many are in use with it.
    pub(super) fn connected(&mut self, in_use: usize) {
        if self.trying && in_use >= self.allowed {
            self.trying = false;
            self.grow = self.base;
        }
    }

    /// A connection was refused while `others` stood or were being made. Answers how many fewer are allowed.
    pub(super) fn refused(&mut self, others: usize, said: &Refusal, now: Instant) -> usize {
        if std::mem::take(&mut self.trying) {
            self.grow = (self.grow * 2).min(MAX_GROW);
        }
        self.grow_at = Some(now + self.grow);
        if others == 0 && said.is_crowded() {
            let (since, pause) = match &self.none {
                Some(none) if now < none.until + STALE => (none.since, (none.pause * 2).min(MAX_PAUSE)),
                _ => (now, FIRST_PAUSE),
            };
            self.none = Some(Drought { since, pause, until: now + pause, said: said.clone() });
        }
        let fewer = self.allowed.saturating_sub(others.max(1));
        self.allowed -= fewer;
        fewer
    }

    /// That many of the fewer are allowed after all.
    pub(super) fn keep(&mut self, places: usize) {
        self.allowed += places;
    }

    /// Not before this time is a server asked again that grants none.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.none.as_ref().map(|none| none.until)
    }

    /// Since when no connection is granted, and what was said last.
    pub(super) fn none(&self) -> Option<(Instant, &Refusal)> {
        self.none.as_ref().map(|none| (none.since, &none.said))
    }
}

#[cfg(test)]
mod tests {
    use super::super::classes::{Answer, Phase};
    use super::*;

    const GROW: Duration = Duration::from_secs(10);

    fn no() -> Refusal {
        Refusal::new(Phase::Hello, Answer::Reply { code: 421, enhanced: None }, "too many connections")
    }

    #[test]
    fn it_shrinks_to_what_stands_and_tries_one_more_after_a_while() {
        let now = Instant::now();
        let mut granted = Granted::new(10, GROW);
        // Ten at once: seven are refused, each while the others stand or are being made.
        for others in (3..10).rev() {
            assert_eq!(granted.refused(others, &no(), now), 1);
        }
        assert_eq!((granted.allowed(), granted.is_limited(), granted.none().is_none()), (3, true, true));
        assert!(!granted.grows(now + GROW / 2));
        assert!(granted.grows(now + GROW));
        assert_eq!(granted.allowed(), 4);
        assert!(!granted.grows(now + GROW), "one at a time");
        // Refused again: the next try is twice as far away.
        assert_eq!(granted.refused(3, &no(), now + GROW), 1);
        assert!(!granted.grows(now + GROW * 2));
        assert!(granted.grows(now + GROW * 3));
        // Granted: the wait is the first one again.
        granted.connected(4);
        assert!(granted.grows(now + GROW * 5));
        granted.connected(5);
        assert!(granted.grows(now + GROW * 6));
        assert_eq!(granted.allowed(), 6);
    }

    #[test]
    fn the_wait_upwards_is_bounded_and_so_is_their_number() {
        let mut now = Instant::now();
        let mut granted = Granted::new(2, GROW);
        assert_eq!(granted.refused(1, &no(), now), 1);
        for _ in 0..20 {
            now += MAX_GROW;
            assert!(granted.grows(now));
            assert_eq!(granted.refused(1, &no(), now), 1);
        }
        now += MAX_GROW;
        assert!(granted.grows(now));
        granted.connected(2);
        assert!(!granted.is_limited() && !granted.grows(now + MAX_GROW));
    }

    #[test]
    fn one_always_asks_and_less_and_less_often_while_none_is_granted() {
        let start = Instant::now();
        let mut granted = Granted::new(10, GROW);
        assert_eq!(granted.refused(0, &no(), start), 9);
        assert_eq!((granted.allowed(), granted.not_before()), (1, Some(start + FIRST_PAUSE)));
        let mut now = start;
        for _ in 0..20 {
            now += MAX_PAUSE;
            assert_eq!(granted.refused(0, &no(), now), 0);
        }
        assert_eq!(granted.not_before(), Some(now + MAX_PAUSE));
        assert_eq!(granted.none().expect("none is").0, start);
        granted.connected(1);
        assert!(granted.none().is_some());
        granted.worked();
        assert!(granted.none().is_none() && granted.not_before().is_none());
        // What was said long ago does not count as said ever since.
        granted.refused(0, &no(), now);
        now += MAX_PAUSE + STALE;
        granted.refused(0, &no(), now);
        assert_eq!(granted.none().expect("none is").0, now);
    }
}
