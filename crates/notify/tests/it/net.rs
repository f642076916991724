//! The guarded client against a real server that misbehaves on demand, and against names that lie.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthaste_notify::net::header::{HeaderMap, HeaderValue};
use posthaste_notify::net::{Answer, Ask, Guard, HttpClient, KEPT_ANSWER, Lookup, NoAnswer, Read};
use posthaste_testkit::smtp::{SinkOptions, SmtpSink};
use posthaste_testkit::{HttpAction, HttpReply, HttpSink, SelfSigned};
use proptest::prelude::*;

const LONG: Duration = Duration::from_secs(30);

/// Answers from a list, one entry per look-up; the last one stays.
struct Names {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Names {
    fn lookup(&self, _: String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

fn guard(allow: &str) -> Guard {
    Guard::new(allow.split(',').filter(|a| !a.is_empty()).map(|a| a.parse().unwrap()).collect())
}

/// A client that may connect to this machine.
fn client() -> HttpClient {
    HttpClient::new(guard("127.0.0.0/8"))
}

fn named(allow: &str, names: Arc<Names>) -> HttpClient {
    HttpClient::new(guard(allow).with_lookup(names))
}

async fn post(client: &HttpClient, url: &str) -> Result<Answer, NoAnswer> {
    ask(client, url, LONG, Read::Glance).await
}

async fn ask(client: &HttpClient, url: &str, within: Duration, read: Read) -> Result<Answer, NoAnswer> {
    let mut headers = HeaderMap::new();
    headers.insert("x-one", HeaderValue::from_static("1"));
    let url = client.guard().check_url(url)?;
    client
        .ask(Ask { method: "POST".parse().unwrap(), url, headers, body: b"hello".to_vec(), within, read })
        .await
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_and_its_answer_comes_back() {
    let sink = HttpSink::start().await;
    sink.then(HttpReply::text(201, "made\r\n\tthere").header("Retry-After", "7"));
    let answer = post(&client(), &sink.url("/a/b?c=d#e")).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (201, "made there"));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    let taken = &sink.requests()[0];
    assert_eq!((taken.method.as_str(), taken.target.as_str()), ("POST", "/a/b?c=d"));
    assert_eq!(taken.header("host"), Some(sink.addr().to_string().as_str()));
    assert_eq!((taken.header("x-one"), taken.text().as_str()), (Some("1"), "hello"));
    assert!(taken.header("user-agent").unwrap().starts_with("Posthaste/"));
    assert_eq!(taken.header("referer"), None);
}

#[tokio::test]
async fn connections_are_used_again_unless_something_of_the_answer_was_left() {
    let sink = HttpSink::start().await;
    let client = client();
    for _ in 0..3 {
        assert_eq!(post(&client, &sink.url("/")).await.unwrap().status, 200);
    }
    assert_eq!(sink.connections(), 1);
    sink.then(HttpReply::text(200, &"x".repeat(KEPT_ANSWER + 1)));
    let more = post(&client, &sink.url("/")).await.unwrap();
    assert_eq!((more.status, more.body.len()), (200, KEPT_ANSWER));
    sink.wait_left(1).await;
    assert_eq!(post(&client, &sink.url("/")).await.unwrap().status, 200);
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn of_an_endless_body_no_more_is_read_than_is_kept() {
    let sink = HttpSink::start().await;
    let flood = HttpAction::Flood(200, 100 * 1024 * 1024);
    sink.then(flood.clone()).then(flood.clone()).then(flood);
    let client = client();
    let answer = post(&client, &sink.url("/")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, KEPT_ANSWER));
    let answer = ask(&client, &sink.url("/"), LONG, Read::Beginning(100)).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 100));
    let error = ask(&client, &sink.url("/"), LONG, Read::Whole(100)).await.unwrap_err();
    assert!(matches!(error, NoAnswer::TooLarge(100)), "{error:?}");
    // The client hung up in the middle, each time.
    sink.wait_left(3).await;
}

#[tokio::test]
async fn the_status_of_a_dripping_or_broken_answer_counts() {
    let sink = HttpSink::start().await;
    sink.then(HttpAction::Drip(503));
    let within = Duration::from_millis(300);
    let answer = ask(&client(), &sink.url("/"), within, Read::Glance).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"{"[..]));
    sink.wait_left(1).await;
    sink.then(HttpAction::Raw(b"HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nabc".to_vec()));
    let answer = post(&client(), &sink.url("/")).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
}

