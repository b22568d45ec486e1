// What a controller of this module is, and its registration.

import { Key, Manifest, Watch } from "./declarations";
import { Code, Refusal } from "./errors";
import { Json, parsed } from "./json";

/** A controller. `setup` and `reconcile` are needed; the others have answers that mean "nothing". */
export abstract class Controller {
  /** Called once per instance, before anything else. Null stops the module: its configuration is bad; say why in the log. */
  abstract setup(input: Setup): Manifest | null;

  /** Brings the world to what one key asks for. */
  abstract reconcile(request: Request): Result;

  /** Names the keys that a change of a watched object concerns (mapping "guest"). It reads caches only. */
  map(_change: Change): Array<Key> { return []; }

  /** Decides on a request to the API server. Caches and live reads only, no writes. Null: this module admits nothing. */
  admit(_request: AdmissionRequest): Admission | null { return null; }

  /** Gives what `restore` needs after an idle drop, 256 KiB at most as JSON. The manifest must say so. */
  snapshot(): Json { return Json.none(); }

  /** Takes a snapshot back. False: the module goes on as after `setup`. */
  restore(_snapshot: Json): bool { return false; }

  /** The last call, with 100 ms. */
  stop(): void {}
}

let registered: Controller | null = null;

/** Registers the controller of this module. Call it at the top level of the module's file. */
export function register(controller: Controller): void { registered = controller; }

export function current(): Controller { return registered!; }

/** The input of Controller.setup. */
export class Setup {
  module: string;
  node: string;
  config: Json;
  generation: i64;
  /** "first", "wake", "trap" or "upgrade". */
  reason: string;
  /** Whether `restore` will be called. */
  snapshot: bool;
  /** Watches that `watchOpen` opened and that survived the last instance. */
  openWatches: Array<Watch> = [];

  constructor(input: Json) {
    this.module = input.get("module").string();
    this.node = input.get("node").string();
    this.config = input.get("config");
    this.generation = input.get("generation").integer();
    this.reason = input.get("reason").string();
    this.snapshot = input.get("snapshot").isTrue();
    const open = input.get("openWatches").items;
    for (let index = 0; index < open.length; index++) this.openWatches.push(Watch.read(open[index]));
  }
}

/** The input of Controller.reconcile. */
export class Request {
  key: Key;
  /** The cached object of the key; null where it is gone. */
  object: Json;
  /** The ids of the watches that show the object. */
  sources: Json;
  /** Whether they show different versions. */
  ambiguous: bool;
  /** 1, and more with each failure of this key since its last success. */
  attempt: i64;
  /** The time left for this call. */
  deadlineMs: i64;

  constructor(input: Json) {
    this.key = Key.read(input.get("key"));
    this.object = input.get("object");
    this.sources = input.get("sources");
    this.ambiguous = input.get("ambiguous").isTrue();
    this.attempt = input.get("attempt").integer(1);
    this.deadlineMs = input.get("deadlineMs").integer();
  }

  /** Whether the object of the key does not exist. */
  gone(): bool { return this.object.isNull(); }
}

/** The answer of Controller.reconcile. A new one is success. */
export class Result {
  /** Asks for the key again after that time; -1 does not. */
  requeueAfterMs: i64 = -1;
  /** Asks for the key again once every open watch is synced. */
  requeueOnSync: bool = false;
  /** A failure: the key is tried again with back-off. */
  error: string = "";
  /** Makes `error` final until the object changes. */
  terminal: bool = false;

  static after(ms: i64): Result {
    const result = new Result();
    result.requeueAfterMs = ms;
    return result;
  }

  static onSync(): Result {
    const result = new Result();
    result.requeueOnSync = true;
    return result;
  }

  static failed(error: string, terminal: bool = false): Result {
    const result = new Result();
    result.error = error;
    result.terminal = terminal;
    return result;
  }

  /**
   * The usual result for an answer without use: null is success; what is permanent is terminal, a throttled key waits as
   * long as it is told, an unsynced watch is waited for, and the rest is retried with back-off.
   */
  static of(refusal: Refusal | null): Result {
    if (!refusal) return new Result();
    switch (refusal.code) {
      case Code.NotSynced: return Result.onSync();
      case Code.Throttled:
        if (refusal.retryAfterMs > 0) return Result.after(refusal.retryAfterMs);
        break;
      case Code.Denied: case Code.Invalid: case Code.WatchClash: case Code.Unsupported:
        return Result.failed(refusal.toString(), true);
    }
    return Result.failed(refusal.toString());
  }

  json(): Json {
    const value = Json.object();
    if (this.requeueAfterMs >= 0) value.set("requeueAfterMs", Json.integer(this.requeueAfterMs));
    if (this.requeueOnSync) value.setText("requeueOn", "sync");
    value.setTextIfAny("error", this.error);
    if (this.terminal) value.set("terminal", Json.bool(true));
    return value;
  }
}

/** The input of Controller.map. `type` is "added", "modified" or "deleted". */
export class Change {
  watch: string;
  type: string;
  old: Json;
  object: Json;

  constructor(input: Json) {
    this.watch = input.get("watch").string();
    this.type = input.get("type").string();
    this.old = input.get("old");
    this.object = input.get("object");
  }
}

/** The input of Controller.admit: the request of an AdmissionReview. */
export class AdmissionRequest {
  uid: string;
  operation: string;
  namespace: string;
  name: string;
  object: Json;
  oldObject: Json;
  userInfo: Json;
  dryRun: bool;

  constructor(input: Json) {
    this.uid = input.get("uid").string();
    this.operation = input.get("operation").string();
    this.namespace = input.get("namespace").string();
    this.name = input.get("name").string();
    this.object = input.get("object");
    this.oldObject = input.get("oldObject");
    this.userInfo = input.get("userInfo");
    this.dryRun = input.get("dryRun").isTrue();
  }
}

/** The answer of Controller.admit. `patch` is a JSON patch. */
export class Admission {
  code: i32 = 0;
  message: string = "";
  patch: Json = Json.list();
  warnings: Array<string> = [];

  constructor(public allowed: bool) {}

  /** Refuses a request with a message and an HTTP code. */
  static refuse(code: i32, message: string): Admission {
    const admission = new Admission(false);
    admission.code = code;
    admission.message = message;
    return admission;
  }

  json(): Json {
    const value = Json.object().set("allowed", Json.bool(this.allowed));
    if (!this.allowed) {
      value.set("status", Json.object().setText("message", this.message).set("code", Json.integer(this.code)));
    }
    if (this.patch.items.length) value.set("patch", this.patch);
    value.setTextsIfAny("warnings", this.warnings);
    return value;
  }
}

/** What an export was called with; null if it is no object. */
export function inputOf(bytes: Uint8Array): Json | null {
  const value = parsed(bytes);
  return value && value.isObject() ? value : null;
}
