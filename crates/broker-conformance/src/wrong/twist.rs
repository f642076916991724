//! A wrapper that passes every call on, and a trait with one method to change for each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::broker::{
    Cancelled, ClaimRequest, EnqueueReply, EnqueueRequest, Extend, Extended, Fenced, Health, LaneInfo,
    ListRequest, Page, PauseRequest, QueueCounts, ReleaseReason, Retried, SeriesPoint, SeriesRequest,
    SettleReply, SettleRequest, TickReport, WorkerInfo,
};
use posthaste_core::portable::{Erased, Exported, Imported, PortableItem};
use posthaste_core::{
    Attempt, Broker, BrokerError, Claimed, Expect, Json, LaneLimits, LeaseRef, Portable, QueueName, Record,
    RecordKind, RecordOrder, Records, Scope, Store, Subscription, Task, TaskId, Timestamp, Wakeups,
};

type Result<T> = std::result::Result<T, BrokerError>;

/// The real store inside a wrong one.
pub(crate) struct Twisted<T> {
    real: Arc<dyn Store>,
    twist: T,
}

impl<T: Twist + 'static> Twisted<T> {
    pub(crate) fn around(real: Arc<dyn Store>, twist: T) -> Arc<dyn Store> {
        Arc::new(Self { real, twist })
    }
}

macro_rules! operations {
    (
        Broker { $(fn $bname:ident($($barg:ident: $bty:ty),*) -> $bret:ty;)* }
        Records { $(fn $rname:ident($($rarg:ident: $rty:ty),*) -> $rret:ty;)* }
        Portable { $(fn $pname:ident($($parg:ident: $pty:ty),*) -> $pret:ty;)* }
    ) => {
        /// What a wrong store does instead; by default what the real one does.
        #[async_trait]
        pub(crate) trait Twist: Send + Sync {
            $(async fn $bname(&self, real: &dyn Store, $($barg: $bty),*) -> $bret {
                real.$bname($($barg),*).await
            })*
            $(async fn $rname(&self, real: &dyn Store, $($rarg: $rty),*) -> $rret {
                real.$rname($($rarg),*).await
            })*
            $(async fn $pname(&self, real: &dyn Store, $($parg: $pty),*) -> $pret {
                real.$pname($($parg),*).await
            })*
            fn subscribe(&self, real: &dyn Store, task: Option<TaskId>) -> Box<dyn Subscription> {
                real.subscribe(task)
            }
            fn wakeups(&self, real: &dyn Store) -> Box<dyn Wakeups> {
                real.wakeups()
            }
        }

        #[async_trait]
        impl<T: Twist> Broker for Twisted<T> {
            $(async fn $bname(&self, $($barg: $bty),*) -> $bret {
                self.twist.$bname(&*self.real, $($barg),*).await
            })*
            fn subscribe(&self, task: Option<TaskId>) -> Box<dyn Subscription> {
                self.twist.subscribe(&*self.real, task)
            }
            fn wakeups(&self) -> Box<dyn Wakeups> {
                self.twist.wakeups(&*self.real)
            }
        }

        #[async_trait]
        impl<T: Twist> Records for Twisted<T> {
            $(async fn $rname(&self, $($rarg: $rty),*) -> $rret {
                self.twist.$rname(&*self.real, $($rarg),*).await
            })*
        }

        #[async_trait]
        impl<T: Twist> Portable for Twisted<T> {
            $(async fn $pname(&self, $($parg: $pty),*) -> $pret {
                self.twist.$pname(&*self.real, $($parg),*).await
            })*
        }
    };
}

operations! {
    Broker {
        fn enqueue(request: EnqueueRequest) -> Result<EnqueueReply>;
        fn claim(request: ClaimRequest) -> Result<Vec<Claimed>>;
        fn settle(request: SettleRequest) -> Result<SettleReply>;
        fn mark(leases: &[LeaseRef]) -> Result<Vec<Fenced>>;
        fn extend(leases: &[Extend], lease: Duration) -> Result<Vec<Extended>>;
        fn cancel_flags(leases: &[LeaseRef]) -> Result<Vec<bool>>;
        fn release(leases: &[LeaseRef], reason: ReleaseReason) -> Result<Vec<Fenced>>;
        fn cancel(ids: &[TaskId]) -> Result<Vec<Cancelled>>;
        fn retry(ids: &[TaskId], expires_at: Option<Timestamp>) -> Result<Vec<Retried>>;
        fn tick() -> Result<TickReport>;
        fn get(ids: &[TaskId]) -> Result<Vec<Option<Task>>>;
        fn list(request: ListRequest) -> Result<Page>;
        fn counts() -> Result<Vec<QueueCounts>>;
        fn series(request: SeriesRequest) -> Result<Vec<SeriesPoint>>;
        fn attempts(id: TaskId) -> Result<Option<Vec<Attempt>>>;
        fn pause(request: PauseRequest) -> Result<()>;
        fn resume(scope: &Scope) -> Result<()>;
        fn lift(settings: &[String]) -> Result<usize>;
        fn set_limits(scope: &Scope, limits: LaneLimits) -> Result<()>;
        fn lanes(queue: Option<&QueueName>) -> Result<Vec<LaneInfo>>;
        fn heartbeat(worker: WorkerInfo) -> Result<()>;
        fn workers() -> Result<Vec<WorkerInfo>>;
        fn health() -> Health;
    }
    Records {
        fn get_record(kind: RecordKind, name: &str) -> Result<Option<Record>>;
        fn put_record(kind: RecordKind, name: &str, body: Json, expect: Expect) -> Result<u64>;
        fn list_records(kind: RecordKind, order: RecordOrder, after: Option<&str>, limit: usize) -> Result<Vec<Record>>;
        fn delete_record(kind: RecordKind, name: &str, expect: Expect) -> Result<bool>;
    }
    Portable {
        fn erase(ids: &[TaskId]) -> Result<Vec<Erased>>;
        fn export(cursor: Option<&str>, limit: usize) -> Result<Exported>;
        fn import(items: Vec<PortableItem>) -> Result<Imported>;
    }
}
