//! Egress guard: the addresses and ports that may be connected to.
//!
//! Every host name from a person, a tenant or discovery is checked here after resolution. Only
//! globally routable addresses and the ports of mail are allowed; the operator's rules allow
//! further pairs of address and port, each for the purposes of its list.
//!
//! Invariants: fails closed, so an address of an unknown kind is refused; a rule for hosts in the
//! operator's configuration allows nothing for hosts from other sources.
//!
//! Standards: RFC 6890 (special-purpose addresses), RFC 8314 §7 (ports of mail over TLS).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// IMAPS, IMAP, submissions, submission.
const MAIL_PORTS: [u16; 4] = [993, 143, 465, 587];
const HTTPS: u16 = 443;

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// IMAP or SMTP.
    Mail,
    /// https at a URL of the operator's configuration.
    Configured,
    /// https at a URL from a tenant or a domain.
    Foreign,
}

/// The set of egress rules.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    allow: Vec<Rule>,
    fetch: Vec<Rule>,
}

/// One rule of `egress.allow` or `egress.fetch`: an address or network, with an optional port.
///
/// `127.0.0.1:21993`, `10.1.0.0/16`, `[fd00::]/8`, `[::1]:1143`. Without a port: every port of
/// mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    network: IpAddr,
    prefix: u8,
    port: Option<u16>,
}

/// The rule cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address such as `127.0.0.1:993`, `10.1.0.0/16` or `[fd00::]/8`")]
pub struct InvalidRule(String);

impl Egress {
    /// Adds the operator's rules to the built-in ones: `allow` for mail servers and, where a rule
    /// has a port, for URLs of the configuration.
    #[must_use]
    pub fn new(allow: Vec<Rule>) -> Self {
        Self { allow, fetch: Vec::new() }
    }

    /// Adds rules for all https URLs, including those from a tenant or a domain. A rule without a
    /// port allows nothing here.
    #[must_use]
    pub fn with_fetch(self, fetch: Vec<Rule>) -> Self {
        Self { fetch, ..self }
    }

    /// Whether `ip` and `port` may be connected to; otherwise the reason, without the address.
    ///
    /// # Errors
    /// When no rule allows it.
    pub fn check(&self, ip: IpAddr, port: u16, purpose: Purpose) -> Result<(), &'static str> {
        let ip = unwrapped(ip);
        let exact = |rules: &[Rule]| rules.iter().any(|rule| rule.names(ip, port));
        let lifted = match purpose {
            Purpose::Mail => self.allow.iter().any(|rule| rule.covers(ip, port)),
            Purpose::Configured => exact(&self.allow) || exact(&self.fetch),
            Purpose::Foreign => exact(&self.fetch),
        };
        if lifted {
            return Ok(());
        }
        let public = is_global(ip);
        match purpose {
            Purpose::Mail if !MAIL_PORTS.contains(&port) => {
                Err("the port is not one of 993, 143, 465 and 587")
            }
            Purpose::Mail if !public => Err("the address is not a public one"),
            Purpose::Configured if !public => Err(
                "the address is not a public one, and no rule of `egress.allow` with a port names it",
            ),
            Purpose::Foreign if !public => {
                Err("the address is not a public one, and `egress.fetch` does not name it")
            }
            Purpose::Configured if port != HTTPS => {
                Err("the port is not 443, and no rule of `egress.allow` names it")
            }
            Purpose::Foreign if port != HTTPS => {
                Err("the port is not 443, and `egress.fetch` does not name it")
            }
            Purpose::Mail | Purpose::Configured | Purpose::Foreign => Ok(()),
        }
    }
}

impl Rule {
    /// Whether the rule has a port.
    #[must_use]
    pub const fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Whether it matches by its port, or as one of the ports of mail where it has none.
    fn covers(&self, ip: IpAddr, port: u16) -> bool {
        self.names(ip, port)
            || (self.port.is_none() && MAIL_PORTS.contains(&port) && self.holds(ip))
    }

    /// Whether it names both address and port.
    fn names(&self, ip: IpAddr, port: u16) -> bool {
        self.port == Some(port) && self.holds(ip)
    }

    fn holds(&self, ip: IpAddr) -> bool {
        match (self.network, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let differ = u32::from(network) ^ u32::from(ip);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let differ = u128::from(network) ^ u128::from(ip);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let invalid = || InvalidRule(text.to_owned());
        let (address, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (inner, rest) = bracketed.split_once(']').ok_or_else(invalid)?;
                (inner, rest)
            }
            None => {
                text.find(['/', ':']).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
            }
        };
        let network: IpAddr = address.parse().map_err(|_| invalid())?;
        // An IPv4-mapped network has a prefix length that could be read in two ways.
        if unwrapped(network) != network {
            return Err(invalid());
        }
        let widest = if network.is_ipv4() { 32 } else { 128 };
        let (prefix, port) = match rest.split_once(':') {
            Some((prefix, port)) => (prefix, Some(port.parse().map_err(|_| invalid())?)),
            None => (rest, None),
        };
        let prefix = match prefix.strip_prefix('/') {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= widest).ok_or_else(invalid)?,
            None if prefix.is_empty() => widest,
            None => return Err(invalid()),
        };
        Ok(Self { network, prefix, port })
    }
}

