use std::net::IpAddr;

/// A block of addresses in CIDR notation (RFC 4632, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_len: u32,
}

/// Blocks of addresses, as `server.trusted_proxies` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address. The error says what to write.
    pub fn parse(text: &str) -> Result<Network, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "write an address or a block such as \"10.0.0.0/8\"")?;
        let bits = width(address);
        let is_number = |prefix: &&str| !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_len = match prefix {
            None => bits,
            Some(prefix) => {
                let len = Some(prefix).filter(is_number).and_then(|prefix| prefix.parse().ok());
                len.filter(|len| *len <= bits).ok_or("write a prefix of at most 32 bits, or 128 for IPv6")?
            }
        };
        match value(address) & !mask(prefix_len, bits) {
            0 => Ok(Network { address, prefix_len }),
            _ => Err("the address has bits beyond its prefix; clear them or lengthen the prefix"),
        }
    }

    /// Whether `address`, in its canonical form, is of this block.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mask = mask(self.prefix_len, width(self.address));
        width(address) == width(self.address) && value(address) & mask == value(self.address)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl Networks {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Networks {
        Networks(networks.into_iter().collect())
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The first `len` of `width` bits.
fn mask(len: u32, width: u32) -> u128 {
    let all = u128::MAX >> (128 - width);
    all & !all.checked_shr(len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, address: &str, expected: bool) {
        let network = Network::parse(network).unwrap_or_else(|why| panic!("{network}: {why}"));
        assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
    }

    #[test]
    fn a_block_holds_its_addresses_and_no_others() {
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "::1", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe00::1", false);
        check("::/0", "2001:db8::1", true);
        check("::1", "::1", true);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.1/8", "fd00::/129"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
