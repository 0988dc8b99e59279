// What stands in for the host where there is none: `node --import sluice-sdk/testing --test`.
import { register } from "node:module";

/**
 * The fakes of a test, by interface and function: `fakes["message-draft"] = { addHeader: (at, name, value) => {…} }`.
 * A function that a test does not set throws its name.
 */
export const fakes = (globalThis.sluiceFakes ??= {});

const hooks = `
  export const resolve = (name, context, next) =>
    name.startsWith("sluice:") ? { url: name, format: "module", shortCircuit: true } : next(name, context);
  export const load = (url, context, next) =>
    url.startsWith("sluice:") ? { format: "module", shortCircuit: true, source: source(/[/](.*)@/.exec(url)[1]) } : next(url, context);
  const source = (name) => \`export default new Proxy({}, { get(_, part) {
    const fake = globalThis.sluiceFakes["\${name}"]?.[part];
    if (!fake) throw new Error(\\\`only the server answers \${name}.\\\${part}: set it in fakes["\${name}"]\\\`);
    return fake;
  } })\`;
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
