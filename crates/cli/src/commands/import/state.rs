//! How far an import is, and the rows that were refused: files beside the input.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::plan::Identity;
use super::rows::Reject;
use crate::exit::Stop;

/// Everything before a place in the file is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Bytes of the input that are done.
    pub(super) offset: u64,
    /// Lines of it.
    pub(super) line: u64,
    /// Rows of it.
    pub(super) rows: u64,
    /// Rows that the server has.
    pub(super) accepted: u64,
    /// Of them: rows that it had from an earlier run.
    pub(super) replayed: u64,
    /// Rows whose unique key another task held.
    pub(super) duplicates: u64,
    /// Rows that were refused.
    pub(super) rejected: u64,
    /// Bytes of the file of refused rows; what is behind them was written without a checkpoint.
    pub(super) rejects_len: u64,
}

/// What the state's file holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) identity: Identity,
    /// What the names of its batches are made of.
    pub(super) seed: String,
    pub(super) checkpoint: Checkpoint,
}

impl Stored {
    /// What is kept at `path`, if anything is.
    ///
    /// # Errors
    /// A file that cannot be read or is not ours (2).
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("{} cannot be read", path.display())),
        };
        serde_json::from_str(&text).map(Some).map_err(|e| {
            Stop::Usage(format!("{} is not what an import left: {e}. --restart begins anew", path.display()))
                .into()
        })
    }
}

/// Keeps checkpoints.
#[derive(Debug)]
pub(super) struct Keeper(Option<(PathBuf, Identity, String)>);

impl Keeper {
    pub(super) fn at(path: &Path, identity: Identity, seed: String) -> Self {
        Self(Some((path.to_owned(), identity, seed)))
    }

    /// Of standard input, which cannot be read again.
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// Replaces the file whole, so that a kill leaves the old one or the new one.
    ///
    /// # Errors
    /// A directory that cannot be written.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let Some((path, identity, seed)) = &self.0 else { return Ok(()) };
        let stored =
            Stored { identity: identity.clone(), seed: seed.clone(), checkpoint: checkpoint.clone() };
        let new = path.with_extension("posthaste-import.new");
        let write = || -> std::io::Result<()> {
            std::fs::write(&new, serde_json::to_vec(&stored)?)?;
            std::fs::rename(&new, path)
        };
        write().with_context(|| format!("{} cannot be written; --state names another place", path.display()))
    }

    /// Removes it: the import is done.
    ///
    /// # Errors
    /// A directory that cannot be written.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        let Some((path, ..)) = self.0 else { return Ok(()) };
        std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))
    }
}

/// The file of refused rows; made when the first is written.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    len: u64,
}

impl Rejects {
    /// Cuts off what a killed run wrote behind its checkpoint, and what an older import left.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn open(path: &Path, len: u64) -> anyhow::Result<Self> {
        let failed = || format!("{} cannot be written; --rejects names another file", path.display());
        match OpenOptions::new().write(true).open(path) {
            Ok(file) => {
                file.set_len(len).with_context(failed)?;
                if len == 0 {
                    std::fs::remove_file(path).with_context(failed)?;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).with_context(failed),
        }
        Ok(Self { path: path.to_owned(), file: None, len })
    }

    /// Appends rows; the length of the file then.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn write(&mut self, rejects: &[Reject]) -> anyhow::Result<u64> {
        if rejects.is_empty() {
            return Ok(self.len);
        }
        let failed = || format!("{} cannot be written", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = OpenOptions::new()
                    .create(true)
                    .append(false)
                    .write(true)
                    .truncate(false)
                    .open(&self.path)
                    .with_context(failed)?;
                file.seek(SeekFrom::Start(self.len)).with_context(failed)?;
                none.insert(BufWriter::new(file))
            }
        };
        for reject in rejects {
            let mut line = serde_json::to_vec(reject)?;
            line.push(b'\n');
            file.write_all(&line).with_context(failed)?;
            self.len += line.len() as u64;
        }
        file.flush().with_context(failed)?;
        Ok(self.len)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_behind_the_checkpoint_are_cut_off() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rejects");
        let reject = |line| Reject { line, reasons: vec!["no".into()], row: json!({}) };
        let mut rejects = Rejects::open(&path, 0).expect("opened");
        assert!(!path.exists());
        let one = rejects.write(&[reject(1)]).expect("written");
        rejects.write(&[reject(2), reject(3)]).expect("written");
        let mut again = Rejects::open(&path, one).expect("opened");
        again.write(&[reject(4)]).expect("written");
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<u64> = text
            .lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).expect("JSON")["line"].as_u64().expect("a line")
            })
            .collect();
        assert_eq!(lines, [1, 4]);
    }
}
