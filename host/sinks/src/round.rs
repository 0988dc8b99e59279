//! The round: every binding of an event in its order, and one verdict of all (EVENTS, "The round", "What is kept when").

use std::sync::Arc;

use smtp::{By, Gate, Refusal};
use tokio::time::Instant;

use crate::answers::{self, Left};
use crate::binding::{Binding, OnFault, Position, Tier};
use crate::call::{Order, Runner, Success};
use crate::dialogue;
use crate::event::{Class, Event, EventKind};
use crate::keep;
use crate::lift::{Pause, Said};
use crate::limits::{DETAIL_BYTES_MAX, FAULT_WAIT, Limits, STAGE_FAULTS_MAX};
use crate::provider::Answer;
use crate::subject::Subject;
use crate::verdict::{
    Call, Deferral, DsnVerdict, Edits, Fault, FaultKind, Merge, Outcome, StageVerdict, Strictness, Verdict,
    gate_strictness, outbound_strictness,
};

/// The word of what the host says for a sink that faulted.
const FAULT_REASON: &str = "sink-fault";

/// A round under way.
pub(crate) struct Round<'a> {
    runner: &'a Runner,
    event: Event,
    subject: &'a mut Subject,
    /// What the drafts were before anybody was asked.
    start: Subject,
    deadline: Option<Instant>,
    standing: Verdict,
    by: By,
    calls: Vec<Call>,
    /// A provider's questions that nobody answered yet, by their places in the answer.
    open: Vec<usize>,
    /// `done` was said in this tier.
    done: Option<Tier>,
    /// In a stage: who first said that the message shall not go on as it is, and the message before that.
    aside: Option<(Position, Subject)>,
}

/// Whether the round goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Ask,
    End,
}

/// What an event is answered with when nobody has an opinion.
pub(crate) fn silence(event: &Event) -> Verdict {
    let kind = event.kind();
    if let Some(answer) = answers::neutral(event) {
        return Verdict::Answer(answer);
    }
    match kind.class() {
        _ if kind == EventKind::Dsn => Verdict::Dsn(DsnVerdict::Continue),
        _ if kind.is_outbound() => Verdict::Outbound(smtp::client::Verdict::Continue),
        Class::Stage => Verdict::Stage(StageVerdict::Continue),
        Class::Gate | Class::Provider | Class::Notice | Class::Observer | Class::Life => {
            Verdict::Gate(smtp::Verdict::Continue)
        }
    }
}

impl<'a> Round<'a> {
    pub(crate) fn new(runner: &'a Runner, limits: &Limits, event: Event, subject: &'a mut Subject) -> Self {
        let kind = event.kind();
        // A stage is nobody's wait; each binding has its own deadline.
        let together = match (kind, kind.class()) {
            (EventKind::EndOfData, _) => Some(limits.dot_wall_clock),
            (_, Class::Stage | Class::Observer | Class::Life) => None,
            (_, Class::Gate | Class::Provider | Class::Notice) => Some(limits.gate_wall_clock),
        };
        Self {
            runner,
            start: subject.clone(),
            subject,
            deadline: together.map(|together| Instant::now() + together),
            standing: silence(&event),
            open: (0..answers::questions(&event)).collect(),
            event,
            by: By::Host,
            calls: Vec::new(),
            done: None,
            aside: None,
        }
    }

    /// Asks everybody.
    pub(crate) async fn run(mut self, bindings: &[Binding]) -> Outcome {
        let turn = match dialogue::open(&mut self.event) {
            Ok(turn) => turn,
            Err(dialogue::Torn) => return self.lost_dialogue(),
        };
        let mut was_asked = turn.is_none();
        for binding in bindings {
            let is_turn = turn.as_ref().is_none_or(|id| *id == binding.id);
            if !is_turn || self.is_skipped(binding) || !binding.is_asked(&self.event, self.subject) {
                continue;
            }
            was_asked = true;
            if self.ask(binding).await == Next::End {
                break;
            }
        }
        if was_asked { self.finish() } else { self.lost_dialogue() }
    }

    fn is_skipped(&self, binding: &Binding) -> bool {
        let had_its_say = self.subject.staged.as_ref().is_some_and(|staged| {
            let resume = &staged.deferral.position;
            binding.order() < (resume.tier, resume.priority, &*resume.id)
        });
        let was_forked_behind = self
            .subject
            .after
            .as_ref()
            .is_some_and(|last| binding.order() <= (last.tier, last.priority, &*last.id));
        let is_others_turn = !self.subject.tiers.asks(binding.tier);
        self.done == Some(binding.tier) || had_its_say || was_forked_behind || is_others_turn
    }

