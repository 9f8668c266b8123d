//! Asks a time server for the time (RFC 4330), to check this computer's clock: phones take their time from such a
//! server, and validate the gateway's certificate with it.

use std::{io, net::SocketAddr, time::Duration};

use gangway_base::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{UdpSocket, lookup_host};

/// The default port.
pub const PORT: u16 = 123;
const LENGTH: usize = 48;
/// Version 4, mode client.
const REQUEST: u8 = 0x23;
const MODE_SERVER: u8 = 4;
/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// Returns how far the server is ahead of this computer's clock. Assumes that the response took half of the round-trip
/// time.
///
/// # Errors
/// If the server does not answer in time, or its answer contains no time.
pub async fn ahead(host: &str, port: u16, clock: &dyn Clock, time_limit: Duration) -> io::Result<SignedDuration> {
    let query = async {
        let address: SocketAddr =
            lookup_host((host, port)).await?.next().ok_or_else(|| io::Error::other("the name has no address"))?;
        let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own).await?;
        socket.connect(address).await?;
        let mut packet = [0; LENGTH];
        packet[0] = REQUEST;
        let sent = clock.now();
        socket.send(&packet).await?;
        let length = socket.recv(&mut packet).await?;
        let received = clock.now();
        let theirs =
            packet.get(..length).and_then(transmitted).ok_or_else(|| io::Error::other("it answers no time"))?;
        let ours = sent.saturating_add(received.duration_since(sent) / 2).unwrap_or(received);
        Ok(theirs.duration_since(ours))
    };
    match tokio::time::timeout(time_limit, query).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")),
    }
}

/// Returns the time at which the server sent its answer.
fn transmitted(packet: &[u8]) -> Option<Timestamp> {
    let (head, stratum) = (*packet.first()?, *packet.get(1)?);
    // Stratum 0 is a kiss-o'-death message instead of a time.
    if head & 7 != MODE_SERVER || stratum == 0 {
        return None;
    }
    let seconds = u64::from(u32::from_be_bytes(packet.get(40..44)?.try_into().ok()?));
    let fraction = u64::from(u32::from_be_bytes(packet.get(44..48)?.try_into().ok()?));
    // The seconds overflow to 0 in 2036.
    let seconds = if seconds & 0x8000_0000 == 0 { seconds + (1 << 32) } else { seconds };
    let nanoseconds = i32::try_from((fraction * 1_000_000_000) >> 32).ok()?;
    Timestamp::new(i64::try_from(seconds.checked_sub(UNIX_EPOCH)?).ok()?, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use gangway_base::{clock::ManualClock, tasks::Tasks};

    use super::*;

    async fn server(first: u8, stratum: u8, time: Timestamp) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Tasks::new().spawn("time server", async move {
            let mut packet = [0; LENGTH];
            let (_, from) = socket.recv_from(&mut packet).await.unwrap();
            assert_eq!(packet[0], 0x23);
            (packet[0], packet[1]) = (first, stratum);
            let seconds = u32::try_from(u64::try_from(time.as_second()).unwrap() + UNIX_EPOCH).unwrap();
            packet[40..44].copy_from_slice(&seconds.to_be_bytes());
            socket.send_to(&packet, from).await.unwrap();
        });
        port
    }

    #[actix_web::test]
    async fn the_difference_is_reported_and_invalid_times_are_rejected() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let clock = ManualClock::new(now);
        let time_limit = Duration::from_secs(5);
        let port = server(0x24, 2, now + SignedDuration::from_secs(90)).await;
        assert_eq!(ahead("127.0.0.1", port, &clock, time_limit).await.unwrap(), SignedDuration::from_secs(90));
        let port = server(0x24, 2, now - SignedDuration::from_hours(2)).await;
        assert_eq!(ahead("127.0.0.1", port, &clock, time_limit).await.unwrap(), SignedDuration::from_hours(-2));
        for (first, stratum) in [(0x23, 2), (0x24, 0)] {
            let port = server(first, stratum, now).await;
            assert!(ahead("127.0.0.1", port, &clock, time_limit).await.is_err());
        }
    }

    #[test]
    fn after_2036_the_seconds_begin_again() {
        let mut packet = [0; LENGTH];
        (packet[0], packet[1], packet[43]) = (0x24, 1, 1);
        assert_eq!(transmitted(&packet).unwrap(), "2036-02-07T06:28:17Z".parse().unwrap());
        assert_eq!(transmitted(&packet[..20]), None);
    }
}
