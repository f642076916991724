use crate::store::Inner;
use posthaste_core::broker::*;
use posthaste_core::*;
fn no<T>() -> Result<T, BrokerError> { Err(BrokerError::Unavailable { why: "stub".into() }) }
impl Inner {
    pub(crate) async fn get(&self, _ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError> { no() }
    pub(crate) async fn list(&self, _r: ListRequest) -> Result<Page, BrokerError> { no() }
    pub(crate) async fn counts(&self) -> Result<Vec<QueueCounts>, BrokerError> { no() }
    pub(crate) async fn series(&self, _r: SeriesRequest) -> Result<Vec<SeriesPoint>, BrokerError> { no() }
    pub(crate) async fn attempts(&self, _r: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> { no() }
    pub(crate) async fn lanes(&self, _q: Option<&QueueName>) -> Result<Vec<LaneInfo>, BrokerError> { no() }
    pub(crate) fn subscribe(&self, _t: Option<TaskId>) -> Box<dyn Subscription> { panic!() }
    pub(crate) fn wakeups(&self) -> Box<dyn Wakeups> { panic!() }
    pub(crate) fn ring_all(&self) {}
    pub(crate) async fn heartbeat(&self, _w: WorkerInfo) -> Result<(), BrokerError> { Ok(()) }
    pub(crate) async fn workers(&self) -> Result<Vec<WorkerInfo>, BrokerError> { no() }
    pub(crate) async fn health(&self) -> Health { panic!() }
    pub(crate) async fn get_record(&self, _k: RecordKind, _n: &str) -> Result<Option<Record>, BrokerError> { no() }
    pub(crate) async fn put_record(&self, _k: RecordKind, _n: &str, _b: Json, _e: Expect) -> Result<u64, BrokerError> { no() }
    pub(crate) async fn list_records(&self, _k: RecordKind, _o: RecordOrder, _a: Option<&str>, _l: usize) -> Result<Vec<Record>, BrokerError> { no() }
    pub(crate) async fn delete_record(&self, _k: RecordKind, _n: &str, _e: Expect) -> Result<bool, BrokerError> { no() }
}
