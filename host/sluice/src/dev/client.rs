//! The client of `sluice dev`: sends one message over real SMTP, as any client would.
//!
//! A command goes only after the reply to the one before it, so a refusal is told with the command that it answers. What
//! the server says is bounded; its waits are longer than what all sinks of an event may take together.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use smtp::{Mailbox, ReversePath};

/// Longest wait for one reply. EVENTS: all bindings of a gate together have 15 s, 30 s at the dot.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(60);
/// Bytes of one reply. RFC 5321 §4.5.3.1.5 has 512 a line; a sink's reply has at most 10.
const REPLY_BYTES_MAX: u64 = 65_536;

/// One message to send.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) reverse_path: ReversePath,
    pub(super) recipient: Mailbox,
    /// Lines end with CRLF, the last one too.
    pub(super) content: Vec<u8>,
}

/// What the server said in the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// 250 to the dot.
    Accepted,
    /// Anything else than the reply that goes on.
    Refused {
        /// `RCPT TO`, as people call it.
        command: &'static str,
        /// All its lines.
        reply: String,
    },
}

/// Sends the message in a session of its own.
///
/// # Errors
/// When the connection fails or the server does not speak SMTP.
pub(super) async fn send(address: SocketAddr, mail: &Mail) -> anyhow::Result<Sent> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("{address} can't be reached"))?;
    let mut client = Client { stream: BufReader::new(stream) };
    let parameters = if mail.content.is_ascii() { "" } else { " BODY=8BITMIME" };
    let commands = [
        ("EHLO", "EHLO client.example\r\n".to_owned()),
        ("MAIL FROM", format!("MAIL FROM:{}{parameters}\r\n", mail.reverse_path)),
        ("RCPT TO", format!("RCPT TO:<{}>\r\n", mail.recipient)),
        ("DATA", "DATA\r\n".to_owned()),
    ];
    if let Some(refused) = client.expect("the connection", b"").await? {
        return Ok(refused);
    }
    for (command, line) in commands {
        if let Some(refused) = client.expect(command, line.as_bytes()).await? {
            client.quit().await?;
            return Ok(refused);
        }
    }
    let refused = client.expect("the message", &stuffed(&mail.content)).await?;
    client.quit().await?;
    Ok(refused.unwrap_or(Sent::Accepted))
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Sends, and answers with the refusal if the reply is one.
    async fn expect(&mut self, command: &'static str, bytes: &[u8]) -> anyhow::Result<Option<Sent>> {
        self.stream.write_all(bytes).await.with_context(|| format!("{command}: the connection is gone"))?;
        let reply = timeout(REPLY_WAIT_MAX, self.reply())
            .await
            .with_context(|| format!("{command}: no reply in {} seconds", REPLY_WAIT_MAX.as_secs()))?
            .with_context(|| command)?;
        let goes_on = reply.starts_with('2') || reply.starts_with('3');
        Ok((!goes_on).then_some(Sent::Refused { command, reply }))
    }

    async fn reply(&mut self) -> anyhow::Result<String> {
        let mut reply = String::new();
        let mut left = (&mut self.stream).take(REPLY_BYTES_MAX);
        loop {
            let start = reply.len();
            let count = left.read_line(&mut reply).await?;
            ensure!(count > 0, "the server closed the connection, or does not end its reply");
            match reply.as_bytes().get(start + 3) {
                Some(b'-') => {}
                Some(b' ' | b'\r') => return Ok(reply.trim_end().replace("\r\n", "\n")),
                _ => bail!("this is no reply: {}", reply.escape_debug()),
            }
        }
    }

    /// Leaves politely; after 421 the server has closed already.
    async fn quit(&mut self) -> anyhow::Result<()> {
        if self.stream.write_all(b"QUIT\r\n").await.is_ok() {
            let mut rest = Vec::new();
            let rest = (&mut self.stream).take(REPLY_BYTES_MAX).read_to_end(&mut rest).await.map(drop).err();
            drop(rest);
        }
        Ok(())
    }
}

/// The message with its dots doubled and the dot at its end (RFC 5321 §4.5.2).
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::{Mail, Mailbox, REPLY_BYTES_MAX, REPLY_WAIT_MAX, ReversePath, Sent, send, stuffed};

    /// A server that replies with these, each to one line of the client; the content is one.
    async fn check(replies: &[&str], expected: Sent) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            for reply in replies {
                stream.write_all(reply.as_bytes()).await.unwrap();
                stream.read_line(&mut String::new()).await.unwrap();
            }
        };
        let mail = mail();
        let (sent, ()) = tokio::join!(send(address, &mail), serve);
        assert_eq!(sent.unwrap(), expected);
    }

    fn mail() -> Mail {
        Mail {
            reverse_path: ReversePath::Null,
            recipient: Mailbox::parse("bob@example.org").unwrap(),
            content: Vec::new(),
        }
    }

    /// What is told of a server that greets with this and then says nothing more.
    async fn check_failed(greeting: &[u8], expected: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            stream
        };
        let mail = mail();
        let (sent, _open) = tokio::join!(send(address, &mail), serve);
        let error = format!("{:#}", sent.unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        check_failed(b"", &format!("no reply in {} seconds", REPLY_WAIT_MAX.as_secs())).await;
    }

    #[tokio::test]
    async fn a_reply_that_does_not_end_is_read_no_further_than_its_limit() {
        let line = b"220-ab\r\n";
        let lines = usize::try_from(REPLY_BYTES_MAX).unwrap() / line.len();
        check_failed(&line.repeat(lines), "does not end its reply").await;
    }

    #[tokio::test]
    async fn a_message_is_sent_to_the_end() {
        check(
            &["220 a\r\n", "250-a\r\n250 B\r\n", "250 c\r\n", "250 d\r\n", "354 e\r\n", "250 f\r\n"],
            Sent::Accepted,
        )
        .await;
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_command_and_all_its_lines() {
        let refused =
            Sent::Refused { command: "MAIL FROM", reply: "550-5.7.1 no\n550 5.7.1 never".to_owned() };
        check(&["220 a\r\n", "250 b\r\n", "550-5.7.1 no\r\n550 5.7.1 never\r\n"], refused).await;
    }

    #[test]
    fn dots_are_doubled_at_the_start_of_a_line_alone() {
        assert_eq!(stuffed(b".a\r\nb.\r\n..\r\n"), b"..a\r\nb.\r\n...\r\n.\r\n");
    }
}
