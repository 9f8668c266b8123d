//! Datagrams: bound sockets, and the multicast group phones ask in.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::net::UdpSocket;

/// A bound socket that is a member of `group`; `listen` is where to bind, or the address of the interface whose group is
/// meant.
///
/// # Errors
/// When the address cannot be bound or the group not be joined.
pub async fn bind_to_group(listen: SocketAddr, group: Ipv4Addr) -> io::Result<UdpSocket> {
    match listen.ip() {
        // On loopback there is no group to be heard; what is sent there directly is.
        ip if ip.is_loopback() => UdpSocket::bind(listen).await,
        IpAddr::V4(interface) => {
            // A socket bound to one address hears no multicast.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await?;
            socket.join_multicast_v4(group, interface)?;
            Ok(socket)
        }
        IpAddr::V6(_) => UdpSocket::bind(listen).await,
    }
}

/// A socket whose own address is the one datagrams to `peer` leave from.
///
/// # Errors
/// When there is no way to the peer.
pub async fn towards(peer: SocketAddr) -> io::Result<UdpSocket> {
    let anywhere: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(anywhere).await?;
    socket.connect(peer).await?;
    Ok(socket)
}
