import assert from "node:assert/strict";
import { test } from "node:test";

import { holds } from "./kinds.js";

test("a card is one by its check digit", () => {
  for (const text of ["pay 4111 1111 1111 1111 now", "4111-1111-1111-1111", "378282246310005", "x 5555555555554444."]) {
    assert.ok(holds("card", text), text);
  }
  for (const text of ["4111 1111 1111 1112", "0000 0000 0000 0000", "4111 1111 1111", "order 12345"]) {
    assert.ok(!holds("card", text), text);
  }
});

test("an account is one by its check digits", () => {
  for (const text of ["DE89 3704 0044 0532 0130 00", "to GB82WEST12345698765432 PLEASE"]) {
    assert.ok(holds("iban", text), text);
  }
  assert.ok(!holds("iban", "DE88 3704 0044 0532 0130 00"));
});

test("a key is one by its form", () => {
  assert.ok(holds("key", "-----BEGIN RSA PRIVATE KEY-----"));
  assert.ok(holds("key", "AKIAIOSFODNN7EXAMPLE"));
  assert.ok(!holds("key", "-----BEGIN PUBLIC KEY-----"));
});
