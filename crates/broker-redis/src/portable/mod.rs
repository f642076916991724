//! What moves the store: erasing tasks, exporting everything, importing it.

mod export;
mod import;

use std::sync::LazyLock;

use posthaste_core::portable::Erased;
use posthaste_core::{BrokerError, TaskId};

use crate::link::{Oom, Script};
use crate::record::corrupt;
use crate::store::Inner;

/// The script that reads a part.
static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::with(
        "read_export",
        Oom::Reads,
        &[
            include_str!("../lua/reader.lua"),
            include_str!("../lua/read_task.lua"),
            include_str!("../lua/read_export.lua"),
        ],
    )
});

impl Inner {
    /// Removes tasks that do not run.
    pub(crate) async fn erase(&self, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError> {
        let answers = self.people("erase", None, ids).await?;
        answers
            .iter()
            .map(|a| match a.as_slice() {
                b"D" => Ok(Erased::Erased),
                b"R" => Ok(Erased::Running),
                b"N" => Ok(Erased::NotFound),
                _ => Err(corrupt("the answer to an erase")),
            })
            .collect()
    }
}
