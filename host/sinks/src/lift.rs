//! What a sink said, lifted from the contract's types and checked: reply classes, lengths, addresses, words.

use std::time::Duration;

use bytes::Bytes;
use smtp::{Refusal, Verdict};

use crate::bindings::exports::sluice::sink as guest;
use crate::bindings::sluice::sink::{gate, notice, stage, types};
use crate::convert::{Illegal, lift_address, lift_refusal, lift_reply, lift_reply_of, lift_word};
use crate::limits::{DIALOGUE_OCTETS_MAX, REDIRECT_MAX, STAGE_WAIT_MAX, STATE_BYTES_MAX};
use crate::provider::Answer;
use crate::verdict::DsnVerdict;

/// What one sink said of one event.
#[derive(Debug)]
pub(crate) enum Said {
    /// No opinion.
    Continue,
    /// No opinion, and enough said in this tier.
    Done,
    /// A verdict of a gate.
    Gate(Verdict),
    /// A stage: sleep.
    Pause(Pause),
    /// A stage: a DSN.
    Fail(Refusal),
    /// A stage: drop it.
    Discard(String),
    /// A stage: keep it aside.
    Quarantine(String),
    /// A provider.
    Answer(Answer),
    /// A gate of the dialogue with another server.
    Outbound(smtp::client::Verdict),
    /// on-dsn.
    Dsn(DsnVerdict),
}

/// A stage's wish to be asked again.
#[derive(Debug)]
pub(crate) struct Pause {
    pub(crate) wait: Duration,
    pub(crate) state: Bytes,
    pub(crate) reason: String,
}

/// Lifting consumes what the guest returned.
pub(crate) type Lifted = Result<Said, Illegal>;

fn defer(refusal: types::Refusal) -> Lifted {
    Ok(Said::Gate(Verdict::Defer(lift_refusal(refusal, 4)?)))
}

fn reject(refusal: types::Refusal) -> Lifted {
    Ok(Said::Gate(Verdict::Reject(lift_refusal(refusal, 5)?)))
}

/// 421, or a 5xx.
fn disconnect(reply: Option<&types::Reply>) -> Lifted {
    let reply = match reply {
        Some(reply) if reply.code == 421 => Some(lift_reply(reply)?),
        Some(reply) => Some(lift_reply_of(reply, 5)?),
        None => None,
    };
    Ok(Said::Gate(Verdict::Disconnect(reply)))
}

pub(crate) fn gate(verdict: gate::Verdict) -> Lifted {
    match verdict {
        gate::Verdict::Continue => Ok(Said::Continue),
        gate::Verdict::Done => Ok(Said::Done),
        gate::Verdict::Defer(refusal) => defer(refusal),
        gate::Verdict::Reject(refusal) => reject(refusal),
        gate::Verdict::Disconnect(reply) => disconnect(reply.as_ref()),
    }
}

pub(crate) fn connect(verdict: guest::on_connect::Verdict) -> Lifted {
    use guest::on_connect::Verdict as Connect;
    match verdict {
        Connect::Continue => Ok(Said::Continue),
        Connect::Done => Ok(Said::Done),
        Connect::Greet(text) => {
            // The text is one line of a reply, so it is checked as one.
            smtp::Reply::from_sink(220, None, &[&text]).map_err(|error| Illegal::new(error.to_string()))?;
            Ok(Said::Gate(Verdict::Greet(text)))
        }
        Connect::Defer(refusal) => defer(refusal),
        Connect::Reject(refusal) => reject(refusal),
        Connect::Disconnect(reply) => disconnect(reply.as_ref()),
    }
}

