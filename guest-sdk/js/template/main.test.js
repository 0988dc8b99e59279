import assert from "node:assert/strict";
import { test } from "node:test";
import { fakes } from "sluice-sdk/testing";

import { onEndOfData, onRcptTo } from "./main.js";

test("nobody reads noreply", () => {
  assert.equal(onRcptTo({ local: "noreply", domain: "example.org" }, []).tag, "reject");
  assert.equal(onRcptTo({ local: "ann", domain: "example.org" }, []), undefined);
});

test("what was seen is marked", () => {
  const added = [];
  fakes["message-draft"] = { addHeader: (at, name, value) => added.push(`${name}: ${value}`) };
  onEndOfData();
  assert.deepEqual(added, ["X-Checked-By: my-sink"]);
});
