/* Fills in the cpu, memory and ephemeral-storage requests and limits that containers leave out.
 *
 * Settings (at least one of the first two; unknown keys are errors):
 *   requests: {resource: quantity}   e.g. {"cpu": "50m", "memory": "64Mi"}
 *   limits:   {resource: quantity}
 *   exempt_namespaces: [string]      Pods there stay as they are
 *
 * Never overrides what a container says, and never makes a Pod that the API server would refuse: a default request
 * above the container's own limit becomes that limit, a default limit below its own request becomes that request.
 * Changes Pods only when they are created (afterwards only a resize may change them), templates of Pods always. A Pod
 * that has resources as a whole (spec.resources) is left alone. All else of the object is handed back as it came. */
#include "quantity.h"
#include "wapc.h"

static const slice RESOURCES[] = {SLICE("cpu"), SLICE("memory"), SLICE("ephemeral-storage")};
enum { RESOURCE_COUNT = sizeof RESOURCES / sizeof RESOURCES[0] };

/* The text of a quantity: quantities may be JSON numbers as well as strings. */
static slice quantity_text(const json *value) { return value->kind == JSON_NUMBER ? value->raw : json_text(value); }

static bool parse(const json *value, nanos *amount) { return value && quantity_parse(quantity_text(value), amount); }

/* ---- settings ---- */

static bool known_resource(const json *member) {
    for (int i = 0; i < RESOURCE_COUNT; i++)
        if (slice_equal((slice){member->key.at + 1, member->key.length - 2}, RESOURCES[i])) return true;
    return false;
}

static const char *list_problem(const json *defaults) {
    if (!defaults) return NULL;
    if (defaults->kind != JSON_OBJECT) return "requests and limits must be objects of resource and quantity";
    for (const json *member = defaults->first; member; member = member->next) {
        nanos amount;
        if (!known_resource(member)) return "requests and limits know cpu, memory and ephemeral-storage only";
        if (!parse(member, &amount) || amount <= 0)
            return "requests and limits must hold quantities above zero, such as \"100m\" or \"64Mi\"";
    }
    return NULL;
}

static const char *order_problem(const json *requests, const json *limits) {
    for (int i = 0; i < RESOURCE_COUNT; i++) {
        nanos request, limit;
        if (parse(json_get(requests, RESOURCES[i]), &request) && parse(json_get(limits, RESOURCES[i]), &limit) &&
            request > limit)
            return "a default request exceeds the default limit of the same resource";
    }
    return NULL;
}

static const char *namespaces_problem(const json *namespaces) {
    if (!namespaces) return NULL;
    if (namespaces->kind != JSON_ARRAY) return "exempt_namespaces must be a list of names";
    for (const json *name = namespaces->first; name; name = name->next)
        if (json_text(name).length == 0) return "exempt_namespaces must hold non-empty strings only";
    return NULL;
}

static bool known_setting(const json *member) {
    slice key = {member->key.at + 1, member->key.length - 2};
    return slice_equal(key, SLICE("requests")) || slice_equal(key, SLICE("limits")) ||
           slice_equal(key, SLICE("exempt_namespaces"));
}

static const char *settings_problem(const json *settings) {
    if (!settings || settings->kind != JSON_OBJECT) return "settings must be an object with requests, limits or both";
    for (const json *member = settings->first; member; member = member->next)
        if (!known_setting(member)) return "unknown setting; known: requests, limits, exempt_namespaces";
    const json *requests = json_get(settings, SLICE("requests")), *limits = json_get(settings, SLICE("limits"));
    if (!requests && !limits) return "settings must have requests, limits or both";
    const char *problem = list_problem(requests);
    if (!problem) problem = list_problem(limits);
    if (!problem) problem = order_problem(requests, limits);
    if (!problem) problem = namespaces_problem(json_get(settings, SLICE("exempt_namespaces")));
    return problem;
}

void policy_validate_settings(json *settings) { answer_settings(settings_problem(settings)); }

/* ---- filling in ---- */

