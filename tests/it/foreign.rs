//! Clients that somebody else wrote.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use lettre::{Message, SmtpTransport, Transport};
use tests::scene::Scene;
use tests::server::Server;
use tests::skip;

/// Runs a client to its end; it must be content.
pub(crate) fn run(program: &Path, words: &[&str]) -> Result<()> {
    let output = Command::new(program).args(words).output().with_context(|| program.display().to_string())?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&said));
    Ok(())
}

#[test]
fn swaks_delivers() -> Result<()> {
    let Some(swaks) = skip::tool("swaks")? else { return Ok(()) };
    let mut server = Server::start(&Scene::default())?;
    let address = server.address().to_string();
    let said = [
        "--server",
        &address,
        "--from",
        "ann@a.example",
        "--to",
        "bob@b.example,bea@b.example",
        "--pipeline",
    ];
    run(&swaks, &[&said[..], &["--header", "Subject: by swaks", "--body", "Hello.\n.\n..dots"]].concat())?;
    for recipient in ["bob@b.example", "bea@b.example"] {
        let text = String::from_utf8(server.delivered(recipient)?)?;
        ensure!(
            text.contains("Subject: by swaks\r\n") && text.contains("Hello.\r\n.\r\n..dots\r\n"),
            "{text}"
        );
    }
    server.stop()
}

