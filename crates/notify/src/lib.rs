//! Notifications: channels, providers, failure classes, sandbox
