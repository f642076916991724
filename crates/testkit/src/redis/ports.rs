//! Ports that servers keep over a restart, shared with every other test that runs on the machine.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that systems give to outgoing connections, so that one is still free after a restart. A Cluster
/// node takes the port 10,000 above its own as well.
const FIRST_PORT: u16 = 11_000;
const PORTS: u16 = 10_000;

/// A port of ours until this is dropped, also while nobody listens on it. `e2e/lib/server.py` goes by the same files.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) port: u16,
    /// Locked; where no such file can be made, the port is only looked at.
    _lock: Option<File>,
}

/// Takes a port that nobody listens on and nobody has reserved.
pub(super) fn reserve() -> Reserved {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests run in processes of their own, so each begins elsewhere.
    let begin = (std::process::id().wrapping_mul(7_919) % u32::from(PORTS)) as u16;
    for _ in 0..1_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST_PORT + (begin + step) % PORTS;
        let Some(reserved) = take(port) else { continue };
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(port) && free(port + 10_000) {
            return reserved;
        }
    }
    panic!("no port from {FIRST_PORT} on is free");
}

/// Locks the port's file; nothing where somebody else has.
fn take(port: u16) -> Option<Reserved> {
    let dir = directory();
    let made = std::fs::create_dir_all(&dir)
        .and_then(|()| File::options().create(true).append(true).open(dir.join(port.to_string())));
    let Ok(file) = made else { return Some(Reserved { port, _lock: None }) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Ok(()) | Err(TryLockError::Error(_)) => Some(Reserved { port, _lock: Some(file) }),
    }
}

/// One for each user of the machine, who could not write into each other's.
fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("posthaste-test-ports-{}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_nobody_elses_until_it_is_given_back() {
        let mine = reserve();
        assert!(take(mine.port).is_none(), "another test would have got it");
        assert!((0..50).map(|_| reserve()).all(|other| other.port != mine.port));
        let port = mine.port;
        drop(mine);
        assert!(take(port).is_some());
    }
}
