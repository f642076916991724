//! How many connections are open, whose they are, and for how long one may leave its answer unread.
//!
//! A connection takes a descriptor, and descriptors are what the store and everything that is sent need, too. So there is a
//! bound of all connections, and one for each address; beyond the first a few more are let in for signs of life alone, so that
//! a probe is answered while somebody holds all others. Who is beyond its own bound is not let in at all, and nobody takes
//! more than two of the seats for probes: they are there for others.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::auth::ProxyNet;

/// Longest time that an answer may wait without a byte of it being taken.
const STALL: Duration = Duration::from_secs(30);
/// Descriptors that the listener leaves to the store, the worker and files, at least.
const RESERVE: u64 = 128;
/// Connections that are let in beyond the bound, for signs of life.
const PROBES: usize = 16;
/// How many of those one address may hold: a probe, and the next one before the first is done.
const PROBES_OF_ADDRESS: usize = 2;
/// Most connections of one address, as a part of all: no three of them keep everybody else out.
const SHARE: usize = 4;
/// Most connections unless a setting says more.
const MOST: u64 = 20_000;
/// Fewest, however few descriptors there are.
const FEWEST: u64 = 16;

/// The bounds of a listener's connections.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Most at once.
    pub all: usize,
    /// Most at once of one address; of IPv6 of one /64. This machine and `proxies` are bounded by `all` alone.
    pub per_address: usize,
    /// How many more are let in for `/healthz` and `/readyz` alone.
    pub probes: usize,
    /// How long an answer may wait without a byte of it being taken.
    pub stall: Duration,
    /// Proxies, behind each of which there are many callers.
    pub proxies: Vec<ProxyNet>,
}

impl ConnectionLimits {
    /// Three quarters of the descriptors that the process may open, a quarter of that for one address.
    pub fn of_descriptors(most: Option<u64>) -> Self {
        let most = most.unwrap_or(u64::MAX);
        let left = most.saturating_sub((most / 4).max(RESERVE)).clamp(FEWEST, MOST);
        let all = usize::try_from(left).unwrap_or(usize::MAX);
        Self { all, per_address: Self::share(all), probes: PROBES, stall: STALL, proxies: Vec::new() }
    }

    /// How many of `all` connections one address may hold unless a setting says more.
    pub const fn share(all: usize) -> usize {
        all.div_ceil(SHARE)
    }
}

impl Default for ConnectionLimits {
    /// As with 1,024 descriptors, which is what most systems give a process.
    fn default() -> Self {
        Self::of_descriptors(Some(1_024))
    }
}

/// What a connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// Everything.
    ToAll,
    /// Signs of life.
    ToProbes,
}

/// What one address holds.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    all: usize,
    probes: usize,
}

