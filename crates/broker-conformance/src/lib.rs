//! The suite that every store passes, and the wrong brokers that it must catch
