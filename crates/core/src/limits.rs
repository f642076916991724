//! Every maximum of the product, named. A loop, batch, payload or list without a number here is a defect.

use std::time::Duration;

/// Largest payload of a task, in bytes of JSON text.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// Largest result that is kept, in bytes of JSON text; a longer one is refused as a permanent failure.
pub const MAX_RESULT_BYTES: usize = 256 * 1024;
/// Deepest nesting of a payload: what a request may hold. It is nested further in a page of tasks.
pub const MAX_PAYLOAD_DEPTH: usize = 100;
/// Deepest nesting of a result. It is nested further in what tells of it (a page of tasks, a callback), and many readers
/// of JSON stop at 128 levels, ours among them.
pub const MAX_RESULT_DEPTH: usize = 64;
/// Longest error message kept per attempt, in bytes; longer ones are cut at a character boundary.
pub const MAX_ERROR_BYTES: usize = 2 * 1024;
/// Largest JSON body of a record (template, schedule, held message …), in bytes.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Most tasks in one enqueue.
pub const MAX_ENQUEUE: usize = 1_024;
/// Most tasks that a caller of the API sends together: fewer than one enqueue takes, so that what goes with a batch (its
/// callback) fits beside them.
pub const MAX_BATCH: usize = 1_000;
/// Largest batch, in bytes: its body when it comes, and all its payloads as they are stored. A hundred messages with the HTML
/// that people send.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Tasks of one recipient that a shard of a distributed store finds at once, the newest ones; older ones are looked for.
pub const RECIPIENT_INDEXED: usize = 1_000;
/// Most tasks that one claim hands out.
pub const MAX_CLAIM: usize = 1_000;
/// Most outcomes in one settle, and leases in one mark, extend or release.
pub const MAX_SETTLE: usize = 1_000;
/// Most task headers that one list call looks at.
pub const MAX_LIST_SCAN: usize = 500;
/// Largest page of a list.
pub const MAX_PAGE: usize = 200;
/// A page of a list whose items hold texts of callers ends once it is as large as this, in bytes of bodies; the next goes on.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// Page size when the caller names none.
pub const DEFAULT_PAGE: usize = 50;
/// A list call stops after this long and says how far it came.
pub const LIST_TIME: Duration = Duration::from_millis(10);
/// Tasks that one tick moves per step (due, rescue, expire, prune) before it yields.
pub const TICK_BATCH: usize = 2_000;
/// Attempts that the log of one task keeps; the oldest go first.
pub const MAX_ATTEMPTS_KEPT: usize = 50;
/// Longest unique key and idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// Longest name of a kind, queue, tenant or lane target, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Most distinct queues and kinds that a store interns, apart from those that tenants alone use.
pub const MAX_NAMES: usize = 10_000;
/// Most distinct queues and kinds that the tasks of one tenant name within [`BROUGHT_KEPT`], beside what the installation may
/// have, and those that are there without anybody's doing ([`Kind::is_built_in`](crate::Kind::is_built_in), the queue
/// `default`).
pub const MAX_TENANT_NAMES: usize = 1_000;
/// Most distinct lanes that the tasks of one tenant name within [`BROUGHT_KEPT`].
pub const MAX_TENANT_LANES: usize = 10_000;
/// Most distinct combinations of queue, kind and lane that the tasks of one tenant name within [`BROUGHT_KEPT`], where each
/// takes room for good.
pub const MAX_TENANT_ROUTES: usize = 20_000;
/// How long a name that a tenant brought counts after its last use, in whole days.
pub const BROUGHT_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most lanes that hold a setting, a pause or waiting work.
pub const MAX_LANES: usize = 1_000_000;
/// Lanes shown by one call.
pub const MAX_LANES_LISTED: usize = 500;
/// How long a lease lasts unless extended.
pub const LEASE: Duration = Duration::from_secs(15);
/// Most items in one call of an export or import.
pub const MAX_PORTABLE: usize = 500;
/// An export ends its part once it is as large as this, in bytes of bodies.
pub const MAX_EXPORT_BYTES: usize = 2 * 1024 * 1024;
/// Longest lease that an extend gives: that of a task which its worker let go of and somebody else will settle.
pub const MAX_DETACHED_LEASE: Duration = Duration::from_secs(15 * 60);
/// How often a worker extends its leases.
pub const EXTEND_EVERY: Duration = Duration::from_secs(5);
/// How often a worker asks for cancel flags.
pub const CANCEL_POLL: Duration = Duration::from_secs(1);
/// Longest sleep between two ticks.
pub const TICK_EVERY: Duration = Duration::from_secs(1);
/// A silence of the store longer than this holds rescue back for one full lease.
pub const STORE_GAP: Duration = Duration::from_secs(2);
/// Rescues of a started attempt whose worker was gone, after which the task fails as `worker_lost`.
pub const MAX_RESCUES: u32 = 3;
/// How long an idempotency key is remembered from its first use.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Longest period for which a unique key may be held.
pub const MAX_UNIQUE_HOLD: Duration = Duration::from_secs(24 * 3600);
/// Furthest a task may be scheduled ahead.
pub const MAX_SCHEDULE_AHEAD: Duration = Duration::from_secs(366 * 24 * 3600);
/// Failures tolerated before a task fails, at most.
pub const MAX_MAX_FAILURES: u32 = 100;
/// Longest single backoff delay.
pub const MAX_BACKOFF: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest time for which a handler puts its task off; a longer one is cut to it.
pub const MAX_SNOOZE: Duration = Duration::from_secs(24 * 3600);
/// Longest attempt timeout.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Most delays in a listed backoff schedule.
pub const MAX_BACKOFF_STEPS: usize = 32;
/// Consecutive `unavailable` outcomes that open a target's breaker.
pub const BREAKER_THRESHOLD: u32 = 5;
/// First time a breaker stays open; it doubles up to [`BREAKER_CAP`].
pub const BREAKER_BASE: Duration = Duration::from_secs(5);
/// Longest time a breaker stays open between probes.
pub const BREAKER_CAP: Duration = Duration::from_secs(300);
/// How often a misconfigured target is probed.
pub const MISCONFIGURED_PROBE: Duration = Duration::from_secs(300);
/// Pause of a throttled target that names no time of its own.
pub const DEFAULT_THROTTLE: Duration = Duration::from_secs(60);
/// Longest pause that a provider's `Retry-After` may cause.
pub const MAX_THROTTLE: Duration = Duration::from_secs(24 * 3600);
/// Longest pause with an end.
pub const MAX_PAUSE: Duration = Duration::from_secs(366 * 24 * 3600);
/// Every n-th turn of the ready ring serves the lowest priority that is not empty.
pub const LOW_PRIORITY_TURN: u32 = 8;
/// How long a worker's registration is shown after its last heartbeat.
pub const WORKER_KEPT: Duration = Duration::from_secs(60);
/// First delay of a task whose kind no handler knows; it doubles by attempt up to [`UNKNOWN_KIND_CAP`].
pub const UNKNOWN_KIND_BASE: Duration = Duration::from_secs(5);
/// Longest delay of a task whose kind no handler knows.
pub const UNKNOWN_KIND_CAP: Duration = Duration::from_secs(300);
/// Longest cron expression of a schedule, in bytes.
pub const MAX_CRON_BYTES: usize = 255;
/// Most schedules that one store runs.
pub const MAX_SCHEDULES: usize = 1_000;
/// Most missed ticks of one schedule that are made up for, the latest ones.
pub const MAX_MISSED_TICKS: usize = 100;
/// A tick of a schedule that is noticed later than this was missed.
pub const SCHEDULE_ON_TIME: Duration = Duration::from_secs(60);
/// Longest sleep between two looks at the schedules.
pub const SCHEDULE_EVERY: Duration = Duration::from_secs(5);
/// Width of a series bucket.
pub const SERIES_STEP: Duration = Duration::from_secs(60);
/// How long series are kept.
pub const SERIES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most points that one series call returns.
pub const MAX_SERIES_POINTS: usize = 10_000;

