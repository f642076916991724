//! What a mail server says, read as bytes: its code decides (RFC 5321 §4.2), its text is only shown.
//!
//! Servers write in Latin-1 or GBK, write a code without text, end lines with LF alone, write lines far longer than
//! 512 bytes, close the connection before the last line. None of it changes what the code says.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::classes::Enhanced;

/// Longest part of a line that is kept. RFC 5321 §4.5.3.1.5 allows 512 bytes.
const MAX_LINE: usize = 4 * 1024;
/// Most lines of a reply.
const MAX_LINES: usize = 256;
/// Most bytes of a reply.
const MAX_REPLY: usize = 64 * 1024;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its code, 200 to 599: that of its last line, should they differ.
    pub(super) code: u16,
    /// The text of each line, without code.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Its text in one line.
    pub(super) fn text(&self) -> String {
        let said: Vec<&str> =
            self.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        said.join(" ")
    }

    /// Its enhanced code, if it has one.
    pub(super) fn enhanced(&self) -> Option<Enhanced> {
        self.lines.iter().find_map(|line| Enhanced::parse(self.code, line))
    }

    /// Whether its code begins with `digit`.
    pub(super) fn is(&self, digit: u16) -> bool {
        self.code / 100 == digit
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The connection ended.
    Lost(io::Error),
    /// Something else was said.
    Garbled(String),
}

/// The bytes of a connection.
pub(super) enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(s) => s.read(into).await,
            Self::Tls(s) => s.read(into).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(s) => s.write_all(bytes).await,
            Self::Tls(s) => {
                s.write_all(bytes).await?;
                s.flush().await
            }
        }
    }
}

/// A connection, its bytes cut into replies.
pub(super) struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were read already.
    taken: usize,
    /// The lines of a reply whose last one did not come yet.
    begun: Option<Reply>,
    ended: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new(), taken: 0, begun: None, ended: false }
    }

    /// Whether another command can be given: the server did not hang up, and said no more than it was asked.
    pub(super) fn is_in_step(&self) -> bool {
        !self.ended && self.has_no_surplus() && self.begun.is_none()
    }

    /// Whether the end of the connection was seen.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether everything that came was read.
    pub(super) fn has_no_surplus(&self) -> bool {
        self.taken == self.buffer.len()
    }

    /// The connection under it, to be encrypted. What was received beyond the last reply is lost.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Writes all of `bytes`.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write(bytes).await
    }

    /// The reply whose first lines came, though its last one did not: their code is the answer all the same.
    pub(super) fn take_begun(&mut self) -> Option<Reply> {
        self.ended |= self.begun.is_some();
        self.begun.take()
    }

    /// Whether nothing came since the last reply, the end of the connection neither: a look that does not wait.
    pub(super) async fn is_quiet(&mut self) -> bool {
        if !self.is_in_step() {
            return false;
        }
        let mut more = pin!(self.more(0));
        poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_pending())).await
    }

    /// The next reply. Cancel safe: what came stays. One that is too long is known by its code, too: to take it for none
    /// would send a message again that was taken.
    pub(super) async fn reply(&mut self) -> Result<Reply, NoReply> {
        let mut size = 0;
        for _ in 0..MAX_LINES {
            let Some(left) = MAX_REPLY.checked_sub(size) else { break };
            let line = match self.line(left).await {
                Ok(line) => line,
                Err(none) => return self.take_begun().ok_or(none),
            };
            size += line.len();
            match (parse(&line), &mut self.begun) {
                (Some((code, last, text)), begun) => {
                    let reply = begun.get_or_insert_with(|| Reply { code, lines: Vec::new() });
                    reply.code = code;
                    reply.lines.push(decode(text));
                    if last {
                        return Ok(self.begun.take().expect("begun right above"));
                    }
                }
                // A line without its code in the midst of others is text.
                (None, Some(begun)) => begun.lines.push(decode(&line)),
                (None, None) if line.iter().all(u8::is_ascii_whitespace) => {}
                (None, None) => return Err(NoReply::Garbled(decode(&line))),
            }
        }
        self.take_begun().ok_or_else(|| {
            NoReply::Garbled(format!("an answer of more than {MAX_LINES} lines or {MAX_REPLY} bytes"))
        })
    }

    /// A line without its end; of a very long one its beginning. `left` is how many bytes it may take. At the end of
    /// the connection what was not ended is a line, too.
    async fn line(&mut self, left: usize) -> Result<Vec<u8>, NoReply> {
        let mut line = Vec::new();
        let mut seen = 0;
        loop {
            let waiting = &self.buffer[self.taken..];
            let end = waiting.iter().position(|b| *b == b'\n');
            let piece = &waiting[..end.unwrap_or(waiting.len())];
            line.extend_from_slice(&piece[..piece.len().min(MAX_LINE - line.len().min(MAX_LINE))]);
            seen += piece.len();
            if end.is_some() {
                self.taken += piece.len() + 1;
                return Ok(trimmed(line));
            }
            if seen > left {
                return Err(NoReply::Garbled(format!("an answer of more than {MAX_REPLY} bytes")));
            }
            if let Err(e) = self.more(seen).await {
                self.taken = self.buffer.len();
                return if line.is_empty() { Err(NoReply::Lost(e)) } else { Ok(trimmed(line)) };
            }
            // From its beginning again, so that a call that was dropped in the midst lost nothing.
            line.clear();
            seen = 0;
        }
    }

    /// Reads more behind the `kept` bytes that wait; an error at the end.
    async fn more(&mut self, kept: usize) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let read = self.stream.read(&mut chunk).await;
        let n = read.and_then(|n| if n == 0 { Err(closed()) } else { Ok(n) });
        let n = n.inspect_err(|_| self.ended = true)?;
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        debug_assert_eq!(self.buffer.len(), kept);
        self.buffer.extend_from_slice(&chunk[..n]);
        Ok(())
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