    async fn ask(&mut self, binding: &Binding) -> Next {
        let staged = self.subject.staged.clone();
        let deferral = staged.as_ref().map(|staged| &staged.deferral);
        let deferral = deferral.filter(|one| one.position.id == binding.id);
        let order = Order {
            installation: &binding.installation,
            event: &self.event,
            subject: self.subject,
            deferral,
            round_deadline: self.deadline,
        };
        let done = Box::pin(self.runner.call(order)).await;
        let mut call = Call {
            binding: Arc::clone(&binding.id),
            installation: Arc::clone(&binding.installation.id),
            digest: Arc::clone(binding.installation.artifact.digest_prefix()),
            event: self.event.kind(),
            verdict: "continue",
            fault: None,
            fuel: done.fuel,
            took: done.took,
            edits: Edits::None,
        };
        let next = match done.result {
            Ok(success) => self.heed(binding, success, &mut call),
            Err(fault) => self.answer_fault(binding, fault, &mut call),
        };
        self.calls.push(call);
        next
    }

    /// A sink succeeded: what it edited and what it said.
    fn heed(&mut self, binding: &Binding, success: Success, call: &mut Call) -> Next {
        let Success { said, state } = success;
        let commit = match &said {
            Said::Continue | Said::Done | Said::Quarantine(_) => keep::Commit::Draft,
            Said::Gate(verdict) => keep::commit_of(gate_strictness(verdict)),
            // What a reply means is about what was sent; verbs that are staged are about what comes.
            Said::Outbound(smtp::client::Verdict::Judge(_)) | Said::Answer(_) => keep::Commit::Draft,
            Said::Outbound(verdict) => keep::commit_of(outbound_strictness(verdict)),
            Said::Dsn(verdict) => keep::commit_of(verdict.strictness()),
            Said::Pause(_) | Said::Fail(_) | Said::Discard(_) => keep::Commit::NoDraft,
        };
        let before = self.savepoint();
        match keep::merge(self.subject, state, binding, commit) {
            Ok(edits) => call.edits = edits,
            Err(fault) => return self.answer_fault(binding, fault, call),
        }
        let verdict = match said {
            Said::Continue => silence(&self.event),
            Said::Answer(answer) => {
                call.verdict = answer.word();
                return self.answer(binding, dialogue::close_login(answer, &binding.id));
            }
            Said::Outbound(verdict) => Verdict::Outbound(verdict),
            Said::Dsn(verdict) => Verdict::Dsn(verdict),
            Said::Done => {
                self.done = Some(binding.tier);
                call.verdict = "done";
                return Next::Ask;
            }
            Said::Gate(verdict) => Verdict::Gate(dialogue::close(verdict, &binding.id)),
            Said::Pause(pause) => Verdict::Stage(self.pause(binding, pause)),
            Said::Fail(refusal) => Verdict::Stage(StageVerdict::Fail(refusal)),
            Said::Discard(reason) => Verdict::Stage(StageVerdict::Discard(reason)),
            Said::Quarantine(reason) => Verdict::Stage(StageVerdict::Quarantine(reason)),
        };
        call.verdict = verdict.word();
        self.add(binding, verdict, before)
    }

    /// A provider's answer: who comes later is asked about what is still open.
    fn answer(&mut self, binding: &Binding, answer: Answer) -> Next {
        let Verdict::Answer(standing) = &mut self.standing else { return Next::End };
        let asked = self.open.len();
        let left = answers::absorb(standing, &mut self.open, &mut self.event, answer);
        if left == Left::Nothing || self.open.len() < asked {
            self.by = By::Sink(Arc::clone(&binding.installation.id));
        }
        if left == Left::Nothing { Next::End } else { Next::Ask }
    }

    /// What `aside` may need: gates have no use for it.
    fn savepoint(&self) -> Option<Subject> {
        (self.event.kind().class() == Class::Stage).then(|| self.subject.clone())
    }

    /// One more verdict, and in a stage the message before it.
    fn add(&mut self, binding: &Binding, verdict: Verdict, before: Option<Subject>) -> Next {
        let strictness = verdict.strictness();
        let is_stage = matches!(verdict, Verdict::Stage(_));
        let is_dialogue =
            matches!(&verdict, Verdict::Gate(smtp::Verdict::Answer(_) | smtp::Verdict::More(_)));
        if let Some(before) = before
            && matches!(strictness, Strictness::Discard | Strictness::Quarantine)
            && self.aside.is_none()
        {
            self.aside = Some((binding.position(), before));
        }
        if let (Verdict::Gate(smtp::Verdict::Replace(reply)), Event::Gate(Gate::Reply { reply: sent, .. })) =
            (&verdict, &mut self.event)
        {
            *sent = reply.clone();
        }
        if self.standing.merge(&verdict) == Merge::Replace {
            self.standing = verdict;
            self.by = By::Sink(Arc::clone(&binding.installation.id));
        }
        // In a stage a deferral sleeps; it can't wait for what others say.
        let ends =
            strictness >= Strictness::Reject || (is_stage && strictness == Strictness::Defer) || is_dialogue;
        if ends { Next::End } else { Next::Ask }
    }

    fn pause(&mut self, binding: &Binding, pause: Pause) -> StageVerdict {
        let deferral = self.deferral(binding, pause.state, 0);
        StageVerdict::Defer { wait: pause.wait, reason: pause.reason, deferral }
    }

