//! One message through the running server, and what is printed of it; mail of others is shown too.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::client::{self, Mail, Sent};
use super::say;
use super::show::{self, Colours};
use super::site::DOMAINS;
use super::way::{End, Way};
use crate::Observation;

/// Longest wait between 250 and the mailbox. EVENTS: one call of a stage has 60 s, and there are several stages.
const ARRIVAL_WAIT_MAX: Duration = Duration::from_secs(300);
/// How long nothing may be told until the last events of a session are in.
const QUIET: Duration = Duration::from_millis(250);

/// What became of the message of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Arrived,
    /// Refused, kept back, or nothing was heard of it.
    Missing,
}

impl Arrival {
    /// # Errors
    /// When the message did not arrive.
    pub(super) fn expected(self) -> anyhow::Result<()> {
        match self {
            Self::Arrived => Ok(()),
            Self::Missing => bail!("the message did not arrive"),
        }
    }
}

/// The message, the server, and what the server tells.
pub(super) struct Bench {
    mail: Mail,
    address: SocketAddr,
    observations: Receiver<Observation>,
    colours: Colours,
}

impl Bench {
    pub(super) fn new(mail: Mail, address: SocketAddr, observations: Receiver<Observation>) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some() || !io::stdout().is_terminal();
        Self { mail, address, observations, colours: if plain { Colours::None } else { Colours::Some } }
    }

    /// Sends the message, waits for its end, prints both.
    ///
    /// # Errors
    /// When the server can't be talked to.
    pub(super) async fn round(&mut self) -> anyhow::Result<Arrival> {
        let mut way = Way::default();
        let sent = client::send(self.address, &self.mail).await?;
        if sent == Sent::Accepted {
            self.follow(&mut way).await;
        }
        self.settle(&mut way).await;
        let (arrival, text) = self.told(&sent, &way)?;
        say(&mut io::stdout(), &format!("\n{text}\n{}", show::table(&way.rows, self.colours)));
        Ok(arrival)
    }

    /// What became of it: the message before and after, or who refused it.
    fn told(&self, sent: &Sent, way: &Way) -> anyhow::Result<(Arrival, String)> {
        let heading = format!("{} to <{}>", self.mail.reverse_path, self.mail.recipient);
        Ok(match (sent, &way.end) {
            (Sent::Refused { command, reply }, _) => {
                (Arrival::Missing, format!("{heading}: refused at {command}\n{}\n", show::lines(reply)))
            }
            (Sent::Accepted, Some(End::Arrived(path))) => {
                let after = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
                let difference = show::difference(&self.mail.content, &after, self.colours);
                (Arrival::Arrived, format!("{heading}: arrived\n{difference}"))
            }
            (Sent::Accepted, Some(End::Otherwise(sentence))) => {
                (Arrival::Missing, format!("{heading}: accepted, then {}\n", show::printable(sentence)))
            }
            (Sent::Accepted, None) => {
                let seconds = ARRIVAL_WAIT_MAX.as_secs();
                (
                    Arrival::Missing,
                    format!("{heading}: accepted, and nothing was heard of it for {seconds} seconds\n"),
                )
            }
        })
    }

    /// Takes what is told until the message is at an end.
    async fn follow(&mut self, way: &mut Way) {
        let end = async {
            while way.end.is_none()
                && let Some(observation) = self.observations.recv().await
            {
                way.note(observation);
            }
        };
        // Out of time means that `way` has no end, which is told.
        let _ = timeout(ARRIVAL_WAIT_MAX, end).await;
    }

    /// Takes what is told until nothing more comes: the session's last events are told after the message's end.
    async fn settle(&mut self, way: &mut Way) {
        while let Ok(Some(observation)) = timeout(QUIET, self.observations.recv()).await {
            way.note(observation);
        }
    }

    /// Where to send mail of one's own, and what is waited for.
    pub(super) fn invite(&self) {
        let domains = DOMAINS.join(", ");
        let text = format!(
            "\nserving SMTP on {} for anybody at {domains}; save a source to see it again, Ctrl-C to stop\n",
            self.address
        );
        say(&mut io::stderr(), &text);
    }

    /// Shows the events of mail that others send, for as long as the server tells of any.
    pub(super) async fn show_others(&mut self) {
        while let Some(observation) = self.observations.recv().await {
            let mut way = Way::default();
            way.note(observation);
            self.settle(&mut way).await;
            let end = match way.end {
                Some(End::Arrived(path)) => format!("arrived: {}\n", path.display()),
                Some(End::Otherwise(sentence)) => format!("{}\n", show::printable(&sentence)),
                None => String::new(),
            };
            say(&mut io::stdout(), &format!("{}{end}", show::table(&way.rows, self.colours)));
        }
    }
}
