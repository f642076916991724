//! Builders, clocks, fault injection and real SMTP and HTTP sinks, for tests only
