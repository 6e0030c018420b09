// Renders the Helm chart as far as it goes: the chart keeps to these few constructs of Go's templates, and another one is an error here.
import { createHash } from "node:crypto";

const FUNCTIONS = {
  toJson: (value) => JSON.stringify(value),
  sha256sum: (value) => createHash("sha256").update(value).digest("hex"),
  default: (instead, value) => value || instead,
  not: (value) => !value,
  required(sentence, value) {
    if (!value) throw new Error(sentence);
    return value;
  },
};

/** Renders one template with `{ Values, Release, Chart }`. */
export function render(template, context) {
  // `{{-` takes the white space in front of it away, `-}}` that behind it.
  const pieces = template.replaceAll(/\s*\{\{-/g, "{{").replaceAll(/-\}\}\s*/g, "}}").split(/\{\{(.*?)\}\}/);
  let out = "";
  const shown = [true];
  for (const [index, piece] of pieces.entries()) {
    if (index % 2 === 0) {
      if (shown.every(Boolean)) out += piece;
      continue;
    }
    const action = piece.trim();
    if (action === "end") {
      if (shown.length === 1) throw new Error("an {{ end }} too many");
      shown.pop();
    } else if (action.startsWith("if ")) {
      shown.push(Boolean(evaluate(action.slice(3), context)));
    } else if (shown.every(Boolean)) {
      out += String(evaluate(action, context));
    }
  }
  if (shown.length !== 1) throw new Error("an {{ if }} without its {{ end }}");
  return out;
}

/** A pipeline: what comes out of one function goes into the next as its last argument. */
function evaluate(pipeline, context) {
  let value;
  for (const [index, stage] of pipeline.split("|").entries()) {
    const words = stage.trim().match(/"[^"]*"|\S+/g) ?? [];
    const [first, ...rest] = words;
    const given = rest.map((word) => term(word, context));
    if (index > 0) given.push(value);
    if (Object.hasOwn(FUNCTIONS, first)) value = FUNCTIONS[first](...given);
    else if (index === 0 && rest.length === 0) value = term(first, context);
    else throw new Error(`the chart uses ${first}, which federation-tests/installation/chart.mjs does not know`);
  }
  return value;
}

function term(word, context) {
  if (word.startsWith('"')) return JSON.parse(word);
  if (!word.startsWith(".")) throw new Error(`${word} is neither a text nor a value`);
  let value = context;
  for (const name of word.slice(1).split(".")) {
    if (value === undefined || !Object.hasOwn(value, name)) throw new Error(`there is no ${word}`);
    value = value[name];
  }
  return value;
}
