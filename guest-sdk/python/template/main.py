"""Refuses mail to the mailbox that nobody reads, and marks what it has seen."""

from sluice_sdk import reject
from wit_world.imports import message_draft
from wit_world.imports.message_draft import Position


def on_rcpt_to(recipient, parameters):
    if recipient.local == "noreply":
        return reject("5.1.1 Nobody reads this mailbox")


def on_end_of_data():
    message_draft.add_header(Position.BOTTOM, "X-Checked-By", "my-sink")
