"""`sluice sink build` writes what these import: then `PYTHONPATH=target/bindings:.sluice/python python3 -m unittest`."""

import unittest
from unittest.mock import patch

from wit_world.imports.types import Address

import main


class Main(unittest.TestCase):
    def test_nobody_reads_noreply(self):
        self.assertEqual(main.on_rcpt_to(Address("noreply", "example.org"), []).case, "reject")
        self.assertIsNone(main.on_rcpt_to(Address("ann", "example.org"), []))

    def test_what_was_seen_is_marked(self):
        with patch("wit_world.imports.message_draft.add_header") as add_header:
            main.on_end_of_data()
        self.assertEqual(add_header.call_args.args[1:], ("X-Checked-By", "my-sink"))
