//! What one subscription, chat or number is answered is its own; what several in a row are answered is the provider's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use posthaste_core::{Failure, FailureClass as C, LaneFault, Outcome};
use posthaste_notify::{ChannelKind, NotifyHandler, ServiceKind};
use posthaste_testkit::{HttpReply, HttpSink};
use serde_json::json;

use crate::common::Marks;
use crate::contract::{BROWSER, Case, Rig, cases};

const BOT: &str = "a bot's token";

fn case(channel: ChannelKind, way: &str) -> Case {
    cases().into_iter().find(|c| c.channel == channel && c.way == way).unwrap()
}

impl Rig<'_> {
    /// What a message to this recipient comes to.
    async fn answered(&self, to: &str, reply: HttpReply) -> Result<(), Failure> {
        self.sink.then(reply);
        let mut wire = json!({"channel": self.case.channel.as_str(), "message": "Text"});
        if !to.is_empty() {
            wire["to"] = to.into();
        }
        let marks = Arc::new(Marks::default());
        let n = serde_json::from_value(wire).unwrap();
        let outcome = self.run(n, Duration::from_secs(30), Arc::clone(&marks)).await;
        assert_eq!(marks.granted.load(Ordering::SeqCst), 1);
        match outcome {
            Outcome::Success { .. } => Ok(()),
            Outcome::Failure(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }
}

fn subscription(sink: &HttpSink, n: usize) -> String {
    let endpoint = sink.url(&format!("/push/{n}"));
    json!({"endpoint": endpoint, "keys": {"p256dh": BROWSER, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}).to_string()
}

#[tokio::test]
async fn what_one_subscription_is_answered_is_its_own() {
    let case = case(ChannelKind::WebPush, "");
    for (status, class) in [
        (400, C::Transient),
        (404, C::Suppress),
        (410, C::Suppress),
        (413, C::Permanent),
        (429, C::Transient),
        (503, C::Transient),
    ] {
        let rig = Rig::new(&case).await;
        for n in 0..5 {
            let reply = HttpReply::status(status).header("retry-after", "86400");
            let failure = rig.answered(&subscription(&rig.sink, n), reply).await.unwrap_err();
            assert_eq!((failure.class, failure.pauses()), (class, None), "{status}");
            let waits = matches!(status, 429 | 503);
            assert!(!waits || failure.retry_after == Some(Duration::from_secs(86_400)), "{failure:?}");
        }
    }
    let rig = Rig::new(&case).await;
    let failure = rig.answered(&subscription(&rig.sink, 9), HttpReply::status(429)).await.unwrap_err();
    assert_eq!((failure.class, failure.retry_after), (C::Transient, Some(Duration::from_secs(60))));
}

#[tokio::test]
async fn a_key_that_three_subscriptions_in_a_row_refuse_is_ours() {
    let case = case(ChannelKind::WebPush, "");
    let rig = Rig::new(&case).await;
    let refused = async |n: usize, status| {
        let to = subscription(&rig.sink, n);
        let failure = rig.answered(&to, HttpReply::status(status)).await.unwrap_err();
        assert_eq!(failure.class, C::Transient);
        failure.pauses()
    };
    for _ in 0..5 {
        assert_eq!(refused(1, 403).await, None, "one is one, however often it is asked");
    }
    assert_eq!(refused(2, 401).await, None);
    rig.answered(&subscription(&rig.sink, 3), HttpReply::status(201)).await.unwrap();
    assert_eq!(refused(4, 403).await, None);
    assert_eq!(refused(5, 403).await, None);
    assert_eq!(refused(6, 401).await, Some(LaneFault::Misconfigured));
}

#[tokio::test]
async fn what_is_said_of_one_chat_is_not_said_of_the_bot() {
    let (slack, telegram) = (case(ChannelKind::Slack, BOT), case(ChannelKind::Telegram, ""));
    let sms = case(ChannelKind::Sms, "Twilio");
    let not_ok = |said: &str| json!({"ok": false, "error_code": 400, "description": said});
    let no_chat = HttpReply::json(400, &not_ok("Bad Request: chat not found"));
    let blocked = HttpReply::json(403, &not_ok("Forbidden: bot was blocked by the user"));
    for (case, to, reply, class) in [
        (&slack, "C000000", (slack.error)(200, "channel_not_found"), C::Permanent),
        (&slack, "C000000", (slack.error)(200, "not_in_channel"), C::Permanent),
        (&telegram, "100", no_chat, C::Permanent),
        (&telegram, "100", blocked, C::Suppress),
        (&sms, "+4917100000", (sms.error)(400, "21211"), C::Suppress),
        (&sms, "+4917100000", (sms.error)(400, "21610"), C::Suppress),
    ] {
        let rig = Rig::new(case).await;
        for n in 0..5 {
            let failure = rig.answered(&format!("{to}{n}"), reply.clone()).await.unwrap_err();
            assert_eq!((failure.class, failure.pauses()), (class, None), "{}", case.name());
        }
    }
    for (case, to, reply) in [
        (&slack, "C0000000", (slack.error)(200, "invalid_auth")),
        (&telegram, "1000", HttpReply::status(401)),
        (&sms, "+49171000000", (sms.error)(401, "20003")),
    ] {
        let rig = Rig::new(case).await;
        let failure = rig.answered(to, reply).await.unwrap_err();
        assert_eq!(failure.pauses(), Some(LaneFault::Misconfigured), "{}", case.name());
    }
}

#[tokio::test]
async fn what_three_in_a_row_are_refused_is_the_providers_and_so_is_what_its_own_recipient_is() {
    let ntfy = case(ChannelKind::Ntfy, "");
    for (case, to, code) in [
        (&ntfy, "topic", "40301"),
        (&case(ChannelKind::Sms, "Twilio"), "+4917100000", "21606"),
        (&case(ChannelKind::Sms, "Twilio"), "+4917100000", "30034"),
        (&case(ChannelKind::Slack, BOT), "C000000", "no_permission"),
    ] {
        let rig = Rig::new(case).await;
        let said = async |n: usize| {
            let reply = (case.error)(case.errors, code);
            rig.answered(&format!("{to}{n}"), reply).await.unwrap_err().pauses()
        };
        let told = [said(1).await, said(1).await, said(2).await, said(3).await];
        assert_eq!(told, [None, None, None, Some(LaneFault::Misconfigured)], "{} {code}", case.name());
    }
    // The provider's own topic is its configuration.
    let rig = Rig::new(&ntfy).await;
    let mut config = ntfy.config(&rig.sink);
    for service in config.services.values_mut() {
        service.kind = ServiceKind::Ntfy { url: rig.sink.url(""), token: None, topic: Some("ops".into()) };
    }
    let rig = Rig { handler: NotifyHandler::new(config), ..rig };
    let failure = rig.answered("", (ntfy.error)(403, "40301")).await.unwrap_err();
    assert_eq!((failure.class, failure.pauses()), (C::Misconfigured, Some(LaneFault::Misconfigured)));
}