impl Held {
    const fn count(&mut self, admitted: Admitted) -> &mut usize {
        match admitted {
            Admitted::ToAll => &mut self.all,
            Admitted::ToProbes => &mut self.probes,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    whole: Held,
    by_address: HashMap<IpAddr, Held>,
}

impl Counts {
    /// What a connection of `address` may ask for; `None` if there is no room for it.
    fn room(&self, limits: &ConnectionLimits, address: Option<IpAddr>) -> Option<Admitted> {
        let own = address.map(|a| self.by_address.get(&a).copied().unwrap_or_default());
        if own.is_some_and(|own| own.all >= limits.per_address) {
            return None;
        }
        if self.whole.all < limits.all {
            return Some(Admitted::ToAll);
        }
        let probes = own.map_or(0, |own| own.probes);
        (self.whole.probes < limits.probes && probes < PROBES_OF_ADDRESS).then_some(Admitted::ToProbes)
    }

    fn add(&mut self, address: Option<IpAddr>, admitted: Admitted) {
        *self.whole.count(admitted) += 1;
        if let Some(address) = address {
            *self.by_address.entry(address).or_default().count(admitted) += 1;
        }
    }

    fn remove(&mut self, address: Option<IpAddr>, admitted: Admitted) {
        *self.whole.count(admitted) -= 1;
        let Some(address) = address else { return };
        if let Some(own) = self.by_address.get_mut(&address) {
            *own.count(admitted) -= 1;
            if own.all + own.probes == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: ConnectionLimits,
    counts: Mutex<Counts>,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    pub(crate) const fn stall(&self) -> Duration {
        self.limits.stall
    }

    /// Counts a connection, if there is room for it. It counts until its seat is dropped.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Seat> {
        let address = self.bounded_address(peer.ip());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = counts.room(&self.limits, address)?;
        counts.add(address, admitted);
        drop(counts);
        Some(Seat { connections: Arc::clone(self), address, admitted })
    }

    /// Whose bound a connection counts against; `None` for who has none of its own.
    fn bounded_address(&self, ip: IpAddr) -> Option<IpAddr> {
        let ip = ip.to_canonical();
        if ip.is_loopback() || self.limits.proxies.iter().any(|net| net.contains(ip)) {
            return None;
        }
        Some(match ip {
            IpAddr::V4(_) => ip,
            // Whoever has one IPv6 address has all of its /64 (RFC 6177 §1).
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

/// A connection that counts.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
    admitted: Admitted,
}

impl Seat {
    pub(crate) const fn admitted(&self) -> Admitted {
        self.admitted
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(self.address, self.admitted);
    }
}

pin_project! {
    /// A stream whose writes fail once the other side has taken nothing for a while.
    pub(crate) struct Steady<S> {
        #[pin]
        inner: S,
        stall: Duration,
        // Made when a write has to wait: most never do.
        waiting: Option<Pin<Box<Sleep>>>,
    }
}

impl<S> Steady<S> {
    pub(crate) const fn new(inner: S, stall: Duration) -> Self {
        Self { inner, stall, waiting: None }
    }
}

/// Ends a wait that was too long; a write that got on begins a new one.
fn steady<T>(
    polled: Poll<io::Result<T>>,
    waiting: &mut Option<Pin<Box<Sleep>>>,
    stall: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if polled.is_ready() {
        *waiting = None;
        return polled;
    }
    let waiting = waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
    ready!(waiting.as_mut().poll(cx));
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side takes no part of its answer")))
}

impl<S: AsyncRead> AsyncRead for Steady<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite> AsyncWrite for Steady<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        steady(this.inner.poll_write(cx, bytes), this.waiting, *this.stall, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        steady(this.inner.poll_write_vectored(cx, parts), this.waiting, *this.stall, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn peer(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().expect("an address"), 1)
    }

    fn small() -> Arc<Connections> {
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let limits = ConnectionLimits { all: 6, per_address: 2, probes: 1, stall: STALL, proxies };
        Connections::new(limits)
    }

    fn admitted(seat: Option<&Seat>) -> Option<Admitted> {
        seat.map(Seat::admitted)
    }

    #[test]
    fn an_address_has_its_share_and_no_seat_of_a_probe_beyond_it() {
        let open = small();
        let mut seats = vec![open.admit(peer("192.0.2.1")), open.admit(peer("192.0.2.1"))];
        assert!(seats.iter().all(|s| admitted(s.as_ref()) == Some(Admitted::ToAll)));
        // The same address in another form, too.
        for ip in ["192.0.2.1", "::ffff:192.0.2.1"] {
            assert!(open.admit(peer(ip)).is_none(), "{ip} has its share");
        }
        for ip in ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] {
            let seat = open.admit(peer(ip));
            assert_eq!(admitted(seat.as_ref()), Some(Admitted::ToAll), "{ip}");
            seats.push(seat);
        }
        assert!(open.admit(peer("192.0.2.1")).is_none(), "nor when all seats but the probes' are taken");
        assert_eq!(admitted(open.admit(peer("192.0.2.6")).as_ref()), Some(Admitted::ToProbes));
        seats.remove(0);
        assert_eq!(admitted(open.admit(peer("192.0.2.1")).as_ref()), Some(Admitted::ToAll));
    }

    #[test]
    fn the_seats_of_probes_are_not_for_one_address() {
        let limits =
            ConnectionLimits { all: 1, per_address: 1, probes: 4, stall: STALL, proxies: Vec::new() };
        let open = Connections::new(limits);
        let _held = open.admit(peer("192.0.2.1")).expect("the first");
        let mut two = vec![open.admit(peer("192.0.2.2")), open.admit(peer("192.0.2.2"))];
        assert!(two.iter().all(|s| admitted(s.as_ref()) == Some(Admitted::ToProbes)));
        assert!(open.admit(peer("192.0.2.2")).is_none(), "the others are for others");
        let other = open.admit(peer("192.0.2.3"));
        assert_eq!(admitted(other.as_ref()), Some(Admitted::ToProbes));
        // One that is given back is there again.
        two.pop();
        two.push(open.admit(peer("192.0.2.2")));
        assert_eq!(admitted(two[1].as_ref()), Some(Admitted::ToProbes));
        drop((two, other));
        let counts = open.counts.lock().expect("nobody panicked");
        assert_eq!((counts.whole.all, counts.whole.probes, counts.by_address.len()), (1, 0, 1));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let open = small();
        let seats = [open.admit(peer("2001:db8::1")), open.admit(peer("2001:db8::ffff:2"))];
        assert!(seats.iter().all(|s| admitted(s.as_ref()) == Some(Admitted::ToAll)));
        assert!(open.admit(peer("2001:db8::3")).is_none(), "they have their share");
        assert_eq!(admitted(open.admit(peer("2001:db8:0:1::1")).as_ref()), Some(Admitted::ToAll));
    }

    #[test]
    fn this_machine_and_proxies_are_bounded_by_the_whole() {
        for ip in ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"] {
            let open = small();
            let seats: Vec<_> = (0..8).map(|_| open.admit(peer(ip))).collect();
            let to = |wanted| seats.iter().filter(|s| admitted(s.as_ref()) == wanted).count();
            assert_eq!(
                (to(Some(Admitted::ToAll)), to(Some(Admitted::ToProbes)), to(None)),
                (6, 1, 1),
                "{ip}"
            );
            drop(seats);
            let counts = open.counts.lock().expect("nobody panicked");
            assert_eq!((counts.whole.all, counts.whole.probes, counts.by_address.len()), (0, 0, 0));
        }
    }

    #[test]
    fn descriptors_are_left_for_everything_else() {
        for (most, all) in
            [(Some(1_024), 768), (Some(256), 128), (Some(64), 16), (Some(1 << 20), 20_000), (None, 20_000)]
        {
            let limits = ConnectionLimits::of_descriptors(most);
            assert_eq!((limits.all, limits.per_address), (all, all / 4), "{most:?}");
        }
    }

    #[tokio::test]
    async fn a_write_that_nobody_takes_ends_and_one_that_gets_on_does_not() {
        let (_near, far) = tokio::io::duplex(16);
        let refused = Steady::new(far, Duration::from_millis(1)).write_all(&[0; 64]).await;
        assert_eq!(refused.expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
        // A reader that takes some now and then; each wait is a new one.
        let (far, mut near) = tokio::io::duplex(16);
        let mut steady = Steady::new(far, STALL);
        let reader = tokio::spawn(async move {
            let (mut read, mut some) = (0, [0; 16]);
            while read < 256 {
                read += near.read(&mut some).await.expect("the other side is there");
                tokio::task::yield_now().await;
            }
        });
        steady.write_all(&[0; 256]).await.expect("each wait is short enough");
        assert!(steady.waiting.is_none(), "nothing is left of the last wait");
        reader.await.expect("all of it was read");
    }
}