    /// Where the stage goes on. If somebody had said before that the message shall not go on as it is, it goes on there, with
    /// the message as it was then, so that a pause never weakens what was said.
    fn deferral(&mut self, binding: &Binding, state: bytes::Bytes, faults: u32) -> Deferral {
        let attempts = self.previous(binding).map_or(1, |previous| previous.attempts.saturating_add(1));
        let mut position = binding.position();
        if let Some((first, before)) = self.aside.take() {
            keep::restore(self.subject, &before);
            position = first;
        }
        Deferral {
            position,
            installation: Arc::clone(&binding.installation.id),
            digest: Arc::clone(binding.installation.artifact.digest_prefix()),
            state,
            attempts,
            faults,
        }
    }

    /// What this binding was deferred with before.
    fn previous(&self, binding: &Binding) -> Option<Deferral> {
        let deferral = &self.subject.staged.as_ref()?.deferral;
        (deferral.position.id == binding.id).then(|| deferral.clone())
    }

    /// A sink faulted: nothing that it did remains, and its binding says what that means for the mail.
    fn answer_fault(&mut self, binding: &Binding, fault: Fault, call: &mut Call) -> Next {
        let kind = self.event.kind();
        let on_fault =
            if binding.on_fault.is_allowed(kind) { binding.on_fault } else { OnFault::default_of(kind) };
        let verdict = match (kind.class(), on_fault) {
            (_, OnFault::Skip) => silence(&self.event),
            (Class::Provider, _) if let Some(answer) = answers::deferred(&self.event) => {
                Verdict::Answer(answer)
            }
            _ if kind.is_outbound() => Verdict::Outbound(smtp::client::Verdict::Postpone(None)),
            (Class::Stage, _) => Verdict::Stage(self.fault_pause(binding, fault.kind)),
            (_, OnFault::Defer) => Verdict::Gate(smtp::Verdict::Defer(fault_refusal())),
            (_, OnFault::Reject) => Verdict::Gate(smtp::Verdict::Reject(fault_refusal())),
            (_, OnFault::Quarantine) => Verdict::Gate(smtp::Verdict::Quarantine(FAULT_REASON.to_owned())),
        };
        tracing::warn!(
            sink = %binding.installation.id,
            binding = %binding.id,
            digest = %binding.installation.artifact.digest_prefix(),
            tenant = %self.subject.tenant,
            event = kind.name(),
            event_id = %self.subject.event_id,
            fault = fault.kind.word(),
            detail = %crate::convert::for_log(&fault.detail, DETAIL_BYTES_MAX),
            fuel = call.fuel,
            took_ms = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
            answer = verdict.word(),
            "sink fault"
        );
        call.verdict = verdict.word();
        call.edits = Edits::None;
        call.fault = Some(fault);
        if let Verdict::Answer(answer) = verdict {
            return self.answer(binding, answer);
        }
        let before = self.savepoint();
        self.add(binding, verdict, before)
    }

    /// A stage waits for the sink to be mended, and is held when that takes too many tries. That there was no place for it
    /// is no fault of the sink, and passes.
    fn fault_pause(&mut self, binding: &Binding, kind: FaultKind) -> StageVerdict {
        let previous = self.previous(binding);
        let digest = binding.installation.artifact.digest_prefix();
        let before = previous.as_ref().filter(|one| one.digest == *digest).map_or(0, |one| one.faults);
        let state = previous.map(|one| one.state).unwrap_or_default();
        let deferral =
            self.deferral(binding, state, before.saturating_add(u32::from(kind != FaultKind::NoPermit)));
        let reason = FAULT_REASON.to_owned();
        if deferral.faults >= STAGE_FAULTS_MAX {
            tracing::error!(sink = %binding.installation.id, event_id = %self.subject.event_id, faults = deferral.faults, "message held");
            return StageVerdict::Hold { reason, deferral };
        }
        StageVerdict::Defer { wait: FAULT_WAIT, reason, deferral }
    }

    /// The sink that a dialogue was with is not bound any more.
    fn lost_dialogue(self) -> Outcome {
        let refusal = Refusal { reply: None, reason: "sink-gone".to_owned() };
        let verdict = match answers::deferred(&self.event) {
            Some(answer) => Verdict::Answer(answer),
            None => Verdict::Gate(smtp::Verdict::Defer(refusal)),
        };
        Outcome { verdict, by: By::Host, calls: self.calls }
    }

    /// The merged verdict decides about the drafts.
    fn finish(self) -> Outcome {
        let strictness = self.standing.strictness();
        let is_stage_deferred = strictness == Strictness::Defer && matches!(self.standing, Verdict::Stage(_));
        let is_judgement = matches!(self.standing, Verdict::Outbound(smtp::client::Verdict::Judge(_)));
        if keep::commit_of(strictness) == keep::Commit::NoDraft && !is_stage_deferred && !is_judgement {
            keep::restore(self.subject, &self.start);
        }
        Outcome { verdict: self.standing, by: self.by, calls: self.calls }
    }
}

fn fault_refusal() -> Refusal {
    Refusal { reply: None, reason: FAULT_REASON.to_owned() }
}

#[cfg(test)]
mod tests;
