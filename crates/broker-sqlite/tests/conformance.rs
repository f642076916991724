//! The suite that every store passes, on SQLite: one test per case.

mod harness;

posthaste_broker_conformance::conformance_tests!(super::harness::Sqlite(std::env::temp_dir()));
