/**
 * The fakes of a test, by interface and function: `fakes["message-draft"] = { addHeader: (at, name, value) => {…} }`.
 * A function that a test does not set throws its name.
 */
export const fakes: Record<string, Record<string, (...values: any[]) => unknown>>;
