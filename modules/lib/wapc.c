/* Implements wapc.h: the only file that touches waPC's imports and export. */
#include "wapc.h"

#define IMPORT(name) __attribute__((import_module("wapc"), import_name(name)))

IMPORT("__guest_request") void guest_request(char *operation, char *payload);
IMPORT("__guest_response") void guest_response(const char *at, size_t length);
IMPORT("__guest_error") void guest_error(const char *at, size_t length);
IMPORT("__host_call")
int wapc_host_call(const char *binding, size_t binding_length, const char *capability, size_t capability_length,
                   const char *operation, size_t operation_length, const char *payload, size_t payload_length);
IMPORT("__host_response_len") size_t host_response_length(void);
IMPORT("__host_response") void host_response(char *target);
IMPORT("__host_error_len") size_t host_error_length(void);
IMPORT("__host_error") void host_error(char *target);

static int succeeded; /* what `__guest_call` returns */

static void send(const text *answer) {
    guest_response(answer->at, answer->length);
    succeeded = 1;
}

static void send_literal(slice answer) {
    guest_response(answer.at, answer.length);
    succeeded = 1;
}

void answer_accept(void) { send_literal(SLICE("{\"accepted\":true}")); }

void answer_accept_with_warning(slice warning) {
    text answer = {0};
    text_add(&answer, SLICE("{\"accepted\":true,\"warnings\":["));
    json_write_string(&answer, warning);
    text_add(&answer, SLICE("]}"));
    send(&answer);
}

void answer_mutated(const json *object) {
    text answer = {0};
    text_add(&answer, SLICE("{\"accepted\":true,\"mutated_object\":"));
    json_write(&answer, object);
    text_add(&answer, SLICE("}"));
    send(&answer);
}

void answer_reject(slice message, unsigned code) {
    text answer = {0};
    text_add(&answer, SLICE("{\"accepted\":false,\"message\":"));
    json_write_string(&answer, message);
    if (code) {
        text_add(&answer, SLICE(",\"code\":"));
        text_add_number(&answer, code);
    }
    text_add(&answer, SLICE("}"));
    send(&answer);
}

void answer_settings(const char *problem) {
    if (!problem) {
        send_literal(SLICE("{\"valid\":true}"));
        return;
    }
    size_t length = 0;
    while (problem[length]) length++;
    text answer = {0};
    text_add(&answer, SLICE("{\"valid\":false,\"message\":"));
    json_write_string(&answer, (slice){problem, length});
    text_add(&answer, SLICE("}"));
    send(&answer);
}

void answer_error(slice message) {
    guest_error(message.at, message.length);
    succeeded = 0;
}

bool host_call(slice capability, slice operation, slice payload, slice *reply) {
    slice binding = SLICE("kubewarden");
    bool ok = wapc_host_call(binding.at, binding.length, capability.at, capability.length, operation.at,
                             operation.length, payload.at, payload.length) == 1;
    size_t length = ok ? host_response_length() : host_error_length();
    char *copy = arena_take(length + 1);
    if (ok) host_response(copy);
    else host_error(copy);
    *reply = (slice){copy, length};
    return ok;
}

void host_log(slice level, slice message, const json *data) {
    text event = {0};
    slice ignored;
    text_add(&event, SLICE("{\"level\":"));
    json_write_string(&event, level);
    text_add(&event, SLICE(",\"message\":"));
    json_write_string(&event, message);
    if (data) {
        text_add(&event, SLICE(",\"data\":"));
        json_write(&event, data);
    }
    text_add(&event, SLICE("}"));
    host_call(SLICE("tracing"), SLICE("log"), text_slice(&event), &ignored);
}

static void serve_validate(slice payload) {
    json *document = json_parse(payload);
    json *request = json_get(document, SLICE("request"));
    if (!request || request->kind != JSON_OBJECT)
        answer_error(SLICE("the payload is not a JSON object with a request"));
    else policy_validate(request, json_get(document, SLICE("settings")));
}

static void serve_settings(slice payload) {
    json *settings = json_parse(payload);
    if (!settings) answer_error(SLICE("the settings are not JSON"));
    else policy_validate_settings(settings->kind == JSON_NULL ? NULL : settings);
}

__attribute__((export_name("__guest_call"))) int guest_call(size_t operation_length, size_t payload_length) {
    arena_reset();
    succeeded = 0;
    /* One byte more: nothing may lie at the very end of memory, not even an empty payload. */
    char *operation = arena_take(operation_length + 1), *payload = arena_take(payload_length + 1);
    guest_request(operation, payload);
    slice name = {operation, operation_length};
    if (slice_equal(name, SLICE("validate"))) serve_validate((slice){payload, payload_length});
    else if (slice_equal(name, SLICE("validate_settings"))) serve_settings((slice){payload, payload_length});
    else if (slice_equal(name, SLICE("protocol_version"))) send_literal(SLICE("\"v1\""));
    else answer_error(SLICE("unknown operation"));
    return succeeded;
}
