//! Durable background tasks for Rust: define a kind, enqueue, work, await the result
