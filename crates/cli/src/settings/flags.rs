//! The flags of the settings, made from the table.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command};

use super::table::{Group, SETTINGS, Setting};

/// Flags of the server's settings, as they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFlags(pub(crate) BTreeMap<&'static str, String>);

impl clap::FromArgMatches for ServerFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = BTreeMap::new();
        for s in served() {
            if let Some(value) = matches.get_one::<String>(s.key) {
                given.insert(s.key, value.clone());
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

impl clap::Args for ServerFlags {
    fn augment_args(command: Command) -> Command {
        served().fold(command, |command, s| {
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

fn served() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|s| s.group == Group::Server)
}

fn value_name(s: &Setting) -> String {
    s.key.to_uppercase()
}
