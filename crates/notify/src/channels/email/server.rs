//! A mail server: the way to a connection that is protected as its URL says and signed in.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;

use super::classes::{Answer, Phase};
use super::connection::{Budget, Connection, Refusal, SmtpTimeouts};
use super::reply::{Reply, Stream};
use super::tls::Tls;
use crate::ehlo::EhloName;
use crate::{EmailProvider, Secret, SmtpUrl, Transport};

/// A server and how to get there.
pub(super) struct Server {
    url: SmtpUrl,
    tls: Result<Option<Tls>, String>,
    pub(super) timeouts: SmtpTimeouts,
    /// What EHLO says; without it the address of our end of the connection.
    hello: Option<EhloName>,
}

impl Server {
    pub(super) fn new(provider: &EmailProvider) -> Self {
        let tls = match provider.url.transport() {
            Transport::Plain => Ok(None),
            Transport::ImplicitTls | Transport::StartTls => {
                Tls::new(provider.url.host(), provider.trust.as_deref()).map(Some)
            }
        };
        Self {
            url: provider.url.clone(),
            tls,
            timeouts: provider.timeouts,
            hello: provider.ehlo.clone().or_else(EhloName::of_this_machine),
        }
    }

    /// `host:port`, for people.
    pub(super) fn name(&self) -> String {
        let host = self.url.host();
        if host.contains(':') {
            return format!("[{host}]:{}", self.url.port());
        }
        format!("{host}:{}", self.url.port())
    }

    /// Connects, protects the connection as the URL says, signs in. Cancel safe: dropped, it closes the connection.
    pub(super) async fn connect(&self, budget: Budget) -> Result<Connection, Refusal> {
        let tls = self.tls.as_ref().map_err(|e| {
            let why = format!("the TLS configuration cannot be used: {e}");
            Refusal::new(Phase::Auth, Answer::NotOffered, why)
        })?;
        let tcp = self.reach(budget).await?;
        // Every step is one write that waits for its answer: holding it back only costs time.
        let _ = tcp.set_nodelay(true);
        let name = match (&self.hello, tcp.local_addr()) {
            (Some(name), _) => name.clone(),
            (None, Ok(address)) => EhloName::literal(address.ip()),
            (None, Err(e)) => return Err(lost(Phase::Connect, &e)),
        };
        let implicit = self.url.transport() == Transport::ImplicitTls;
        let stream = match tls {
            Some(tls) if implicit => self.protect(tls, tcp, Phase::Connect, budget).await?,
            _ => Stream::Plain(tcp),
        };
        let mut connection = Connection::new(stream);
        connection.hear(Phase::Hello, budget, self.timeouts.command).await?;
        self.hello(&mut connection, &name, Phase::Hello, budget).await?;
        if let Some(tls) = tls.as_ref().filter(|_| !implicit) {
            connection = self.start_tls(connection, tls, budget).await?;
            self.hello(&mut connection, &name, Phase::StartTls, budget).await?;
        }
        if let Some((user, password)) = self.url.credentials() {
            self.sign_in(&mut connection, user, password, budget).await?;
        }
        connection.is_ready();
        Ok(connection)
    }

    /// TCP, address by address.
    async fn reach(&self, budget: Budget) -> Result<TcpStream, Refusal> {
        let limit = self.timeouts.connect;
        let resolve = async {
            let found = tokio::net::lookup_host((self.url.host(), self.url.port())).await;
            found.map_err(|e| lost(Phase::Connect, &e))
        };
        let addresses = budget.run(Phase::Connect, limit, resolve).await?;
        let mut tcp = Err(Refusal::new(Phase::Connect, Answer::Lost, "the host name has no address"));
        for address in addresses {
            let connect = async { TcpStream::connect(address).await.map_err(|e| lost(Phase::Connect, &e)) };
            tcp = budget.run(Phase::Connect, limit, connect).await;
            if tcp.is_ok() {
                break;
            }
        }
        tcp
    }

    async fn protect(
        &self,
        tls: &Tls,
        tcp: TcpStream,
        phase: Phase,
        budget: Budget,
    ) -> Result<Stream, Refusal> {
        // A failed handshake is a connection that could not be made.
        let shake = async { tls.protect(tcp).await.map_err(|e| lost(phase, &e)) };
        budget.run(phase, self.timeouts.connect, shake).await
    }

