//! What can still be shown of a task whose row cannot be read.

use posthaste_core::broker::Bodies;
use posthaste_core::{
    EndReason, FailureClass, Json, Kind, Priority, QueueName, State, Task, TaskEnd, Timestamp,
};
use rusqlite::OptionalExtension;

use crate::damage::{TaskOrRow, said};
use crate::engine::unreadable::{CODE, name_of, readable};
use crate::engine::{Done, Fail};
use crate::read::Reader;

/// The kind that is shown where it cannot be read.
const KIND: &str = "unreadable";

impl Reader<'_> {
    /// A task, or what is left of it: one that cannot be read must not hide the others of its list.
    pub(crate) fn task_or_rest(&self, seq: i64, bodies: Bodies) -> Done<Option<Task>> {
        let why = match readable(self.task(seq, bodies))? {
            Ok(Some(task)) => return Ok(Some(task)),
            Ok(None) if !self.has_row(seq)? => return Ok(None),
            Ok(None) => Fail::Corrupt("its kind or its lane is unknown".into()),
            Err(why) => why,
        };
        let name = name_of(self.db, seq);
        self.damage.unreadable(name, &why, "what is left of it is shown");
        match name {
            TaskOrRow::Task(id) => Ok(Some(self.rest(seq, id, bodies, &why))),
            // Not even its id: a damaged page, which the store's health tells.
            TaskOrRow::Row(_) => Ok(None),
        }
    }

    fn has_row(&self, seq: i64) -> Done<bool> {
        let mut stmt = self.db.prepare_cached("SELECT 1 FROM task WHERE seq = ?1")?;
        Ok(stmt.query_row([seq], |_| Ok(())).optional()?.is_some())
    }

    fn rest(&self, seq: i64, id: posthaste_core::TaskId, bodies: Bodies, why: &Fail) -> Task {
        let number = |sql: &str| -> Option<i64> { self.db.query_row(sql, [seq], |r| r.get(0)).ok() };
        let text = |sql: &str| -> Option<String> { self.db.query_row(sql, [seq], |r| r.get(0)).ok() };
        let time = |column: &str| {
            number(&format!("SELECT {column} FROM task WHERE seq = ?1")).map(Timestamp::from_millis)
        };
        let ended = number("SELECT state FROM outcome WHERE seq = ?1");
        let running = number("SELECT 1 FROM run WHERE seq = ?1").is_some();
        let state = match ended.and_then(|code| State::from_code(u8::try_from(code).ok()?)) {
            Some(state) => state,
            None if running => State::Running,
            None => State::Queued,
        };
        let small = |sql: &str| number(sql).and_then(|n| u32::try_from(n).ok());
        let told =
            text("SELECT error FROM outcome WHERE seq = ?1").and_then(|t| serde_json::from_str(&t).ok());
        let created = time("created").unwrap_or(Timestamp::from_millis(crate::ids::millis_of(seq)));
        let kind = text("SELECT n.text FROM task t JOIN name n ON n.id = t.kind WHERE t.seq = ?1");
        let queue = text(
            "SELECT n.text FROM task t JOIN lane l ON l.id = t.lane JOIN name n ON n.id = l.queue WHERE t.seq = ?1",
        );
        Task {
            id,
            kind: kind
                .and_then(|k| Kind::new(k).ok())
                .unwrap_or_else(|| Kind::new(KIND).expect("a fixed, valid name")),
            queue: queue.and_then(|q| QueueName::new(q).ok()).unwrap_or_default(),
            lane: None,
            tenant: None,
            priority: Priority::default(),
            state,
            generation: small("SELECT gen FROM task WHERE seq = ?1").unwrap_or(1),
            attempt: small("SELECT attempt FROM outcome WHERE seq = ?1").unwrap_or(0),
            failures: small("SELECT failures FROM outcome WHERE seq = ?1").unwrap_or(0),
            created_at: created,
            due_at: time("due").unwrap_or(created),
            started_at: None,
            finished_at: number("SELECT finished FROM outcome WHERE seq = ?1").map(Timestamp::from_millis),
            expires_at: None,
            worker: None,
            cancel_requested: false,
            policy: posthaste_core::RetryPolicy::default(),
            unique: None,
            batch: None,
            recipient: None,
            trace: None,
            error: Some(told.unwrap_or_else(|| TaskEnd {
                reason: state.is_final().then_some(EndReason::Permanent),
                class: Some(FailureClass::Permanent),
                message: format!("its row cannot be read: {}", said(why)),
                code: Some(CODE.to_owned()),
            })),
            payload: (bodies == Bodies::Include).then(|| Json::from_trusted("null".to_owned())),
            result: None,
        }
    }
}
