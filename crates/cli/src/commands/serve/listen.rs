//! The address to listen on, or why it cannot be had.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::settings::store::Role;

/// Listens on `addr`.
///
/// # Errors
/// A sentence that names the flag to change.
pub(crate) async fn bind(addr: SocketAddr, role: Role) -> anyhow::Result<TcpListener> {
    let flag = if role.serves() { "--addr" } else { "--worker-addr" };
    TcpListener::bind(addr).await.map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => {
            let off = if role.serves() { "" } else { ", or --worker-addr off" };
            let free = SocketAddr::new(addr.ip(), addr.port().wrapping_add(1).max(1024));
            anyhow::anyhow!(
                "{addr} is in use by another program; stop it or choose another with {flag}, for example {flag} {free}{off}"
            )
        }
        ErrorKind::PermissionDenied => anyhow::anyhow!(
            "{addr} may not be listened on: ports below 1024 need privileges; choose another with {flag}"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("{addr} is no address of this machine; choose another with {flag}")
        }
        _ => anyhow::anyhow!("{addr} cannot be listened on: {e}"),
    })
}
