//! A way to Redis that is as long as one wants, and that counts the commands which go along.
//!
//! It runs on threads of its own and sleeps there: the runtime's timer is no finer than a
//! millisecond, which is all that is to be waited for.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Commands by name.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// Passes everything on to a server. New connections are refused once it is dropped; open ones end
/// with either of their ends.
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) addr: SocketAddr,
    closed: Arc<AtomicBool>,
    counts: Counts,
}

impl Proxy {
    /// To `server`, `delay` in either direction.
    pub(super) fn start(server: SocketAddr, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let (closed, counts) = (Arc::new(AtomicBool::new(false)), Counts::default());
        let (ends, counted) = (Arc::clone(&closed), Arc::clone(&counts));
        let _acceptor = thread::Builder::new().name("proxy".into()).spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is gone ends the connection, which tells the client as much.
                let _gone = connect(client, server, delay, &counted);
            }
        })?;
        Ok(Self { addr, closed, counts })
    }

    /// Commands that clients have sent so far, by name; not those that ran inside scripts.
    pub(super) fn commands(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then ends.
        let _ = TcpStream::connect(self.addr);
    }
}

fn connect(client: TcpStream, server: SocketAddr, delay: Duration, counts: &Counts) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let counter = Counter { counts: Some(Arc::clone(counts)), ..Counter::default() };
    pass(client.try_clone()?, server.try_clone()?, delay, counter)?;
    pass(server, client, delay, Counter::default())
}

/// One direction: a thread that reads and one that writes when it is time.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration, mut counter: Counter) -> io::Result<()> {
    let (tx, rx): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = mpsc::channel();
    thread::Builder::new().name("proxy-read".into()).spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            counter.feed(&buffer[..n]);
            if tx.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    })?;
    thread::Builder::new().name("proxy-write".into()).spawn(move || {
        for (at, bytes) in rx {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // The other direction ends with it.
        let _ = to.shutdown(Shutdown::Both);
    })?;
    Ok(())
}

/// Reads only as much of the protocol as counting takes: arrays of strings, one a command.
#[derive(Default)]
struct Counter {
    counts: Option<Counts>,
    /// Strings of the command that are still to come.
    strings: usize,
    /// Bytes of the string that are still to come.
    bytes: usize,
    /// Whether that string is the name of the command.
    naming: bool,
    line: Vec<u8>,
    name: Vec<u8>,
}

impl Counter {
    fn feed(&mut self, mut bytes: &[u8]) {
        let Some(counts) = self.counts.clone() else { return };
        while let Some((first, rest)) = bytes.split_first() {
            if self.bytes > 0 {
                let n = self.bytes.min(bytes.len());
                if self.naming {
                    self.name.extend_from_slice(&bytes[..n]);
                }
                self.bytes -= n;
                bytes = &bytes[n..];
                if self.bytes == 0 && std::mem::take(&mut self.naming) {
                    let name = String::from_utf8_lossy(&self.name).trim().to_uppercase();
                    self.name.clear();
                    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
                }
                continue;
            }
            self.line.push(*first);
            bytes = rest;
            if *first == b'\n' {
                self.head();
            }
        }
    }

    fn head(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let number = |mark: char| text.trim().strip_prefix(mark)?.parse::<usize>().ok();
        if let Some(n) = number('*') {
            (self.strings, self.naming) = (n, true);
        } else if let Some(n) = number('$') {
            // With the line's end behind it.
            self.bytes = n + 2;
            self.strings = self.strings.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_however_they_are_cut() {
        let text = b"*3\r\n$7\r\nEVALSHA\r\n$4\r\n*1\r\n\r\n$0\r\n\r\n*1\r\n$4\r\nping\r\n";
        for piece in 1..text.len() {
            let counts = Counts::default();
            let mut counter = Counter { counts: Some(Arc::clone(&counts)), ..Counter::default() };
            text.chunks(piece).for_each(|c| counter.feed(c));
            let counts = counts.lock().expect("nobody panicked").clone();
            assert_eq!(counts, BTreeMap::from([("EVALSHA".to_owned(), 1), ("PING".to_owned(), 1)]));
        }
    }
}
