//! The server itself: slow and broken requests, and a graceful end.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::Server;

async fn connect(s: &Server) -> TcpStream {
    TcpStream::connect(s.url.strip_prefix("http://").unwrap()).await.unwrap()
}

async fn answer(mut stream: TcpStream) -> String {
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

#[tokio::test]
async fn garbage_is_400_and_a_huge_head_431() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"\x16\x03\x01 garbage\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 400"));
    let mut c = connect(&s).await;
    let head = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(400_000));
    // The server may answer and close before it has read everything.
    let _ = c.write_all(head.as_bytes()).await;
    let mut first = [0; 12];
    if c.read_exact(&mut first).await.is_ok() {
        assert_eq!(&first, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn http_1_0_may_leave_out_the_host_and_1_1_may_not() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.0 200"));
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
    let mut c = connect(&s).await;
    c.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
    let mut c = connect(&s).await;
    c.write_all(b"GET http://evil/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(c).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut() {
    let s = Server::start().await;
    let mut c = connect(&s).await;
    c.write_all(b"POST /notify/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let (mut reading, mut writing) = c.into_split();
    let sending = tokio::spawn(async move { while writing.write_all(&chunk).await.is_ok() {} });
    let mut first = [0; 12];
    reading.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
    drop(reading);
    sending.await.unwrap();
}

#[tokio::test]
async fn the_end_waits_for_open_requests_and_closes_idle_connections() {
    let mut s = Server::start().await;
    let mut idle = connect(&s).await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    // A request whose body is still on its way when the server stops.
    let mut open = connect(&s).await;
    open.write_all(
        b"POST /notify/?email=a@example.com HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{",
    )
    .await
    .unwrap();
    // Its head is with the server once a later connection was answered.
    assert_eq!(s.get("/health").await.status(), 200);
    s.api.closing().cancel();
    assert!(answer(idle).await.contains("OK"));
    open.write_all(b"}").await.unwrap();
    assert!(answer(open).await.starts_with("HTTP/1.1 200"));
    let ended = tokio::time::timeout(Duration::from_secs(60), &mut s.serving).await;
    ended.unwrap().unwrap().unwrap();
}
