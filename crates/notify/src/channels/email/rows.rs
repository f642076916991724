//! The rows of the table of SMTP answers: [`super::classes`] reads it, `docs/SMTP.md` prints it.
//!
//! Two rules shape it. What a server answers before it was told a recipient, and what it says about our sign-in, our
//! name or our account's limits, is about the provider. Everything else from RCPT on is about that one message.

use posthaste_core::FailureClass;

use super::classes::{Pattern, Phase, Whose};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// In these phases; empty is any.
    pub phases: &'static [Phase],
    /// These answers.
    pub answer: Pattern,
    /// Are of this class,
    pub class: FailureClass,
    /// and say something about this.
    pub whose: Whose,
    /// Why, for people.
    pub why: &'static str,
    /// Where that is said: an RFC's section, or the page on which a service lists its answers.
    pub source: &'static str,
}

pub(super) const BEFORE_CONTENT: &[Phase] =
    &[Phase::Connect, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail, Phase::Rcpt, Phase::Data];
pub(super) const UNTIL_MAIL: &[Phase] =
    &[Phase::Connect, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail];
pub(super) const FROM_RCPT: &[Phase] = &[Phase::Rcpt, Phase::Data, Phase::Content];
pub(super) const UNTIL_SIGNED_IN: &[Phase] = &[Phase::Connect, Phase::Hello, Phase::StartTls, Phase::Auth];
const RCPT_AND_DATA: &[Phase] = &[Phase::Rcpt, Phase::Data];
const NAMED: &[Phase] = &[Phase::Hello, Phase::StartTls, Phase::Mail, Phase::Rcpt];

/// No answer, or none that can be read.
const SILENCE: &[Row] = &[
    Row {
        phases: &[Phase::Content],
        answer: Pattern::Lost,
        class: FailureClass::Ambiguous,
        whose: Whose::Message,
        why: "the server may have taken the message before the answer was lost",
        source: "RFC 5321 §6.1, RFC 1047",
    },
    Row {
        phases: &[Phase::Content],
        answer: Pattern::Garbled,
        class: FailureClass::Ambiguous,
        whose: Whose::Message,
        why: "the server may have taken the message; its answer does not say",
        source: "RFC 5321 §6.1, RFC 1047",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Lost,
        class: FailureClass::Unavailable,
        whose: Whose::Provider,
        why: "connect, DNS, TLS, cut or timeout: nothing of the message was sent",
        source: "RFC 5321 §3.8",
    },
    Row {
        phases: RCPT_AND_DATA,
        answer: Pattern::Lost,
        class: FailureClass::Unavailable,
        whose: Whose::Message,
        why: "cut or timeout: nothing of the message was sent, and it may be what the server cannot bear",
        source: "RFC 5321 §3.8",
    },
    Row {
        phases: RCPT_AND_DATA,
        answer: Pattern::Garbled,
        class: FailureClass::Transient,
        whose: Whose::Message,
        why: "an answer that cannot be read, or one out of place: nothing of the message was sent",
        source: "RFC 5321 §4.2",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Garbled,
        class: FailureClass::Unavailable,
        whose: Whose::Provider,
        why: "an answer that cannot be read, or one out of place: it is no mail server, or not a well one",
        source: "RFC 5321 §4.2",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::NotOffered,
        class: FailureClass::Permanent,
        whose: Whose::Message,
        why: "the address needs SMTPUTF8, which the server does not offer",
        source: "RFC 6531 §3.1",
    },
    Row {
        phases: &[],
        answer: Pattern::NotOffered,
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "STARTTLS or a sign-in is configured, but the server does not offer it; or the sender's address needs SMTPUTF8",
        source: "RFC 3207 §4, RFC 4954 §4",
    },
];