/// IPv4-mapped IPv6 addresses are checked as IPv4 (RFC 4291 §2.5.5).
fn unwrapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = a == 0                                   // this network
        || a == 10 || a == 127                             // private, loopback
        || (a == 100 && (64..128).contains(&b))            // CGNAT (RFC 6598); Alibaba's metadata service is here
        || (a == 169 && b == 254)                          // link-local and metadata
        || (a == 172 && (16..32).contains(&b))             // private
        || (a == 192 && b == 0 && (c == 0 || c == 2))      // protocol assignments, documentation
        || (a == 192 && b == 88 && c == 99)                // 6to4 relays
        || (a == 192 && b == 168)                          // private
        || (a == 198 && (b == 18 || b == 19))              // benchmarking
        || (a == 198 && b == 51 && c == 100)               // documentation
        || (a == 203 && b == 0 && c == 113)                // documentation
        || a >= 224; // multicast, reserved, broadcast
    !special
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // Only 2000::/3 is allocated; parts of it embed IPv4 or are not routed.
    let unicast = first & 0xe000 == 0x2000;
    let special = first == 0x2002                          // 6to4 embeds IPv4
        || (first == 0x2001 && second < 0x0200)            // Teredo, benchmarking, ORCHID
        || (first == 0x2001 && second == 0x0db8)           // documentation
        || (first == 0x3fff && second < 0x1000); // documentation
    unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_on_ports_of_mail_are_allowed() {
        for ip in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            check(&[], ip, 993, true);
            check(&[], ip, 80, false);
            check(&[], ip, 25, false);
            check(&[], ip, 443, false);
            for purpose in [Purpose::Configured, Purpose::Foreign] {
                judge(&[], &[], ip, 443, purpose, true);
                judge(&[], &[], ip, 993, purpose, false);
            }
        }
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(&[], ip, 993, false);
            judge(&[], &[], ip, 443, Purpose::Configured, false);
            judge(&[], &[], ip, 443, Purpose::Foreign, false);
        }
    }

    #[test]
    fn what_others_name_is_lifted_by_a_list_of_its_own() {
        use Purpose::{Configured, Foreign, Mail};
        let open = ["10.1.0.0/16:443"];
        for (allow, fetch, purpose, want) in [
            (&["10.1.0.0/16"][..], &[][..], Configured, false),
            (&open, &[], Configured, true),
            (&open, &[], Foreign, false),
            (&[], &open, Configured, true),
            (&[], &open, Foreign, true),
            (&[], &open, Mail, false),
            (&[], &["10.1.0.0/16"], Foreign, false),
        ] {
            judge(allow, fetch, "10.1.0.1", 443, purpose, want);
        }
        // Ports of mail are not for https.
        judge(&["10.1.0.0/16"], &["10.1.0.0/16"], "10.1.0.1", 993, Foreign, false);
        judge(&["10.1.0.0/16"], &[], "10.1.0.1", 993, Configured, false);
        // A port other than 443 is allowed together with its address, public or not.
        judge(&[], &["8.8.8.8:8443"], "8.8.8.8", 8443, Foreign, true);
        judge(&["8.8.8.8:8443"], &[], "8.8.8.8", 8443, Foreign, false);
    }

    #[test]
    fn the_reason_names_the_list_that_would_lift_it() {
        let reason = |purpose| {
            Egress::default().check("10.1.0.1".parse().unwrap(), 443, purpose).unwrap_err()
        };
        assert!(reason(Purpose::Configured).contains("`egress.allow`"));
        assert!(reason(Purpose::Foreign).contains("`egress.fetch`"));
    }

    #[test]
    fn a_rule_lifts_address_and_port_together() {
        check(&["127.0.0.1:21993"], "127.0.0.1", 21993, true);
        check(&["127.0.0.1:21993"], "::ffff:127.0.0.1", 21993, true);
        check(&["127.0.0.1:21993"], "127.0.0.1", 993, false);
        check(&["127.0.0.1:21993"], "127.0.0.2", 21993, false);
        check(&["10.1.0.0/16"], "10.1.9.9", 143, true);
        check(&["10.1.0.0/16"], "10.1.9.9", 22, false);
        check(&["10.1.0.0/16"], "10.2.0.1", 143, false);
        check(&["[fd00::]/8"], "fd12::1", 465, true);
        check(&["[::1]:1143"], "::1", 1143, true);
        check(&["0.0.0.0/0"], "127.0.0.1", 993, true);
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_named() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.1:http",
            "[::1",
            "::1/x",
            "10.0.0.0/",
            "[::ffff:10.0.0.0]/104",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text:?}");
        }
    }

    #[track_caller]
    fn check(rules: &[&str], ip: &str, port: u16, want: bool) {
        judge(rules, &[], ip, port, Purpose::Mail, want);
    }

    #[track_caller]
    fn judge(allow: &[&str], fetch: &[&str], ip: &str, port: u16, purpose: Purpose, want: bool) {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let egress = Egress::new(rules(allow)).with_fetch(rules(fetch));
        assert_eq!(
            egress.check(ip.parse().unwrap(), port, purpose).is_ok(),
            want,
            "{ip} port {port} for {purpose:?} under {allow:?} and {fetch:?}"
        );
    }
}
