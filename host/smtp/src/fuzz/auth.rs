//! The server's side of SASL against any client.

use crate::client::Mechanism;
use crate::sasl::{AuthQuestion, CREDENTIAL_BYTES_MAX, Exchange, Next, ScramKeys, ScramSalt};
use bytes::Bytes;

/// Messages that an exchange takes at most: SCRAM's three.
const MESSAGES_MAX: usize = 3;

/// The first byte chooses the mechanism, each line behind it is a message. An exchange ends, what it asks about is legal, and
/// nobody has proved the key of zeros.
pub fn auth(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mechanism = match first % 3 {
        0 => Mechanism::Plain,
        1 => Mechanism::Login,
        _ => Mechanism::ScramSha256,
    };
    let mut exchange = Exchange::new(mechanism);
    assert!(matches!(exchange.begin(), Next::Challenge(_)), "ours wait for the client");
    for (count, message) in rest.split(|byte| *byte == b'\n').enumerate() {
        assert!(count <= MESSAGES_MAX, "the exchange does not end");
        match exchange.respond(Bytes::copy_from_slice(message)) {
            Next::Challenge(challenge) => assert!(challenge.is_ascii()),
            Next::Ask(AuthQuestion::Keys { user }) => {
                check(&user);
                let salt = ScramSalt { salt: vec![*first], iterations: 4_096 };
                let keys = ScramKeys { stored: [0; 32], server: [0; 32] };
                let challenge = exchange.keys(&keys, &salt, [*first; 18]);
                assert!(challenge.is_some_and(|challenge| challenge.is_ascii()), "the keys were asked for");
            }
            Next::Ask(AuthQuestion::Password { user, password, .. }) => {
                check(&user);
                let password = password.reveal();
                assert!((1..=CREDENTIAL_BYTES_MAX).contains(&password.len()) && !password.contains(&0));
                return;
            }
            Next::Ask(AuthQuestion::NotProved { user }) => return check(&user),
            Next::Ask(AuthQuestion::Proved { .. }) => unreachable!("no key hashes to zeros"),
            Next::Ask(AuthQuestion::Step { .. }) => unreachable!("not a sink's mechanism"),
            Next::Malformed => return,
        }
    }
}

fn check(user: &str) {
    assert!((1..=CREDENTIAL_BYTES_MAX).contains(&user.len()) && !user.contains('\0'), "{user:?}");
}
