// Keys, and what a module declares at set-up.

import { Json } from "./json";

/** Names an entry of the module's queue, mostly an object. */
export class Key {
  constructor(public kind: string, public namespace: string, public name: string) {}

  static read(value: Json): Key {
    return new Key(value.get("kind").string(), value.get("namespace").string(), value.get("name").string());
  }

  json(): Json {
    return Json.object().setText("kind", this.kind).setText("namespace", this.namespace).setText("name", this.name);
  }
}

/** The answer of Controller.setup. */
export class Manifest {
  /** The kind whose objects are the keys of this module. */
  forApiVersion: string = "";
  forKind: string = "";
  watches: Array<Watch> = [];
  /** What Controller.admit is asked about. */
  admits: Array<Admits> = [];
  /** The number of instances that share the keys; 0 means 1. */
  concurrency: i32 = 0;
  /** The delay of a failing key: base times two for each failure, at most the longest. 0: the host's. */
  baseBackoffMs: i64 = 0;
  longestBackoffMs: i64 = 0;
  /** Asks for Controller.snapshot before an idle drop. */
  snapshot: bool = false;
  /** Allows updates without a resourceVersion. */
  unconditionalUpdates: bool = false;

  json(): Json {
    const value = Json.object();
    if (this.forKind.length) {
      value.set("for", Json.object().setText("apiVersion", this.forApiVersion).setText("kind", this.forKind));
    }
    const watches = Json.list(), admits = Json.list(), backoff = Json.object();
    for (let index = 0; index < this.watches.length; index++) watches.push(this.watches[index].json());
    for (let index = 0; index < this.admits.length; index++) admits.push(this.admits[index].json());
    if (watches.items.length) value.set("watches", watches);
    if (admits.items.length) value.set("admits", admits);
    if (this.concurrency) value.set("concurrency", Json.integer(this.concurrency));
    if (this.baseBackoffMs) backoff.set("baseMs", Json.integer(this.baseBackoffMs));
    if (this.longestBackoffMs) backoff.set("maxMs", Json.integer(this.longestBackoffMs));
    if (backoff.items.length) value.set("backoff", backoff);
    if (this.snapshot) value.set("snapshot", Json.bool(true));
    if (this.unconditionalUpdates) value.set("unconditionalUpdates", Json.bool(true));
    return value;
  }
}

/** One rule of what a module admits. */
export class Admits {
  failurePolicy: string = "";

  constructor(public apiVersion: string, public kind: string, public operations: Array<string>) {}

  json(): Json {
    const value = Json.object().set("operations", Json.texts(this.operations));
    value.setText("apiVersion", this.apiVersion).setText("kind", this.kind);
    value.setTextIfAny("failurePolicy", this.failurePolicy);
    return value;
  }
}

/** Declares a watch: which objects, which keys their changes yield, and how they are cached. */
export class Watch {
  /** "" for all. */
  namespace: string = "";
  labelSelector: string = "";
  fieldSelector: string = "";
  /** The keys of a change; none: the object itself. */
  map: Array<Json> = [];
  /** Subtrees (JSON pointers): only their changes count as an update. None: all do. */
  on: Array<string> = [];
  /** Conditions: objects that do not meet them yield no keys. */
  where: Array<Json> = [];
  /** What `list` looks up by an index: JSON pointers whose values are joined with "/", or BY_OWNER. */
  indexes: Map<string, Array<string>> = new Map();
  /** "metadata" caches metadata only; "" means "full". */
  mode: string = "";
  /** Prunes cached objects to these subtrees. */
  keep: Array<string> = [];
  /** "client" evaluates a selector locally that the API server refuses; "" means "fail". */
  selectorFallback: string = "";
  /** "silent" leaves out what "" and "enqueue" do: keys that only this watch showed are enqueued when it closes. */
  onClose: string = "";

  constructor(public id: string, public apiVersion: string, public kind: string) {}

  static read(value: Json): Watch {
    const watch = new Watch(value.get("id").string(), value.get("apiVersion").string(), value.get("kind").string());
    watch.namespace = value.get("namespace").string();
    watch.labelSelector = value.get("labelSelector").string();
    watch.fieldSelector = value.get("fieldSelector").string();
    return watch;
  }

  json(): Json {
    const value = Json.object().setText("id", this.id).setText("apiVersion", this.apiVersion).setText("kind", this.kind);
    value.setTextIfAny("namespace", this.namespace);
    value.setTextIfAny("labelSelector", this.labelSelector);
    value.setTextIfAny("fieldSelector", this.fieldSelector);
    setIfAny(value, "map", this.map);
    value.setTextsIfAny("on", this.on);
    setIfAny(value, "where", this.where);
    this.setIndexes(value);
    value.setTextIfAny("mode", this.mode);
    value.setTextsIfAny("keep", this.keep);
    value.setTextIfAny("selectorFallback", this.selectorFallback);
    value.setTextIfAny("onClose", this.onClose);
    return value;
  }

  private setIndexes(value: Json): void {
    const names = this.indexes.keys(), indexes = Json.object();
    for (let index = 0; index < names.length; index++) {
      const by = this.indexes.get(names[index]);
      indexes.set(names[index], by.length == 1 && by[0] == "owner" ? Json.of("owner") : Json.texts(by));
    }
    if (names.length) value.set("indexes", indexes);
  }
}

function setIfAny(value: Json, name: string, items: Array<Json>): void {
  if (!items.length) return;
  const list = Json.list();
  list.items = items;
  value.set(name, list);
}

/** An index by UID and name of the controller owner. */
export const BY_OWNER: Array<string> = ["owner"];

/** The object itself. */
export function mapSelf(): Json { return Json.object().setText("by", "self"); }

/** The object's controller owner of that kind. */
export function mapOwner(kind: string): Json { return Json.object().setText("by", "owner").setText("kind", kind); }

/** The object of that kind whose name is at a JSON pointer, in the same namespace. */
export function mapPath(kind: string, pointer: string): Json {
  return Json.object().setText("by", "path").setText("kind", kind).setText("pointer", pointer);
}

/** Every object of another watch whose index has this object's namespace/name. */
export function mapIndex(watch: string, index: string): Json {
  return Json.object().setText("by", "index").setText("watch", watch).setText("index", index);
}

/** What Controller.map says. */
export function mapGuest(): Json { return Json.object().setText("by", "guest"); }

/** A condition: what is at the pointer equals the value. */
export function whereEquals(pointer: string, value: Json): Json {
  return Json.object().setText("pointer", pointer).set("eq", value);
}

/** A condition: there is, or is not, something at the pointer. */
export function whereExists(pointer: string, exists: bool): Json {
  return Json.object().setText("pointer", pointer).set("exists", Json.bool(exists));
}
