// Keeps a ConfigMap named greeting in each Namespace that is labelled greet=yes, as README.md says.

import {
  Code, Controller, GetRequest, Json, Level, Manifest, Request, Result, Setup, Watch, WriteRequest, get, log, mapOwner,
  register, write,
} from "./sdk";
export * from "./sdk/exports";

class Greeter extends Controller {
  text: string = "Hello";

  /** Says what the module watches, and which keys a change means: a Namespace its own, a ConfigMap that of its owner. */
  setup(input: Setup): Manifest | null {
    const text = input.config.get("text").string();
    if (text.length) this.text = text;
    const namespaces = new Watch("namespaces", "v1", "Namespace");
    namespaces.labelSelector = "greet=yes";
    namespaces.mode = "metadata";
    const greetings = new Watch("greetings", "v1", "ConfigMap");
    greetings.fieldSelector = "metadata.name=greeting";
    greetings.map = [mapOwner("Namespace")];
    const manifest = new Manifest();
    manifest.forApiVersion = "v1";
    manifest.forKind = "Namespace";
    manifest.watches = [namespaces, greetings];
    return manifest;
  }

  /** Compares what is with what should be, and writes the difference. A failure is tried again, later and later. */
  reconcile(request: Request): Result {
    if (request.object.isNull()) return new Result(); // its ConfigMap goes with it
    const namespace = request.key.name;
    const found = get(new GetRequest("v1", "ConfigMap", namespace, "greeting"));
    const refusal = found.refusal;
    if (refusal) {
      return refusal.code == Code.NotFound ? this.create(namespace, request.object) : Result.of(refusal);
    }
    if (found.object.at("data", "text").string() == this.text) return new Result();
    const change = new WriteRequest("patch", "v1", "ConfigMap", namespace, "greeting");
    change.patchType = "merge";
    change.patch = Json.object().set("data", this.data());
    change.resourceVersion = found.rv;
    return Result.of(write(change).refusal);
  }

  private create(namespace: string, owner: Json): Result {
    log(Level.Info, "greeting " + namespace);
    const wanted = new WriteRequest("create", "v1", "ConfigMap", namespace, "greeting");
    wanted.object = Json.object().setText("apiVersion", "v1").setText("kind", "ConfigMap")
      .set("metadata", Json.object().setText("namespace", namespace).setText("name", "greeting"))
      .set("data", this.data());
    wanted.ownedBy = Json.object().setText("apiVersion", "v1").setText("kind", "Namespace").setText("name", namespace)
      .set("uid", owner.at("metadata", "uid"));
    return Result.of(write(wanted).refusal);
  }

  private data(): Json { return Json.object().setText("text", this.text); }
}

register(new Greeter());
