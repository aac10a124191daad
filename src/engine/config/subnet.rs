//! A network of addresses, as an allow list has them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network: an address and how many of its leading bits count. `10.0.0.0/8`, `2001:db8::/32`, or a
/// single address.
///
/// An IPv4 address that reaches us through an IPv6 socket (`::ffff:10.0.0.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// Whether `address` is in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, width) = number(self.address);
        let (theirs, other) = number(address.to_canonical());
        // All bits of the host: a shift by the whole width would overflow.
        let host_bits = u32::from(width - self.bits);
        let differing = (ours ^ theirs).checked_shr(host_bits).unwrap_or_default();
        width == other && differing == 0
    }
}

/// The single address.
impl From<IpAddr> for Subnet {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let (_, bits) = number(address);
        Self { address, bits }
    }
}

impl FromStr for Subnet {
    type Err = NotASubnet;

    fn from_str(text: &str) -> Result<Self, NotASubnet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let mut network = Self::from(address.trim().parse::<IpAddr>().map_err(|_| NotASubnet)?);
        if let Some(bits) = bits {
            let bits = bits.trim().parse().map_err(|_| NotASubnet)?;
            if bits > network.bits {
                return Err(NotASubnet);
            }
            network.bits = bits;
        }
        Ok(network)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASubnet;

impl fmt::Display for NotASubnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a network, expected an IP address or one with a prefix length, 10.0.0.0/8")
    }
}

impl std::error::Error for NotASubnet {}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u32::from(v4).into(), 32),
        IpAddr::V6(v6) => (v6.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_by_its_leading_bits() {
        let is_in = |address: &str, network: &str| {
            let network: Subnet = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(is_in("10.1.2.3", "10.0.0.0/8"));
        assert!(!is_in("11.1.2.3", "10.0.0.0/8"));
        assert!(is_in("10.0.0.7", "10.0.0.7"));
        assert!(!is_in("10.0.0.8", "10.0.0.7"));
        assert!(is_in("10.0.0.6", "10.0.0.7/31"));
        assert!(is_in("1.2.3.4", "0.0.0.0/0"));
        assert!(is_in("::ffff:10.1.2.3", "10.0.0.0/8"));
        assert!(is_in("2001:db8::1", "2001:db8::/32"));
        assert!(!is_in("2001:db9::1", "2001:db8::/32"));
        assert!(is_in("::1", "::/0"));
        assert!(!is_in("10.1.2.3", "::/0"));
        assert!(!is_in("::1", "0.0.0.0/0"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "host/8",
            "10.0.0.0/",
        ] {
            assert_eq!(text.parse::<Subnet>(), Err(NotASubnet), "{text}");
        }
        assert_eq!(
            "10.0.0.0/8".parse::<Subnet>().unwrap().to_string(),
            "10.0.0.0/8"
        );
    }
}
