/* Holds the number of Pods of a namespace against a limit that the namespace itself carries as an annotation.
 *
 * Settings (all optional; unknown keys are errors):
 *   annotation: string        the annotation of the Namespace; default "edged.dev/pod-limit"
 *   mode: "warn" | "deny"     what happens to a Pod beyond the limit; default "warn"
 *   warn_at_percent: 1..100   from which share of the limit on a Pod within it gets a warning; default 100: none
 *
 * Asks the cluster: get_resource for the Namespace, and, where that has the annotation, list_resources_by_namespace
 * for its Pods. Pods that have ended do not count. Lists come from a watch and may be a moment old, and Pods that
 * are admitted at the same time do not see each other: this is a hint with a message, a ResourceQuota is exact. */
#include "wapc.h"

enum { DEFAULT_WARN_PERCENT = 100, HIGHEST_LIMIT = 1000000 };

/* ---- small readers ---- */

/* -1 when `written` is no whole number up to HIGHEST_LIMIT. */
static long whole_number(slice written) {
    long value = 0;
    if (written.length == 0 || written.length > 7) return -1;
    for (size_t i = 0; i < written.length; i++) {
        if (written.at[i] < '0' || written.at[i] > '9') return -1;
        value = value * 10 + (written.at[i] - '0');
    }
    return value <= HIGHEST_LIMIT ? value : -1;
}

static slice plain_key(const json *member) { return (slice){member->key.at + 1, member->key.length - 2}; }

static slice annotation_of(const json *settings) {
    slice configured = json_text(json_get(settings, SLICE("annotation")));
    return configured.length ? configured : SLICE("edged.dev/pod-limit");
}

static bool denies(const json *settings) { return json_is(json_get(settings, SLICE("mode")), SLICE("deny")); }

static long warn_percent(const json *settings) {
    const json *configured = json_get(settings, SLICE("warn_at_percent"));
    return configured ? whole_number(configured->raw) : DEFAULT_WARN_PERCENT;
}

/* ---- settings ---- */

static const char *member_problem(const json *member) {
    slice key = plain_key(member);
    if (member->kind == JSON_NULL) return NULL;
    if (slice_equal(key, SLICE("annotation")))
        return json_text(member).length ? NULL : "annotation must be a non-empty string";
    if (slice_equal(key, SLICE("mode")))
        return json_is(member, SLICE("warn")) || json_is(member, SLICE("deny")) ? NULL : "mode must be warn or deny";
    if (!slice_equal(key, SLICE("warn_at_percent")))
        return "unknown setting; known: annotation, mode, warn_at_percent";
    long percent = member->kind == JSON_NUMBER ? whole_number(member->raw) : -1;
    return percent >= 1 && percent <= 100 ? NULL : "warn_at_percent must be a whole number from 1 to 100";
}

static const char *settings_problem(const json *settings) {
    if (!settings) return NULL;
    if (settings->kind != JSON_OBJECT) return "settings must be an object";
    for (const json *member = settings->first; member; member = member->next) {
        const char *problem = member_problem(member);
        if (problem) return problem;
    }
    return NULL;
}

void policy_validate_settings(json *settings) { answer_settings(settings_problem(settings)); }

/* ---- questions to the cluster; NULL: the call failed and the evaluation was answered with its error ---- */

static void add_member(text *object, slice key, slice value) {
    text_add(object, object->length ? SLICE(",") : SLICE("{"));
    json_write_string(object, key);
    text_add(object, SLICE(":"));
    json_write_string(object, value);
}

static json *ask(slice operation, slice question) {
    slice reply;
    if (!host_call(SLICE("kubernetes"), operation, question, &reply)) {
        answer_error(reply);
        return NULL;
    }
    json *answer = json_parse(reply);
    if (!answer) answer_error(SLICE("the host answered with something that is not JSON"));
    return answer;
}

