//! Which lanes are ours, and which belong to callers and tenants.
//!
//! A lane of ours is `<channel>:<target>` or `http:<host>`: its name says what it leads to, so only we give it out. A lane that
//! a caller names like one of ours is kept behind `x:`. What one tenant alone leads to — its own lanes, and hosts that it chose —
//! has the tenant in the name of the *target*: a pause and a breaker hold for a target, and must not hold for a neighbour.
//!
//! | who names it | stored as | shown and accepted as |
//! | --- | --- | --- |
//! | we, a provider or endpoint | `email:default/acme` | the same |
//! | we, a host, for a tenant | `http:@acme:example.com/acme` | `http:example.com/acme` |
//! | a caller | `deploys` | the same |
//! | a caller, like one of ours | `x:email:default` | the same |
//! | a tenant's caller | `x:@acme:deploys/acme` | `x:deploys/acme` |

use posthaste_core::limits::MAX_NAME_BYTES;
use posthaste_core::{LaneKey, Name, Tenant};

use crate::ChannelKind;
use crate::digest::sha256_hex;

/// The space of callers.
const CALLERS: &str = "x";
/// Longest tenant that stands in a target's name as it is.
const MAX_PLAIN: usize = 24;
/// Digits of a hash that stand for a longer name.
const HASH: usize = 24;

/// The prefix of a target that only we give out, and what is behind it.
fn ours(target: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = target.split_once(':')?;
    let known = matches!(prefix, CALLERS | crate::http_task::KIND) || prefix.parse::<ChannelKind>().is_ok();
    known.then_some((prefix, rest))
}

/// Whether what a target of ours leads to was chosen by whoever made the task: a lane of a caller's, a host, a push service.
fn chosen(prefix: &str, rest: &str) -> bool {
    match prefix {
        CALLERS | crate::http_task::KIND => true,
        "webhook" => rest.starts_with('@'),
        // Of the push services that are known no tenant is the master.
        "web_push" => rest.rsplit_once('@').is_some_and(|(_, service)| service.starts_with("other-")),
        _ => false,
    }
}

/// A name of at most [`MAX_NAME_BYTES`]; of a longer one the end becomes a hash.
fn name(text: &str) -> Name {
    let fitting = if text.len() > MAX_NAME_BYTES {
        let hash = &sha256_hex(text.as_bytes())[..HASH];
        format!("{}:{hash}", &text[..MAX_NAME_BYTES - HASH - 1])
    } else {
        text.to_owned()
    };
    Name::new(fitting).expect("made of names and colons")
}

/// How a tenant stands in a target's name: as it is, or as a hash where it is long or holds what separates.
fn tag(tenant: &str) -> String {
    if tenant.len() <= MAX_PLAIN && !tenant.contains([':', '@']) {
        return format!("@{tenant}:");
    }
    format!("@@{}:", &sha256_hex(tenant.as_bytes())[..HASH])
}

fn apart(prefix: &str, rest: &str, tenant: &Name) -> LaneKey {
    LaneKey {
        target: name(&format!("{prefix}:{}{rest}", tag(tenant.as_str()))),
        tenant: Some(tenant.clone()),
    }
}

/// The lane that a caller names: as it is, unless it is named like one of ours.
pub fn of_caller(named: LaneKey) -> LaneKey {
    let target = named.target.as_str();
    match (ours(target), &named.tenant) {
        (None, _) => named,
        (Some(_), None) => LaneKey::target(name(&format!("{CALLERS}:{target}"))),
        (Some(_), Some(tenant)) => apart(CALLERS, target, tenant),
    }
}

/// The share that a tenant has of a lane of ours, or the tenant's own lane in the place of one that its caller named
/// (by [`of_caller`]).
pub fn under(lane: LaneKey, tenant: &Tenant) -> LaneKey {
    // A tenant's name is a name, so it is one as a lane's, too.
    let Ok(share) = Name::new(tenant.as_str()) else { return lane };
    let target = lane.target.as_str();
    match ours(target) {
        None => apart(CALLERS, target, &share),
        Some((prefix, rest)) if is_apart(prefix, rest, &share) => lane,
        Some((prefix, rest)) if chosen(prefix, rest) => apart(prefix, rest, &share),
        Some(_) => LaneKey { tenant: Some(share), ..lane },
    }
}

/// Whether a lane is one of ours that tasks of a tenant share, rather than one that a caller named.
pub fn is_ours(lane: &LaneKey) -> bool {
    ours(lane.target.as_str()).is_some_and(|(prefix, _)| prefix != CALLERS)
}

/// Whether what a lane leads to is its tenant's alone: a host that the tenant chose, or the provider that has its name. A pause
/// of it holds nobody else up.
pub(crate) fn is_one_tenants(lane: &LaneKey) -> bool {
    let Some(tenant) = &lane.tenant else { return false };
    ours(lane.target.as_str())
        .is_some_and(|(prefix, rest)| is_apart(prefix, rest, tenant) || rest == tenant.as_str())
}

fn is_apart(prefix: &str, rest: &str, tenant: &Name) -> bool {
    rest.strip_prefix(&tag(tenant.as_str())).is_some_and(|rest| prefix != "webhook" || rest.starts_with('@'))
}