#[tokio::test]
async fn what_is_lost_after_the_request_may_have_arrived() {
    let sink = HttpSink::start().await;
    let client = client();
    let garbage = HttpAction::Raw(b"220 mail.example.com ESMTP\r\n".to_vec());
    let endless_head = format!("HTTP/1.1 200 x\r\nx-a: {}", "x".repeat(1 << 20)).into_bytes();
    for action in [HttpAction::Cut, HttpAction::Hang, garbage, HttpAction::Raw(endless_head)] {
        sink.then(action.clone());
        let within = if matches!(action, HttpAction::Hang) { Duration::from_millis(300) } else { LONG };
        let error = ask(&client, &sink.url("/secret"), within, Read::Glance).await.unwrap_err();
        assert!(matches!(error, NoAnswer::Lost(_)), "{action:?}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    // Each of those connections is gone, and the next request gets a new one.
    assert_eq!(post(&client, &sink.url("/")).await.unwrap().status, 200);
    assert_eq!(sink.taken(), 5);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced() {
    let sink = HttpSink::start().await;
    let client = client();
    sink.then(HttpAction::Raw(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n".to_vec()));
    assert_eq!(post(&client, &sink.url("/")).await.unwrap().status, 200);
    sink.wait_left(1).await;
    assert_eq!(post(&client, &sink.url("/")).await.unwrap().status, 200);
    assert_eq!((sink.connections(), sink.taken()), (2, 2));
}

#[tokio::test]
async fn a_request_that_is_dropped_ends_its_connection() {
    let sink = HttpSink::start().await;
    sink.then(HttpAction::Hang);
    let (client, url) = (client(), sink.url("/"));
    let handle = tokio::spawn(async move { post(&client, &url).await.map(drop) });
    sink.wait_requests(1).await;
    handle.abort();
    sink.wait_left(1).await;
}

#[tokio::test]
async fn redirects_are_answers() {
    let sink = HttpSink::start().await;
    for status in [301, 302, 303, 307, 308] {
        sink.then(HttpReply::status(status).header("location", &sink.url("/elsewhere")));
        assert_eq!(post(&client(), &sink.url("/")).await.unwrap().status, status);
    }
    assert_eq!(sink.taken(), 5);
}

#[tokio::test]
async fn what_is_not_there_is_unreachable() {
    let sink = HttpSink::start().await;
    let url = sink.url("/secret");
    sink.stop().await;
    let error = post(&client(), &url).await.unwrap_err();
    assert!(matches!(&error, NoAnswer::Unreachable(why) if !why.contains("secret")), "{error:?}");
    let error = post(&named("", Names::new(&[&[]])), "http://nowhere.example/").await.unwrap_err();
    assert!(matches!(error, NoAnswer::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_signs_itself_is_called_once_its_certificate_is_named() {
    let sink = HttpSink::start().await;
    let certificate = SelfSigned::new(&["127.0.0.1"]);
    let front = certificate.in_front_of(sink.addr()).await;
    let url = format!("https://{}/", front.addr());
    let error = post(&client(), &url).await.unwrap_err();
    assert!(matches!(&error, NoAnswer::Unreachable(why) if why.contains("POSTHASTE_CA_FILE")), "{error:?}");
    for (pem, reaches) in [
        (certificate.pem.clone(), true),
        (format!("{}{}", SelfSigned::new(&["127.0.0.1"]).pem, certificate.pem), true),
        (SelfSigned::new(&["127.0.0.1"]).pem, false),
    ] {
        let trusting = HttpClient::trusting(guard("127.0.0.0/8"), Some(&pem.parse().unwrap()));
        assert_eq!(post(&trusting, &url).await.is_ok(), reaches);
    }
    // It is not another server's.
    let elsewhere = SelfSigned::new(&["other.test"]);
    let front = elsewhere.in_front_of(sink.addr()).await;
    let trusting = HttpClient::trusting(guard("127.0.0.0/8"), Some(&elsewhere.pem.parse().unwrap()));
    post(&trusting, &format!("https://{}/", front.addr())).await.unwrap_err();
    assert_eq!(sink.taken(), 2);
}

#[tokio::test]
async fn literal_addresses_of_our_own_network_are_never_connected_to() {
    let sink = HttpSink::start().await;
    let port = sink.addr().port();
    let client = HttpClient::new(Guard::default());
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "[::1]", "0"]
    {
        let error = post(&client, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, NoAnswer::Blocked(_)), "{host}: {error:?}");
    }
    // By name, through the resolver of the system.
    let error = post(&client, &format!("http://localhost:{port}/")).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Blocked(_)), "{error:?}");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_gets_nowhere() {
    let sink = HttpSink::start().await;
    let url = format!("http://rebind.example:{}/", sink.addr().port());
    // Every answer of the resolver is looked at, and each connection is made from one answer alone: there
    // is no second look-up between the check and the connection.
    let names = Names::new(&[&["127.0.0.1"], &["::ffff:127.0.0.1"], &["127.0.0.1"]]);
    let client = named("", Arc::clone(&names));
    for asked in 1..=4 {
        let error = post(&client, &url).await.unwrap_err();
        assert!(matches!(error, NoAnswer::Blocked(_)), "{error:?}");
        assert_eq!(names.asked.load(Ordering::SeqCst), asked);
    }
    // The first answer may be connected to, and is not there; the second is ours: it is not used.
    let names = Names::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let client = named("127.0.0.2/32", Arc::clone(&names));
    assert!(matches!(post(&client, &url).await.unwrap_err(), NoAnswer::Unreachable(_)));
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert!(matches!(post(&client, &url).await.unwrap_err(), NoAnswer::Blocked(_)));
    // Of several addresses the blocked ones are left out, not tried after the others failed.
    let client = named("127.0.0.2/32", Names::new(&[&["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.1"]]));
    assert!(matches!(post(&client, &url).await.unwrap_err(), NoAnswer::Unreachable(_)));
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_good_address_is_found_behind_a_bad_one() {
    let sink = HttpSink::start().await;
    let client = named("127.0.0.0/8", Names::new(&[&["10.0.0.1", "127.0.0.2", "127.0.0.1"]]));
    let url = format!("http://here.example:{}/x", sink.addr().port());
    assert_eq!(post(&client, &url).await.unwrap().status, 200);
    let host = format!("here.example:{}", sink.addr().port());
    assert_eq!(sink.requests()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_certificate_must_be_trusted() {
    let options = SinkOptions { implicit_tls: true, ..SinkOptions::default() };
    let sink = SmtpSink::start_with(options).await;
    let error = post(&client(), &format!("https://{}/", sink.addr())).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Unreachable(_)), "{error:?}");
    // And what speaks no TLS at all.
    let plain: SocketAddr = HttpSink::start().await.addr();
    let error = post(&client(), &format!("https://{plain}/")).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Unreachable(_)), "{error:?}");
}

/// The ranges of the specification of the guard, written independently of its own table.
const RANGES: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "4000::/3",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn forbidden_addresses() -> impl Strategy<Value = IpAddr> {
    let nets: Vec<ipnet::IpNet> = RANGES.iter().map(|r| r.parse().unwrap()).collect();
    (prop::sample::select(nets), any::<u128>(), any::<u32>()).prop_map(|(net, wide, narrow)| match net {
        ipnet::IpNet::V4(net) => {
            IpAddr::V4(Ipv4Addr::from(u32::from(net.network()) | (narrow & u32::from(net.hostmask()))))
        }
        ipnet::IpNet::V6(net) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(net.network()) | (wide & u128::from(net.hostmask()))))
        }
    })
}

/// The ways in which a URL may write an address, and those in which IPv6 carries an IPv4 one.
fn forms(ip: IpAddr) -> Vec<String> {
    match ip {
        IpAddr::V4(ip) => v4_forms(ip),
        IpAddr::V6(ip) => {
            let s = ip.segments();
            let full: Vec<String> = s.iter().map(|x| format!("{x:04X}")).collect();
            let tail = Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]));
            let head: Vec<String> = s[..6].iter().map(|x| format!("{x:x}")).collect();
            vec![format!("[{ip}]"), format!("[{}]", full.join(":")), format!("[{}:{tail}]", head.join(":"))]
        }
    }
}

