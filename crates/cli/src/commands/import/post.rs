//! Sends a batch, again and again while the server is away or busy.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

use super::plan::BatchName;
use super::rows::{Chunk, Reject, Row};
use super::shape::What;
use crate::exit::Stop;
use crate::http::{Answer, Refused, Server, field_error};

/// The first pause before a batch is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often an answer of 409 is asked again: an earlier request with the key may still be under way.
const CONFLICTS: u32 = 5;
/// An answer to a full batch may take this long.
const ANSWER: Duration = Duration::from_secs(60);

/// Sends batches.
#[derive(Debug)]
pub(super) struct Poster<'a> {
    pub(super) server: &'a Server,
    pub(super) what: What,
    pub(super) name: BatchName,
    pub(super) patience: Duration,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) replayed: u64,
    pub(super) rejects: Vec<Reject>,
}

impl Poster<'_> {
    /// Sends the rows of a batch.
    ///
    /// # Errors
    /// The server, once the patience is over or where asking again changes nothing (1, 3).
    pub(super) async fn post(&self, chunk: &Chunk) -> anyhow::Result<Sent> {
        if chunk.rows.is_empty() {
            return Ok(Sent::default());
        }
        let body = body(self.what, &chunk.rows);
        let key = self.name.key(chunk.first, chunk.count, &chunk.rows);
        let path = format!("v1/{}/batch", self.what.as_str());
        let begun = Instant::now();
        let (mut pause, mut conflicts) = (FIRST_PAUSE, 0);
        loop {
            let call = self.server.call(Method::POST, &path)?.idempotent(Some(&key)).within(ANSWER);
            let error = match call.body("application/json", body.clone()).answer().await {
                Ok(answer) => return read(answer, &chunk.rows),
                Err(error) => error,
            };
            if let Some(rejects) = all_refused(&error, self.what, &chunk.rows) {
                return Ok(Sent { rejects, ..Sent::default() });
            }
            conflicts += u32::from(status(&error) == Some(409));
            if !may_pass(&error) || conflicts > CONFLICTS || begun.elapsed() >= self.patience {
                return Err(error);
            }
            let asked = error.downcast_ref::<Refused>().and_then(|r| r.retry_after);
            tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The request; rows stay as they were written.
fn body(what: What, rows: &[Row]) -> String {
    let size: usize = rows.iter().map(|r| r.json.get().len() + 1).sum();
    let mut body = String::with_capacity(size + 64);
    let _ = write!(body, "{{\"mode\":\"permissive\",\"{}\":[", what.as_str());
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            body.push(',');
        }
        body.push_str(row.json.get());
    }
    body.push_str("]}");
    body
}

fn status(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<Refused>().map(|r| r.status)
}

/// Whether asking again may help.
fn may_pass(error: &anyhow::Error) -> bool {
    match status(error) {
        Some(status) => matches!(status, 408 | 409 | 429 | 500..),
        None => matches!(error.downcast_ref::<Stop>(), Some(Stop::Unreachable(_))),
    }
}

fn read(answer: Answer, rows: &[Row]) -> anyhow::Result<Sent> {
    let data = answer
        .body
        .get("data")
        .and_then(Value::as_array)
        .context("the answer has no data: is it Posthaste?")?;
    let place =
        |item: &Value| item.get("index").and_then(Value::as_u64).and_then(|i| usize::try_from(i).ok());
    let mut sent = Sent::default();
    let mut taken = vec![false; rows.len()];
    for item in data {
        let slot = place(item)
            .and_then(|i| taken.get_mut(i))
            .context("the answer tells of a row that was not sent")?;
        *slot = true;
        if item.get("duplicate").and_then(Value::as_bool) == Some(true) {
            sent.duplicates += 1;
        } else {
            sent.accepted += 1;
        }
    }
    if answer.replayed {
        sent.replayed = sent.accepted;
    }
    let mut reasons = vec![Vec::new(); rows.len()];
    for error in answer.body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        if let Some(found) = place(error).and_then(|i| reasons.get_mut(i)) {
            let list = error.get("errors").and_then(Value::as_array).into_iter().flatten();
            found.extend(list.map(field_error));
        }
    }
    for ((row, taken), reasons) in rows.iter().zip(taken).zip(reasons) {
        if !taken {
            sent.rejects.push(reject(row, reasons));
        }
    }
    Ok(sent)
}

