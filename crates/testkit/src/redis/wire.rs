//! A connection to a server for tests: one command, one answer, no cleverness between.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Text or bytes.
    Text(String),
    /// A number.
    Number(i64),
    /// Several answers.
    Rows(Vec<Self>),
    /// Nothing.
    Nil,
    /// An error, with its code.
    Error(String),
}

impl Reply {
    /// The text, or the number as text.
    ///
    /// # Panics
    /// When it is neither.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            other => panic!("Redis answered {other:?}"),
        }
    }

    /// The rows.
    ///
    /// # Panics
    /// When it has none.
    pub fn rows(&self) -> &[Self] {
        match self {
            Self::Rows(rows) => rows,
            other => panic!("Redis answered {other:?}"),
        }
    }

    /// True if it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

/// The connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects to the server at this port of the loopback address.
    ///
    /// # Panics
    /// When nobody is there.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server accepts connections");
        stream.set_nodelay(true).expect("the option is known");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option is known");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a command and reads its answer.
    ///
    /// # Panics
    /// When the connection breaks, or the answer stays away for 30 s.
    pub fn command(&mut self, words: &[&str]) -> Reply {
        self.try_command(words).expect("the server answers")
    }

    /// As [`Wire::command`], of a server that may close the connection.
    ///
    /// # Errors
    /// When the connection breaks, or the answer stays away for 30 s.
    pub fn try_command(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut packed = format!("*{}\r\n", words.len());
        for word in words {
            packed.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(packed.as_bytes())?;
        self.reply()
    }

    /// As [`Wire::command`], and the answer is no error.
    ///
    /// # Panics
    /// When it is one.
    pub fn must(&mut self, words: &[&str]) -> Reply {
        let reply = self.command(words);
        assert!(!reply.is_error(), "{words:?}: {reply:?}");
        reply
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at(1);
        let length = || rest.parse::<i64>().expect("a length is a number");
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(length()),
            "$" => match usize::try_from(length()) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
                Err(_) => Reply::Nil,
            },
            "*" => match usize::try_from(length()) {
                Ok(length) => Reply::Rows((0..length).map(|_| self.reply()).collect::<io::Result<_>>()?),
                Err(_) => Reply::Nil,
            },
            _ => panic!("Redis answered {line:?}"),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if !line.ends_with("\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }
}