fn v4_forms(ip: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], n) = (ip.octets(), u32::from(ip));
    let (tail3, tail2) = (n & 0x00ff_ffff, n & 0xffff);
    let wide = |c: char| c.to_digit(10).and_then(|d| char::from_u32(0xff10 + d)).unwrap_or('。');
    vec![
        format!("{ip}."),
        format!("0X{n:X}"),
        format!("0{n:o}"),
        format!("{a}.0x{b:x}.0{c:o}.{d}"),
        format!("0x{a:x}.0{b:o}.{tail2}"),
        format!("{a}.{tail3}"),
        ip.to_string().chars().map(wide).collect(),
        ip.to_string().bytes().map(|b| format!("%{b:02x}")).collect(),
        format!("[::FFFF:{:x}:{tail2:x}]", n >> 16),
        format!("[0:0:0:0:0:ffff:{ip}]"),
        format!("[::ffff:0:{ip}]"),
        format!("[64:ff9b:1::{ip}]"),
        format!("[2002:{:x}:{tail2:x}::1]", n >> 16),
        format!("[2606:4700::5efe:{ip}]"),
    ]
}

proptest! {
    #[test]
    fn no_forbidden_address_passes_however_it_is_written(ip in forbidden_addresses(), port in 1_u16.., tls: bool) {
        let scheme = if tls { "https" } else { "http" };
        for host in forms(ip) {
            let url = format!("{scheme}://{host}:{port}/x");
            prop_assert!(Guard::default().check_url(&url).is_err(), "{}", url);
        }
    }
}
