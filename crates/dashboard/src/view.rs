//! What the templates are given. Plain text and decisions already made: a template chooses no words
//! and knows no rule.

use serde::Serialize;

/// What every page needs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Chrome {
    pub(crate) title: String,
    pub(crate) version: &'static str,
    pub(crate) assets: AssetUrls,
    pub(crate) banners: Vec<Banner>,
    /// The navigation entry that is this page.
    pub(crate) here: &'static str,
    /// Whether the page reloads itself where scripts do not run.
    pub(crate) refresh: bool,
    /// Who is signed in.
    pub(crate) session: Option<Session>,
    /// Whether the navigation leads anywhere: not for somebody who has to sign in first.
    pub(crate) nav: bool,
    /// Whether what belongs to the installation as a whole is shown: not to a tenant.
    pub(crate) whole: bool,
}

/// Who is signed in.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Session {
    /// The key's name.
    pub(crate) name: String,
    /// What its forms carry.
    pub(crate) csrf: String,
}

/// Addresses of the assets, with their content in the name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AssetUrls {
    pub(crate) css: String,
    pub(crate) js: String,
    pub(crate) icon: String,
}

/// How urgent a banner or notice looks; the name of a style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    Info,
    Warn,
    Danger,
    Quiet,
}

/// A sentence across the top of every page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Banner {
    pub(crate) tone: Tone,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

/// A headline with an explanation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Words {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// A state as people see it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Badge {
    /// The name of its style.
    pub(crate) state: &'static str,
    pub(crate) label: &'static str,
}

/// A time, both ways.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct When {
    pub(crate) iso: String,
    pub(crate) relative: String,
    pub(crate) absolute: String,
}

/// The notifier form with what was typed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Form {
    /// What is wrong with the request as a whole.
    pub(crate) problem: Option<String>,
    /// Whether the caller may send at all; without it there is no form.
    pub(crate) allowed: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field of the form.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) input: &'static str,
    pub(crate) autocomplete: &'static str,
    pub(crate) placeholder: &'static str,
    pub(crate) required: bool,
    pub(crate) multiline: bool,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
}

/// Counts and the last tasks.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overview {
    /// Where to fetch this part again.
    pub(crate) fragment: String,
    /// Set when the store did not answer; nothing else is shown then.
    pub(crate) problem: Option<Words>,
    pub(crate) tiles: Vec<Tile>,
    /// Sentences about what waits for a person: pauses, and queues that nobody serves.
    pub(crate) pauses: Vec<String>,
    pub(crate) heading: String,
    /// Whether only tasks of one state are shown.
    pub(crate) filtered: bool,
    pub(crate) rows: Vec<Row>,
    /// Where the list goes on.
    pub(crate) older: Option<String>,
    pub(crate) empty: Words,
}

/// One count.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tile {
    pub(crate) state: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) exact: String,
    pub(crate) zero: bool,
    pub(crate) note: Option<String>,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// One task of the list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) badge: Badge,
    pub(crate) title: String,
    pub(crate) subtitle: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) when: When,
}

/// Every worker that was heard of lately.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Workers {
    /// Set when the store did not answer; nothing else is shown then.
    pub(crate) problem: Option<Words>,
    pub(crate) summary: Option<String>,
    /// Queues that nobody serves.
    pub(crate) warnings: Vec<String>,
    pub(crate) cards: Vec<WorkerCard>,
    pub(crate) empty: Words,
}

/// One worker.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerCard {
    /// Names it on the page.
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) badge: WorkerBadge,
    pub(crate) busy: u32,
    pub(crate) slots: u32,
    pub(crate) load: String,
    pub(crate) seen: When,
    pub(crate) started: When,
    pub(crate) facts: Vec<Fact>,
    pub(crate) tasks: Vec<WorkerTask>,
    /// What of its tasks is not shown.
    pub(crate) more: Option<String>,
}

/// How a worker is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerBadge {
    /// The name of its style.
    pub(crate) state: &'static str,
    pub(crate) label: &'static str,
    /// What that means, where it is not plain.
    pub(crate) note: Option<String>,
}

/// A task that a worker runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerTask {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) subtitle: Option<String>,
    pub(crate) since: When,
}

/// One task in full.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) badge: Badge,
    pub(crate) is_final: bool,
    pub(crate) title: String,
    pub(crate) subtitle: Option<String>,
    /// What happens or happened, in one sentence.
    pub(crate) sentence: String,
    /// When it came into its state, as far as it is known.
    pub(crate) changed: When,
    pub(crate) reason: Option<Reason>,
    /// When the next try is due.
    pub(crate) next: Option<TimeFact>,
    /// How many tries there were and how many are left.
    pub(crate) tries: Option<String>,
    pub(crate) held_href: Option<String>,
    /// What the forms carry, if somebody is signed in.
    pub(crate) csrf: Option<String>,
    pub(crate) can_cancel: bool,
    pub(crate) can_retry: bool,
    pub(crate) timeline: Vec<Entry>,
    /// Says that the oldest attempts are not kept, if so.
    pub(crate) cut: Option<String>,
    /// The notification, if it is one.
    pub(crate) message: Vec<Fact>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) times: Vec<TimeFact>,
    pub(crate) documents: Vec<Document>,
}

/// Why a try or the task did not succeed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reason {
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) code: Option<String>,
    pub(crate) advice: Option<String>,
}

/// A step in the life of a task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// The name of its style.
    pub(crate) tone: &'static str,
    pub(crate) title: String,
    pub(crate) chip: Option<&'static str>,
    pub(crate) when: When,
    pub(crate) text: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) note: Option<String>,
}

/// A label and a value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// Whether the value is set below its label.
    pub(crate) long: bool,
}

/// A label and a time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TimeFact {
    pub(crate) label: &'static str,
    pub(crate) when: When,
}

/// JSON, indented, shown on demand.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Document {
    pub(crate) label: &'static str,
    pub(crate) text: String,
}

/// A held message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    pub(crate) task_href: String,
    pub(crate) subject: String,
    pub(crate) headers: Vec<Fact>,
    pub(crate) date: When,
    pub(crate) frame_href: String,
    /// How high the frame is: it holds no script that could tell.
    pub(crate) size: &'static str,
    pub(crate) text: String,
    pub(crate) raw: String,
    pub(crate) raw_href: String,
}
