//! Configuration: flags over environment over posthaste.toml over defaults.

pub(crate) mod flags;
pub(crate) mod providers;
pub(crate) mod resolve;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod traces;
pub(crate) mod typed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use resolve::{Inputs, Settings};

/// The file that is read when nobody names one, if it is there.
const DEFAULT_FILE: &str = "posthaste.toml";

/// Reads the real environment and file. `file` is what `--config` named.
///
/// # Errors
/// A file that was named and cannot be read, or a configuration that is refused.
pub(crate) fn load(file: Option<&Path>, flags: BTreeMap<&'static str, String>) -> anyhow::Result<Settings> {
    // A variable that is not UTF-8 cannot be one of ours.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect();
    // Empty is as good as not set, as of any other variable.
    let by_env = env.get("POSTHASTE_CONFIG").filter(|path| !path.is_empty());
    let named = file.map(Path::to_owned).or_else(|| by_env.map(PathBuf::from));
    let (path, must_exist) = named.map_or_else(|| (PathBuf::from(DEFAULT_FILE), false), |p| (p, true));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => None,
        Err(e) => return Err(e).with_context(|| format!("{} cannot be read", path.display())),
    };
    let inputs = Inputs { flags, env, file: text.as_deref().map(|t| (path.as_path(), t)) };
    Ok(resolve::resolve(&inputs)?)
}
