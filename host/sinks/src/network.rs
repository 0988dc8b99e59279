//! An address range in CIDR notation (RFC 4632, RFC 4291 §2.3), as the rule field `cidr` names it.
//!
//! Bits set behind the prefix are refused, not cut off: `10.1.2.3/8` is more often a slip than a wish.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network whose bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.trim().parse().map_err(|_| {
            format!("`{text}` is not an address range: write it as 192.0.2.0/24 or 2001:db8::/32")
        })?;
        let bits = bits_of(first);
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix
                .trim()
                .parse::<u8>()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(|| format!("`{prefix}` is not a prefix length from 0 to {bits}"))?,
        };
        let network = Self { first: masked(first, prefix), prefix };
        if network.first == first {
            Ok(network)
        } else {
            Err(format!("`{text}` has bits behind its prefix: write {network}"))
        }
    }

    /// Whether the address is inside; an IPv4-mapped IPv6 address counts as the IPv4 address that it maps.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == self.first
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.prefix)
    }
}

fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let shift = 32u32.saturating_sub(prefix.into());
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let shift = 128u32.saturating_sub(prefix.into());
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let network = Network::parse(network).unwrap();
        for address in inside {
            assert!(network.contains(address.parse().unwrap()), "{network} should contain {address}");
        }
        for address in outside {
            assert!(!network.contains(address.parse().unwrap()), "{network} should not contain {address}");
        }
    }

    #[test]
    fn an_address_is_inside_when_the_prefix_is_the_same() {
        check(
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.1.2", "::ffff:10.1.2.3"],
            &["11.0.0.0", "::1", "2001:db8::1"],
        );
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]);
        check("2001:db8::/32", &["2001:db8:1::2"], &["2001:db9::", "10.0.0.1"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["2001:db8::1"]);
        check("::/0", &["2001:db8::1"], &["1.2.3.4"]);
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_was_expected() {
        let refused = |text: &str| Network::parse(text).unwrap_err();
        assert!(refused("example.com").contains("write it as 192.0.2.0/24"));
        assert!(refused("10.0.0.0/33").contains("from 0 to 32"));
        assert!(refused("::/129").contains("from 0 to 128"));
        assert!(refused("10.1.2.3/8").contains("write 10.0.0.0/8"));
    }
}
