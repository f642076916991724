//! Leases: mark, extend, cancel flags, release.

use std::time::Duration;

use posthaste_core::LeaseRef;
use posthaste_core::broker::{Extend, Extended, Fenced, ReleaseReason};
use posthaste_core::limits::MAX_DETACHED_LEASE;

use super::{Done, Tx};
use crate::row::run_flag;

impl Tx<'_> {
    pub(crate) fn mark(&mut self, leases: &[LeaseRef]) -> Done<Vec<Fenced>> {
        let mut out = Vec::with_capacity(leases.len());
        for lease in leases {
            out.push(match self.fenced(lease)? {
                Some(seq) => {
                    // What is marked has started, whatever was told before.
                    self.set_run_flag(seq, run_flag::STARTED)?;
                    self.set_run_flag(seq, run_flag::MARKED)?;
                    Fenced::Granted
                }
                None => Fenced::LeaseLost,
            });
        }
        Ok(out)
    }

    pub(crate) fn extend(&mut self, leases: &[Extend], lease: Duration) -> Done<Vec<Extended>> {
        let lease = lease.min(MAX_DETACHED_LEASE);
        let mut out = Vec::with_capacity(leases.len());
        for e in leases {
            let Some(seq) = self.fenced(&e.lease)? else {
                out.push(Extended { lease: Fenced::LeaseLost, cancel_requested: false });
                continue;
            };
            if e.started {
                self.set_run_flag(seq, run_flag::STARTED)?;
            }
            let mono = self.mono;
            let mut cancel_requested = false;
            if e.detached {
                self.set_run_flag(seq, run_flag::DETACHED)?;
                self.db
                    .prepare_cached("UPDATE run SET until = ?2 WHERE seq = ?1")?
                    .execute((seq, self.now.plus(lease).as_millis()))?;
            }
            if let Some(run) = self.mem.runs.get_mut(&seq) {
                // The worker's own round may come a moment later: it must not cut short what the worker let go of.
                if e.detached || !run.has(run_flag::DETACHED) {
                    run.deadline = mono.saturating_add(lease);
                    run.extended = mono;
                }
                cancel_requested = run.has(run_flag::CANCEL);
            }
            out.push(Extended { lease: Fenced::Granted, cancel_requested });
        }
        Ok(out)
    }

    pub(crate) fn cancel_flags(&mut self, leases: &[LeaseRef]) -> Done<Vec<bool>> {
        let mut out = Vec::with_capacity(leases.len());
        for lease in leases {
            let seq = self.fenced(lease)?;
            out.push(seq.and_then(|s| self.mem.runs.get(&s)).is_none_or(|r| r.has(run_flag::CANCEL)));
        }
        Ok(out)
    }

    pub(crate) fn release(&mut self, leases: &[LeaseRef], reason: ReleaseReason) -> Done<Vec<Fenced>> {
        let mut out = vec![Fenced::LeaseLost; leases.len()];
        let delay = match reason {
            ReleaseReason::Shutdown => None,
            ReleaseReason::UnknownKind { delay } => Some(delay),
        };
        // Backwards, so that the first of them is the foremost again.
        for (i, lease) in leases.iter().enumerate().rev() {
            if let Some(seq) = self.fenced(lease)? {
                self.give_back(seq, delay)?;
                out[i] = Fenced::Granted;
            }
        }
        Ok(out)
    }
}
