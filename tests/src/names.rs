//! A DNS server with a few names, over UDP: what a test says, byte by byte, so that it can also lie.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Result;

/// The type codes of RFC 1035 §3.2.2.
const TYPE_A: u16 = 1;
const TYPE_MX: u16 = 15;

/// What is known of one name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    mx: Vec<(u16, String)>,
    addresses: Vec<Ipv4Addr>,
    silence: Option<Silence>,
}

#[derive(Clone, Copy, Debug)]
enum Silence {
    /// SERVFAIL.
    Fails,
}

/// All names; others do not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone(BTreeMap<String, Name>);

impl Zone {
    /// The same, with an exchanger; `.` is none (RFC 7505).
    #[must_use]
    pub fn mx(mut self, domain: &str, preference: u16, host: &str) -> Self {
        self.name(domain).mx.push((preference, host.to_owned()));
        self
    }

    /// The same, with an address on loopback.
    #[must_use]
    pub fn address(mut self, name: &str, address: Ipv4Addr) -> Self {
        self.name(name).addresses.push(address);
        self
    }

    /// The same, and questions about the name fail.
    #[must_use]
    pub fn failing(mut self, name: &str) -> Self {
        self.name(name).silence = Some(Silence::Fails);
        self
    }

    fn name(&mut self, name: &str) -> &mut Name {
        self.0.entry(name.to_owned()).or_default()
    }

    /// Answers on a free port of loopback, until the process ends.
    ///
    /// # Errors
    /// If there is no port.
    pub fn serve(self) -> Result<SocketAddr> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = buffer.get(..length).and_then(|question| self.answer(question)) {
                    // Who asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(address)
    }

    /// RFC 1035 §4.1: the header, the question as it came, the records.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = read_name(question)?;
        let wanted = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
        let found = self.0.get(&name);
        let records: Vec<Vec<u8>> = match (found, wanted) {
            (Some(found), TYPE_MX) => {
                found.mx.iter().map(|(preference, host)| mx(*preference, host)).collect()
            }
            (Some(found), TYPE_A) => {
                found.addresses.iter().map(|address| address.octets().to_vec()).collect()
            }
            _ => Vec::new(),
        };
        let code: u8 = match found {
            Some(Name { silence: Some(Silence::Fails), .. }) => 2,
            Some(_) => 0,
            None => 3,
        };
        let mut answer = question.get(..2)?.to_vec();
        answer.extend([0x84, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend_from_slice(question.get(12..end + 4)?);
        for record in records {
            // The name of the question, the type, the class IN, one minute.
            answer.extend([0xc0, 12]);
            answer.extend(wanted.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
            answer.extend(record);
        }
        Some(answer)
    }
}

/// The name of the question, in lower case without its last dot, and where it ends.
fn read_name(question: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    let mut record = preference.to_be_bytes().to_vec();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        record.push(u8::try_from(label.len()).unwrap_or(0));
        record.extend_from_slice(label.as_bytes());
    }
    record.push(0);
    record
}
