//! Testing a program that uses the library: its handlers inline, what it enqueues, and time that passes at once.
//!
//! `cargo run -p posthaste --example testing` (in a program of your own these are `#[tokio::test]`s)

use std::time::Duration;

use posthaste::testing::{self, Inline, TestApp};
use posthaste::{
    Backoff, Client, ClientError, FailureClass, Posthaste, RetryPolicy, State, Task, TaskError, TaskKind,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

// ── The program under test ──

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Invoice {
    customer: String,
    cents: u64,
}

struct Kinds {
    charge: TaskKind<Invoice, String>,
}

fn kinds(app: &Posthaste) -> Result<Kinds, ClientError> {
    let patient = RetryPolicy {
        max_failures: 3,
        backoff: Backoff::Listed { delays_ms: vec![60_000, 3_600_000] },
        ..RetryPolicy::default()
    };
    let charge = app.kind("charge", |invoice: Invoice, cx| async move {
        if invoice.cents == 0 {
            return Err(TaskError::permanent("there is nothing to charge"));
        }
        if cx.task().attempt == 1 {
            return Err(TaskError::transient("the bank does not answer"));
        }
        cx.mark().await?; // from here on the money may be gone
        Ok(format!("charged {} for {}", invoice.cents, invoice.customer))
    })?;
    Ok(Kinds { charge: charge.retry(patient) })
}

async fn sign_up(client: &Client, kinds: &Kinds, email: &str) -> Result<(), ClientError> {
    let welcome =
        json!({"channel": "email", "to": email, "subject": "Welcome", "message": "Good to have you."});
    client.enqueue(Task::new("notify", &welcome)).await?;
    let invoice = Invoice { customer: email.to_owned(), cents: 500 };
    client.enqueue(kinds.charge.task(&invoice).delay(Duration::from_secs(14 * 86_400))).await?;
    Ok(())
}

// ── Its tests ──

async fn a_charge_of_nothing_is_refused_and_a_lost_lease_charges_nothing() -> Result<(), ClientError> {
    let test = TestApp::open().await;
    let charge = kinds(test.app())?.charge;
    let invoice = |cents| Invoice { customer: "ada".to_owned(), cents };

    let nothing = testing::run(test.app(), charge.task(&invoice(0))).await;
    assert_eq!(nothing.class(), Some(FailureClass::Permanent));
    let second = Inline::new(test.app(), charge.task(&invoice(7))).attempt(2).run().await;
    assert_eq!(second.result().as_deref(), Ok("charged 7 for ada"));
    let lost = Inline::new(test.app(), charge.task(&invoice(7))).attempt(2).lease_lost().run().await;
    assert!(lost.result().is_err());
    test.close().await;
    Ok(())
}

async fn a_new_customer_is_welcomed_and_charged_after_two_weeks() -> Result<(), ClientError> {
    let test = TestApp::open().await;
    let kinds = kinds(test.app())?;
    sign_up(&test.app().client(), &kinds, "ada@example.com").await?;

    let sent = test.notifications().await;
    assert_eq!((sent.len(), sent[0].subject.as_deref()), (1, Some("Welcome")));
    assert_eq!(test.enqueued_of(&kinds.charge).await[0].cents, 500);

    // By its kind, for the welcome is gone after two weeks: retention sees the time that passes, too.
    let charge = async || test.enqueued().await.into_iter().find(|t| t.kind == *kinds.charge.name());
    let state = async || charge().await.map(|t| t.state);
    test.run_due().await;
    assert_eq!(state().await, Some(State::Scheduled), "not before two weeks have passed");
    test.advance(Duration::from_secs(14 * 86_400)).await;
    test.run_due().await;
    assert_eq!(state().await, Some(State::Retrying), "the bank did not answer");
    test.advance(Duration::from_secs(60)).await;
    test.run_due().await;
    assert_eq!(charge().await.map(|t| (t.state, t.failures)), Some((State::Succeeded, 1)));
    test.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    a_charge_of_nothing_is_refused_and_a_lost_lease_charges_nothing().await?;
    a_new_customer_is_welcomed_and_charged_after_two_weeks().await?;
    println!("both hold");
    Ok(())
}
