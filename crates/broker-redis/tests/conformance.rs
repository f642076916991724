//! The suite that every store passes, on a real Redis: one test, and one server, per case.

mod harness;

posthaste_broker_conformance::conformance_tests!(super::harness::Redis::server());