static json *get_namespace(slice name) {
    text question = {0};
    add_member(&question, SLICE("api_version"), SLICE("v1"));
    add_member(&question, SLICE("kind"), SLICE("Namespace"));
    add_member(&question, SLICE("name"), name);
    text_add(&question, SLICE(",\"disable_cache\":false,\"field_masks\":[\"metadata.annotations\"]}"));
    return ask(SLICE("get_resource"), text_slice(&question));
}

static json *list_pods(slice namespace) {
    text question = {0};
    add_member(&question, SLICE("api_version"), SLICE("v1"));
    add_member(&question, SLICE("kind"), SLICE("Pod"));
    add_member(&question, SLICE("namespace"), namespace);
    text_add(&question, SLICE(",\"field_masks\":[\"status.phase\"]}"));
    return ask(SLICE("list_resources_by_namespace"), text_slice(&question));
}

static long living(const json *pods) {
    long count = 0;
    const json *items = json_get(pods, SLICE("items"));
    for (const json *pod = items ? items->first : NULL; pod; pod = pod->next) {
        const json *phase = json_get(json_get(pod, SLICE("status")), SLICE("phase"));
        if (!json_is(phase, SLICE("Succeeded")) && !json_is(phase, SLICE("Failed"))) count++;
    }
    return count;
}

/* ---- the verdict ---- */

/* "namespace demo would have 11 of 10 Pods (annotation edged.dev/pod-limit)" */
static slice sentence(slice namespace, long count, long limit, slice annotation) {
    text words = {0};
    text_add(&words, SLICE("namespace "));
    text_add(&words, namespace);
    text_add(&words, SLICE(" would have "));
    text_add_number(&words, (uint64_t)count);
    text_add(&words, SLICE(" of "));
    text_add_number(&words, (uint64_t)limit);
    text_add(&words, SLICE(" Pods (annotation "));
    text_add(&words, annotation);
    text_add(&words, SLICE(")"));
    return text_slice(&words);
}

static slice not_a_number(slice namespace, slice annotation) {
    text words = {0};
    text_add(&words, SLICE("annotation "));
    text_add(&words, annotation);
    text_add(&words, SLICE(" of namespace "));
    text_add(&words, namespace);
    text_add(&words, SLICE(" is not a whole number"));
    return text_slice(&words);
}

static void complain(slice message, const json *settings) {
    if (!denies(settings)) {
        answer_accept_with_warning(message);
        return;
    }
    host_log(SLICE("info"), message, NULL);
    answer_reject(message, 403);
}

/* 100 percent means no warning within the limit. */
static bool near(long count, long limit, const json *settings) {
    long percent = warn_percent(settings);
    return percent < 100 && count * 100 >= limit * percent;
}

static void judge(slice namespace, const json *limit_text, const json *settings) {
    slice annotation = annotation_of(settings);
    long limit = whole_number(json_text(limit_text));
    if (limit < 0) {
        complain(not_a_number(namespace, annotation), settings);
        return;
    }
    const json *pods = list_pods(namespace);
    if (!pods) return;
    long count = living(pods) + 1; /* with the one that is asked for */
    slice message = sentence(namespace, count, limit, annotation);
    if (count > limit) complain(message, settings);
    else if (near(count, limit, settings)) answer_accept_with_warning(message);
    else answer_accept();
}

static bool is_new_pod(const json *request) {
    const json *kind = json_get(json_get(request, SLICE("kind")), SLICE("kind"));
    return json_is(kind, SLICE("Pod")) && json_is(json_get(request, SLICE("operation")), SLICE("CREATE"));
}

void policy_validate(json *request, json *settings) {
    slice namespace = json_text(json_get(request, SLICE("namespace")));
    if (settings_problem(settings)) {
        answer_error(SLICE("the settings are not valid"));
        return;
    }
    if (!is_new_pod(request) || namespace.length == 0) {
        answer_accept();
        return;
    }
    const json *found = get_namespace(namespace);
    if (!found) return;
    const json *annotations = json_get(json_get(found, SLICE("metadata")), SLICE("annotations"));
    const json *limit = json_get(annotations, annotation_of(settings));
    if (limit) judge(namespace, limit, settings);
    else answer_accept();
}
