//! Logging in: the commands that make users, files that change under a running server, clients that somebody else wrote.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::scene::Scene;
use tests::server::Server;
use tests::site::Site;
use tests::{skip, tree};
use toml::Value;

use crate::binary;
use crate::foreign::run;

/// Far above the second that the server waits until it looks at its files again.
const RELOAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// ann@b.example and pencil.
const ANN: &str = "AUTH PLAIN AGFubkBiLmV4YW1wbGUAcGVuY2ls";

fn scene(users: &str, authentication: &str) -> Scene {
    let config = [
        ("tenants.b.users", users),
        ("listeners.smtp.authentication", authentication),
        ("listeners.smtp.protocol", "submission"),
    ];
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    Scene { certificates: vec!["mx.b.example".to_owned()], config, ..Scene::default() }
}

/// `sluice user COMMAND`; answers what it said.
fn user(site: &Site, words: &[&str], password: &str) -> Result<(bool, String)> {
    let config = site.config().display().to_string();
    let mut child = Command::new(binary())
        .args([&["user"], words, &["--config", &config]].concat())
        .current_dir(tree::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Whoever does not ask for a password does not read one.
    let _ = child.stdin.take().context("no standard input")?.write_all(format!("{password}\n").as_bytes());
    let output = child.wait_with_output()?;
    Ok((output.status.success(), String::from_utf8([output.stdout, output.stderr].concat())?))
}

/// The code that a login is answered with.
fn answer(server: &Server, line: &str) -> Result<String> {
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    Ok(client.command(line)?[0][..3].to_owned())
}

fn becomes(server: &Server, line: &str, code: &str) -> Result<()> {
    let watch = Stopwatch::start();
    while answer(server, line)? != code {
        ensure!(watch.elapsed() < RELOAD_WAIT_MAX, "{line} is still answered otherwise");
    }
    Ok(())
}

#[test]
fn the_commands_make_users_whom_a_running_server_knows_at_once() -> Result<()> {
    let mut scene = scene("made", "clear");
    scene.config.push(("limits.guesses_per_network_max".to_owned(), 10_000.into()));
    scene.config.push(("limits.guesses_per_user_max".to_owned(), 10_000.into()));
    let site = Site::lay(&scene)?;
    ensure!(user(&site, &["add", "bob@b.example"], "anything")?.0);
    let server = Server::start_at(site)?;
    ensure!(answer(&server, ANN)? == "535");
    let said = user(server.site(), &["add", "Ann@b.example"], "eraser")?;
    ensure!(said == (true, String::new()), "{said:?}");
    let said = user(server.site(), &["add", "ann@b.example"], "x")?;
    ensure!(!said.0 && said.1.contains("ann@b.example is here already"), "{said:?}");
    ensure!(user(server.site(), &["passwd", "ann@b.example"], "pencil")?.0);
    becomes(&server, ANN, "235")?;
    // A file with a fault changes nothing.
    let good = std::fs::read(server.site().path("made"))?;
    ensure!(!String::from_utf8_lossy(&good).contains("pencil"), "a password stands in the file");
    server.site().put("made", b"ann@b.example\n")?;
    ensure!(answer(&server, ANN)? == "235");
    server.site().put("made", &good)?;
    ensure!(user(server.site(), &["remove", "ann@b.example"], "")?.0);
    becomes(&server, ANN, "535")?;
    server.stop()
}

#[test]
fn a_user_of_nobody_is_refused_with_what_to_do() -> Result<()> {
    let site = Site::lay(&scene("made", "clear"))?;
    for (address, password, told) in [
        ("ann@elsewhere.example", "x", "no tenant has the domain elsewhere.example"),
        ("dora@d.example", "x", "tenants.d.users names no file: name one, and it will be made"),
        ("ann", "x", "\"ann\""),
        ("ann@b.example", "", "a password has 1 to 1024 bytes"),
    ] {
        let said = user(&site, &["add", address], password)?;
        ensure!(!said.0 && said.1.contains(told), "{said:?}");
    }
    ensure!(!user(&site, &["remove", "ann@b.example"], "")?.0 && !site.path("made").exists());
    Ok(())
}

#[test]
fn our_own_client_logs_in_by_scram() -> Result<()> {
    let mut hub = Server::start(&scene("users", "encrypted"))?;
    let folder = tempfile::tempdir()?;
    let password = folder.path().join("password");
    std::fs::write(&password, "pencil\n")?;
    let host = format!("127.0.0.1:{}", hub.address().port());
    let config = vec![
        ("routes.out.hosts".to_owned(), Value::from(vec![Value::from(host)])),
        ("routes.out.domains".to_owned(), Value::from(vec![Value::from("*")])),
        ("routes.out.user".to_owned(), "ann@b.example".into()),
        ("routes.out.password_file".to_owned(), password.display().to_string().into()),
        ("tenants.b.domains".to_owned(), Value::from(vec![Value::from("leaf.example")])),
        ("host_name".to_owned(), "leaf.example".into()),
        ("relay.networks".to_owned(), Value::from(vec![Value::from("127.0.0.0/8")])),
    ];
    let leaf = Server::start(&Scene { config, ..Scene::default() })?;
    let mut client = Client::greeted(leaf.address())?;
    client.ask("EHLO a.example", 250)?;
    client.deliver("ann@b.example", "bob@b.example", b"Subject: by scram\r\n\r\nHello.\r\n")?;
    let text = String::from_utf8(hub.delivered("bob@b.example")?)?;
    ensure!(text.contains("with ESMTPSA (TLSv1.3 ") && text.contains("Subject: by scram\r\n"), "{text}");
    leaf.stop()?;
    hub.stop()
}

#[test]
fn swaks_logs_in_behind_starttls() -> Result<()> {
    let Some(swaks) = skip::tool("swaks")? else { return Ok(()) };
    let mut server = Server::start(&scene("users", "encrypted"))?;
    let address = server.address().to_string();
    for mechanism in ["PLAIN", "LOGIN"] {
        let said = ["--server", &address, "--from", "ann@b.example", "--to", "bob@b.example", "--tls"];
        let login = ["--auth", mechanism, "--auth-user", "ann@b.example", "--auth-password", "pencil"];
        run(&swaks, &[&said[..], &login[..]].concat())?;
        let text = String::from_utf8(server.delivered("bob@b.example")?)?;
        ensure!(text.contains(" with ESMTPSA"), "{text}");
    }
    server.stop()
}

const SMTPLIB: &str = "
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
client = smtplib.SMTP('127.0.0.1', int(sys.argv[1]), local_hostname='a.example')
client.starttls(context=context)
try:
    client.login('ann@b.example', 'eraser')
    raise AssertionError('a wrong password')
except smtplib.SMTPAuthenticationError as error:
    assert error.smtp_code == 535, error
client.login('ann@b.example', 'pencil')
client.sendmail('ann@b.example', ['bob@b.example'], 'Subject: by smtplib\\n\\nHello.\\n')
assert client.quit()[0] == 221
";

#[test]
fn python_smtplib_logs_in() -> Result<()> {
    let Some(python) = skip::tool("python3")? else { return Ok(()) };
    let mut server = Server::start(&scene("users", "encrypted"))?;
    run(&python, &["-c", SMTPLIB, &server.address().port().to_string()])?;
    let text = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(text.contains(" with ESMTPSA") && text.contains("Message-ID: <"), "{text}");
    server.stop()
}

/// Sessions that ask for more hashes than there are places: each is answered, and none of them costs another its own.
#[test]
fn many_who_log_in_at_once_wait_for_their_turn() -> Result<()> {
    let mut scene = scene("users", "clear");
    scene.config.push(("limits.password_checks_concurrent_max".to_owned(), 1.into()));
    let server = Server::start(&scene)?;
    let clients: Result<Vec<Client>> = (0..30)
        .map(|_| {
            let mut client = Client::greeted(server.address())?;
            client.ask("EHLO a.example", 250)?;
            client.line(ANN)?;
            Ok(client)
        })
        .collect();
    for mut client in clients? {
        client.expect(235)?;
    }
    server.stop()
}
