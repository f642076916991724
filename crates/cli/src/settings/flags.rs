//! The flags of the settings, made from the table.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Command};

use super::table::{Group, SETTINGS, Setting};

/// A verb that takes settings as flags: those of its groups, so that a flag which it would not heed
/// is an error.
pub(crate) trait Takes: Clone + Send + Sync + 'static {
    /// The groups.
    const GROUPS: &'static [Group];
}

macro_rules! takers {
    ($($(#[$doc:meta])* $name:ident: $($group:ident)+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) enum $name {}

        impl Takes for $name {
            const GROUPS: &'static [Group] = &[$(Group::$group),+];
        }
    )+};
}

takers! {
    /// `up`.
    Up: Process Http Runner Embedded;
    /// `api`.
    ApiOnly: Process Http;
    /// `worker`.
    WorkerOnly: Process Runner WorkerHttp;
    /// `config`, `doctor`.
    Everything: Process Http Runner Embedded WorkerHttp;
}

/// Flags of a verb's settings, as they were given.
#[derive(Debug, Clone)]
pub(crate) struct ServerFlags<T>(pub(crate) BTreeMap<&'static str, String>, PhantomData<T>);

impl<T: Takes> clap::FromArgMatches for ServerFlags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = BTreeMap::new();
        for s in taken::<T>() {
            if let Some(value) = matches.get_one::<String>(s.key) {
                given.insert(s.key, value.clone());
            }
        }
        Ok(Self(given, PhantomData))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

impl<T: Takes> clap::Args for ServerFlags<T> {
    fn augment_args(command: Command) -> Command {
        taken::<T>().fold(command, |command, s| {
            let default =
                if s.default.is_empty() { String::new() } else { format!(" [default: {}]", s.default) };
            let help = format!("{} [env: {}]{default}", s.doc, s.env);
            let arg =
                Arg::new(s.key).long(s.flag()).value_name(value_name(s)).help(help).help_heading("Settings");
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn taken<T: Takes>() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|s| T::GROUPS.contains(&s.group))
}

fn value_name(s: &Setting) -> String {
    s.key.to_uppercase()
}
