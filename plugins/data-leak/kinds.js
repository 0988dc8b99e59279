// What may not leave, as an expression that the host looks for, and what makes sure of it.

/** Cards have 13 to 19 digits, in groups or not (ISO/IEC 7812), the last of which checks the others (Luhn). */
function isCard(candidate) {
  const digits = candidate.replace(/\D/g, "");
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const doubled = place % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length >= 13 && digits.length <= 19 && !/^(\d)\1*$/.test(digits) && sum % 10 === 0;
}

/** An account may be followed by words in capitals: whatever ends at a space may be all of it. */
function isIban(candidate) {
  const groups = candidate.split(" ");
  return groups.some((_, last) => isAccount(groups.slice(0, last + 1).join("")));
}

/** Country, two check digits, up to 30 letters and digits: the first four moved behind, it is 1 modulo 97 (ISO 13616). */
function isAccount(account) {
  if (account.length < 15 || account.length > 34) {
    return false;
  }
  let rest = 0;
  for (const letter of account.slice(4) + account.slice(0, 4)) {
    const value = Number.parseInt(letter, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

export const KINDS = {
  card: { expression: String.raw`\b\d(?:[ -]?\d){12,18}\b`, isSo: isCard },
  iban: { expression: String.raw`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b`, isSo: isIban },
  key: {
    expression: String.raw`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b`,
    isSo: () => true,
  },
};

/** Whether the text holds one of this kind, check digits and all. */
export function holds(kind, text) {
  const { expression, isSo } = KINDS[kind];
  return (text.match(new RegExp(expression, "g")) ?? []).some(isSo);
}
