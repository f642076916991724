//! The scripts that change tasks and lanes, each with the parts it is made of.

use std::fmt::Write as _;
use std::sync::LazyLock;

use posthaste_core::RecordKind;
use posthaste_core::limits::{
    BREAKER_BASE, BREAKER_CAP, BREAKER_THRESHOLD, BROUGHT_KEPT, DEFAULT_THROTTLE, IDEMPOTENCY_KEPT, LEASE,
    LOW_PRIORITY_TURN, MAX_ATTEMPTS_KEPT, MAX_LANES, MAX_NAMES, MAX_RESCUES, MAX_SCHEDULE_AHEAD,
    MAX_TENANT_LANES, MAX_TENANT_NAMES, MAX_TENANT_ROUTES, MAX_THROTTLE, MISCONFIGURED_PROBE, SERIES_KEPT,
    STORE_GAP, TICK_BATCH, WORKER_KEPT,
};

use crate::link::{Oom, Script};
use crate::recipients::RECIPIENTS;
use crate::record::presets;
use crate::records::kind_code;
use crate::store::SCHEMA;

/// Largest reply of a claim, in bytes of records; what is beyond it is handed out by the next.
const MAX_REPLY: usize = 1024 * 1024;

/// What the rules of `core` put as numbers, as Lua locals.
fn limits() -> String {
    let ms = [
        ("IDEMPOTENCY_KEPT", IDEMPOTENCY_KEPT),
        ("MAX_SCHEDULE_AHEAD", MAX_SCHEDULE_AHEAD),
        ("DEFAULT_THROTTLE", DEFAULT_THROTTLE),
        ("MAX_THROTTLE", MAX_THROTTLE),
        ("MISCONFIGURED_PROBE", MISCONFIGURED_PROBE),
        ("BREAKER_BASE", BREAKER_BASE),
        ("BREAKER_CAP", BREAKER_CAP),
        ("LEASE", LEASE),
        ("STORE_GAP", STORE_GAP),
        ("SERIES_KEPT", SERIES_KEPT),
        ("WORKER_KEPT", WORKER_KEPT),
    ];
    let numbers = [
        ("BREAKER_THRESHOLD", BREAKER_THRESHOLD as usize),
        ("LOW_PRIORITY_TURN", LOW_PRIORITY_TURN as usize),
        ("MAX_RESCUES", MAX_RESCUES as usize),
        ("MAX_ATTEMPTS_KEPT", MAX_ATTEMPTS_KEPT),
        ("MAX_QUEUES", MAX_NAMES),
        ("MAX_LANES", MAX_LANES),
        ("MAX_TENANT_NAMES", MAX_TENANT_NAMES),
        ("MAX_TENANT_LANES", MAX_TENANT_LANES),
        ("MAX_TENANT_ROUTES", MAX_TENANT_ROUTES),
        ("BROUGHT_DAYS", (BROUGHT_KEPT.as_secs() / 86_400) as usize),
        ("TICK_BATCH", TICK_BATCH),
        ("MAX_REPLY", MAX_REPLY),
        ("HELD_MESSAGE", usize::from(kind_code(RecordKind::SandboxMessage))),
    ];
    let mut lua = String::new();
    for (name, d) in ms {
        let _ = writeln!(lua, "local {name} = {}", d.as_millis());
    }
    for (name, n) in numbers {
        let _ = writeln!(lua, "local {name} = {n}");
    }
    let _ = writeln!(lua, "local SCHEMA = '{SCHEMA}'");
    let _ = writeln!(lua, "local POLICIES = {{}}");
    for (code, policy) in presets().iter() {
        let text = serde_json::to_string(policy).expect("plain data always serializes");
        let _ = writeln!(lua, "POLICIES[{code}] = [==[{text}]==]");
    }
    lua
}

/// The scripts of one store.
pub(crate) struct Scripts {
    pub(crate) init: Script,
    pub(crate) intern: Script,
    pub(crate) brought: Script,
    pub(crate) enqueue: Script,
    pub(crate) reserve: Script,
    pub(crate) complete: Script,
    pub(crate) work: Script,
    pub(crate) lease: Script,
    pub(crate) people: Script,
    pub(crate) import: Script,
    pub(crate) tick: Script,
    pub(crate) steer: Script,
    pub(crate) share: Script,
}

/// Made once a process.
pub(crate) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(Scripts::new);

impl Scripts {
    fn new() -> Self {
        let limits = limits();
        let prelude = include_str!("lua/prelude.lua");
        let books = include_str!("lua/books.lua");
        let record = include_str!("lua/record.lua");
        let recipients = RECIPIENTS.as_str();
        let lanes = include_str!("lua/lanes.lua");
        let ending = include_str!("lua/ending.lua");
        let forget = include_str!("lua/forget.lua");
        let claim = include_str!("lua/claim.lua");
        let names = include_str!("lua/names.lua");
        let with = |name, oom, parts: &[&str]| {
            let mut all = vec![limits.as_str(), prelude];
            all.extend_from_slice(parts);
            Script::with(name, oom, &all)
        };
        Self {
            init: Script::with("init", Oom::Refuse, &[include_str!("lua/init.lua")]),
            intern: with("intern", Oom::Refuse, &[names, include_str!("lua/intern.lua")]),
            brought: with("brought", Oom::Refuse, &[include_str!("lua/brought.lua")]),
            enqueue: with(
                "enqueue",
                Oom::Refuse,
                &[books, record, recipients, include_str!("lua/enqueue.lua")],
            ),
            reserve: with("reserve", Oom::Refuse, &[include_str!("lua/reserve.lua")]),
            // All is stored by then: saying otherwise would have it stored again.
            complete: with("complete", Oom::Allow, &[include_str!("lua/reserve.lua")]),
            work: with(
                "work",
                Oom::Allow,
                &[books, record, lanes, ending, claim, include_str!("lua/work.lua")],
            ),
            lease: with("lease", Oom::Allow, &[books, record, lanes, ending, include_str!("lua/lease.lua")]),
            people: with(
                "people",
                Oom::Allow,
                &[books, record, recipients, lanes, ending, forget, include_str!("lua/people.lua")],
            ),
            import: with(
                "import",
                Oom::Refuse,
                &[books, record, recipients, lanes, names, include_str!("lua/import.lua")],
            ),
            tick: with(
                "tick",
                Oom::Allow,
                &[books, record, recipients, lanes, ending, forget, claim, include_str!("lua/tick.lua")],
            ),
            share: with("share", Oom::Allow, &[books, lanes, include_str!("lua/share.lua")]),
            steer: with("steer", Oom::Allow, &[books, lanes, names, include_str!("lua/steer.lua")]),
        }
    }
}
