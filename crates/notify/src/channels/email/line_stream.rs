//! Gives a reader above it one line at a time.
//!
//! Plain SMTP becomes TLS in the middle of a stream. A reader that buffers more than the line
//! `220 ready` before the handshake would later take the surplus, which anybody on the path can
//! have added, for answers that came over TLS ("STARTTLS response injection"). Below this adapter
//! the surplus stays unread until the handshake, where it is not TLS and fails.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream whose reads end at a line feed.
pub(super) struct LineStream {
    tcp: TcpStream,
    surplus: Vec<u8>,
    taken: usize,
}

impl LineStream {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, surplus: Vec::new(), taken: 0 }
    }
}

impl fmt::Debug for LineStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LineStream").field(&self.tcp).finish()
    }
}

impl AsyncTokioStream for LineStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for LineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken == this.surplus.len() {
            let mut chunk = [0; 4096];
            let mut buf = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut buf))?;
            this.surplus.clear();
            this.surplus.extend_from_slice(buf.filled());
            this.taken = 0;
        }
        let waiting = &this.surplus[this.taken..];
        let line = waiting.iter().position(|b| *b == b'\n').map_or(waiting.len(), |at| at + 1);
        let n = line.min(out.remaining());
        out.put_slice(&waiting[..n]);
        this.taken += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
