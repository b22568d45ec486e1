// The imports of the guest ABI as functions.

import { Key, Watch } from "./declarations";
import { Code, Refusal } from "./errors";
import { Json, parsed, written } from "./json";

@external("edged_ctl_v1", "msg_read")
declare function msg_read(to: usize, offset: i32, capacity: i32): i32;
@external("edged_ctl_v1", "resp_read")
declare function resp_read(to: usize, offset: i32, capacity: i32): i32;
@external("edged_ctl_v1", "watch_open")
declare function host_watch_open(request: usize, length: i32): i64;
@external("edged_ctl_v1", "watch_close")
declare function host_watch_close(request: usize, length: i32): i64;
@external("edged_ctl_v1", "get")
declare function host_get(request: usize, length: i32): i64;
@external("edged_ctl_v1", "list")
declare function host_list(request: usize, length: i32): i64;
@external("edged_ctl_v1", "write")
declare function host_write(request: usize, length: i32): i64;
@external("edged_ctl_v1", "enqueue")
declare function host_enqueue(request: usize, length: i32): i64;
@external("edged_ctl_v1", "event")
declare function host_event(request: usize, length: i32): i64;
@external("edged_ctl_v1", "metric")
declare function host_metric(request: usize, length: i32): i64;
@external("edged_ctl_v1", "ext")
declare function host_ext(request: usize, length: i32): i64;
@external("edged_ctl_v1", "log")
declare function host_log(level: i32, text: usize, length: i32): void;
@external("edged_ctl_v1", "now_ms")
declare function host_now_ms(): i64;
@external("edged_ctl_v1", "mono_ms")
declare function host_mono_ms(): i64;
@external("edged_ctl_v1", "random")
declare function host_random(to: usize, length: i32): i32;

/** What an import answered: `refusal` where it refused, else `body`. */
export class Answer {
  refusal: Refusal | null = null;
  body: Json = Json.none();
}

/** The input of the running export. */
export function message(length: i32): Uint8Array {
  const data = new Uint8Array(length);
  for (let have = 0; have < length;) have += some(msg_read(data.dataStart + have, have, length - have));
  return data;
}

function response(length: i32): Uint8Array {
  const data = new Uint8Array(length);
  for (let have = 0; have < length;) have += some(resp_read(data.dataStart + have, have, length - have));
  return data;
}

/** The host may give a latch in pieces, but never less than it promised. */
function some(copied: i32): i32 {
  if (copied <= 0) unreachable();
  return copied;
}

function answered(result: i64): Answer {
  const answer = new Answer(), status = <i32>(result >> 32), length = <i32>result;
  const latch = length ? parsed(response(length)) : Json.none();
  answer.body = latch ? latch : Json.none();
  if (status < 0) answer.refusal = new Refusal(status, answer.body);
  return answer;
}

/** Asks for one object. `live` reads from the API server instead of the cache, `watch` the cache of that watch alone. */
export class GetRequest {
  live: bool = false;
  watch: string = "";

  constructor(public apiVersion: string, public kind: string, public namespace: string, public name: string) {}
}

/** The answer of `get`: `object`, its resourceVersion, and the ids of the watches that show it. */
export class Got extends Answer {
  get object(): Json { return this.body.get("object"); }
  get rv(): string { return this.body.get("rv").string(); }
  get sources(): Json { return this.body.get("sources"); }
}

/** Reads one object, from the cache unless `live`. NotFound where it is absent. */
export function get(request: GetRequest): Got {
  const value = about(request.apiVersion, request.kind, request.namespace).setText("name", request.name);
  if (request.live) value.set("live", Json.bool(true));
  value.setTextIfAny("watch", request.watch);
  const body = written(value);
  return changed<Got>(new Got(), answered(host_get(body.dataStart, body.length)));
}

