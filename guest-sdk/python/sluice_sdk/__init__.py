"""Write event sinks for the Sluice mail server: a function for each event.

What a function returns is said with the words below; one that returns nothing continues. Values and what the host answers
are modules that `sluice sink build` lets componentize-py write from the contract: `wit_world.imports.message` and so on.
"""

import re
from dataclasses import dataclass
from typing import Any, Iterable, Optional

_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3}) ", re.ASCII)
# RFC 3463: X.2.2 mailbox full, X.2.3 too big for the mailbox, X.3.1 system full, X.3.4 message too big.
_ROOM = {(2, 2), (2, 3), (3, 1), (3, 4)}


@dataclass(frozen=True)
class Reply:
    """A reply; the host writes its lines."""

    code: int
    status: Optional[tuple[int, int, int]]
    text: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A reply, and a word of the sink's own for log and metrics, which is never sent."""

    reply: Reply
    reason: str


@dataclass(frozen=True)
class Said:
    """What a sink decides: a case of the event's verdict, and what the case holds."""

    case: str
    value: Any = None


def reply(code: int, text: str) -> Reply:
    """A reply with this code; the text may start with the enhanced status, and has a line for each line of the reply."""
    found = _STATUS.match(text)
    status = tuple(int(number) for number in found.groups()) if found else None
    return Reply(code, status, tuple(text[found.end() if found else 0 :].split("\n")))


def _refusal(text: str, code: int, code_of_room: int, reason: str) -> Refusal:
    answer = reply(code, text)
    if answer.status and answer.status[1:] in _ROOM:
        answer = Reply(code_of_room, answer.status, answer.text)
    return Refusal(answer, reason)


def proceed() -> Said:
    """No opinion; what a function that returns nothing says."""
    return Said("continue")


def done() -> Said:
    """Enough: the rest of this sink's tier is skipped."""
    return Said("done")


def reject(text: str, reason: str = "policy") -> Said:
    """Refuses for good: 550, or 552 where the status speaks of size or storage."""
    return Said("reject", _refusal(text, 550, 552, reason))


def defer(text: str, reason: str = "policy") -> Said:
    """Refuses for now: 451, or 452 where the status speaks of size or storage."""
    return Said("defer", _refusal(text, 451, 452, reason))


def disconnect(text: str) -> Said:
    """Answers and closes: 421, or 554 for a status of class 5."""
    answer = reply(421, text)
    is_final = answer.status is not None and answer.status[0] == 5
    return Said("disconnect", Reply(554, answer.status, answer.text) if is_final else answer)


def greet(text: str) -> Said:
    """The text after our host name in the 220 line. Only in on_connect."""
    return Said("greet", text)


def claim() -> Said:
    """This sink answers for the recipient. Only in on_rcpt_to."""
    return Said("claim")


def rewrite(addresses: Iterable[Any]) -> Said:
    """These recipients instead, at least one. Only in on_rcpt_to."""
    return Said("rewrite", list(addresses))


def discard(reason: str) -> Said:
    """Taken, and nothing is kept."""
    return Said("discard", reason)


def quarantine(reason: str) -> Said:
    """Taken, and waits for an operator."""
    return Said("quarantine", reason)


def fail(text: str, reason: str = "policy") -> Said:
    """A DSN for each recipient. Only in stages."""
    return Said("fail", _refusal(text, 550, 552, reason))


def answer(code: int, text: str) -> Said:
    """The whole answer to a command. Only in on_inbound_command."""
    return Said("answer", reply(code, text))


def is_within(address: Any, domain: str) -> bool:
    """Whether the address is of this domain or of one below it; case does not count."""
    has, wanted = address.domain.lower(), domain.lower()
    return has == wanted or has.endswith("." + wanted)