/* The object member `key` of `object`, made when it is absent or null. */
static json *object_at(json *object, slice key) {
    json *found = json_get(object, key);
    if (found) return found;
    json *made = json_object();
    json_remove(object, key); /* a null would stand beside it */
    json_set(object, key, made);
    return made;
}

/* The default, or what the container says on the other side when the default would contradict it.
 * `sign` is 1 when the default must not exceed `other` (a request and its limit), -1 when it must not be below. */
static slice reconciled(const json *fallback, const json *other, int sign) {
    nanos wanted, bound;
    if (parse(fallback, &wanted) && parse(other, &bound) && sign * wanted > sign * bound) return quantity_text(other);
    return quantity_text(fallback);
}

static bool fill(json *container, slice key, slice opposite, const json *defaults, int sign) {
    bool changed = false;
    for (int i = 0; i < RESOURCE_COUNT; i++) {
        const json *fallback = json_get(defaults, RESOURCES[i]);
        json *resources = json_get(container, SLICE("resources"));
        if (!fallback || json_get(json_get(resources, key), RESOURCES[i])) continue;
        const json *other = json_get(json_get(resources, opposite), RESOURCES[i]);
        json *target = object_at(object_at(container, SLICE("resources")), key);
        json_remove(target, RESOURCES[i]);
        json_set(target, RESOURCES[i], json_string(reconciled(fallback, other, sign)));
        changed = true;
    }
    return changed;
}

static bool fill_containers(json *spec, slice list, const json *settings) {
    json *containers = json_get(spec, list);
    bool changed = false;
    if (!containers || containers->kind != JSON_ARRAY) return false;
    for (json *container = containers->first; container; container = container->next) {
        if (container->kind != JSON_OBJECT) continue;
        const json *requests = json_get(settings, SLICE("requests")), *limits = json_get(settings, SLICE("limits"));
        /* Limits first: with both defaults missing from a container, its request is held against the new limit. */
        if (fill(container, SLICE("limits"), SLICE("requests"), limits, -1)) changed = true;
        if (fill(container, SLICE("requests"), SLICE("limits"), requests, 1)) changed = true;
    }
    return changed;
}

/* ---- the request ---- */

static json *template_spec(json *holder) {
    return json_get(json_get(json_get(holder, SLICE("spec")), SLICE("template")), SLICE("spec"));
}

/* The Pod spec to change, or NULL when this object is to stay as it is. */
static json *spec_to_fill(json *request, json *object) {
    json *kind = json_get(object, SLICE("kind"));
    if (json_is(kind, SLICE("Pod")))
        return json_is(json_get(request, SLICE("operation")), SLICE("CREATE")) ? json_get(object, SLICE("spec")) : NULL;
    if (json_is(kind, SLICE("PodTemplate"))) return json_get(json_get(object, SLICE("template")), SLICE("spec"));
    if (json_is(kind, SLICE("CronJob")))
        return template_spec(json_get(json_get(object, SLICE("spec")), SLICE("jobTemplate")));
    return template_spec(object);
}

static bool exempt(const json *request, const json *settings) {
    slice name = json_text(json_get(request, SLICE("namespace")));
    const json *names = json_get(settings, SLICE("exempt_namespaces"));
    for (const json *each = names ? names->first : NULL; each; each = each->next)
        if (name.length && json_is(each, name)) return true;
    return false;
}

void policy_validate(json *request, json *settings) {
    const char *problem = settings_problem(settings);
    if (problem) {
        answer_error(SLICE("the settings are not valid"));
        return;
    }
    json *object = json_get(request, SLICE("object"));
    json *spec = object && !exempt(request, settings) ? spec_to_fill(request, object) : NULL;
    if (!spec || json_get(spec, SLICE("resources"))) {
        answer_accept();
        return;
    }
    bool init = fill_containers(spec, SLICE("initContainers"), settings);
    bool main = fill_containers(spec, SLICE("containers"), settings);
    if (init || main) answer_mutated(object);
    else answer_accept();
}
