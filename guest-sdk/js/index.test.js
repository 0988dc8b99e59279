import assert from "node:assert/strict";
import { test } from "node:test";

import * as sdk from "./index.js";
import { answer } from "./entry.js";
import { fakes } from "./testing.js";

test("a status at the start of the text is the status", () => {
  assert.deepEqual(sdk.reply(550, "5.7.1 No thanks"), {
    code: 550,
    status: { class: 5, subject: 7, detail: 1 },
    text: ["No thanks"],
  });
  assert.equal(sdk.reply(552, "5.3.4 Too large\nTry a link").text.length, 2);
  for (const text of ["5.7 no", "3.1.1 no", "5.+7.1 no", "5.7.1234 no", "no"]) {
    assert.deepEqual(sdk.reply(550, text), { code: 550, status: null, text: [text] });
  }
});

test("the code follows a status about room", () => {
  assert.equal(sdk.reject("5.3.4 Too big").val.reply.code, 552);
  assert.equal(sdk.defer("4.2.2 Full").val.reply.code, 452);
  assert.equal(sdk.defer("Later", "busy").val.reason, "busy");
});

test("a closing reply is 421 unless its status is permanent", () => {
  assert.equal(sdk.disconnect("Bye").val.code, 421);
  assert.equal(sdk.disconnect("5.7.1 Never again").val.code, 554);
});

test("a local-part is quoted where it must be", () => {
  const text = (local) => sdk.addressText({ local, domain: "example.org" });
  assert.equal(text("ann.lee+news"), "ann.lee+news@example.org");
  assert.equal(text('a"b\\c'), '"a\\"b\\\\c"@example.org');
  assert.equal(text("a..b"), '"a..b"@example.org');
  assert.ok(sdk.isWithin({ local: "ann", domain: "mail.example.org" }, "Example.ORG"));
  assert.ok(!sdk.isWithin({ local: "ann", domain: "mail.example.org" }, "ample.org"));
});

test("a function that returns nothing continues, and an error is logged and thrown", () => {
  const said = [];
  fakes.log = { write: (level, text) => said.push([level, text.split("\n")[0]]) };
  const sink = {
    onRcptTo: () => {},
    onData() { throw new Error("no"); },
    onSelfTest() { throw new Error("not fit"); },
    onReply: { verbs: ["VRFY"], handle: () => {} },
  };
  assert.deepEqual(answer(sink, "onRcptTo").handle(), { tag: "continue" });
  assert.throws(() => answer(sink, "onData").handle(), { message: "no" });
  assert.deepEqual(said, [["error", "no"]]);
  assert.throws(() => answer(sink, "onSelfTest").handle(), (thrown) => thrown === "not fit");
  assert.deepEqual(answer(sink, "onReply").verbs(), ["VRFY"]);
  assert.throws(() => answer(sink, "onConnect"), /no function onConnect/);
});