    /// EHLO, or HELO for a server that does not know it, where nothing is needed that only EHLO offers (RFC 5321 §3.2).
    async fn hello(
        &self,
        connection: &mut Connection,
        name: &EhloName,
        phase: Phase,
        budget: Budget,
    ) -> Result<(), Refusal> {
        let limit = self.timeouts.command;
        let said = connection.command(phase, budget, limit, &format!("EHLO {name}\r\n")).await;
        match said {
            // What it offers is not known to its end.
            Ok(_) if connection.has_ended() => Err(Refusal::new(
                phase,
                Answer::Lost,
                "the server closed the connection behind its answer to EHLO",
            )),
            Ok(reply) => {
                connection.offered(&reply);
                Ok(())
            }
            Err(refusal) if self.needs_no_extension() && matches!(refusal.code(), Some(500 | 502)) => {
                connection.command(phase, budget, limit, &format!("HELO {name}\r\n")).await.map(drop)
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn needs_no_extension(&self) -> bool {
        self.url.transport() != Transport::StartTls && self.url.credentials().is_none()
    }

    async fn start_tls(
        &self,
        mut connection: Connection,
        tls: &Tls,
        budget: Budget,
    ) -> Result<Connection, Refusal> {
        let phase = Phase::StartTls;
        if !connection.offers().starttls {
            let why = "STARTTLS is required by the URL, but the server does not offer it";
            return Err(Refusal::new(phase, Answer::NotOffered, why));
        }
        connection.command(phase, budget, self.timeouts.command, "STARTTLS\r\n").await?;
        // What came in plain text behind the answer was added by somebody on the path: taken for an answer that came
        // over TLS it could say anything ("STARTTLS response injection").
        let tcp = connection.into_plain().ok_or_else(|| {
            Refusal::new(phase, Answer::Lost, "more than the answer to STARTTLS came before TLS began")
        })?;
        Ok(Connection::new(self.protect(tls, tcp, phase, budget).await?))
    }

    /// By PLAIN (RFC 4616), else by LOGIN, whose prompts say nothing: the first is answered with the user, the second
    /// with the password (draft-murchison-sasl-login §2.1).
    async fn sign_in(
        &self,
        connection: &mut Connection,
        user: &str,
        password: &Secret,
        budget: Budget,
    ) -> Result<(), Refusal> {
        let offers = connection.offers();
        let (plain, login) = (offers.signs_in_by("PLAIN"), offers.signs_in_by("LOGIN"));
        if !plain && !login {
            let why = match offers.mechanisms.join(" ") {
                none if none.is_empty() => {
                    "the URL has a password, but the server offers no sign-in".to_owned()
                }
                some => format!("the server offers to sign in by {some}; PLAIN or LOGIN is needed"),
            };
            return Err(Refusal::new(Phase::Auth, Answer::NotOffered, why));
        }
        let (user_64, password_64) = (STANDARD.encode(user), STANDARD.encode(password.expose()));
        if plain {
            let both = STANDARD.encode(format!("\0{user}\0{}", password.expose()));
            let by_plain = self.authenticate(connection, &["AUTH PLAIN", &both], &[&both], budget).await;
            match by_plain {
                // Offered and then not known: the other one may be.
                Err(refusal) if login && matches!(refusal.code(), Some(500..=504)) => {}
                done => return done,
            }
        }
        self.authenticate(connection, &["AUTH LOGIN"], &[&user_64, &password_64], budget).await
    }

    /// A sign-in: the command, then an answer to each prompt until the server is content.
    async fn authenticate(
        &self,
        connection: &mut Connection,
        command: &[&str],
        answers: &[&str],
        budget: Budget,
    ) -> Result<(), Refusal> {
        let limit = self.timeouts.command;
        let mut said: Reply =
            connection.command(Phase::Auth, budget, limit, &format!("{}\r\n", command.join(" "))).await?;
        for answer in answers {
            if said.is(2) {
                return Ok(());
            }
            said = connection.command(Phase::Auth, budget, limit, &format!("{answer}\r\n")).await?;
        }
        if said.is(2) {
            return Ok(());
        }
        Err(Refusal::new(Phase::Auth, Answer::Garbled, format!("{} {}", said.code, said.text())))
    }
}

pub(super) fn lost(phase: Phase, e: &io::Error) -> Refusal {
    Refusal::new(phase, Answer::Lost, e.to_string())
}
