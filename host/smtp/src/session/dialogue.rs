//! on-inbound-command: a sink's answer to a command, and dialogues of its own.
//!
//! Promises that a dialogue ends: its rounds, its input and its state are bounded, and every round is the sink's own wish.

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::commands::label;
use super::input::{LineLimits, Taken};
use super::{Action, Phase, Question, Session, Task};
use crate::command::Command;
use crate::gate::{By, Decision, Dialogue, Gate, Heeded, Input, Verdict};
use crate::limits::Limits;
use crate::replies;
use bytes::Bytes;

const COMMAND: Refusals = Refusals { defer: replies::COMMAND_DEFERRED, reject: replies::COMMAND_REJECTED };

/// A command at its gate, with what its dialogue has brought.
#[derive(Debug)]
pub(crate) struct CommandWork {
    command: Command,
    argument: String,
    input: Bytes,
    state: Bytes,
    rounds: u32,
    octets: u64,
}

/// A dialogue that waits for input.
#[derive(Debug)]
pub(crate) struct Turn {
    work: CommandWork,
    wanted: Input,
}

impl CommandWork {
    pub(crate) fn new(command: Command, line: &str) -> Self {
        let argument = command.argument(line).to_owned();
        Self { command, argument, input: Bytes::new(), state: Bytes::new(), rounds: 0, octets: 0 }
    }

    pub(crate) fn gate(&self) -> Gate {
        Gate::InboundCommand {
            verb: self.command.verb().to_owned(),
            argument: self.argument.clone(),
            input: self.input.clone(),
            state: self.state.clone(),
        }
    }

    /// Whether one more round stays inside the limits.
    fn has_room(&self, dialogue: &Dialogue, limits: &Limits) -> bool {
        let octets = match dialogue.input {
            Input::Line => 0,
            Input::Octets(count) => count,
        };
        self.rounds < limits.dialogue_rounds_max
            && octets <= limits.dialogue_input_bytes_max
            && self.octets.saturating_add(u64::from(octets)) <= limits.dialogue_total_bytes_max
            && dialogue.state.len() <= limits.dialogue_state_bytes_max
    }
}

impl Session {
    /// on-inbound-command was asked.
    pub(crate) fn command_decided(&mut self, work: CommandWork, decision: Decision) -> Heeded {
        let verb = label(&work.command);
        let is_open = work.command.is_open_to_sinks();
        match Ruling::new(decision.verdict, &COMMAND) {
            Ruling::Proceed => self.execute(work.command),
            Ruling::Refuse(reply) => self.send_by(verb, reply, decision.by),
            Ruling::End(reply) => self.send_last(verb, reply, decision.by),
            Ruling::Special(Verdict::Answer(reply)) if is_open => self.send_by(verb, reply, decision.by),
            Ruling::Special(Verdict::More(dialogue)) if is_open => {
                return self.open_turn(work, dialogue, decision.by);
            }
            Ruling::Special(verdict) => {
                self.execute(work.command);
                return match verdict {
                    Verdict::Answer(_) | Verdict::More(_) => {
                        Heeded::Ignored("the command is the host's to answer")
                    }
                    _ => NOT_THIS_GATE,
                };
            }
        }
        Heeded::Taken
    }

    /// Reads what the dialogue asked for, then asks again.
    pub(crate) fn next_turn(&mut self, turn: Box<Turn>) -> Option<Action> {
        let limits = &self.settings.limits;
        let wait_max = limits.command_wait_max;
        let line_max = usize::try_from(limits.dialogue_input_bytes_max).unwrap_or(usize::MAX);
        let drain_max = limits.command_drain_bytes_max;
        let input = match turn.wanted {
            Input::Line => self.input.take_line(LineLimits { line_max, drain_max }),
            Input::Octets(count) => usize::try_from(count)
                .ok()
                .and_then(|count| self.input.take_octets(count))
                .map_or(Taken::Unfinished, Taken::Line),
        };
        match input {
            Taken::Unfinished => {
                self.phase = Phase::Dialogue(turn);
                return self.starve(wait_max);
            }
            Taken::Endless => self.send_endless(),
            Taken::Flawed(flaw) => self.send_flawed(label(&turn.work.command), flaw),
            Taken::Line(input) => self.take_turn(turn.work, input),
        }
        None
    }

    fn take_turn(&mut self, mut work: CommandWork, input: Bytes) {
        work.octets = work.octets.saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        if work.octets > self.settings.limits.dialogue_total_bytes_max {
            return self.send(label(&work.command), replies::DIALOGUE_TOO_LONG);
        }
        work.input = input;
        self.tasks.push_back(Task::Ask(Question::Command(Box::new(work))));
    }

    fn open_turn(&mut self, mut work: CommandWork, dialogue: Dialogue, by: By) -> Heeded {
        let verb = label(&work.command);
        if !work.has_room(&dialogue, &self.settings.limits) {
            self.send(verb, replies::DIALOGUE_TOO_LONG);
            return Heeded::Ignored("the dialogue passes a limit");
        }
        work.rounds += 1;
        work.input = Bytes::new();
        work.state = dialogue.state;
        self.phase = Phase::Dialogue(Box::new(Turn { work, wanted: dialogue.input }));
        self.send_by(verb, dialogue.reply, by);
        Heeded::Taken
    }
}