pub(crate) fn rcpt_to(verdict: guest::on_rcpt_to::Verdict) -> Lifted {
    use guest::on_rcpt_to::Verdict as Recipient;
    match verdict {
        Recipient::Continue => Ok(Said::Continue),
        Recipient::Done => Ok(Said::Done),
        Recipient::Claim => Ok(Said::Gate(Verdict::Claim)),
        Recipient::Rewrite(addresses) => {
            if addresses.is_empty() || addresses.len() > REDIRECT_MAX {
                return Err(Illegal::new(format!("a rewrite to {} addresses", addresses.len())));
            }
            let addresses = addresses.iter().map(lift_address).collect::<Result<_, _>>()?;
            Ok(Said::Gate(Verdict::Rewrite(addresses)))
        }
        Recipient::Discard(reason) => Ok(Said::Gate(Verdict::Discard(lift_word(reason)?))),
        Recipient::Defer(refusal) => defer(refusal),
        Recipient::Reject(refusal) => reject(refusal),
        Recipient::Disconnect(reply) => disconnect(reply.as_ref()),
    }
}

pub(crate) fn end_of_data(verdict: guest::on_end_of_data::Verdict) -> Lifted {
    use guest::on_end_of_data::Verdict as End;
    match verdict {
        End::Continue => Ok(Said::Continue),
        End::Done => Ok(Said::Done),
        End::Defer(refusal) => defer(refusal),
        End::Reject(refusal) => reject(refusal),
        End::Discard(reason) => Ok(Said::Gate(Verdict::Discard(lift_word(reason)?))),
        End::Quarantine(reason) => Ok(Said::Gate(Verdict::Quarantine(lift_word(reason)?))),
        End::Disconnect(reply) => disconnect(reply.as_ref()),
    }
}

pub(crate) fn command(answer: guest::on_inbound_command::Answer, verb: &str) -> Lifted {
    use guest::on_inbound_command::{Answer, Input};
    match answer {
        Answer::Answer(_) | Answer::More(_) if !smtp::is_verb_open_to_sinks(verb) => {
            Err(Illegal::new(format!("{verb} is the host's to answer")))
        }
        Answer::Continue => Ok(Said::Continue),
        Answer::Answer(reply) => Ok(Said::Gate(Verdict::Answer(lift_reply(&reply)?))),
        Answer::More(dialogue) => {
            if dialogue.state.len() > STATE_BYTES_MAX {
                return Err(Illegal::new(format!("a state of {} bytes", dialogue.state.len())));
            }
            let input = match dialogue.input {
                Input::Line => smtp::Input::Line,
                Input::Octets(octets) if octets > DIALOGUE_OCTETS_MAX => {
                    return Err(Illegal::new(format!("{octets} octets of input")));
                }
                Input::Octets(octets) => smtp::Input::Octets(octets),
            };
            let reply = lift_reply(&dialogue.reply)?;
            Ok(Said::Gate(Verdict::More(smtp::Dialogue { reply, input, state: dialogue.state.into() })))
        }
        Answer::Defer(refusal) => defer(refusal),
        Answer::Reject(refusal) => reject(refusal),
        Answer::Disconnect(reply) => disconnect(reply.as_ref()),
    }
}

/// Another text, status, or code of the same class (EVENTS rule 6).
pub(crate) fn reply(answer: Option<types::Reply>, sent: &smtp::Reply) -> Lifted {
    match answer {
        None => Ok(Said::Continue),
        Some(reply) => Ok(Said::Gate(Verdict::Replace(lift_reply_of(&reply, sent.code() / 100)?))),
    }
}

pub(crate) fn notice(action: notice::Action) -> Lifted {
    match action {
        notice::Action::Continue => Ok(Said::Continue),
        notice::Action::Disconnect => Ok(Said::Gate(Verdict::Disconnect(None))),
    }
}

