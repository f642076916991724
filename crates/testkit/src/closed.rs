//! A port on which nobody listens, and on which nobody can begin to.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// A loopback port that refuses every connection as long as this lives.
///
/// A port that was bound and let go again may be given to somebody else at once: to a test that runs beside this one, or to
/// any connection that leaves the machine. Here a connection holds it as its own end, and such an end takes no connections.
#[derive(Debug)]
pub struct ClosedPort {
    near: TcpStream,
    _far: TcpStream,
}

impl ClosedPort {
    /// Takes one.
    ///
    /// # Panics
    /// When the loopback address has no free port.
    pub fn take() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let near = TcpStream::connect(listener.local_addr().expect("a bound socket has an address"))
            .expect("somebody listens there");
        let (far, _) = listener.accept().expect("somebody has connected");
        Self { near, _far: far }
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: a connected socket has an address.
    pub fn addr(&self) -> SocketAddr {
        self.near.local_addr().expect("a connected socket has an address")
    }

    /// Its number.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The URL of a server that is not there.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_in_and_nobody_gets_it() {
        let closed = ClosedPort::take();
        for _ in 0..3 {
            let refused = TcpStream::connect(closed.addr()).expect_err("nobody listens");
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        TcpListener::bind(closed.addr()).expect_err("it is taken");
    }
}