/** Asks for objects of a kind. */
export class ListRequest {
  namespace: string = "";
  labelSelector: string = "";
  fieldSelector: string = "";
  /** Chooses objects by an index that a watch declares. */
  indexName: string = "";
  indexValue: string = "";
  watch: string = "";
  /** Cuts items to these subtrees (JSON pointers). */
  fields: Array<string> = [];
  limit: i32 = 0;
  continue_: string = "";
  /** Reads from the API server instead of the cache. */
  live: bool = false;

  constructor(public apiVersion: string, public kind: string) {}

  json(): Json {
    const value = about(this.apiVersion, this.kind, this.namespace);
    value.setTextIfAny("labelSelector", this.labelSelector);
    value.setTextIfAny("fieldSelector", this.fieldSelector);
    if (this.indexName.length) {
      value.set("index", Json.object().setText("name", this.indexName).setText("value", this.indexValue));
    }
    value.setTextIfAny("watch", this.watch);
    value.setTextsIfAny("fields", this.fields);
    if (this.limit) value.set("limit", Json.integer(this.limit));
    value.setTextIfAny("continue", this.continue_);
    if (this.live) value.set("live", Json.bool(true));
    return value;
  }
}

/** The answer of `list`. `continue_` is set where there is more. */
export class Listed extends Answer {
  get items(): Array<Json> { return this.body.get("items").items; }
  get rv(): string { return this.body.get("rv").string(); }
  get continue_(): string { return this.body.get("continue").string(); }
}

/** Reads objects of a kind, from the cache unless `live`. */
export function list(request: ListRequest): Listed {
  const body = written(request.json());
  return changed<Listed>(new Listed(), answered(host_list(body.dataStart, body.length)));
}

/** Asks for a change of one object: `verb` is "create", "update", "patch", "apply" or "delete". */
export class WriteRequest {
  subresource: string = "";
  /** The object to create, update or apply. */
  object: Json = Json.none();
  /** "merge" or "json". */
  patchType: string = "";
  patch: Json = Json.none();
  /** Takes over fields of other managers (apply). */
  force: bool = false;
  /** Preconditions: they must hold for a write to happen, otherwise it is a Conflict. */
  uid: string = "";
  resourceVersion: string = "";
  /** Of a delete: "Background", "Foreground" or "Orphan". */
  propagation: string = "";
  dryRun: bool = false;
  /** "return" puts the object in the way into Refusal.current (create). */
  onExists: string = "";
  /** The object that owns the written one: {apiVersion, kind, name, uid}. The host adds the ownerReference. */
  ownedBy: Json = Json.none();
  /** False: the cache may show the old object for a moment. */
  settle: bool = true;

  constructor(
    public verb: string, public apiVersion: string, public kind: string, public namespace: string, public name: string,
  ) {}

  json(): Json {
    const value = Json.object().setText("verb", this.verb).setText("apiVersion", this.apiVersion).setText("kind", this.kind);
    value.setTextIfAny("namespace", this.namespace);
    value.setTextIfAny("name", this.name);
    value.setTextIfAny("subresource", this.subresource);
    if (!this.object.isNull()) value.set("object", this.object);
    value.setTextIfAny("patchType", this.patchType);
    if (!this.patch.isNull()) value.set("patch", this.patch);
    if (this.force) value.set("force", Json.bool(true));
    const preconditions = Json.object();
    preconditions.setTextIfAny("uid", this.uid);
    preconditions.setTextIfAny("resourceVersion", this.resourceVersion);
    if (preconditions.items.length) value.set("preconditions", preconditions);
    value.setTextIfAny("propagation", this.propagation);
    if (this.dryRun) value.set("dryRun", Json.bool(true));
    value.setTextIfAny("onExists", this.onExists);
    if (!this.ownedBy.isNull()) value.set("ownedBy", this.ownedBy);
    if (!this.settle) value.set("settle", Json.bool(false));
    return value;
  }
}

/** The answer of a write. */
export class Written extends Answer {
  get object(): Json { return this.body.get("object"); }
  get rv(): string { return this.body.get("rv").string(); }
  get uid(): string { return this.body.get("uid").string(); }
}

