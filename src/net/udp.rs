//! UDP sockets, and the multicast group in which phones send requests.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::net::UdpSocket;

/// Returns a bound socket that is a member of `group`. `listen` is the address to bind, or the address of the interface
/// on which to join the group.
///
/// # Errors
/// If the address cannot be bound or the group cannot be joined.
pub async fn bind_to_group(listen: SocketAddr, group: Ipv4Addr) -> io::Result<UdpSocket> {
    match listen.ip() {
        // Multicast does not work on loopback; only direct datagrams are received there.
        ip if ip.is_loopback() => UdpSocket::bind(listen).await,
        IpAddr::V4(interface) => {
            // A socket bound to one address receives no multicast.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await?;
            socket.join_multicast_v4(group, interface)?;
            Ok(socket)
        }
        IpAddr::V6(_) => UdpSocket::bind(listen).await,
    }
}

/// Returns a socket whose local address is the one from which datagrams to `peer` are sent.
///
/// # Errors
/// If there is no route to the peer.
pub async fn towards(peer: SocketAddr) -> io::Result<UdpSocket> {
    let anywhere: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(anywhere).await?;
    socket.connect(peer).await?;
    Ok(socket)
}
