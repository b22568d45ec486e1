// Deletes finished Jobs and evicted Pods when they are old enough, and sooner while their node's disk is nearly full.
//
// A Job that somebody else cleans up is left alone: one with spec.ttlSecondsAfterFinished, and one with a controller
// (a CronJob keeps a history). So is a Pod of a Job, and whatever has the annotation edged.dev/keep=true. README.md
// describes the configuration.

import {
  Change, Code, Controller, GetRequest, Json, Key, Level, ListRequest, Manifest, Request, Result, Setup, Watch,
  WriteRequest, get, list, log, mapGuest, mapSelf, metric, nowMs, register, write,
} from "../../../sdk/assemblyscript";
import { milliseconds } from "./time";

export * from "../../../sdk/assemblyscript/exports";

const KEEP = "edged.dev/keep";

class Cleanup extends Controller {
  jobAgeS: i64 = 86400;
  podAgeS: i64 = 3600;
  pressureAgeS: i64 = 60;

  setup(input: Setup): Manifest | null {
    const config = input.config, names = config.names;
    for (let index = 0; index < names.length; index++) {
      const value = config.items[index], seconds = value.integer(-1);
      if (seconds < 0) return refused(names[index] + " must be a number of seconds");
      if (names[index] == "job_age_s") this.jobAgeS = seconds;
      else if (names[index] == "pod_age_s") this.podAgeS = seconds;
      else if (names[index] == "pressure_age_s") this.pressureAgeS = seconds;
      else return refused("unknown key " + names[index] + "; known: job_age_s, pod_age_s, pressure_age_s");
    }
    return manifest();
  }

  /** A node whose disk filled up concerns the Pods that ended there, and their Jobs. */
  map(change: Change): Array<Key> {
    const keys = new Array<Key>();
    if (!hasPressure(change.object) || hasPressure(change.old)) return keys;
    const pods = podsBy("node", change.object.at("metadata", "name").string());
    for (let index = 0; index < pods.length; index++) {
      const metadata = pods[index].get("metadata"), namespace = metadata.get("namespace").string();
      const owner = controllerOf(metadata);
      if (owner.get("kind").string() == "Job") keys.push(new Key("Job", namespace, owner.get("name").string()));
      else keys.push(new Key("Pod", namespace, metadata.get("name").string()));
    }
    return keys;
  }

  reconcile(request: Request): Result {
    const object = request.object;
    if (request.gone() || !object.at("metadata", "deletionTimestamp").isNull()) return new Result();
    if (object.at("metadata", "annotations", KEEP).string() == "true") return new Result();
    return request.key.kind == "Job" ? this.job(request.key, object) : this.pod(request.key, object);
  }

  job(key: Key, job: Json): Result {
    const ended = endOfJob(job);
    const isOthers = !job.at("spec", "ttlSecondsAfterFinished").isNull() || controllerOf(job.get("metadata")).isObject();
    if (ended < 0 || isOthers) return new Result();
    const pods = podsBy("owner", job.at("metadata", "uid").string());
    let pressed = false;
    for (let index = 0; index < pods.length && !pressed; index++) {
      pressed = isPressed(pods[index].at("spec", "nodeName").string());
    }
    return this.settle("batch/v1", key, job, ended, pressed ? min(this.pressureAgeS, this.jobAgeS) : this.jobAgeS);
  }

  pod(key: Key, pod: Json): Result {
    const isOthers = controllerOf(pod.get("metadata")).get("kind").string() == "Job";
    if (pod.at("status", "reason").string() != "Evicted" || isOthers) return new Result();
    const pressed = isPressed(pod.at("spec", "nodeName").string());
    return this.settle("v1", key, pod, endOfPod(pod), pressed ? min(this.pressureAgeS, this.podAgeS) : this.podAgeS);
  }

  /** Deletes what is due, and comes back for the rest when it is. */
  settle(apiVersion: string, key: Key, object: Json, ended: i64, ageS: i64): Result {
    const left = ended + ageS * 1000 - nowMs();
    if (left > 0) return Result.after(left);
    const asking = new WriteRequest("delete", apiVersion, key.kind, key.namespace, key.name);
    asking.uid = object.at("metadata", "uid").string();
    asking.resourceVersion = object.at("metadata", "resourceVersion").string();
    asking.propagation = "Background";
    const refusal = write(asking).refusal;
    if (refusal) return refusal.code == Code.NotFound ? new Result() : Result.of(refusal);
    return Result.of(metric("deleted", "inc", 1, Json.object().setText("kind", key.kind)));
  }
}

register(new Cleanup());

function refused(problem: string): Manifest | null {
  log(Level.Problem, "config: " + problem);
  return null;
}

function manifest(): Manifest {
  const jobs = new Watch("jobs", "batch/v1", "Job"), pods = new Watch("pods", "v1", "Pod"), nodes = new Watch("nodes", "v1", "Node");
  jobs.map = [mapSelf()];
  jobs.keep = ["/metadata", "/spec/ttlSecondsAfterFinished", "/status/conditions"];
  pods.map = [mapSelf()];
  pods.fieldSelector = "status.phase!=Pending,status.phase!=Running";
  pods.indexes.set("owner", ["owner"]);
  pods.indexes.set("node", ["/spec/nodeName"]);
  pods.keep = ["/metadata", "/spec/nodeName", "/status/reason", "/status/conditions"];
  nodes.map = [mapGuest()];
  nodes.on = ["/status/conditions"];
  nodes.keep = ["/metadata/name", "/status/conditions"];
  const manifest = new Manifest();
  manifest.watches = [jobs, pods, nodes];
  return manifest;
}

function podsBy(index: string, value: string): Array<Json> {
  const request = new ListRequest("v1", "Pod");
  request.watch = "pods";
  request.indexName = index;
  request.indexValue = value;
  request.fields = ["/metadata/namespace", "/metadata/name", "/metadata/ownerReferences", "/spec/nodeName"];
  return list(request).items; // none where the watch is not synced: each Pod is a key of its own then
}

function controllerOf(metadata: Json): Json {
  const owners = metadata.get("ownerReferences").items;
  for (let index = 0; index < owners.length; index++) {
    if (owners[index].get("controller").isTrue()) return owners[index];
  }
  return Json.none();
}

function isPressed(node: string): bool {
  return node.length > 0 && hasPressure(get(new GetRequest("v1", "Node", "", node)).object);
}

function hasPressure(node: Json): bool { return condition(node, "DiskPressure").get("status").string() == "True"; }

function condition(object: Json, type: string): Json {
  const conditions = object.at("status", "conditions").items;
  for (let index = 0; index < conditions.length; index++) {
    if (conditions[index].get("type").string() == type) return conditions[index];
  }
  return Json.none();
}

/** Milliseconds since 1970; -1 while the Job runs. */
function endOfJob(job: Json): i64 {
  const complete = condition(job, "Complete"), failed = condition(job, "Failed");
  const ended = complete.get("status").string() == "True" ? complete : failed;
  return ended.get("status").string() == "True" ? milliseconds(ended.get("lastTransitionTime").string()) : -1;
}

/** The last change of a condition: an evicted Pod has no time of its end. Without any it is the Pod's creation. */
function endOfPod(pod: Json): i64 {
  const conditions = pod.at("status", "conditions").items;
  let last = milliseconds(pod.at("metadata", "creationTimestamp").string());
  for (let index = 0; index < conditions.length; index++) {
    last = max(last, milliseconds(conditions[index].get("lastTransitionTime").string()));
  }
  return last;
}
