//! The channels by which a notification is delivered.