fn reject(row: &Row, mut reasons: Vec<String>) -> Reject {
    if reasons.is_empty() {
        reasons.push("the server refused it".to_owned());
    }
    Reject { line: row.line, reasons, row: serde_json::from_str(row.json.get()).unwrap_or_default() }
}

/// The rows of a batch of which the server took none, with its reasons for each: `loc` says which
/// row. Nothing, when it refused the request for another reason.
fn all_refused(error: &anyhow::Error, what: What, rows: &[Row]) -> Option<Vec<Reject>> {
    let refused = error.downcast_ref::<Refused>().filter(|r| r.status == 422)?;
    let mut reasons = vec![Vec::new(); rows.len()];
    for error in refused.body.get("errors")?.as_array()? {
        let loc = error.get("loc")?.as_array()?;
        let at = loc.iter().position(|part| part.as_str() == Some(what.as_str()))?;
        let index = loc.get(at + 1)?.as_u64().and_then(|i| usize::try_from(i).ok())?;
        reasons.get_mut(index)?.push(field_error(error));
    }
    if reasons.iter().any(Vec::is_empty) {
        return None;
    }
    Some(rows.iter().zip(reasons).map(|(row, reasons)| reject(row, reasons)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn rows(n: u64) -> Vec<Row> {
        let json = |i: u64| RawValue::from_string(format!("{{\"to\": \"{i}\"}}")).expect("JSON");
        (0..n).map(|i| Row { line: i + 10, json: json(i) }).collect()
    }

    #[test]
    fn an_answer_is_read_row_by_row() {
        assert_eq!(body(What::Tasks, &rows(2)), r#"{"mode":"permissive","tasks":[{"to": "0"},{"to": "1"}]}"#);
        let body = json!({"batch_id": "b",
            "data": [{"index": 0, "id": "1", "duplicate": false}, {"index": 2, "id": "2", "duplicate": true}],
            "errors": [{"index": 1, "errors": [{"loc": ["to"], "msg": "bad"}]}]});
        let sent = read(Answer { body, replayed: true }, &rows(3)).expect("read");
        assert_eq!((sent.accepted, sent.duplicates, sent.replayed), (1, 1, 1));
        assert_eq!((sent.rejects[0].line, sent.rejects[0].reasons.join("")), (11, "to: bad".to_owned()));
        let silent = read(Answer { body: json!({"data": []}), replayed: false }, &rows(1)).expect("read");
        assert_eq!(silent.rejects.len(), 1, "what the answer does not tell of is not taken for sent");
        let other = json!({"data": [{"index": 7, "id": "1"}]});
        assert!(read(Answer { body: other, replayed: false }, &rows(2)).is_err());
    }

    #[test]
    fn a_batch_of_bad_rows_is_told_from_a_bad_request() {
        let refused = |errors| {
            let body = json!({"errors": errors});
            anyhow::Error::from(Refused { status: 422, message: String::new(), retry_after: None, body })
        };
        let one = |i| json!({"loc": ["body", "notifications", i, "to"], "msg": "bad"});
        let all = refused(json!([one(0), one(1)]));
        assert_eq!(all_refused(&all, What::Notifications, &rows(2)).map(|r| r.len()), Some(2));
        assert!(all_refused(&refused(json!([one(0)])), What::Notifications, &rows(2)).is_none());
        let other = refused(json!([{"loc": ["header", "Idempotency-Key"], "msg": "used"}]));
        assert!(all_refused(&other, What::Notifications, &rows(1)).is_none());
    }
}
