"""What stands between the contract and a sink's functions; `sluice sink build` writes the module that uses it."""

import importlib
import traceback
from typing import Any, Callable

from componentize_py_types import Err
from wit_world.imports import log, types

from . import Refusal, Reply, Said

# Events whose own answer is an error's text.
_JUDGE_THEMSELVES = {"on_prepare", "on_self_test"}
# The lists that some events ask for once, at load: attributes of the sink's function.
_LISTS = ("verbs", "mechanisms", "ages", "timers")


def _passes() -> None:
    """A self-test is asked of every sink; one that has none passes."""


def answer(sink: Any, event: str, module: str | None = None, verdict: str | None = None) -> type:
    """The class that componentize-py looks for: its `handle` asks the sink's function of the event's name.

    The verdict is a type of the module; an event that has none answers nothing.
    """
    function = getattr(sink, event, _passes if event == "on_self_test" else None)
    if not callable(function):
        raise AttributeError(f"sink.toml names an event for which main.py has no function {event}")
    kind = vars(importlib.import_module(module)) if module else {}
    members = {"handle": lambda _self, *values: _asked(function, values, event, kind, verdict)}
    for name in _LISTS:
        members[name] = lambda _self, name=name: list(getattr(function, name, []))
    return type("".join(part.capitalize() for part in event.split("_")), (), members)


def _asked(function: Callable, values: tuple, event: str, kind: dict[str, Any], verdict: str | None) -> Any:
    try:
        said = function(*values)
        return _lowered(Said("continue") if said is None else said, kind, verdict)
    except Exception as error:
        if event in _JUDGE_THEMSELVES:
            raise Err(str(error)) from error
        log.write(log.Level.ERROR, "".join(traceback.format_exception(error)), [])
        raise


def _lowered(said: Any, kind: dict[str, Any], verdict: str | None) -> Any:
    """What a sink says as a value of the contract; what is one already stays."""
    if not isinstance(said, Said):
        return said
    if verdict is None:
        return None
    if isinstance(kind[verdict], type):
        return kind[verdict][said.case.upper()]
    case = kind.get(f"{verdict}_{said.case.capitalize()}")
    if case is None:
        raise ValueError(f"this event has no verdict `{said.case}`")
    return case() if said.value is None and not case.__dataclass_fields__ else case(_value(said.value))


def _value(value: Any) -> Any:
    match value:
        case Refusal(reply, reason):
            return types.Refusal(_value(reply), reason)
        case Reply(code, status, text):
            return types.Reply(code, status and types.EnhancedStatus(*status), list(text))
    return value
