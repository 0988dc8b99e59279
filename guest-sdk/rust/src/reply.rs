//! Replies and refusals as a postmaster writes them: `"5.7.1 No thanks"`.
//!
//! Nothing here fails. What is not a status at the start of a text is text, and the host adds the status that fits the
//! code; a code of the wrong class is the host's to refuse (a fault, never a reply that the sink did not mean).

use std::fmt;

use crate::{EnhancedStatus, Refusal, Reply};

/// The word that log and metrics show for a refusal whose author named none.
const REASON_DEFAULT: &str = "policy";

impl EnhancedStatus {
    /// `"5.7.1"`; none if it is not of that form (RFC 3463 §2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        let subject = number(numbers.next()?)?;
        let detail = number(numbers.next()?)?;
        numbers.next().is_none().then_some(Self { class, subject, detail })
    }
}

/// At most three digits, and no sign, which `parse` would take.
fn number(digits: &str) -> Option<u16> {
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Reply {
    /// A reply with this code; `text` may start with the enhanced status, and has a line for each line of the reply.
    ///
    /// ```
    /// use sluice_sdk::Reply;
    ///
    /// let reply = Reply::new(552, "5.3.4 Too large for this mailbox\nTry a link instead");
    /// assert_eq!(reply.status.unwrap().to_string(), "5.3.4");
    /// assert_eq!(reply.text, ["Too large for this mailbox", "Try a link instead"]);
    /// ```
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        let (status, text) = split_status(text);
        Self { code, status, text: text.lines().map(str::to_owned).collect() }
    }

    /// A 5xx reply with the code that belongs to the status: 552 for size and storage, else 550.
    fn permanent(text: &str) -> Self {
        let code = match split_status(text).0 {
            Some(status) if concerns_room(status) => 552,
            _ => 550,
        };
        Self::new(code, text)
    }

    /// A 4xx reply with the code that belongs to the status: 452 for size and storage, else 451.
    fn transient(text: &str) -> Self {
        let code = match split_status(text).0 {
            Some(status) if concerns_room(status) => 452,
            _ => 451,
        };
        Self::new(code, text)
    }

    /// The last reply of a session: 554 for a status of class 5, else 421.
    pub(crate) fn closing(text: &str) -> Self {
        let code = match split_status(text).0 {
            Some(EnhancedStatus { class: 5, .. }) => 554,
            _ => 421,
        };
        Self::new(code, text)
    }
}

/// RFC 3463: X.2.2 mailbox full, X.3.1 system full, X.3.4 message too big, X.2.3 too big for the mailbox.
fn concerns_room(status: EnhancedStatus) -> bool {
    matches!((status.subject, status.detail), (2, 2 | 3) | (3, 1 | 4))
}

fn split_status(text: &str) -> (Option<EnhancedStatus>, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match EnhancedStatus::parse(first) {
        Some(status) => (Some(status), rest),
        None => (None, text),
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(formatter, " {status}")?;
        }
        write!(formatter, " {}", self.text.join(" "))
    }
}

impl Refusal {
    /// For good: 550, or 552 where the status speaks of size or storage.
    #[must_use]
    pub fn permanent(text: &str) -> Self {
        Reply::permanent(text).into()
    }

    /// For now: 451, or 452 where the status speaks of size or storage.
    #[must_use]
    pub fn transient(text: &str) -> Self {
        Reply::transient(text).into()
    }

    /// With this word for log and metrics (`spam`, `policy`); it is never sent.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: reason.to_owned(), ..self }
    }
}

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        Self { reply: Some(reply), reason: REASON_DEFAULT.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, expected: &str) {
        assert_eq!(reply.to_string(), expected);
    }

    #[test]
    fn a_status_at_the_start_of_the_text_is_the_status() {
        check(&Reply::permanent("5.7.1 No thanks"), "550 5.7.1 No thanks");
        assert_eq!(Reply::permanent("5.7.1 No thanks").text, ["No thanks"]);
    }

    #[test]
    fn the_code_follows_a_status_about_room() {
        check(&Reply::permanent("5.3.4 Too big"), "552 5.3.4 Too big");
        check(&Reply::transient("4.2.2 Full"), "452 4.2.2 Full");
        check(&Reply::transient("Later"), "451 Later");
    }

    #[test]
    fn what_is_not_a_status_is_text() {
        for text in ["5.7 no", "3.1.1 no", "5.7.1.2 no", "5.+7.1 no", "5.7.1234 no", "no"] {
            assert_eq!(Reply::new(550, text), Reply { code: 550, status: None, text: vec![text.to_owned()] });
        }
    }

    #[test]
    fn a_closing_reply_is_421_unless_its_status_is_permanent() {
        check(&Reply::closing("Bye"), "421 Bye");
        check(&Reply::closing("5.7.1 Never again"), "554 5.7.1 Never again");
    }

    #[test]
    fn a_refusal_keeps_its_reply_when_it_gets_a_reason() {
        let refusal = Refusal::permanent("5.7.1 No").because("spam");
        assert_eq!((refusal.reason.as_str(), refusal.reply.is_some()), ("spam", true));
    }
}
