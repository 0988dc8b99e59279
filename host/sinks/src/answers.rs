//! How the answers of several sinks to one provider's event become one: the first that does not continue decides, for each
//! recipient by itself where the event is about several.

use std::mem;

use smtp::{RecipientId, Refusal, Reply};

use crate::event::Event;
use crate::limits::FAULT_WAIT;
use crate::provider::{AgePlan, Answer, Choice, Delivered, Exchangers, LoginAnswer, RetryPlan, Target};

/// Whether anybody is left to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Something,
    Nothing,
}

/// What stands before anybody was asked; none where the event is no provider's of the way out.
pub(crate) fn neutral(event: &Event) -> Option<Answer> {
    Some(match event {
        Event::Categorize(recipients) => Answer::Targets(vec![Target::Continue; recipients.len()]),
        Event::Route(question) => Answer::Choices(vec![Choice::Continue; question.recipients.len()]),
        Event::ResolveNextHop { .. } => Answer::Exchangers(Exchangers::Continue),
        Event::Deliver { recipients, .. } => Answer::Delivered(vec![unanswered(); recipients.len()]),
        Event::Retry(_) => Answer::Retry(RetryPlan::Continue),
        Event::QueueAge { .. } => Answer::Age(AgePlan::Continue),
        Event::Authenticate { .. } | Event::AuthStep { .. } => Answer::Login(LoginAnswer::Continue),
        _ => return None,
    })
}

/// The answer for a sink that faulted and whose binding says defer: later, where the event has a later.
pub(crate) fn deferred(event: &Event) -> Option<Answer> {
    Some(match event {
        Event::Categorize(recipients) => Answer::Targets(vec![Target::RetryIn(FAULT_WAIT); recipients.len()]),
        Event::Route(question) => Answer::Choices(vec![Choice::Later(FAULT_WAIT); question.recipients.len()]),
        Event::ResolveNextHop { .. } => Answer::Exchangers(Exchangers::Later(FAULT_WAIT)),
        // Whose password nobody could check is not let in, and not told that it is wrong.
        Event::Authenticate { .. } | Event::AuthStep { .. } => {
            Answer::Login(LoginAnswer::Defer(Refusal::default()))
        }
        event => return neutral(event),
    })
}

/// An agent that is not there delivers nothing: the message waits for it.
fn unanswered() -> Delivered {
    Delivered::Deferred { reply: Reply::bare(451, "The delivery agent did not answer"), wait: None }
}

/// Adds an answer to what stands, and takes what it decided out of the question.
pub(crate) fn absorb(standing: &mut Answer, open: &mut Vec<usize>, event: &mut Event, said: Answer) -> Left {
    let left = match (standing, said) {
        (Answer::Targets(standing), Answer::Targets(said)) => {
            fill(standing, open, said, |target| *target == Target::Continue)
        }
        (Answer::Choices(standing), Answer::Choices(said)) => {
            fill(standing, open, said, |choice| *choice == Choice::Continue)
        }
        (standing, said) => {
            let is_open = matches!(
                said,
                Answer::Exchangers(Exchangers::Continue)
                    | Answer::Retry(RetryPlan::Continue)
                    | Answer::Age(AgePlan::Continue)
                    | Answer::Login(LoginAnswer::Continue)
            );
            if is_open {
                return Left::Something;
            }
            *standing = said;
            return Left::Nothing;
        }
    };
    let narrow = |asked: &mut Vec<RecipientId>| {
        let still = mem::take(asked).into_iter().zip(&left).filter(|(_, left)| **left);
        *asked = still.map(|(id, _)| id).collect();
    };
    match event {
        Event::Categorize(recipients) => narrow(recipients),
        Event::Route(question) => narrow(&mut question.recipients),
        _ => {}
    }
    if open.is_empty() { Left::Nothing } else { Left::Something }
}

/// Puts answers in their places; tells for each whether its question is still open.
fn fill<T>(
    standing: &mut [T],
    open: &mut Vec<usize>,
    said: Vec<T>,
    is_open: impl Fn(&T) -> bool,
) -> Vec<bool> {
    let left: Vec<bool> = said.iter().map(&is_open).collect();
    for ((place, answer), is_left) in open.iter().zip(said).zip(&left) {
        if !is_left && let Some(slot) = standing.get_mut(*place) {
            *slot = answer;
        }
    }
    let still = mem::take(open).into_iter().zip(&left).filter(|(_, left)| **left);
    *open = still.map(|(place, _)| place).collect();
    left
}

/// How many questions an event has.
pub(crate) fn questions(event: &Event) -> usize {
    match event {
        Event::Categorize(recipients) => recipients.len(),
        Event::Route(question) => question.recipients.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use smtp::RecipientId;

    use super::{Left, absorb, neutral};
    use crate::event::Event;
    use crate::provider::{AgePlan, Answer, Target};

    fn ids(count: u32) -> Vec<RecipientId> {
        (0..count).map(RecipientId).collect()
    }

    #[test]
    fn the_first_that_does_not_continue_decides_for_each_recipient() {
        let mut event = Event::Categorize(ids(3));
        let mut standing = neutral(&event).unwrap();
        let mut open = vec![0, 1, 2];
        let first = vec![Target::Continue, Target::Remote, Target::Continue];
        assert_eq!(absorb(&mut standing, &mut open, &mut event, Answer::Targets(first)), Left::Something);
        assert_eq!(event, Event::Categorize(vec![RecipientId(0), RecipientId(2)]));
        let second = vec![Target::Continue, Target::Mailbox("ann".to_owned())];
        assert_eq!(absorb(&mut standing, &mut open, &mut event, Answer::Targets(second)), Left::Something);
        let third = vec![Target::Remote];
        assert_eq!(absorb(&mut standing, &mut open, &mut event, Answer::Targets(third)), Left::Nothing);
        let expected = vec![Target::Remote, Target::Remote, Target::Mailbox("ann".to_owned())];
        assert_eq!(standing, Answer::Targets(expected));
    }

    #[test]
    fn an_answer_that_continues_leaves_the_question_open() {
        let mut event = Event::QueueAge {
            queue: smtp::QueueName::parse("b.example").unwrap(),
            age: std::time::Duration::from_secs(1),
        };
        let mut standing = neutral(&event).unwrap();
        let mut open = vec![0];
        let said = Answer::Age(AgePlan::Continue);
        assert_eq!(absorb(&mut standing, &mut open, &mut event, said), Left::Something);
        let said = Answer::Age(AgePlan::StaySilent);
        assert_eq!(absorb(&mut standing, &mut open, &mut event, said.clone()), Left::Nothing);
        assert_eq!(standing, said);
    }
}
