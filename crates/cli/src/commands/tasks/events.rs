//! Server-sent events, taken apart.

/// Longest event that is kept while it arrives.
const MAX_EVENT: usize = 1024 * 1024;

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Takes a stream of server-sent events apart (HTML Living Standard §9.2), as far as we send them.
#[derive(Default)]
pub(crate) struct Events {
    rest: Vec<u8>,
    next: Event,
}

impl Events {
    /// The events that are complete with `chunk`.
    ///
    /// # Errors
    /// An event without an end.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> anyhow::Result<Vec<Event>> {
        self.rest.extend_from_slice(chunk);
        let mut out = Vec::new();
        while let Some(at) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.next);
                if !event.data.is_empty() {
                    out.push(event);
                }
            } else if let Some(name) = line.strip_prefix("event:") {
                self.next.name = name.trim_start().to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.next.data.is_empty() {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        anyhow::ensure!(
            self.rest.len() + self.next.data.len() <= MAX_EVENT,
            "the server sent an event without an end"
        );
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_across_chunks() {
        let mut events = Events::default();
        assert!(events.push(b": hello\n\nevent: ta").expect("short").is_empty());
        let got = events.push(b"sk\ndata: {\"a\":1}\n\nevent: missed\ndata: {}\n\n").expect("short");
        assert_eq!(
            got,
            [
                Event { name: "task".into(), data: "{\"a\":1}".into() },
                Event { name: "missed".into(), data: "{}".into() }
            ]
        );
        assert!(events.push(&vec![b'x'; MAX_EVENT + 1]).is_err());
    }
}
