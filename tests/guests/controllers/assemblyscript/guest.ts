// The conformance guest in AssemblyScript. What it does is written in tests/controllers/conformance/README.md.

import {
  Admission, AdmissionRequest, Admits, BY_OWNER, Change, Code, Controller, Event, GetRequest, Got, Json, Key, Level,
  ListRequest, Manifest, Refusal, Request, Result, Setup, Watch, WriteRequest, Written, emit, enqueue, ext, get, list, log,
  mapGuest, mapIndex, mapOwner, mapPath, mapSelf, metric, monoMs, nowMs, random, register, watchClose, watchOpen,
  whereEquals, write,
} from "../../../../sdk/assemblyscript";

export * from "../../../../sdk/assemblyscript/exports";

class Conformance extends Controller {
  count: i64 = 0;

  setup(input: Setup): Manifest | null {
    if (!input.config.get("limit").isNumber()) {
      log(Level.Problem, "config.limit is missing");
      return null;
    }
    log(Level.Info, "setup " + input.module + " " + input.node + " " + input.reason + " " + input.generation.toString() +
      " " + input.config.get("greeting").string() + " " + input.openWatches.length.toString());
    return manifest();
  }

  reconcile(request: Request): Result {
    const key = request.key, name = key.name;
    if (name == "get") return noteText(key, "Read", settings(key, false, ""));
    if (name == "get-live") return noteText(key, "Read", settings(key, true, "configs"));
    if (name == "mirror") {
      const got = settings(key, false, "");
      return got.refusal ? Result.of(got.refusal) : mirror(key, textOf(got.object));
    }
    if (name == "mirror-own") return mirror(key, textOf(request.object));
    if (name == "echo") return note(key, "Echo", textOf(request.object));
    if (name == "list") return countAll(webPages(key));
    if (name == "list-index") return countAll(byText());
    if (name == "watch") return watch(key);
    if (name == "unwatch") return unwatch();
    if (name == "enqueue") return Result.of(enqueue(new Key("ConfigMap", key.namespace, "later"), 1500));
    if (name == "ext") return extension(key);
    if (name == "clock") return clock();
    if (name == "log") return lines();
    if (name == "requeue") return Result.after(2500);
    if (name == "fail") return Result.failed("as asked");
    if (name == "terminal") return Result.failed("as asked", true);
    if (name == "trap") throw new Error("as asked");
    if (name == "gone") log(Level.Info, request.gone() ? "gone" : "there");
    if (name == "count") return Result.of(metric("counted", "inc", <f64>++this.count));
    return writeOne(request);
  }

  map(change: Change): Array<Key> {
    const keys = new Array<Key>(), namespace = change.object.at("metadata", "namespace").string();
    const old = change.old.at("data", "target").string(), now = change.object.at("data", "target").string();
    if (old.length && old != now) keys.push(new Key("ConfigMap", namespace, old));
    if (now.length) keys.push(new Key("ConfigMap", namespace, now));
    return keys;
  }

  admit(request: AdmissionRequest): Admission | null {
    const text = textOf(request.object);
    if (!text.length) return Admission.refuse(422, "text is missing");
    const admission = new Admission(true);
    if (text == "plain") return admission;
    const add = Json.object().setText("op", "add").setText("path", "/metadata/labels");
    admission.patch.push(add.set("value", Json.object().setText("seen", "yes")));
    admission.warnings.push("labelled on " + request.operation);
    return admission;
  }

  snapshot(): Json { return Json.object().set("count", Json.integer(this.count)); }

  restore(snapshot: Json): bool {
    this.count = snapshot.get("count").integer(-1);
    return this.count >= 0;
  }

  stop(): void { log(Level.Info, "stopped"); }
}

register(new Conformance());

