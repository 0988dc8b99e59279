// What stands between the contract and a sink's functions; `sluice sink build` writes the module that uses it.
import log from "sluice:sink/log@0.1.0";
import { neutral } from "./neutral.js";

/** The lists that some events ask for once, at load. */
const LISTS = ["verbs", "mechanisms", "ages", "timers"];

/**
 * The implementation of an event: the sink's function, or an object with it as `handle` and a list beside it. A self-test is
 * asked of every sink; one that has none passes.
 */
export function answer(sink, name) {
  const given = sink[name] ?? (name === "onSelfTest" ? () => {} : undefined);
  const handle = typeof given === "function" ? given : given?.handle;
  if (typeof handle !== "function") {
    throw new Error(`sink.toml names an event for which main.js exports no function ${name}`);
  }
  const lists = LISTS.map((list) => [list, () => given[list] ?? []]);
  return { ...Object.fromEntries(lists), handle: (...values) => asked(handle, values, name) };
}

function asked(handle, values, name) {
  try {
    return handle(...values) ?? neutral[name];
  } catch (error) {
    const text = error instanceof Error ? `${error.message}\n${error.stack}` : JSON.stringify(error);
    if (JUDGES_ITSELF.includes(name)) throw error instanceof Error ? error.message : text;
    log.write("error", text, []);
    throw error;
  }
}

/** Events whose own answer is an error's text. */
const JUDGES_ITSELF = ["onPrepare", "onSelfTest", "onTrack"];