const SMTPLIB: &str = "
import smtplib, sys
client = smtplib.SMTP('127.0.0.1', int(sys.argv[1]), local_hostname='a.example')
client.ehlo()
assert client.has_extn('pipelining') and client.has_extn('8bitmime') and client.has_extn('smtputf8'), client.esmtp_features
refused = client.sendmail('ann@a.example', ['bob@b.example', 'eve@elsewhere.example'], 'Subject: by smtplib\\n\\n.Hello.\\n')
assert list(refused) == ['eve@elsewhere.example'] and refused['eve@elsewhere.example'][0] == 550, refused
client.sendmail('änn@a.example', ['bea@b.example'], 'Subject: grüße\\r\\n\\r\\nHello.\\r\\n'.encode(), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
assert client.quit()[0] == 221
";

#[test]
fn python_smtplib_delivers() -> Result<()> {
    let Some(python) = skip::tool("python3")? else { return Ok(()) };
    let mut server = Server::start(&Scene::default())?;
    run(&python, &["-c", SMTPLIB, &server.address().port().to_string()])?;
    let first = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(first.contains("Subject: by smtplib\r\n\r\n.Hello.\r\n"), "{first}");
    let second = String::from_utf8(server.delivered("bea@b.example")?)?;
    ensure!(
        second.contains("Return-Path: <änn@a.example>") && second.contains("Subject: grüße\r\n"),
        "{second}"
    );
    server.stop()
}

#[test]
fn lettre_delivers() -> Result<()> {
    let mut server = Server::start(&Scene::default())?;
    let message = Message::builder()
        .from("Ann <ann@a.example>".parse()?)
        .to("bob@b.example".parse()?)
        .subject("by lettre")
        .body("Hello.\n.\n".to_owned())?;
    let transport = SmtpTransport::builder_dangerous("127.0.0.1").port(server.address().port()).build();
    let response = transport.send(&message)?;
    ensure!(response.is_positive(), "{response:?}");
    let text = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(text.contains("Subject: by lettre\r\n") && text.contains("\r\n\r\nHello.\r\n.\r\n"), "{text}");
    server.stop()
}

/// A server with a certificate.
fn encrypting(tls: &str) -> Result<Server> {
    let config = vec![("listeners.smtp.tls".to_owned(), tls.into())];
    Server::start(&Scene { certificates: vec!["mx.b.example".to_owned()], config, ..Scene::default() })
}

#[test]
fn swaks_delivers_behind_starttls() -> Result<()> {
    let Some(swaks) = skip::tool("swaks")? else { return Ok(()) };
    let mut server = encrypting("offered")?;
    let address = server.address().to_string();
    run(&swaks, &["--server", &address, "--from", "ann@a.example", "--to", "bob@b.example", "--tls"])?;
    let text = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(text.contains(" with ESMTPS"), "{text}");
    server.stop()
}

const SMTPLIB_TLS: &str = "
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
port = int(sys.argv[1])
if sys.argv[2] == 'implicit':
    client = smtplib.SMTP_SSL('127.0.0.1', port, local_hostname='a.example', context=context)
else:
    client = smtplib.SMTP('127.0.0.1', port, local_hostname='a.example')
    client.starttls(context=context)
client.ehlo()
assert not client.has_extn('starttls'), client.esmtp_features
client.sendmail('ann@a.example', ['bob@b.example'], 'Subject: secret\\n\\nHello.\\n')
assert client.quit()[0] == 221
";

#[test]
fn python_smtplib_delivers_encrypted() -> Result<()> {
    let Some(python) = skip::tool("python3")? else { return Ok(()) };
    for tls in ["offered", "implicit"] {
        let mut server = encrypting(tls)?;
        run(&python, &["-c", SMTPLIB_TLS, &server.address().port().to_string(), tls])?;
        let text = String::from_utf8(server.delivered("bob@b.example")?)?;
        ensure!(text.contains(" with ESMTPS") && text.contains("Subject: secret\r\n"), "{text}");
        server.stop()?;
    }
    Ok(())
}

#[test]
fn openssl_agrees_on_tls_of_our_time_and_on_no_older() -> Result<()> {
    let Some(openssl) = skip::tool("openssl")? else { return Ok(()) };
    let server = encrypting("offered")?;
    let address = server.address().to_string();
    let words = ["s_client", "-starttls", "smtp", "-connect", &address, "-brief"];
    for version in ["-tls1_2", "-tls1_3"] {
        run(&openssl, &[&words[..], &[version]].concat())?;
    }
    // Even where the local policy would let it try.
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    ensure!(run(&openssl, &[&words[..], &old[..]].concat()).is_err(), "TLS 1.1 was agreed on");
    server.stop()
}

const LMTPLIB: &str = "
import smtplib, sys
client = smtplib.LMTP('127.0.0.1', int(sys.argv[1]), local_hostname='a.example')
refused = client.sendmail('ann@a.example', ['bob@b.example', 'nobody@d.example'], 'Subject: by lmtplib\\n\\nHello.\\n')
assert list(refused) == ['nobody@d.example'], refused
assert client.quit()[0] == 221
";

#[test]
fn python_smtplib_delivers_by_lmtp() -> Result<()> {
    // It reads the first reply to the dot alone, so it has one recipient.
    let Some(python) = skip::tool("python3")? else { return Ok(()) };
    let config = vec![("listeners.smtp.protocol".to_owned(), "lmtp".into())];
    let mut server = Server::start(&Scene { config, ..Scene::default() })?;
    run(&python, &["-c", LMTPLIB, &server.address().port().to_string()])?;
    let text = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(text.contains(" with LMTP") && text.contains("Subject: by lmtplib\r\n"), "{text}");
    server.stop()
}

#[test]
fn smtp_source_delivers_many_at_once() -> Result<()> {
    const MESSAGES: usize = 200;
    let Some(source) = skip::tool("smtp-source")? else { return Ok(()) };
    let mut server = Server::start(&Scene::default())?;
    let address = server.address().to_string();
    let messages = MESSAGES.to_string();
    let load =
        ["-d", "-s", "20", "-m", &messages, "-l", "4096", "-f", "ann@a.example", "-t", "bob@b.example"];
    run(&source, &[&load[..], &[&address]].concat())?;
    for _ in 0..MESSAGES {
        server.delivered("bob@b.example")?;
    }
    server.settled()?;
    ensure!(server.site().mailbox("bob@b.example")?.len() == MESSAGES, "another number is in the mailbox");
    server.stop()
}
