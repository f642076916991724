//! One client's dialogue with the sink.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::{Action, Shared, Stage, SunkMessage, lock};

pub(super) async fn converse(shared: Arc<Shared>, socket: TcpStream, number: usize) -> io::Result<()> {
    if shared.options.implicit_tls {
        let stream = shared.tls.accept(socket).await?;
        return Session::new(shared, number, true).run(&mut BufStream::new(stream)).await.map(drop);
    }
    let mut plain = BufStream::new(socket);
    let mut session = Session::new(shared, number, false);
    if session.run(&mut plain).await? == End::Upgrade {
        let stream = session.shared.tls.accept(plain.into_inner()).await?;
        session.encrypted = true;
        session.run(&mut BufStream::new(stream)).await?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Upgrade,
}

/// What the session does after an action.
enum Next {
    Go,
    Refused,
    Close,
    /// Hung up (or was left) without an answer.
    Cut,
}

/// One of the connections that are open, until it ends or its client says goodbye.
struct Open(Option<Arc<Shared>>);

impl Open {
    fn leave(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.progress.send_modify(|p| p.open -= 1);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.leave();
    }
}

struct Session {
    open: Open,
    shared: Arc<Shared>,
    number: usize,
    encrypted: bool,
    greeted: bool,
    signed_in: bool,
    from: Option<(String, String)>,
    to: Vec<String>,
}

impl Session {
    fn new(shared: Arc<Shared>, number: usize, encrypted: bool) -> Self {
        let open = Open(Some(Arc::clone(&shared)));
        Self { open, shared, number, encrypted, greeted: false, signed_in: false, from: None, to: Vec::new() }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, s: &mut BufStream<S>) -> io::Result<End> {
        if !self.greeted {
            self.greeted = true;
            match self.act(s, Stage::Greeting, "220 sink.localhost ESMTP").await? {
                Next::Go => {}
                Next::Refused | Next::Close | Next::Cut => return Ok(End::Closed),
            }
        }
        let mut line = String::new();
        loop {
            line.clear();
            if s.read_line(&mut line).await? == 0 {
                return Ok(End::Closed);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            let next = match verb.as_str() {
                "EHLO" | "HELO" => {
                    self.shared.progress.send_modify(|p| p.hellos.push(line.to_owned()));
                    let offers = self.offers();
                    self.act(s, Stage::Ehlo, &offers).await?
                }
                "STARTTLS" if self.shared.options.starttls && !self.encrypted => {
                    match self.act(s, Stage::StartTls, "220 2.0.0 go ahead").await? {
                        Next::Go => return Ok(End::Upgrade),
                        other => other,
                    }
                }
                "AUTH" => self.auth(s, line).await?,
                "MAIL" => self.mail(s, line).await?,
                "RCPT" => self.rcpt(s, line).await?,
                "DATA" => self.data(s).await?,
                "RSET" => {
                    self.reset();
                    self.act(s, Stage::Rset, "250 2.0.0 reset").await?
                }
                "NOOP" => self.act(s, Stage::Noop, "250 2.0.0 here").await?,
                "QUIT" => {
                    self.open.leave();
                    say(s, "221 2.0.0 bye").await?;
                    return Ok(End::Closed);
                }
                _ => refuse(s, "502 5.5.1 not known here").await?,
            };
            if matches!(next, Next::Close | Next::Cut) {
                return Ok(End::Closed);
            }
        }
    }

    fn offers(&self) -> String {
        let o = &self.shared.options;
        let mut lines = vec!["sink.localhost", "ENHANCEDSTATUSCODES"];
        if !o.seven_bit {
            lines.push("8BITMIME");
        }
        if o.starttls && !self.encrypted {
            lines.push("STARTTLS");
        }
        if o.credentials.is_some() {
            lines.push(if o.login_only { "AUTH LOGIN" } else { "AUTH PLAIN LOGIN" });
        }
        if o.smtputf8 {
            lines.push("SMTPUTF8");
        }
        lines.push("HELP");
        let lines: Vec<String> = lines.iter().map(|l| format!("250 {l}")).collect();
        lines.join("\n")
    }

    async fn auth<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if let Some((user, password)) = self.shared.options.credentials.clone() {
            let right = if line.eq_ignore_ascii_case("AUTH LOGIN") {
                // "Username:" and "Password:".
                let usual = || ["334 VXNlcm5hbWU6".to_owned(), "334 UGFzc3dvcmQ6".to_owned()];
                let [first, second] = self.shared.options.prompts.clone().unwrap_or_else(usual);
                let given = [ask(s, &first).await?, ask(s, &second).await?];
                given == [base64(user.as_bytes()), base64(password.as_bytes())]
            } else {
                let expected = base64(format!("\0{user}\0{password}").as_bytes());
                !self.shared.options.login_only && line.split(' ').nth(2) == Some(expected.as_str())
            };
            if !right {
                return refuse(s, "535 5.7.8 wrong user or password").await;
            }
        }
        let next = self.act(s, Stage::Auth, "235 2.7.0 welcome").await?;
        self.signed_in = matches!(next, Next::Go);
        Ok(next)
    }

    async fn mail<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if self.shared.options.credentials.is_some() && !self.signed_in {
            return refuse(s, "530 5.7.0 sign in first").await;
        }
        let next = self.act(s, Stage::Mail, "250 2.1.0 sender ok").await?;
        if matches!(next, Next::Go) {
            self.from = Some(path(line));
        }
        Ok(next)
    }

    async fn rcpt<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        line: &str,
    ) -> io::Result<Next> {
        if self.from.is_none() {
            return refuse(s, "503 5.5.1 MAIL first").await;
        }
        let next = self.act(s, Stage::Rcpt, "250 2.1.5 recipient ok").await?;
        if matches!(next, Next::Go) {
            self.to.push(path(line).0);
        }
        Ok(next)
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(&mut self, s: &mut BufStream<S>) -> io::Result<Next> {
        if self.to.is_empty() {
            return refuse(s, "503 5.5.1 RCPT first").await;
        }
        match self.act(s, Stage::Data, "354 end with a dot").await? {
            Next::Go => {}
            other => return Ok(other),
        }
        // The client has the answer already; this stage can only wait, hang up or say something
        // out of turn.
        match self.act(s, Stage::Content, "").await? {
            Next::Go => {}
            other => return Ok(other),
        }
        let Some(raw) = content(s).await? else { return Ok(Next::Close) };
        let next = self.act(s, Stage::FinalDot, &format!("250 2.0.0 taken as {}", self.number)).await?;
        // Hung up without a word: the server took the message and its answer was lost.
        let taken = matches!(next, Next::Go | Next::Cut);
        let (from, mail_parameters) = self.from.clone().unwrap_or_default();
        let message =
            SunkMessage { from, mail_parameters, to: self.to.clone(), raw, connection: self.number };
        self.reset();
        if taken {
            self.shared.progress.send_modify(|p| p.messages.push(message));
        }
        Ok(next)
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Does what the test scripted for `stage`; `ordinary` is the positive answer.
    async fn act<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        s: &mut BufStream<S>,
        stage: Stage,
        ordinary: &str,
    ) -> io::Result<Next> {
        let scripted = lock(&self.shared.once).get_mut(&stage).and_then(VecDeque::pop_front);
        let action =
            scripted.or_else(|| lock(&self.shared.otherwise).get(&stage).cloned()).unwrap_or(Action::Accept);
        let mut open = 0;
        self.shared.progress.send_modify(|p| {
            *p.reached.entry(stage).or_default() += 1;
            open = p.open;
        });
        let limit = self.shared.options.limit.as_ref().filter(|l| l.at == stage && open > l.connections);
        let action = limit.map_or(action, |l| Action::Reply(l.reply.clone()));
        match action {
            Action::Accept => {}
            Action::Reply(text) => {
                say(s, &text).await?;
                let positive = text.starts_with(['2', '3']);
                let close = text.starts_with("421") || (stage == Stage::Greeting && !positive);
                return Ok(match (close, positive) {
                    (true, _) => Next::Close,
                    (_, true) => Next::Go,
                    _ => Next::Refused,
                });
            }
            Action::Raw(bytes) => {
                s.write_all(&bytes).await?;
                s.flush().await?;
                let positive = matches!(bytes.first(), Some(b'2' | b'3'));
                return Ok(if positive { Next::Go } else { Next::Refused });
            }
            Action::Last(bytes) => {
                s.write_all(&bytes).await?;
                s.flush().await?;
                return Ok(if matches!(bytes.first(), Some(b'2' | b'3')) { Next::Cut } else { Next::Close });
            }
            Action::Cut => return Ok(Next::Cut),
            Action::Hang => {
                // Until the client leaves; what it says meanwhile goes unheard.
                tokio::io::copy(s, &mut tokio::io::sink()).await?;
                return Ok(Next::Cut);
            }
            Action::Gate(gate) => {
                gate.acquire().await.map_err(io::Error::other)?.forget();
            }
            Action::Delay(d) => tokio::time::sleep(d).await,
        }
        if !ordinary.is_empty() {
            say(s, ordinary).await?;
        }
        Ok(Next::Go)
    }
}

