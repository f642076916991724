//! Wrong stores around SQLite: each must fail its own case of the suite and pass every other.

mod harness;

posthaste_broker_conformance::wrong_store_tests!(harness::Sqlite);