pub(crate) fn stage(verdict: stage::Verdict) -> Lifted {
    match verdict {
        stage::Verdict::Continue => Ok(Said::Continue),
        stage::Verdict::Done => Ok(Said::Done),
        stage::Verdict::Defer(pause) => {
            if pause.state.len() > STATE_BYTES_MAX {
                return Err(Illegal::new(format!("a state of {} bytes", pause.state.len())));
            }
            let wait = Duration::from_secs(pause.wait.into()).clamp(Duration::from_secs(1), STAGE_WAIT_MAX);
            Ok(Said::Pause(Pause { wait, state: pause.state.into(), reason: lift_word(pause.reason)? }))
        }
        stage::Verdict::Fail(refusal) => Ok(Said::Fail(lift_refusal(refusal, 5)?)),
        stage::Verdict::Discard(reason) => Ok(Said::Discard(lift_word(reason)?)),
        stage::Verdict::Quarantine(reason) => Ok(Said::Quarantine(lift_word(reason)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, command, connect, disconnect, rcpt_to, reply, stage};
    use crate::bindings::exports::sluice::sink as guest;
    use crate::bindings::sluice::sink::stage::{Pause, Verdict};
    use crate::bindings::sluice::sink::types::{Address, Reply};
    use crate::limits::{DIALOGUE_OCTETS_MAX, REDIRECT_MAX, STAGE_WAIT_MAX, STATE_BYTES_MAX};

    fn said(code: u16) -> Reply {
        Reply { code, status: None, text: vec!["so".to_owned()] }
    }

    fn pause(wait: u32, state: usize) -> Verdict {
        Verdict::Defer(Pause { wait, state: vec![0; state], reason: "greylist".to_owned() })
    }

    #[test]
    fn a_disconnect_says_421_or_a_5xx() {
        disconnect(Some(&said(421))).unwrap();
        disconnect(Some(&said(554))).unwrap();
        disconnect(Some(&said(450))).unwrap_err();
    }

    #[test]
    fn a_reply_stays_in_its_class() {
        let sent = smtp::Reply::bare(250, "OK");
        reply(Some(said(251)), &sent).unwrap();
        reply(Some(said(550)), &sent).unwrap_err();
        assert!(matches!(reply(None, &sent), Ok(Said::Continue)));
    }

    #[test]
    fn a_verb_of_the_host_is_not_a_sinks_to_answer() {
        use guest::on_inbound_command::Answer;
        command(Answer::Answer(said(250)), "MAIL").unwrap_err();
        command(Answer::Continue, "MAIL").unwrap();
        command(Answer::Answer(said(250)), "NOOP").unwrap();
    }

    #[test]
    fn a_greeting_is_one_line() {
        connect(guest::on_connect::Verdict::Greet("welcome".to_owned())).unwrap();
        connect(guest::on_connect::Verdict::Greet("a\r\n250 b".to_owned())).unwrap_err();
    }

    #[test]
    fn a_rewrite_has_addresses_and_not_too_many() {
        let address = Address { local: "a".to_owned(), domain: "b.example".to_owned() };
        let rewrite = |number| rcpt_to(guest::on_rcpt_to::Verdict::Rewrite(vec![address.clone(); number]));
        rewrite(1).unwrap();
        rewrite(REDIRECT_MAX).unwrap();
        rewrite(0).unwrap_err();
        rewrite(REDIRECT_MAX + 1).unwrap_err();
        let odd = Address { local: "a".to_owned(), domain: "b..example".to_owned() };
        rcpt_to(guest::on_rcpt_to::Verdict::Rewrite(vec![odd])).unwrap_err();
    }

    #[test]
    fn a_pause_is_bounded_and_its_state_too() {
        let Ok(Said::Pause(longest)) = stage(pause(u32::MAX, STATE_BYTES_MAX)) else { panic!("a pause") };
        assert_eq!(longest.wait, STAGE_WAIT_MAX);
        stage(pause(1, STATE_BYTES_MAX + 1)).unwrap_err();
    }

    #[test]
    fn a_dialogue_asks_for_bounded_input() {
        use guest::on_inbound_command::{Answer, Dialogue, Input};
        let ask = |octets, state| {
            let input = Input::Octets(octets);
            command(Answer::More(Dialogue { reply: said(354), input, state: vec![0; state] }), "XASK")
        };
        ask(DIALOGUE_OCTETS_MAX, STATE_BYTES_MAX).unwrap();
        ask(DIALOGUE_OCTETS_MAX + 1, 0).unwrap_err();
        ask(0, STATE_BYTES_MAX + 1).unwrap_err();
    }
}