/// Writes an answer: every line but the last with a dash behind its code.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>, text: &str) -> io::Result<()> {
    let lines: Vec<&str> = text.split('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let (code, rest) = line.split_at_checked(3).unwrap_or((line, ""));
        let rest = rest.strip_prefix([' ', '-']).unwrap_or(rest);
        let dash = if i + 1 < lines.len() { '-' } else { ' ' };
        s.write_all(format!("{code}{dash}{rest}\r\n").as_bytes()).await?;
    }
    s.flush().await
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>, text: &str) -> io::Result<Next> {
    say(s, text).await?;
    Ok(Next::Refused)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>, text: &str) -> io::Result<String> {
    s.write_all(format!("{text}\r\n").as_bytes()).await?;
    s.flush().await?;
    let mut line = String::new();
    s.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// Reads to the final dot; `None` when the client left before it.
async fn content<S: AsyncRead + AsyncWrite + Unpin>(s: &mut BufStream<S>) -> io::Result<Option<Vec<u8>>> {
    let mut raw = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut *s).take(1 << 20).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(raw));
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// The path between the angle brackets, and what follows them.
fn path(line: &str) -> (String, String) {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inner.map(|(p, rest)| (p.to_owned(), rest.trim().to_owned())).unwrap_or_default()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let c = if i <= chunk.len() { ALPHABET[(n >> (18 - 6 * i)) as usize & 63] } else { b'=' };
            out.push(char::from(c));
        }
    }
    out
}
