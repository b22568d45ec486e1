/* What a controller module of edged needs in C: the imports and exports of the guest ABI edged_ctl_v1. Nothing else: bring
 * your own JSON (modules/lib/json.h is small).
 *
 *     zig cc -target wasm32-freestanding -nostdlib -Os -Wl,--no-entry -Wl,--strip-all -Isdk/c -o module.wasm module.c
 *
 * The host runs one export at a time, and no export while an import is waiting. Memory of the module is never the truth:
 * it may be gone at the next call. docs/controllers-abi.md is the reference. */

#ifndef EDGED_CTL_H
#define EDGED_CTL_H

#include <stdint.h>

#define EDGED_CTL_IMPORT(name) __attribute__((import_module("edged_ctl_v1"), import_name(name)))
#define EDGED_CTL_EXPORT(name) __attribute__((export_name(name)))

/* Classes of an import's failure. */
enum edged_ctl_code {
    EDGED_CTL_OK = 0,
    EDGED_CTL_INTERNAL = -1,       /* fault of the host: retry */
    EDGED_CTL_DENIED = -2,         /* allow-list of the module, or 401 and 403 of the API server: permanent */
    EDGED_CTL_NOT_FOUND = -3,      /* the object or the watch is absent */
    EDGED_CTL_ALREADY_EXISTS = -4, /* a create met an object; "current" has it where asked for */
    EDGED_CTL_CONFLICT = -5,       /* another resourceVersion or UID, or another manager's fields: read again */
    EDGED_CTL_WATCH_CLASH = -6,    /* the id is in use with another declaration: a mistake of the module */
    EDGED_CTL_INVALID = -7,        /* bad request, 400 and 422, a selector that is not served: permanent */
    EDGED_CTL_THROTTLED = -8,      /* 429 or the module's own rate: wait "retryAfterMs" */
    EDGED_CTL_UNKNOWN = -9,        /* the outcome of a write is not known: retry idempotently */
    EDGED_CTL_LIMIT = -10,         /* too many objects, watches or bytes */
    EDGED_CTL_UNAVAILABLE = -11,   /* the API server is away; reads of caches still work */
    EDGED_CTL_NOT_SYNCED = -12,    /* the watch is not synced yet: answer {"requeueOn":"sync"} */
    EDGED_CTL_DEADLINE = -13,      /* the time of this call is over: return */
    EDGED_CTL_UNSUPPORTED = -14    /* the extension or feature is absent */
};

/* What an export answers instead of a body. */
enum edged_ctl_answer { EDGED_CTL_RETRY = -1, EDGED_CTL_TERMINAL = -2, EDGED_CTL_BAD_INPUT = -3 };

enum edged_ctl_level { EDGED_CTL_DEBUG = 0, EDGED_CTL_INFO = 1, EDGED_CTL_WARNING = 2, EDGED_CTL_PROBLEM = 3 };

/* Copies of the running export's input, and of what the last import answered. How many bytes; below 0 where `offset` lies
 * behind the end. */
EDGED_CTL_IMPORT("msg_read") int32_t edged_ctl_msg_read(void *to, uint32_t offset, uint32_t capacity);
EDGED_CTL_IMPORT("resp_read") int32_t edged_ctl_resp_read(void *to, uint32_t offset, uint32_t capacity);

/* Requests are JSON, `length` bytes. The result holds a code and the length of the answer, which resp_read copies. */
EDGED_CTL_IMPORT("watch_open") int64_t edged_ctl_watch_open(const char *request, uint32_t length);
EDGED_CTL_IMPORT("watch_close") int64_t edged_ctl_watch_close(const char *request, uint32_t length);
EDGED_CTL_IMPORT("get") int64_t edged_ctl_get(const char *request, uint32_t length);
EDGED_CTL_IMPORT("list") int64_t edged_ctl_list(const char *request, uint32_t length);
EDGED_CTL_IMPORT("write") int64_t edged_ctl_write(const char *request, uint32_t length);
EDGED_CTL_IMPORT("enqueue") int64_t edged_ctl_enqueue(const char *request, uint32_t length);
EDGED_CTL_IMPORT("event") int64_t edged_ctl_event(const char *request, uint32_t length);
EDGED_CTL_IMPORT("metric") int64_t edged_ctl_metric(const char *request, uint32_t length);
EDGED_CTL_IMPORT("ext") int64_t edged_ctl_ext(const char *request, uint32_t length);

EDGED_CTL_IMPORT("log") void edged_ctl_log(int32_t level, const char *text, uint32_t length);
EDGED_CTL_IMPORT("now_ms") int64_t edged_ctl_now_ms(void);   /* since 1970 */
EDGED_CTL_IMPORT("mono_ms") int64_t edged_ctl_mono_ms(void); /* a clock that only goes forward */
EDGED_CTL_IMPORT("random") int32_t edged_ctl_random(void *to, uint32_t length);

static inline int32_t edged_ctl_code_of(int64_t result) { return (int32_t)(result >> 32); }
static inline uint32_t edged_ctl_length_of(int64_t result) { return (uint32_t)result; }

/* A body as an export returns it. It has to stay as it is until the next call. */
static inline int64_t edged_ctl_body(const void *text, uint32_t length) {
    return length ? (int64_t)((uint64_t)(uintptr_t)text << 32 | length) : 0;
}

/* Exports. A module defines the first three; the macros are for those that it defines where it needs them. `length`: bytes
 * of the input, which msg_read copies. They return a body, 0, or an enum edged_ctl_answer. */
#define EDGED_CTL_ABI (1 << 16)
EDGED_CTL_EXPORT("edged_ctl_abi") int32_t edged_ctl_abi(void);
EDGED_CTL_EXPORT("edged_ctl_setup") int64_t edged_ctl_setup(uint32_t length);
EDGED_CTL_EXPORT("edged_ctl_reconcile") int64_t edged_ctl_reconcile(uint32_t length);
#define EDGED_CTL_MAP EDGED_CTL_EXPORT("edged_ctl_map")           /* int64_t edged_ctl_map(uint32_t length) */
#define EDGED_CTL_ADMIT EDGED_CTL_EXPORT("edged_ctl_admit")       /* int64_t edged_ctl_admit(uint32_t length) */
#define EDGED_CTL_SNAPSHOT EDGED_CTL_EXPORT("edged_ctl_snapshot") /* int64_t edged_ctl_snapshot(void) */
#define EDGED_CTL_RESTORE EDGED_CTL_EXPORT("edged_ctl_restore")   /* int64_t edged_ctl_restore(uint32_t length) */
#define EDGED_CTL_STOP EDGED_CTL_EXPORT("edged_ctl_stop")         /* int64_t edged_ctl_stop(void) */

#endif