function manifest(): Manifest {
  const configs = new Watch("configs", "v1", "ConfigMap"), nodes = new Watch("nodes", "v1", "Node");
  configs.map = [mapSelf()];
  configs.on = ["/data"];
  configs.indexes.set("by-text", ["/data/text"]);
  configs.indexes.set("by-owner", BY_OWNER);
  nodes.labelSelector = "edge=yes";
  nodes.map = [mapGuest()];
  nodes.mode = "metadata";
  const manifest = new Manifest(), admits = new Admits("v1", "ConfigMap", ["CREATE", "UPDATE"]);
  admits.failurePolicy = "Ignore";
  manifest.forApiVersion = "v1";
  manifest.forKind = "ConfigMap";
  manifest.watches = [configs, nodes];
  manifest.admits = [admits];
  manifest.baseBackoffMs = 10;
  manifest.longestBackoffMs = 60000;
  manifest.snapshot = true;
  return manifest;
}

function textOf(object: Json): string { return object.at("data", "text").string(); }

function note(key: Key, reason: string, text: string): Result {
  return Result.of(emit(new Event("v1", "ConfigMap", key.namespace, key.name, reason, text)));
}

function settings(key: Key, live: bool, watch: string): Got {
  const request = new GetRequest("v1", "ConfigMap", key.namespace, "settings");
  request.live = live;
  request.watch = watch;
  return get(request);
}

function noteText(key: Key, reason: string, got: Got): Result {
  return got.refusal ? Result.of(got.refusal) : note(key, reason, textOf(got.object));
}

function mirror(key: Key, text: string): Result {
  const request = new WriteRequest("patch", "v1", "ConfigMap", key.namespace, key.name);
  request.patchType = "merge";
  request.patch = Json.object().set("data", Json.object().setText("text", text));
  return Result.of(write(request).refusal);
}

function webPages(key: Key): ListRequest {
  const request = new ListRequest("v1", "ConfigMap");
  request.namespace = key.namespace;
  request.labelSelector = "app=web";
  request.fields = ["/metadata/name"];
  request.limit = 2;
  return request;
}

function byText(): ListRequest {
  const request = new ListRequest("v1", "ConfigMap");
  request.watch = "configs";
  request.indexName = "by-text";
  request.indexValue = "Grüße, 世界";
  return request;
}

function countAll(request: ListRequest): Result {
  let found = 0;
  do {
    const listed = list(request);
    if (listed.refusal) return Result.of(listed.refusal);
    found += listed.items.length;
    request.continue_ = listed.continue_;
  } while (request.continue_.length);
  return Result.of(metric("listed", "set", found, Json.object().setText("kind", "ConfigMap")));
}

function watch(key: Key): Result {
  const watch = new Watch("vni-42", "v1", "ConfigMap");
  watch.namespace = key.namespace;
  watch.labelSelector = "app=web";
  watch.fieldSelector = "metadata.name!=x";
  watch.map = [mapOwner("ConfigMap"), mapPath("ConfigMap", "/data/target"), mapIndex("configs", "by-text")];
  watch.on = ["/data", "/metadata/labels"];
  watch.where = [whereEquals("/data/ready", Json.bool(true))];
  watch.indexes.set("vni", ["/data/vni", "/metadata/name"]);
  watch.keep = ["/metadata", "/data"];
  watch.selectorFallback = "client";
  watch.onClose = "silent";
  const opened = watchOpen(watch);
  if (opened.refusal) return Result.of(opened.refusal);
  return opened.synced ? new Result() : Result.onSync();
}

function unwatch(): Result {
  const closed = watchClose("vni-42");
  return closed.refusal ? Result.of(closed.refusal) : Result.of(metric("dropped", "set", <f64>closed.dropped));
}

function extension(key: Key): Result {
  const answer = ext("netfabric", "list", Json.object().set("vni", Json.integer(42)));
  return answer.refusal ? Result.of(answer.refusal) : note(key, "Ext", answer.body.get("text").string());
}

