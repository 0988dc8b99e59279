"""`python3 -m unittest` in this folder."""

import unittest
from types import SimpleNamespace

import sluice_sdk as sdk


class Replies(unittest.TestCase):
    def test_a_status_at_the_start_of_the_text_is_the_status(self):
        self.assertEqual(sdk.reply(550, "5.7.1 No thanks"), sdk.Reply(550, (5, 7, 1), ("No thanks",)))
        self.assertEqual(len(sdk.reply(552, "5.3.4 Too large\nTry a link").text), 2)
        for text in ["5.7 no", "3.1.1 no", "5.+7.1 no", "5.7.1234 no", "no"]:
            self.assertEqual(sdk.reply(550, text), sdk.Reply(550, None, (text,)))

    def test_the_code_follows_a_status_about_room(self):
        self.assertEqual(sdk.reject("5.3.4 Too big").value.reply.code, 552)
        self.assertEqual(sdk.defer("4.2.2 Full", "room").value.reply.code, 452)
        self.assertEqual(sdk.defer("Later", "busy").value.reason, "busy")

    def test_a_closing_reply_is_421_unless_its_status_is_permanent(self):
        self.assertEqual(sdk.disconnect("Bye").value.code, 421)
        self.assertEqual(sdk.disconnect("5.7.1 Never again").value.code, 554)

    def test_an_address_is_within_its_domain_and_those_above(self):
        address = SimpleNamespace(local="ann", domain="mail.example.org")
        self.assertTrue(sdk.is_within(address, "Example.ORG"))
        self.assertFalse(sdk.is_within(address, "ample.org"))