/// Answers about the name in EHLO: some servers judge it only once they know sender or recipient.
const OUR_NAME: &[Row] = &[
    Row {
        phases: BEFORE_CONTENT,
        answer: Pattern::Says(
            &[4, 5],
            &["helo command rejected", "invalid helo", "bad helo", "helo name", "helo argument", "helo/ehlo"],
        ),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "our name in EHLO is refused: set `ehlo`",
        source: "postfix.org/postconf.5.html#smtpd_helo_restrictions; exim.org: acl_smtp_helo",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::Says(&[5], &["recipient address rejected: need fully-qualified"]),
        class: FailureClass::Permanent,
        whose: Whose::Message,
        why: "the recipient's domain is no full name",
        source: "postfix.org/postconf.5.html#reject_non_fqdn_recipient",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::Codes(&[555]),
        class: FailureClass::Permanent,
        whose: Whose::Message,
        why: "the recipient's address is not understood",
        source: "RFC 5321 §4.1.1.11",
    },
    Row {
        phases: &[Phase::Hello, Phase::StartTls],
        answer: Pattern::Codes(&[501]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "our name in EHLO is refused: set `ehlo`",
        source: "RFC 5321 §4.3.2; exim.org: helo_allow_chars",
    },
    Row {
        phases: NAMED,
        answer: Pattern::Codes(&[504]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "our name in EHLO is refused: set `ehlo`",
        source: "postfix.org/postconf.5.html#non_fqdn_reject_code",
    },
    Row {
        phases: NAMED,
        answer: Pattern::Details(&[4, 5], 5, &[2]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "our name in EHLO is refused: set `ehlo`",
        source: "RFC 3463 §3.6; postfix.org/postconf.5.html#reject_invalid_helo_hostname",
    },
];

/// Sign-in, and what a service says when the account itself may not send.
const ACCOUNT: &[Row] = &[
    Row {
        phases: &[Phase::Auth],
        answer: Pattern::Details(&[4, 5], 7, &[12]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "the password must be set anew at the service",
        source: "RFC 4954 §6",
    },
    Row {
        phases: &[],
        answer: Pattern::Codes(&[530, 534, 535]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "credentials missing, too weak or refused",
        source: "RFC 4954 §6",
    },
    Row {
        phases: &[],
        answer: Pattern::Details(&[5], 7, &[3, 57, 501, 502, 503, 705, 708]),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "not signed in, or the account is blocked from sending",
        source: "learn.microsoft.com: MS-SMTPNTLM §2.2.1.4; Exchange Online, list of NDR codes",
    },
    Row {
        phases: &[],
        answer: Pattern::Says(
            &[4, 5],
            &["sending paused for this account", "sending suspended for this account"],
        ),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "the account is paused",
        source: "docs.aws.amazon.com/ses: Amazon SES email sending errors",
    },
];

/// Published limits of an account, an address or a server: they hold whatever the message.
const LIMITS: &[Row] = &[
    Row {
        phases: UNTIL_SIGNED_IN,
        answer: Pattern::Crowded(&[4, 5]),
        class: FailureClass::Unavailable,
        whose: Whose::Connection,
        why: "too many connections",
        source: "doc.dovecot.org: mail_max_userip_connections; support.huaweicloud.com: 500, number of sessions",
    },
    Row {
        phases: &[],
        answer: Pattern::Crowded(&[4]),
        class: FailureClass::Unavailable,
        whose: Whose::Connection,
        why: "too many connections",
        source: "learn.microsoft.com: SMTP Authenticated Submission (432 4.3.2); developer.contactlab.com: 421 4.4.5",
    },
    Row {
        phases: &[],
        answer: Pattern::Codes(&[432]),
        class: FailureClass::Unavailable,
        whose: Whose::Connection,
        why: "too many connections",
        source: "learn.microsoft.com: SMTP Authenticated Submission",
    },
    Row {
        phases: &[Phase::Hello],
        answer: Pattern::Subject(4, 7),
        class: FailureClass::Throttled,
        whose: Whose::Connection,
        why: "one more connection is refused by policy",
        source: "postfix.org/postconf.5.html#smtpd_client_connection_count_limit",
    },
    Row {
        phases: &[Phase::Hello],
        answer: Pattern::Digit(4),
        class: FailureClass::Unavailable,
        whose: Whose::Connection,
        why: "one more connection is refused",
        source: "RFC 5321 §4.2.3 (421); exim.org: smtp_accept_max_per_host",
    },
    Row {
        phases: &[],
        answer: Pattern::Says(
            &[4, 5],
            &[
                "throttling failure",
                "maximum sending rate exceeded",
                "daily message quota exceeded",
                "smtp relay limit exceeded",
                "sending quota exceeded",
                "user sending limit exceeded",
                "maximum credits exceeded",
                "submissionquotaexceeded",
                "message limit exceeded",
                "error: too much mail from",
                "error: too many recipients from",
            ],
        ),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the account's limit is reached; 60 s unless the text names a time",
        source: "Amazon SES: sending quotas, errors; Gmail: SMTP errors and codes; SendGrid: SMTP errors; \
                 Exchange Online: SMTP Authenticated Submission; emailit.com: SMTP troubleshooting; \
                 postfix.org/postconf.5.html#smtpd_client_message_rate_limit",
    },
    Row {
        phases: &[],
        answer: Pattern::Details(&[4, 5], 7, &[28]),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the address we send from is limited",
        source: "support.google.com/a/answer/3726730 (421 4.7.28)",
    },
    Row {
        phases: &[],
        answer: Pattern::Details(&[4, 5], 4, &[5]),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the server is congested, or the account's limit is reached",
        source: "RFC 3463 §3.5; support.google.com/a/answer/3726730 (421 4.4.5, 550 5.4.5)",
    },
    Row {
        phases: &[],
        answer: Pattern::Details(&[5], 1, &[90]),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the account's daily limit is reached",
        source: "learn.microsoft.com: Exchange Online, list of NDR codes",
    },
    Row {
        phases: &[],
        answer: Pattern::CodeWith(421, 7),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the address or account we send from is deferred",
        source: "support.google.com/a/answer/3726730; senders.yahooinc.com: SMTP error codes ([TSS04])",
    },
];

/// The rest, by code.
const GENERAL: &[Row] = &[
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Codes(&[421]),
        class: FailureClass::Unavailable,
        whose: Whose::Provider,
        why: "the server is closing the connection",
        source: "RFC 5321 §3.8",
    },
    Row {
        phases: RCPT_AND_DATA,
        answer: Pattern::Codes(&[421]),
        class: FailureClass::Unavailable,
        whose: Whose::Message,
        why: "the server is closing the connection, on this message perhaps",
        source: "RFC 5321 §3.8",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Details(&[4], 3, &[2]),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the server takes no messages now",
        source: "RFC 3463 §3.4; postfix.org/POSTSCREEN_README.html (450 4.3.2)",
    },
    Row {
        phases: &[Phase::Auth],
        answer: Pattern::Digit(4),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "the sign-in cannot be judged now; 60 s unless the text names a time",
        source: "RFC 4954 §6 (454)",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Subject(4, 7),
        class: FailureClass::Throttled,
        whose: Whose::Provider,
        why: "policy: too fast; 60 s unless the text names a time",
        source: "RFC 3463 §3.8",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Digit(4),
        class: FailureClass::Unavailable,
        whose: Whose::Provider,
        why: "refused for now before a recipient was named: it is not about the message",
        source: "RFC 5321 §4.2.1",
    },
    Row {
        phases: UNTIL_MAIL,
        answer: Pattern::Digit(5),
        class: FailureClass::Misconfigured,
        whose: Whose::Provider,
        why: "refused before a recipient was named: it is about us, not about the message",
        source: "RFC 5321 §4.2.1",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Details(&[5], 1, &[7, 8]),
        class: FailureClass::Misconfigured,
        whose: Whose::Message,
        why: "our sender address is refused",
        source: "RFC 3463 §3.2",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Details(&[5], 7, &[60]),
        class: FailureClass::Misconfigured,
        whose: Whose::Message,
        why: "the account may not send as this sender",
        source: "learn.microsoft.com: Exchange Online, list of NDR codes",
    },
    Row {
        phases: &[Phase::Rcpt],
        answer: Pattern::Details(&[5], 1, &[1, 3, 6, 10]),
        class: FailureClass::Suppress,
        whose: Whose::Message,
        why: "no such mailbox or domain: the address is remembered",
        source: "RFC 3463 §3.2, RFC 7505 §4.2",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Subject(4, 7),
        class: FailureClass::Throttled,
        whose: Whose::Message,
        why: "policy: too fast, greylisted; 60 s unless the text names a time",
        source: "RFC 6647 §2, §5",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Digit(4),
        class: FailureClass::Transient,
        whose: Whose::Message,
        why: "it may go better later",
        source: "RFC 5321 §4.2.1",
    },
    Row {
        phases: FROM_RCPT,
        answer: Pattern::Digit(5),
        class: FailureClass::Permanent,
        whose: Whose::Message,
        why: "it will not go better",
        source: "RFC 5321 §4.2.1",
    },
];

/// The table, read from the top.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [SILENCE, OUR_NAME, ACCOUNT, LIMITS, GENERAL].into_iter().flatten()
}
