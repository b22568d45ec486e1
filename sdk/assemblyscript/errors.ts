// What an import answers instead of a result.

import { Json } from "./json";

/** The class of an import's failure. */
export const enum Code {
  Ok = 0,
  Internal = -1, // fault of the host: retry
  Denied = -2, // allow-list of the module, or 401 and 403 of the API server: permanent
  NotFound = -3, // the object or the watch is absent
  AlreadyExists = -4, // a create met an object; `current` has it where asked for
  Conflict = -5, // another resourceVersion or UID, or another manager's fields: read again
  WatchClash = -6, // the id is in use with another declaration: a mistake of the module
  Invalid = -7, // bad request, 400 and 422, a selector that is not served: permanent
  Throttled = -8, // 429 or the module's own rate: wait `retryAfterMs`
  Unknown = -9, // the outcome of a write is not known: retry idempotently
  Limit = -10, // too many objects, watches or bytes
  Unavailable = -11, // the API server is away; reads of caches still work
  NotSynced = -12, // the watch is not synced yet: Result.onSync()
  Deadline = -13, // the time of this call is over: return
  Unsupported = -14, // the extension or feature is absent
}

const NAMES: StaticArray<string> = [
  "ok", "internal", "denied", "not_found", "already_exists", "conflict", "watch_clash", "invalid", "throttled",
  "unknown", "limit", "unavailable", "not_synced", "deadline", "unsupported",
];

/** What an import answers instead of a result. */
export class Refusal {
  reason: string;
  message: string;
  http: i32;
  retryAfterMs: i64;
  /** The object that is in the way; null where it is not known. */
  current: Json;
  /** Fields of other managers that an apply met. */
  fields: Json;

  constructor(public code: i32, latch: Json) {
    this.reason = latch.get("reason").string();
    this.message = latch.get("message").string();
    this.http = <i32>latch.get("http").integer();
    this.retryAfterMs = latch.get("retryAfterMs").integer();
    this.current = latch.get("current");
    this.fields = latch.get("fields");
  }

  toString(): string {
    const known = this.code <= 0 && -this.code < NAMES.length;
    return (known ? NAMES[-this.code] : "code " + this.code.toString()) + ": " + this.message;
  }
}