fn trimmed(mut line: Vec<u8>) -> Vec<u8> {
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}

/// Code, whether the line is the last one, and its text.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return None;
    }
    let code = digits.iter().fold(0, |code, d| code * 10 + u16::from(d - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b'-', text @ ..] => Some((code, false, text)),
        // A longer number is no code.
        [b'0'..=b'9', ..] => None,
        [b' ' | b'\t', text @ ..] => Some((code, true, text)),
        text => Some((code, true, text)),
    }
}

/// Text in an unknown charset, as well as can be: UTF-8, else each byte as Latin-1.
fn decode(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|b| char::from(*b)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is read out of `said`, after which the server hangs up.
    async fn heard(said: &[u8]) -> (Result<Reply, NoReply>, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut server, _) = server.expect("accepted");
        let mut wire = Wire::new(Stream::Plain(client.expect("connected")));
        let said = said.to_vec();
        let speak = tokio::spawn(async move {
            let _ = server.write_all(&said).await;
        });
        let reply = wire.reply().await;
        drop(speak);
        (reply, wire)
    }

    #[tokio::test]
    async fn the_code_is_read_whatever_the_text() {
        let long = [b"250 ".as_slice(), &[b'x'; 20_000], b"\r\n"].concat();
        let many = [b"250-more\r\n".repeat(10), b"250 last\r\n".to_vec()].concat();
        for (said, code, text) in [
            (b"250 2.0.0 ok\r\n".as_slice(), 250, "2.0.0 ok"),
            (b"250\r\n", 250, ""),
            (b"250 \r\n", 250, ""),
            (b"354\n", 354, ""),
            (b"250\tok\r\n", 250, "ok"),
            (b"250 accept\xe9\r\n", 250, "accept\u{e9}"),
            (b"535 Error: \xc7\xeb\xca\xb9\r\n", 535, "Error: \u{c7}\u{eb}\u{ca}\u{b9}"),
            ("250 angenommen für".as_bytes(), 250, "angenommen für"),
            (b"250-a\r\n250\r\n", 250, "a"),
            (b"250-\r\n250-\r\n250 ok\r\n", 250, "ok"),
            (b"250-a\nno code\n250 b\n", 250, "a no code b"),
            (b"250-a\r\n550 b\r\n", 550, "a b"),
            (b"\r\n220 hello\r\n", 220, "hello"),
            (b"250-taken, and gone\r\n", 250, "taken, and gone"),
            (b"250", 250, ""),
            (&many, 250, "more more more more more more more more more more last"),
            (&long, 250, &"x".repeat(MAX_LINE - 4)),
        ] {
            let shown = String::from_utf8_lossy(&said[..said.len().min(60)]).into_owned();
            let reply = heard(said).await.0.unwrap_or_else(|e| panic!("{shown:?}: {e:?}"));
            assert_eq!((reply.code, reply.text().as_str()), (code, text), "{shown:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_apart_from_none() {
        let blank = b"\r\n".repeat(MAX_LINES + 1);
        let huge = vec![b'2'; MAX_REPLY + 5000];
        for said in [
            b"thank you\r\n".as_slice(),
            b"2500 x\r\n",
            b"25 x\r\n",
            b"600 x\r\n",
            b"HTTP/1.1 400\r\n",
            &blank,
            &huge,
        ] {
            assert!(
                matches!(heard(said).await.0, Err(NoReply::Garbled(_))),
                "{:?}",
                &said[..said.len().min(20)]
            );
        }
        assert!(matches!(heard(b"").await.0, Err(NoReply::Lost(_))));
        assert!(matches!(heard(b"\r\n").await.0, Err(NoReply::Lost(_))));
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_has_its_code_and_ends_the_connection() {
        let lines = b"250-more\r\n".repeat(MAX_LINES + 1);
        let wide = [b"250-".as_slice(), &[b'x'; 296], b"\r\n"].concat();
        let (exact, wide) = (wide.repeat(MAX_REPLY / 300), wide.repeat(220));
        let unended = [b"250-taken\r\n".as_slice(), &[b'2'; MAX_REPLY + 5000]].concat();
        for said in [&lines, &exact, &wide, &unended] {
            let (reply, wire) = heard(said).await;
            assert_eq!(reply.map(|r| r.code).ok(), Some(250), "{} bytes", said.len());
            assert!(wire.has_ended() && !wire.is_in_step(), "{} bytes", said.len());
        }
    }

    #[tokio::test]
    async fn what_comes_between_two_commands_is_seen_by_a_look() {
        for late in [b"250 late\r\n".as_slice(), b"421 idle for too long\r\n", b""] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (mut server, _) = server.expect("accepted");
            let mut wire = Wire::new(Stream::Plain(client.expect("connected")));
            server.write_all(b"250 ok\r\n").await.expect("written");
            assert_eq!(wire.reply().await.expect("read").code, 250);
            assert!(wire.is_quiet().await && wire.is_in_step());
            server.write_all(late).await.expect("written");
            drop(server);
            if let Stream::Plain(client) = &wire.stream {
                client.readable().await.expect("something came");
            }
            assert!(!wire.is_quiet().await && !wire.is_in_step(), "{late:?}");
        }
    }

    #[tokio::test]
    async fn more_than_was_asked_for_is_noticed() {
        let (reply, wire) = heard(b"250 ok\r\n250 ok\r\n").await;
        assert_eq!(reply.expect("read").code, 250);
        assert!(!wire.is_in_step() && !wire.has_no_surplus());
    }
}
