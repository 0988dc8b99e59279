//! From an address to a socket: source addresses, and how long to wait.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use crate::config;

/// Opens sockets to other servers.
#[derive(Debug)]
pub(super) struct Connector {
    wait_max: Duration,
    pools: BTreeMap<String, Vec<IpAddr>>,
}

impl Connector {
    /// As the configuration says.
    ///
    /// # Errors
    /// Names what is no address.
    pub(super) fn new(outbound: &config::Outbound) -> anyhow::Result<Self> {
        let mut pools = BTreeMap::new();
        for (name, addresses) in &outbound.source_pools.0 {
            let parse = |text: &String| {
                text.parse()
                    .map_err(|_| anyhow::anyhow!("outbound.source_pools.{name}: {text:?} is no address"))
            };
            pools.insert(name.clone(), addresses.iter().map(parse).collect::<anyhow::Result<_>>()?);
        }
        Ok(Self { wait_max: Duration::from_secs(u64::from(outbound.connect_seconds)), pools })
    }

    /// Connects, from an address of the pool where one is named; `draw` says from which of them.
    ///
    /// # Errors
    /// What the system says, that the wait passed, or that the pool has no address of that family.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        pool: Option<&str>,
        draw: u64,
    ) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(pool) = pool {
            socket.bind(SocketAddr::new(self.source(pool, address, draw)?, 0))?;
        }
        let connecting = tokio::time::timeout(self.wait_max, socket.connect(address));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// From any other address than the pool's nothing is sent: it was chosen for its name.
    fn source(&self, pool: &str, address: SocketAddr, draw: u64) -> io::Result<IpAddr> {
        let Some(sources) = self.pools.get(pool) else {
            return Err(io::Error::other(format!("there is no source pool {pool:?}")));
        };
        let fitting: Vec<&IpAddr> =
            sources.iter().filter(|source| source.is_ipv4() == address.is_ipv4()).collect();
        let count = u64::try_from(fitting.len()).unwrap_or(0);
        let at = draw.checked_rem(count).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| fitting.get(at)).map(|source| **source).ok_or_else(|| {
            io::Error::other(format!(
                "the source pool {pool:?} has no address to reach {} from",
                address.ip()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector() -> Connector {
        let pool = vec!["127.0.0.2".to_owned(), "::1".to_owned(), "127.0.0.3".to_owned()];
        let mut outbound = config::Outbound::default();
        outbound.source_pools.0.insert("bulk".to_owned(), pool);
        Connector::new(&outbound).unwrap()
    }

    #[tokio::test]
    async fn a_connection_comes_from_an_address_of_its_pool() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (draw, expected) in [(0, "127.0.0.2"), (1, "127.0.0.3"), (2, "127.0.0.2")] {
            let stream = connector().connect(address, Some("bulk"), draw).await.unwrap();
            assert_eq!(stream.local_addr().unwrap().ip().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_pool_that_has_no_such_address_is_an_error_and_not_another_address() {
        let address = "127.0.0.1:9".parse().unwrap();
        let error = connector().connect(address, Some("none"), 0).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no source pool \"none\"");
        let mut outbound = config::Outbound::default();
        outbound.source_pools.0.insert("six".to_owned(), vec!["::1".to_owned()]);
        let error = Connector::new(&outbound).unwrap().connect(address, Some("six"), 0).await.unwrap_err();
        assert_eq!(error.to_string(), "the source pool \"six\" has no address to reach 127.0.0.1 from");
    }

    #[test]
    fn a_pool_with_something_else_is_refused_by_its_key() {
        let mut outbound = config::Outbound::default();
        outbound.source_pools.0.insert("x".to_owned(), vec!["mx.example".to_owned()]);
        let error = Connector::new(&outbound).unwrap_err().to_string();
        assert_eq!(error, "outbound.source_pools.x: \"mx.example\" is no address");
    }
}
