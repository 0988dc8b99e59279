//! Is this the user's password? Asked of the users' files, away from the runtime's threads, and not too often.
//!
//! Promises that whoever has no account is answered as late and in the same words as whoever has a wrong password, and that
//! no number of clients makes more than a few hashes at one time.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use smtp::Mailbox;
use smtp::sasl::{ScramKeys, ScramSalt, Secret, decoy};
use tokio::sync::Semaphore;

use super::guesses::{Chance, GuessLimits, Guesses};
use crate::clock;
use crate::config::Config;
use crate::tenants::{Login, Tenants};
use crate::users;

/// Longest wait for a place to make a hash in; then the client may come again. Below a client's own wait for a reply.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Checks passwords.
pub(crate) struct Passwords {
    tenants: Arc<Tenants>,
    /// Hashes that are made at one time: each takes a core and 19 MiB.
    places: Arc<Semaphore>,
    guesses: Mutex<Guesses>,
    /// What the password of somebody unknown is held against.
    stranger: Arc<str>,
    /// What their SCRAM keys are made of. On disk, since the keys of a user don't change with a restart either.
    secret: [u8; 32],
}

/// What came of a password.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    /// It is this user's.
    Right(Login),
    /// It is nobody's.
    Wrong,
    /// It was not looked at.
    Later,
}

impl Passwords {
    /// As the configuration says.
    ///
    /// # Errors
    /// When the secret can't be kept on disk.
    pub(crate) fn new(config: &Config, tenants: Arc<Tenants>) -> anyhow::Result<Self> {
        let secret = secret(&config.data_directory.join("scram-secret"))?;
        let limits = GuessLimits {
            per_network_max: config.limits.guesses_per_network_max,
            per_user_max: config.limits.guesses_per_user_max,
        };
        // Where nobody can log in there is nobody to be told from.
        let has_users = config.tenants.values().any(|tenant| tenant.users.is_some());
        let stranger =
            if has_users { users::hash("nobody's").map_err(anyhow::Error::msg)? } else { String::new() };
        Ok(Self {
            tenants,
            places: Arc::new(Semaphore::new(usize::try_from(config.limits.password_checks_concurrent_max)?)),
            guesses: Mutex::new(Guesses::new(limits)),
            stranger: Arc::from(stranger),
            secret,
        })
    }

    /// Checks a password that was shown.
    pub(super) async fn check(&self, name: &str, password: &Secret, address: IpAddr) -> Checked {
        if self.chance(name, address) == Chance::Later {
            return Checked::Later;
        }
        let login = self.login(name);
        let user = login.as_ref().and_then(|login| login.user.as_ref());
        let hash = user.map_or_else(|| Arc::clone(&self.stranger), |user| Arc::from(user.hash()));
        let place = tokio::time::timeout(PLACE_WAIT_MAX, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Checked::Later };
        let password = password.clone();
        // The place is given back when the hash is made, even if the client is gone by then.
        let checked = tokio::task::spawn_blocking(move || {
            let is_right = users::is_password(&hash, password.reveal());
            drop(place);
            is_right
        });
        match checked.await {
            Ok(is_right) => self.judge(name, login.filter(|_| is_right), address),
            Err(error) => {
                tracing::error!(%error, "a password was not checked");
                Checked::Later
            }
        }
    }

    /// What SCRAM needs of a user, or would need if there were one; none if it is not the time.
    pub(super) fn keys(&self, name: &str, address: IpAddr) -> Option<(ScramSalt, ScramKeys)> {
        if self.chance(name, address) == Chance::Later {
            return None;
        }
        Some(match self.login(name).and_then(|login| login.user) {
            Some(user) => (user.salt.clone(), user.keys.clone()),
            None => decoy(&self.secret, &canonical(name)),
        })
    }

    /// SCRAM's proof was right.
    pub(super) fn proved(&self, name: &str, address: IpAddr) -> Checked {
        self.judge(name, self.login(name), address)
    }

    /// SCRAM's proof was wrong.
    pub(super) fn not_proved(&self, name: &str, address: IpAddr) -> Checked {
        self.judge(name, None, address)
    }

    /// Remembers what came of a password, whoever looked at it.
    pub(super) fn judge(&self, name: &str, login: Option<Login>, address: IpAddr) -> Checked {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        match login {
            Some(login) => {
                guesses.succeeded(address, &canonical(name), clock::now());
                Checked::Right(login)
            }
            None => {
                guesses.failed(address, &canonical(name), clock::now());
                Checked::Wrong
            }
        }
    }

    /// Whether a password is looked at.
    pub(super) fn chance(&self, name: &str, address: IpAddr) -> Chance {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.chance(address, &canonical(name), clock::now())
    }

    fn login(&self, name: &str) -> Option<Login> {
        self.tenants.login(&Mailbox::parse(name).ok()?)
    }
}

/// One name for all ways to write it, so that no spelling has guesses of its own.
fn canonical(name: &str) -> String {
    match Mailbox::parse(name) {
        Ok(address) => users::key(&address),
        Err(_) => name.to_lowercase(),
    }
}

/// Reads it, or makes it.
fn secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    let wrong = || format!("{} can't be used", path.display());
    match fs::read(path) {
        Ok(bytes) => {
            <[u8; 32]>::try_from(bytes).map_err(|_| anyhow::anyhow!("expected 32 bytes")).with_context(wrong)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = clock::random_bytes();
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = file.with_context(wrong)?;
            file.write_all(&secret).and_then(|()| file.sync_all()).with_context(wrong)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(wrong),
    }
}
