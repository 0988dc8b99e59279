//! The PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it: what a proxy says of its client before the
//! client's first byte.
//!
//! Promises that no byte behind the header is asked for, since it is the client's; and a bound on the header. Leaves out whom to
//! believe: the loop reads this from proxies alone that the operator named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a version 1 line with its CRLF; the protocol's own number.
pub const V1_BYTES_MAX: usize = 107;
/// Bytes of a version 2 header; our choice. Addresses have 52, and what proxies tell of TLS beside them rarely 500.
pub const V2_BYTES_MAX: usize = 4_096;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// Who talks to whom, behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client.
    pub client: SocketAddr,
    /// Where it thinks that we are.
    pub server: SocketAddr,
}

/// How much of a header is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// At least so many bytes of it are still to come.
    Unfinished(usize),
    /// All; none where the proxy speaks for itself or does not know.
    Whole(Option<Endpoints>),
    /// It is none.
    Malformed,
}

/// Reads what came so far.
#[must_use]
pub fn read(bytes: &[u8]) -> Header {
    let Some(start) = bytes.get(..V2_SIGNATURE.len()) else {
        // The shortest line of version 1 is longer than the signature of version 2.
        return Header::Unfinished(V2_SIGNATURE.len() - bytes.len());
    };
    if start == V2_SIGNATURE {
        return read_v2(bytes);
    }
    match bytes.strip_suffix(b"\n") {
        _ if !start.starts_with(b"PROXY ") || bytes.len() > V1_BYTES_MAX => Header::Malformed,
        None if bytes.len() == V1_BYTES_MAX => Header::Malformed,
        None => Header::Unfinished(1),
        Some(line) => {
            let line = line.strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
            line.and_then(read_v1).map_or(Header::Malformed, Header::Whole)
        }
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 1234 25`, or `PROXY UNKNOWN` and anything.
fn read_v1(line: &str) -> Option<Option<Endpoints>> {
    let mut words = line.split(' ');
    let (_, family) = (words.next()?, words.next()?);
    let mut word = || words.next();
    let (client, server): (IpAddr, IpAddr) = match family {
        "UNKNOWN" => return Some(None),
        "TCP4" => (word()?.parse::<Ipv4Addr>().ok()?.into(), word()?.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (word()?.parse::<Ipv6Addr>().ok()?.into(), word()?.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let (client_port, server_port) = (word()?.parse().ok()?, word()?.parse().ok()?);
    let is_all = word().is_none();
    is_all.then(|| {
        Some(Endpoints {
            client: SocketAddr::new(client, client_port),
            server: SocketAddr::new(server, server_port),
        })
    })
}

fn read_v2(bytes: &[u8]) -> Header {
    let Some(([_, _, _, _, _, _, _, _, _, _, _, _, command, family, high, low], rest)) =
        bytes.split_first_chunk::<V2_FIXED_BYTES>()
    else {
        return Header::Unfinished(V2_FIXED_BYTES - bytes.len());
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if V2_FIXED_BYTES + length > V2_BYTES_MAX || rest.len() > length {
        return Header::Malformed;
    }
    if rest.len() < length {
        return Header::Unfinished(length - rest.len());
    }
    match (command, family) {
        // LOCAL: the proxy itself, looking whether we live.
        (0x20, _) => Header::Whole(None),
        (0x21, 0x11) => v2_endpoints::<4>(rest).map_or(Header::Malformed, Header::Whole),
        (0x21, 0x21) => v2_endpoints::<16>(rest).map_or(Header::Malformed, Header::Whole),
        (0x21, 0x00) => Header::Whole(None),
        _ => Header::Malformed,
    }
}

/// Two addresses, two ports; what follows tells of other things.
fn v2_endpoints<const BYTES: usize>(bytes: &[u8]) -> Option<Option<Endpoints>>
where
    IpAddr: From<[u8; BYTES]>,
{
    let (client, rest) = bytes.split_first_chunk::<BYTES>()?;
    let (server, rest) = rest.split_first_chunk::<BYTES>()?;
    let (client_port, rest) = rest.split_first_chunk::<2>()?;
    let (server_port, _) = rest.split_first_chunk::<2>()?;
    Some(Some(Endpoints {
        client: SocketAddr::new(IpAddr::from(*client), u16::from_be_bytes(*client_port)),
        server: SocketAddr::new(IpAddr::from(*server), u16::from_be_bytes(*server_port)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &[u8], expected: Option<Option<(&str, &str)>>) {
        let endpoints = |(client, server): (&str, &str)| Endpoints {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
        };
        let expected = expected.map_or(Header::Malformed, |known| Header::Whole(known.map(endpoints)));
        assert_eq!(read(header), expected, "{}", header.escape_ascii());
        if expected == Header::Malformed {
            return;
        }
        // Whoever reads as much as is asked for reads the header and nothing else.
        let mut read_so_far = 0;
        while let Header::Unfinished(more) = read(&header[..read_so_far]) {
            assert!(more > 0);
            read_so_far += more;
        }
        assert_eq!(read_so_far, header.len());
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    #[test]
    fn version_1_is_a_line() {
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n", Some(Some(("192.0.2.1:1234", "192.0.2.2:25"))));
        check(b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", Some(Some(("[2001:db8::1]:65535", "[::1]:0"))));
        check(b"PROXY UNKNOWN\r\n", Some(None));
        check(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some(None));
        for wrong in [
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n"[..],
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25 1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 1 25\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 25\r\n",
            b"PROXY UNKNOWN\n",
            b"EHLO a.example\r\n",
            b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
        ] {
            check(wrong, None);
        }
        let long = |bytes: usize| [&b"PROXY UNKNOWN "[..], &vec![b'x'; bytes - 16], b"\r\n"].concat();
        check(&long(V1_BYTES_MAX), Some(None));
        check(&long(V1_BYTES_MAX + 1), None);
        check(&long(V1_BYTES_MAX + 1)[..V1_BYTES_MAX], None);
    }

    #[test]
    fn version_2_is_binary() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 25];
        let known = Some(Some(("192.0.2.1:1234", "192.0.2.2:25")));
        check(&v2(0x21, 0x11, &four), known);
        check(&v2(0x21, 0x11, &[&four[..], b"\x04\0\x01x"].concat()), known);
        let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 15], &[1], &[4, 210, 0, 25]].concat();
        check(&v2(0x21, 0x21, &six), Some(Some(("[2001:db8::1]:1234", "[::1]:25"))));
        check(&v2(0x20, 0, b""), Some(None));
        check(&v2(0x20, 0x11, &four), Some(None));
        check(&v2(0x21, 0, b"anything"), Some(None));
        for wrong in [
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &four),
            v2(0x21, 0x12, &four),
            v2(0x21, 0x31, &[0; 216]),
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            [v2(0x21, 0x11, &four), vec![0]].concat(),
            v2(0x20, 0, &vec![0; V2_BYTES_MAX]),
        ] {
            check(&wrong, None);
        }
    }
}
