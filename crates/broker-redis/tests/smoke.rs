//! Smoke.
use posthaste_broker_redis::*;
use posthaste_core::broker::*;
use posthaste_core::*;
use std::time::{Duration, Instant};
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn run() {
    let store = RedisStore::open(RedisConfig::new("redis://127.0.0.1:7911/0")).unwrap();
    store.check().await.unwrap();
    let t = |k: &str| {
        NewTask::new(
            Kind::new(k).unwrap(),
            Json::from_text(format!("{{\"a\":\"{}\"}}", "x".repeat(190))).unwrap(),
        )
    };
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let s = Instant::now();
    let mut hs = vec![];
    for _ in 0..4 {
        let store = store.clone();
        hs.push(tokio::spawn(async move {
            for _ in 0..n / 4000 {
                store
                    .enqueue(EnqueueRequest {
                        tasks: (0..1000).map(|_| t("noop")).collect(),
                        idempotency: None,
                    })
                    .await
                    .unwrap();
            }
        }));
    }
    for h in hs {
        h.await.unwrap();
    }
    println!("enqueue {:?} {:.0}/s", s.elapsed(), n as f64 / s.elapsed().as_secs_f64());
    let s = Instant::now();
    let claim = |n| ClaimRequest {
        worker: WorkerId::new("w1").unwrap(),
        queues: vec![QueueName::default()],
        max: n,
        start: n,
        lease: Duration::from_secs(15),
        per_target: None,
        held: vec![],
    };
    let mut done = 0;
    let mut have = store.claim(claim(100)).await.unwrap();
    while !have.is_empty() {
        done += have.len();
        let settlements = have
            .iter()
            .map(|c| Settlement {
                lease: c.lease,
                outcome: Outcome::result(Json::from_text("{\"ok\":true}".into()).unwrap()),
            })
            .collect();
        let r = store
            .settle(SettleRequest { settlements, started: vec![], claim: Some(claim(100)) })
            .await
            .unwrap();
        assert!(r.settled.iter().all(|s| *s == Settled::Settled(State::Succeeded)), "{:?}", r.settled);
        have = r.claimed;
    }
    println!("drain {done} {:?} {:.0}/s", s.elapsed(), done as f64 / s.elapsed().as_secs_f64());
    println!("{:?}", store.tick().await);
}
#[test]
fn smoke() {
    run()
}
