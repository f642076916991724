//! A server in protected mode, as machines other than its own see it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

/// Starts one on a free loopback port and returns its URL. It lives as long as the test process.
///
/// Redis itself lets everybody from its own machine in, so this says what it says to others, and hangs up.
///
/// # Panics
/// When there is no free port.
pub fn protected_redis() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let _server_handle = std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody connects");
            let _asked = stream.read(&mut [0; 512]);
            let _gone = stream.write_all(
                b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
                  set for the default user.\r\n",
            );
        }
    });
    format!("redis://127.0.0.1:{port}")
}
