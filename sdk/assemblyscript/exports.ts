// The exports of the guest ABI. A module's file has to hand them on:
//
//   export * from ".../sdk/assemblyscript/exports";

import { AdmissionRequest, Change, Request, Setup, current, inputOf } from "./controller";
import { Level, log, message } from "./imports";
import { Json, parsed, written } from "./json";

const ABI = 1 << 16; // version 1.0
const TERMINAL: i64 = -2;
const BAD_INPUT: i64 = -3;

let answered = new Uint8Array(0); // keeps the last answer alive until the next call

function packed(value: Json): i64 {
  answered = written(value);
  return (<i64>answered.dataStart << 32) | answered.length;
}

/**
 * The host never calls an export while another one runs, so this is the moment to collect what the last call left: the
 * `minimal` runtime collects only when told, and only the globals are alive here.
 */
function input(length: i32): Json | null {
  answered = new Uint8Array(0);
  __collect();
  const value = inputOf(message(length));
  if (!value) log(Level.Problem, "the input cannot be read: it is no JSON object");
  return value;
}

export function edged_ctl_abi(): i32 { return ABI; }

export function edged_ctl_setup(length: i32): i64 {
  const value = input(length);
  if (!value) return BAD_INPUT;
  const manifest = current().setup(new Setup(value));
  return manifest ? packed(manifest.json()) : BAD_INPUT;
}

export function edged_ctl_reconcile(length: i32): i64 {
  const value = input(length);
  if (!value) return BAD_INPUT;
  const result = current().reconcile(new Request(value)).json();
  return result.items.length ? packed(result) : 0;
}

export function edged_ctl_map(length: i32): i64 {
  const value = input(length);
  if (!value) return BAD_INPUT;
  const found = current().map(new Change(value)), keys = Json.list();
  for (let index = 0; index < found.length; index++) keys.push(found[index].json());
  return packed(Json.object().set("keys", keys));
}

export function edged_ctl_admit(length: i32): i64 {
  const value = input(length);
  if (!value) return BAD_INPUT;
  const admission = current().admit(new AdmissionRequest(value));
  return admission ? packed(admission.json()) : TERMINAL;
}

export function edged_ctl_snapshot(): i64 {
  const snapshot = current().snapshot();
  return snapshot.isNull() ? 0 : packed(snapshot);
}

export function edged_ctl_restore(length: i32): i64 {
  const snapshot = parsed(message(length));
  return snapshot && current().restore(snapshot) ? 0 : BAD_INPUT;
}

export function edged_ctl_stop(): i64 {
  current().stop();
  return 0;
}