/** Changes one object. After success the cache of this module shows the new version. */
export function write(request: WriteRequest): Written {
  const body = written(request.json());
  return changed<Written>(new Written(), answered(host_write(body.dataStart, body.length)));
}

/** The answer of `watchOpen`. */
export class Opened extends Answer {
  get created(): bool { return this.body.get("created").isTrue(); }
  get synced(): bool { return this.body.get("synced").isTrue(); }
}

/** Opens a watch. Opening the same one again changes nothing; WatchClash where the id means another one. */
export function watchOpen(watch: Watch): Opened {
  const body = written(watch.json());
  return changed<Opened>(new Opened(), answered(host_watch_open(body.dataStart, body.length)));
}

/** The answer of `watchClose`: how many objects were visible only through that watch. */
export class Closed extends Answer {
  get dropped(): i64 { return this.body.get("dropped").integer(); }
}

/** Closes a watch. */
export function watchClose(id: string): Closed {
  const body = written(Json.object().setText("id", id));
  return changed<Closed>(new Closed(), answered(host_watch_close(body.dataStart, body.length)));
}

/** Adds a key to the queue of this module, after a delay. */
export function enqueue(key: Key, afterMs: i64): Refusal | null {
  const body = written(Json.object().set("key", key.json()).set("afterMs", Json.integer(afterMs)));
  return answered(host_enqueue(body.dataStart, body.length)).refusal;
}

/** A note for people about an object. The host joins equal ones. `type` is "Normal" or "Warning". */
export class Event {
  type: string = "Normal";
  uid: string = "";
  action: string = "";

  constructor(
    public apiVersion: string, public kind: string, public namespace: string, public name: string,
    public reason: string, public note: string,
  ) {}
}

/** Records an event. Losing one is fine. */
export function emit(event: Event): Refusal | null {
  const regarding = about(event.apiVersion, event.kind, event.namespace).setText("name", event.name);
  regarding.setTextIfAny("uid", event.uid);
  const value = Json.object().set("regarding", regarding).setText("type", event.type);
  value.setText("reason", event.reason).setText("note", event.note);
  value.setTextIfAny("action", event.action);
  const body = written(value);
  return answered(host_event(body.dataStart, body.length)).refusal;
}

/** Changes a metric of this module: `op` is "inc", "set" or "observe"; `labels` an object of texts. */
export function metric(name: string, op: string, value: f64, labels: Json = Json.none()): Refusal | null {
  const request = Json.object().setText("name", name).setText("op", op).set("value", Json.number(value));
  if (!labels.isNull()) request.set("labels", labels);
  const body = written(request);
  return answered(host_metric(body.dataStart, body.length)).refusal;
}

/** Asks an extension of the host that the module was granted. */
export function ext(name: string, op: string, args: Json): Answer {
  const body = written(Json.object().setText("ext", name).setText("op", op).set("args", args));
  return answered(host_ext(body.dataStart, body.length));
}

/** Levels of the log. */
export const enum Level { Debug, Info, Warning, Problem }

/** Writes a line to edged's log. The host limits how many. */
export function log(level: Level, text: string): void {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  host_log(level, bytes.dataStart, bytes.length);
}

/** The wall clock, in milliseconds since 1970. */
export function nowMs(): i64 { return host_now_ms(); }

/** A clock that never goes back, in milliseconds. */
export function monoMs(): i64 { return host_mono_ms(); }

/** Fills a buffer of 64 KiB at most; the code, 0 for success. */
export function random(buffer: Uint8Array): i32 { return host_random(buffer.dataStart, buffer.length); }

function about(apiVersion: string, kind: string, namespace: string): Json {
  const value = Json.object().setText("apiVersion", apiVersion).setText("kind", kind);
  value.setTextIfAny("namespace", namespace);
  return value;
}

function changed<Kind extends Answer>(into: Kind, answer: Answer): Kind {
  into.refusal = answer.refusal;
  into.body = answer.body;
  return into;
}