function clock(): Result {
  const now = nowMs(), mono = monoMs(), bytes = new Uint8Array(4);
  random(bytes);
  let line = now.toString() + " " + mono.toString() + " ";
  for (let index = 0; index < 4; index++) line += bytes[index].toString(16).padStart(2, "0");
  log(Level.Info, line);
  return new Result();
}

function lines(): Result {
  log(Level.Debug, "debug ä");
  log(Level.Info, "info ö");
  log(Level.Warning, "warning ü");
  log(Level.Problem, "error ß");
  return new Result();
}

function object(namespace: string, name: string, field: string, value: Json): Json {
  const metadata = Json.object().setText("namespace", namespace).setText("name", name);
  const object = Json.object().setText("apiVersion", "v1").setText("kind", "ConfigMap").set("metadata", metadata);
  return object.set(field, value);
}

function text(value: string): Json { return Json.object().setText("text", value); }

function writeOne(request: Request): Result {
  const name = request.key.name;
  if (name == "create") return create(request);
  if (name == "update") return update(request);
  if (name == "patch-merge") return patchMerge(request.key);
  if (name == "patch-json") return patchJson(request.key);
  if (name == "apply") return apply(request.key);
  return name == "delete" ? remove(request) : new Result();
}

function asked(verb: string, key: Key, name: string): WriteRequest {
  return new WriteRequest(verb, "v1", "ConfigMap", key.namespace, name);
}

function create(request: Request): Result {
  const key = request.key, asking = asked("create", key, "copy");
  asking.object = object(key.namespace, "copy", "data", text('Grüße, 世界 🚀 "quoted" \\ back'));
  asking.onExists = "return";
  const owner = Json.object().setText("apiVersion", "v1").setText("kind", "ConfigMap").setText("name", key.name);
  asking.ownedBy = owner.set("uid", request.object.at("metadata", "uid"));
  const created = write(asking), refusal = created.refusal;
  if (!refusal) return note(key, "Created", created.uid);
  if (refusal.code != Code.AlreadyExists) return Result.of(refusal);
  return note(key, "Exists", refusal.current.at("metadata", "uid").string());
}

function update(request: Request): Result {
  const key = request.key, asking = asked("update", key, key.name), metadata = request.object.get("metadata");
  asking.subresource = "status";
  asking.object = object(key.namespace, key.name, "status", Json.object().setText("phase", "Ready"));
  asking.uid = metadata.get("uid").string();
  asking.resourceVersion = metadata.get("resourceVersion").string();
  const updated = write(asking);
  return updated.refusal ? Result.of(updated.refusal) : note(key, "Updated", updated.rv);
}

function patchMerge(key: Key): Result {
  const asking = asked("patch", key, key.name);
  const annotations = Json.object().setText("seen", "yes").set("old", Json.none());
  asking.patchType = "merge";
  asking.patch = Json.object().set("metadata", Json.object().set("annotations", annotations));
  asking.settle = false;
  return Result.of(write(asking).refusal);
}

function patchJson(key: Key): Result {
  const asking = asked("patch", key, key.name);
  const test = Json.object().setText("op", "test").setText("path", "/data/text").setText("value", "here");
  asking.patchType = "json";
  asking.patch = Json.list().push(test).push(Json.object().setText("op", "remove").setText("path", "/data/text"));
  asking.dryRun = true;
  return Result.of(write(asking).refusal);
}

function apply(key: Key): Result {
  const asking = asked("apply", key, "applied");
  asking.object = object(key.namespace, "applied", "data", text("applied"));
  asking.force = true;
  const refusal = write(asking).refusal;
  const conflicts = refusal != null && refusal.code == Code.Conflict;
  return conflicts ? note(key, "Conflict", refusal!.fields.items[0].string()) : Result.of(refusal);
}

function remove(request: Request): Result {
  const asking = asked("delete", request.key, request.key.name);
  asking.uid = request.object.at("metadata", "uid").string();
  asking.propagation = "Background";
  const refusal = write(asking).refusal;
  return refusal != null && refusal.code == Code.NotFound ? new Result() : Result.of(refusal);
}
