// Scores nodes by what feeds them: mains high, a battery by its charge, an empty one lowest.
//
// A node says so in labels, or in annotations of the same names (they win: a charge changes often):
//   edged.dev/power: mains | battery
//   edged.dev/battery-percent: 0 to 100
//
// Configuration, a JSON object of whole numbers, all from 0 to 100; unknown keys are errors:
//   mains_score (100)    a node on mains
//   unknown_score (50)   a node that says nothing, or nothing that makes sense
//   battery_score (60)   a node on a full battery
//   low_percent (20)     at this charge and below a node on battery scores 0; in between it rises evenly
//
// A Pod that does not care carries the label edged.dev/power-aware: "false"; it is not scored at all.
// There is no normalizescore: the scores mean the same on every set of nodes, and stretching them would let two
// nearly empty batteries look as different as mains and battery.

import { ANNOTATIONS, LABELS, METADATA, find, findInMap, utf8 } from "./protobuf";
import { ERROR, SKIP, SUCCESS, config, currentNode, currentPod, status } from "./scheduler";

const POWER = utf8("edged.dev/power");
const CHARGE = utf8("edged.dev/battery-percent");
const OPT_OUT = utf8("edged.dev/power-aware");

let mainsScore = 100;
let unknownScore = 50;
let batteryScore = 60;
let lowPercent = 20;

/** What is wrong with the configuration; "" when it is fine. Read once: it does not change under a running guest. */
const configProblem: string = readConfig(config());

/**
 * Hosts start every cycle with it. Nothing is kept from Pod to Pod, so this is the moment to collect what the last
 * cycle left: the `minimal` runtime collects only when told, and only the globals are alive here.
 */
export function prefilter(): i32 {
  __collect();
  return SUCCESS;
}

export function prescore(): i32 {
  if (configProblem.length > 0) return status(ERROR, "power-aware: configuration: " + configProblem);
  const labels = find(currentPod(), METADATA);
  return findInMap(labels, LABELS, OPT_OUT) == "false" ? SKIP : SUCCESS;
}

/** The ABI's i64: the score in the high half, the status code in the low one. */
export function score(): i64 {
  if (configProblem.length > 0) return <i64>status(ERROR, "power-aware: configuration: " + configProblem);
  return (<i64>scoreOf(find(currentNode(), METADATA))) << 32;
}

function scoreOf(metadata: Uint8Array): i32 {
  const power = said(metadata, POWER);
  if (power == "mains") return mainsScore;
  if (power != "battery") return unknownScore;
  const charge = wholeNumber(said(metadata, CHARGE));
  if (charge < 0 || charge > 100) return unknownScore < batteryScore ? unknownScore : batteryScore;
  if (charge <= lowPercent) return 0;
  return (batteryScore * (charge - lowPercent)) / (100 - lowPercent);
}

function said(metadata: Uint8Array, key: Uint8Array): string {
  const annotation = findInMap(metadata, ANNOTATIONS, key);
  return annotation.length > 0 ? annotation : findInMap(metadata, LABELS, key);
}

/** -1 when `text` is no whole number of one to three digits. */
function wholeNumber(text: string): i32 {
  if (text.length == 0 || text.length > 3) return -1;
  let value = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Takes the only JSON that makes sense here: one flat object with numbers. */
function readConfig(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length == 0) return "";
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return "it is no JSON object";
  const body = trimmed.substring(1, trimmed.length - 1).trim();
  if (body.length == 0) return "";
  const members = body.split(",");
  for (let index = 0; index < members.length; index++) {
    const problem = readMember(members[index]);
    if (problem.length > 0) return problem;
  }
  return lowPercent == 100 ? "low_percent must be below 100" : "";
}

function readMember(member: string): string {
  const colon = member.indexOf(":");
  if (colon < 0) return "a member has no value: " + member.trim();
  const quoted = member.substring(0, colon).trim();
  if (quoted.length < 2 || !quoted.startsWith('"') || !quoted.endsWith('"')) return "a key is no string: " + quoted;
  const key = quoted.substring(1, quoted.length - 1);
  const value = wholeNumber(member.substring(colon + 1).trim());
  if (value < 0 || value > 100) return key + " must be a whole number from 0 to 100";
  if (key == "mains_score") mainsScore = value;
  else if (key == "unknown_score") unknownScore = value;
  else if (key == "battery_score") batteryScore = value;
  else if (key == "low_percent") lowPercent = value;
  else return "unknown key " + key + "; known: mains_score, unknown_score, battery_score, low_percent";
  return "";
}