/// How long and how many finished tasks are kept; whichever bound is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age bound of succeeded, cancelled and expired tasks.
    pub succeeded_age: Duration,
    /// Count bound of succeeded, cancelled and expired tasks.
    pub succeeded_count: u64,
    /// Age bound of failed tasks.
    pub failed_age: Duration,
    /// Count bound of failed tasks.
    pub failed_count: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            succeeded_age: Duration::from_secs(24 * 3600),
            succeeded_count: 1_000_000,
            failed_age: Duration::from_secs(14 * 24 * 3600),
            failed_count: 100_000,
        }
    }
}

/// What a tenant is answered that uses more names than it may: `beyond` are the tasks that name one more, in order, and for each
/// `kind`, `queue`, `lane` or `route`. A route is the combination of the three, of which the lane is blamed. It tells of the
/// first, and of all that are beyond the same bound.
///
/// # Errors
/// [`BrokerError::Invalid`](crate::BrokerError::Invalid), unless there are none.
pub fn check_brought(beyond: &[(usize, &'static str)]) -> Result<(), crate::BrokerError> {
    let Some(&(index, first)) = beyond.first() else { return Ok(()) };
    let (field, most, what) = match first {
        "lane" => ("lane", MAX_TENANT_LANES, "lanes"),
        "route" => ("lane", MAX_TENANT_ROUTES, "combinations of queue, kind and lane"),
        field => (field, MAX_TENANT_NAMES, "kinds and queues"),
    };
    let problem =
        format!("a tenant uses at most {most} {what} in 7 days, and this would be one more; use fewer");
    let each = beyond.iter().filter(|(_, what)| *what == first).map(|(at, _)| *at).collect();
    Err(crate::BrokerError::Invalid { index, field, problem, each })
}
