//! Documents read one at a time by many at once: whoever asks while others do is answered with them. A query is shorter than
//! handing it to another thread, and each delivery asks whether its recipient is suppressed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthaste_core::{BrokerError, Record, RecordKind};
use tokio::sync::oneshot;

use crate::error::closed;
use crate::read::Readers;

/// Documents that are read from one snapshot at the most.
const AT_ONCE: usize = 64;

type Answer = Result<Option<Record>, BrokerError>;

/// What is asked, and by whom.
#[derive(Default)]
pub(crate) struct Lookups {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    asked: Vec<((RecordKind, String), oneshot::Sender<Answer>)>,
    /// Whether somebody answers already.
    served: bool,
}

impl Lookups {
    /// The document as it is now, or later: it is never read from a snapshot that is older than the question.
    pub(crate) async fn record(
        self: &Arc<Self>,
        readers: &Arc<Readers>,
        kind: RecordKind,
        name: &str,
    ) -> Answer {
        let (sender, answer) = oneshot::channel();
        let served = {
            let mut waiting = self.waiting();
            waiting.asked.push(((kind, name.to_owned()), sender));
            std::mem::replace(&mut waiting.served, true)
        };
        if !served {
            // Not by the caller itself, who may leave before the others have their answers.
            let service = Service { lookups: Arc::clone(self), ended: false };
            tokio::spawn(service.run(Arc::clone(readers)));
        }
        answer.await.map_err(|_| closed())?
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever answers. Ended before its time, by the end of its runtime, it lets go of those who wait.
struct Service {
    lookups: Arc<Lookups>,
    ended: bool,
}

impl Service {
    async fn run(mut self, readers: Arc<Readers>) {
        loop {
            // Those who are about to ask do so first.
            tokio::task::yield_now().await;
            let (names, askers): (Vec<_>, Vec<_>) = {
                let mut waiting = self.lookups.waiting();
                let n = waiting.asked.len().min(AT_ONCE);
                if n == 0 {
                    waiting.served = false;
                    self.ended = true;
                    return;
                }
                waiting.asked.drain(..n).unzip()
            };
            let read = readers.read(move |r| {
                Ok(names
                    .into_iter()
                    .map(|(kind, name)| r.record(kind, &name).inspect_err(|fail| r.damage.saw_fail(fail)))
                    .collect::<Vec<_>>())
            });
            match read.await {
                Ok(found) => {
                    for (asker, found) in askers.into_iter().zip(found) {
                        // An error means that the asker has left.
                        let _ = asker.send(found.map_err(Into::into));
                    }
                }
                Err(e) => askers.into_iter().for_each(|asker| drop(asker.send(Err(e.clone())))),
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut waiting = self.lookups.waiting();
        waiting.served = false;
        waiting.asked.clear();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use posthaste_core::{BrokerError, Expect, Json, RecordKind, Records};
    use tokio::runtime::Builder;

    use crate::{SqliteConfig, SqliteStore};

    const KIND: RecordKind = RecordKind::Setting;

    fn body(n: usize) -> Json {
        Json::from_value(&n).expect("a number is JSON")
    }

    async fn put(store: &SqliteStore, n: usize) {
        store.put_record(KIND, &format!("n{n}"), body(n), Expect::Any).await.expect("stored");
    }

    /// What is under each name, asked at once.
    async fn ask(store: &SqliteStore, n: usize) -> Vec<Option<Json>> {
        let asked = (0..n).map(async |i| store.get_record(KIND, &format!("n{i}")).await);
        join_all(asked).await.into_iter().map(|r| r.expect("read").map(|r| r.body)).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_gets_his_own_answer() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opened");
        for n in (0..300).step_by(3) {
            put(&store, n).await;
        }
        for _ in 0..10 {
            let expected: Vec<_> = (0..300).map(|n| (n % 3 == 0).then(|| body(n))).collect();
            assert_eq!(ask(&store, 300).await, expected);
        }
    }

    #[tokio::test]
    async fn what_was_stored_before_the_question_is_in_the_answer() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opened");
        let each = (0..200).map(async |n| {
            put(&store, n).await;
            store.get_record(KIND, &format!("n{n}")).await.expect("read").map(|r| r.body)
        });
        let expected: Vec<_> = (0..200).map(|n| Some(body(n))).collect();
        assert_eq!(join_all(each).await, expected);
    }

    #[tokio::test]
    async fn one_who_leaves_takes_nobody_along() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opened");
        put(&store, 0).await;
        // The first, on whose account somebody answers, goes at once.
        for _ in 0..20 {
            let mut first = Box::pin(store.get_record(KIND, "n0"));
            assert!((&mut first).now_or_never().is_none());
            let mut second = Box::pin(store.get_record(KIND, "n0"));
            assert!((&mut second).now_or_never().is_none());
            drop(first);
            assert_eq!(second.await.expect("read").map(|r| r.body), Some(body(0)));
        }
    }

    #[test]
    fn a_runtime_that_ends_leaves_the_store_to_the_next() {
        let dir = tempfile::tempdir().expect("a directory");
        let runtime = || Builder::new_current_thread().enable_all().build().expect("a runtime");
        let first = runtime();
        let store = first.block_on(async {
            let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opened");
            put(&store, 0).await;
            let mut question = Box::pin(store.get_record(KIND, "n0"));
            assert!((&mut question).now_or_never().is_none());
            drop(question);
            store
        });
        drop(first);
        let found = runtime().block_on(store.get_record(KIND, "n0"));
        assert_eq!(found.expect("read").map(|r| r.body), Some(body(0)));
    }

    #[tokio::test]
    async fn a_closed_store_says_so_to_each() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("opened");
        store.close().await;
        let answers = join_all((0..100).map(async |_| store.get_record(KIND, "n0").await)).await;
        for answer in answers {
            assert!(matches!(answer, Err(BrokerError::Unavailable { why }) if why == "the store is closed"));
        }
    }
}