/// The lane that a person means, of a name that was [`shown`]. What holds for one tenant's lane alone holds for its target:
/// pauses by outcomes stand there.
pub fn meant(named: LaneKey) -> LaneKey {
    let Some(tenant) = &named.tenant else { return named };
    let Some((prefix, rest)) = ours(named.target.as_str()) else { return named };
    if is_apart(prefix, rest, tenant) {
        return LaneKey::target(named.target);
    }
    if chosen(prefix, rest) { LaneKey::target(apart(prefix, rest, tenant).target) } else { named }
}

/// A lane as people see it: without the tenant in its target's name, which stands behind it anyway.
pub fn shown(stored: LaneKey) -> LaneKey {
    let Some(tenant) = &stored.tenant else { return stored };
    let Some((prefix, rest)) = ours(stored.target.as_str()) else { return stored };
    if !is_apart(prefix, rest, tenant) {
        return stored;
    }
    let bare = &rest[tag(tenant.as_str()).len()..];
    LaneKey { target: name(&format!("{prefix}:{bare}")), tenant: Some(tenant.clone()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> LaneKey {
        text.parse().unwrap()
    }

    fn tenant(text: &str) -> Tenant {
        Tenant::new(text).unwrap()
    }

    #[test]
    fn every_channel_has_lanes_that_no_caller_names() {
        for channel in ChannelKind::ALL {
            let named = key(&format!("{channel}:default"));
            assert_ne!(of_caller(named.clone()).target, named.target);
            assert_eq!(of_caller(named.clone()).to_string(), format!("x:{channel}:default"));
            let own = under(of_caller(named.clone()), &tenant("acme"));
            assert_eq!(own.to_string(), format!("x:@acme:{channel}:default/acme"));
        }
        for named in ["http:example.com:443", "x:deploys", "x:@acme:deploys", "webhook:@example.com", "x:x:a"]
        {
            assert_eq!(of_caller(key(named)).to_string(), format!("x:{named}"));
        }
        for own in ["deploys", "customer:42", "pdf/acme", "smtp:main/acme"] {
            assert_eq!(of_caller(key(own)).to_string(), own);
        }
    }

    #[test]
    fn what_a_tenant_chose_is_a_target_of_its_own() {
        let acme = tenant("acme");
        for (lane, stored, seen) in [
            ("email:default", "email:default/acme", "email:default/acme"),
            ("slack:ops", "slack:ops/acme", "slack:ops/acme"),
            ("webhook:shop", "webhook:shop/acme", "webhook:shop/acme"),
            ("webhook:@example.com", "webhook:@acme:@example.com/acme", "webhook:@example.com/acme"),
            ("webhook:@acme:8443", "webhook:@acme:@acme:8443/acme", "webhook:@acme:8443/acme"),
            ("http:example.com:8443", "http:@acme:example.com:8443/acme", "http:example.com:8443/acme"),
            ("web_push:default", "web_push:default/acme", "web_push:default/acme"),
            ("web_push:a@push.apple.com", "web_push:a@push.apple.com/acme", "web_push:a@push.apple.com/acme"),
            ("web_push:a@other-3f", "web_push:@acme:a@other-3f/acme", "web_push:a@other-3f/acme"),
            ("deploys", "x:@acme:deploys/acme", "x:deploys/acme"),
            ("x:email:default", "x:@acme:email:default/acme", "x:email:default/acme"),
        ] {
            let own = under(key(lane), &acme);
            assert_eq!(own.to_string(), stored);
            assert_eq!(under(own.clone(), &acme), own, "once");
            assert_eq!(shown(own.clone()).to_string(), seen);
            assert_eq!(meant(key(seen)).target, own.target);
            assert_eq!(meant(own.clone()).target, own.target);
        }
        // Settings of a provider's lane are of that tenant's share alone; those of a target of one tenant are the target's.
        assert_eq!(meant(key("email:default/acme")).to_string(), "email:default/acme");
        assert_eq!(meant(key("x:deploys/acme")).to_string(), "x:@acme:deploys");
        assert_eq!(meant(key("deploys/acme")).to_string(), "deploys/acme");
        assert_eq!(meant(key("email:default")).to_string(), "email:default");
    }

    proptest! {
        #[test]
        fn no_two_tenants_and_no_caller_share_a_target(
            a in "[a-z0-9@:._-]{1,40}", b in "[a-z0-9@:._-]{1,40}",
            one in "(x:|http:|email:)?(@[a-z:]{0,6})?[a-z0-9@:._-]{1,100}", other in "(x:|http:|email:)?[a-z0-9@:._-]{1,100}",
        ) {
            let (one, other) = (of_caller(key(&one)), of_caller(key(&other)));
            let (at, bt) = (under(one.clone(), &tenant(&a)), under(other.clone(), &tenant(&b)));
            prop_assert!(at.target != one.target && at.target != other.target);
            prop_assert!(a == b || at.target != bt.target, "{} {}", at, bt);
            if a == b && one.target.as_str().len() < 90 && other.target.as_str().len() < 90 {
                // Behind `x:` or bare, a caller's name is one name.
                let bare = |l: &LaneKey| l.target.as_str().strip_prefix("x:").unwrap_or(l.target.as_str()).to_owned();
                prop_assert_eq!(at.target == bt.target, bare(&one) == bare(&other));
            }
        }
    }
}
