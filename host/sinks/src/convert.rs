//! Between the contract's values and ours. What goes to a guest is copied; what comes from one is hostile and checked.

use std::net::SocketAddr;

use smtp::{Domain, Mailbox, NotifyWhen};

use crate::bindings::sluice::sink::envelope::Recipient as Told;
use crate::bindings::sluice::sink::types;
use crate::limits::WORD_BYTES_MAX;

/// What a guest gave is not what the contract allows; says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Illegal(pub(crate) String);

impl Illegal {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl From<Illegal> for types::Error {
    fn from(illegal: Illegal) -> Self {
        Self::InvalidArgument(illegal.0)
    }
}

pub(crate) fn address(mailbox: &Mailbox) -> types::Address {
    types::Address { local: mailbox.local().to_owned(), domain: mailbox.domain().as_str().to_owned() }
}

pub(crate) fn reverse_path(path: &smtp::ReversePath) -> types::ReversePath {
    match path {
        smtp::ReversePath::Null => types::ReversePath::Null,
        smtp::ReversePath::Mailbox(mailbox) => types::ReversePath::Mailbox(address(mailbox)),
    }
}

pub(crate) fn parameters(parameters: &[smtp::Parameter]) -> Vec<types::Parameter> {
    let copy = |parameter: &smtp::Parameter| types::Parameter {
        keyword: parameter.keyword().to_owned(),
        value: parameter.value().map(ToOwned::to_owned),
    };
    parameters.iter().map(copy).collect()
}

pub(crate) fn endpoint(address: SocketAddr) -> types::Endpoint {
    types::Endpoint { ip: address.ip().to_canonical().to_string(), port: address.port() }
}

pub(crate) fn reply(reply: &smtp::Reply) -> types::Reply {
    let status = reply.status().map(|status| types::EnhancedStatus {
        class: status.class,
        subject: status.subject,
        detail: status.detail,
    });
    types::Reply { code: reply.code(), status, text: reply.lines().map(ToOwned::to_owned).collect() }
}

pub(crate) fn recipient(recipient: &smtp::Recipient) -> Told {
    Told {
        id: recipient.id.0,
        address: address(&recipient.address),
        original: address(&recipient.original),
        notify: notify(recipient.notify),
        state: recipient.state.word().to_owned(),
    }
}

pub(crate) fn notify(notify: smtp::Notify) -> types::Notify {
    if notify.is_never() {
        return types::Notify::NEVER;
    }
    let flag = |when, flag| if notify.contains(when) { flag } else { types::Notify::empty() };
    flag(NotifyWhen::Success, types::Notify::SUCCESS)
        | flag(NotifyWhen::Failure, types::Notify::FAILURE)
        | flag(NotifyWhen::Delay, types::Notify::DELAY)
}

/// The contract's route of ours: what the configuration or DNS names shows no hosts.
pub(crate) fn route(route: &smtp::Route) -> types::Route {
    let hosts = match &route.to {
        smtp::NextHop::Hosts(hosts) => hosts
            .iter()
            .map(|host| types::NextHop { name: host.name.as_str().to_owned(), port: host.port })
            .collect(),
        _ => Vec::new(),
    };
    let agent = match &route.to {
        smtp::NextHop::Agent(agent) => Some(agent.clone()),
        _ => None,
    };
    let tls = match route.tls {
        smtp::TlsPolicy::Opportunistic => types::TlsPolicy::Opportunistic,
        smtp::TlsPolicy::Required => types::TlsPolicy::Required,
        smtp::TlsPolicy::Dane => types::TlsPolicy::Dane,
        smtp::TlsPolicy::None => types::TlsPolicy::None,
    };
    types::Route { queue: route.queue.to_string(), hosts, pool: route.pool.clone(), tls, agent }
}

/// Whole seconds.
pub(crate) fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Milliseconds below 2^53 are exact in a float.
pub(crate) fn timestamp(at: smtp::Timestamp) -> f64 {
    at.0 as f64
}

pub(crate) fn lift_timestamp(at: f64) -> Result<smtp::Timestamp, Illegal> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !(0.0..EXACT).contains(&at) {
        return Err(Illegal::new("the time is not within 2^53 milliseconds after 1970"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within 2^53")]
    Ok(smtp::Timestamp(at as u64))
}

pub(crate) fn lift_address(address: &types::Address) -> Result<Mailbox, Illegal> {
    let domain = Domain::parse(&address.domain).map_err(|error| Illegal::new(error.to_string()))?;
    Mailbox::new(&address.local, domain).map_err(|error| Illegal::new(error.to_string()))
}

pub(crate) fn lift_notify(flags: types::Notify) -> Result<smtp::Notify, Illegal> {
    if flags.contains(types::Notify::NEVER) {
        if flags != types::Notify::NEVER {
            return Err(Illegal::new("notify: never stands alone"));
        }
        return Ok(smtp::Notify::NEVER);
    }
    let set = [
        (types::Notify::SUCCESS, NotifyWhen::Success),
        (types::Notify::FAILURE, NotifyWhen::Failure),
        (types::Notify::DELAY, NotifyWhen::Delay),
    ];
    let asked = set.into_iter().filter(|(flag, _)| flags.contains(*flag));
    Ok(asked.fold(smtp::Notify::default(), |notify, (_, when)| notify.with(when)))
}

/// A reply with any code that a server may send.
pub(crate) fn lift_reply(reply: &types::Reply) -> Result<smtp::Reply, Illegal> {
    let status =
        reply.status.map(|status| smtp::EnhancedStatus::new(status.class, status.subject, status.detail));
    smtp::Reply::from_sink(reply.code, status, &reply.text).map_err(|error| Illegal::new(error.to_string()))
}

/// A reply of one class.
pub(crate) fn lift_reply_of(reply: &types::Reply, class: u16) -> Result<smtp::Reply, Illegal> {
    if reply.code / 100 != class {
        return Err(Illegal::new(format!("the code {} is not {class}xx", reply.code)));
    }
    lift_reply(reply)
}

pub(crate) fn lift_refusal(refusal: types::Refusal, class: u16) -> Result<smtp::Refusal, Illegal> {
    let reply = refusal.reply.as_ref().map(|reply| lift_reply_of(reply, class)).transpose()?;
    Ok(smtp::Refusal { reply, reason: lift_word(refusal.reason)? })
}

/// A word of the sink's own: short, and fit for a log and a label.
pub(crate) fn lift_word(word: String) -> Result<String, Illegal> {
    if word.len() > WORD_BYTES_MAX || word.chars().any(char::is_control) {
        return Err(Illegal::new(format!(
            "a word has up to {WORD_BYTES_MAX} bytes and no control characters"
        )));
    }
    Ok(word)
}

/// The guest's words for a log: bounded, on one line.
pub(crate) fn for_log(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    kept.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::{for_log, lift_notify, lift_refusal, lift_timestamp, notify};
    use crate::bindings::sluice::sink::types;

    fn refusal(code: u16, line: &str) -> types::Refusal {
        let reply = types::Reply { code, status: None, text: vec![line.to_owned()] };
        types::Refusal { reply: Some(reply), reason: "spam".to_owned() }
    }

    #[test]
    fn a_refusal_stays_in_its_class_and_on_its_line() {
        lift_refusal(refusal(451, "later"), 4).unwrap();
        lift_refusal(refusal(550, "never"), 4).unwrap_err();
        lift_refusal(refusal(250, "fine"), 5).unwrap_err();
        lift_refusal(refusal(550, "never\r\n250 fine"), 5).unwrap_err();
        lift_refusal(types::Refusal { reply: None, reason: "x".repeat(65) }, 5).unwrap_err();
    }

    #[test]
    fn a_time_is_exact_or_refused() {
        assert_eq!(lift_timestamp(1_700_000_000_123.0).unwrap().0, 1_700_000_000_123);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 9_007_199_254_740_993.0] {
            lift_timestamp(wrong).unwrap_err();
        }
    }

    #[test]
    fn notify_goes_both_ways() {
        for flags in
            [types::Notify::empty(), types::Notify::NEVER, types::Notify::SUCCESS | types::Notify::DELAY]
        {
            assert_eq!(notify(lift_notify(flags).unwrap()), flags);
        }
        lift_notify(types::Notify::NEVER | types::Notify::FAILURE).unwrap_err();
    }

    #[test]
    fn a_log_text_is_cut_between_characters_and_stays_on_its_line() {
        assert_eq!(for_log("aü\nb", 2), "a");
        assert_eq!(for_log("aü\nb", 5), "aü b");
    }
}
