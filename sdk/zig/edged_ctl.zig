//! What a controller module of edged needs in Zig: the exports of the guest ABI edged_ctl_v1, wired by one call, and its
//! imports as functions.
//!
//!     const ctl = @import("edged_ctl");
//!     comptime { ctl.exportController(@This()); }
//!     pub fn setup(input: ctl.Setup) !ctl.Manifest { ... }
//!     pub fn reconcile(request: ctl.Request) !ctl.Result { ... }
//!
//! Further functions are exported where they are there: `map`, `admit`, `snapshot`, `restore`, `stop`.
//!
//! Build with
//!
//!     zig build-exe -target wasm32-freestanding -O ReleaseSmall -fno-entry -rdynamic -fstrip --stack 65536
//!         -femit-bin=module.wasm --dep edged_ctl -Mroot=module.zig -Medged_ctl=sdk/zig/edged_ctl.zig
//!
//! The host runs one export at a time, and no export while an import is waiting. `arena` is for everything that lives as
//! long as a call; it is emptied at the next one. What a module keeps beyond that (std.heap.wasm_allocator) is never the
//! truth: it may be gone at the next call. docs/controllers-abi.md is the reference.

const std = @import("std");
pub const json = @import("json.zig");
pub const Value = json.Value;

const host = struct {
    extern "edged_ctl_v1" fn msg_read(destination: [*]u8, offset: u32, capacity: u32) i32;
    extern "edged_ctl_v1" fn resp_read(destination: [*]u8, offset: u32, capacity: u32) i32;
    extern "edged_ctl_v1" fn watch_open(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn watch_close(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn get(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn list(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn write(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn enqueue(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn event(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn metric(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn ext(request: [*]const u8, length: u32) i64;
    extern "edged_ctl_v1" fn log(level: i32, text: [*]const u8, length: u32) void;
    extern "edged_ctl_v1" fn now_ms() i64;
    extern "edged_ctl_v1" fn mono_ms() i64;
    extern "edged_ctl_v1" fn random(destination: [*]u8, length: u32) i32;
};

/// Memory that lives until the next call of an export.
pub const arena: std.mem.Allocator = arena_state.allocator();
var arena_state = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);
/// Bytes of the arena that stay for the next call.
const retained = 128 * 1024;

// Failures.

/// What an import answers instead of a result; `failure()` has the details.
pub const Error = error{
    /// Fault of the host: retry.
    Internal,
    /// Allow-list of the module, or 401 and 403 of the API server: permanent.
    Denied,
    /// The object or the watch is absent.
    NotFound,
    /// A create met an object; `failure().current` has it where asked for.
    AlreadyExists,
    /// Another resourceVersion or UID, or another manager's fields: read again.
    Conflict,
    /// The id is in use with another declaration: a mistake of the module.
    WatchClash,
    /// Bad request, 400 and 422, a selector that is not served: permanent.
    Invalid,
    /// 429 or the module's own rate: wait `failure().retry_after_ms`.
    Throttled,
    /// The outcome of a write is not known: retry idempotently.
    Unknown,
    /// Too many objects, watches or bytes.
    Limit,
    /// The API server is away; reads of caches still work.
    Unavailable,
    /// The watch is not synced yet: `.{ .requeueOn = .sync }`.
    NotSynced,
    /// The time of this call is over: return.
    Deadline,
    /// The extension or feature is absent.
    Unsupported,
    OutOfMemory,
};

const errors = [_]Error{
    error.Internal, error.Denied,    error.NotFound, error.AlreadyExists, error.Conflict, error.WatchClash,  error.Invalid,
    error.Throttled, error.Unknown,   error.Limit,    error.Unavailable,   error.NotSynced, error.Deadline,   error.Unsupported,
};

/// Details of the last import that failed.
pub const Failure = struct {
    code: i32 = 0,
    reason: []const u8 = "",
    message: []const u8 = "",
    retry_after_ms: u64 = 0,
    current: Value = .absent,
    /// Of an apply: fields of other managers.
    fields: Value = .absent,
};

var last_failure: Failure = .{};

pub fn failure() Failure {
    return last_failure;
}

// Reads.

pub const GetRequest = struct {
    apiVersion: []const u8,
    kind: []const u8,
    namespace: []const u8 = "",
    name: []const u8,
    /// Read from the API server instead of the cache.
    live: bool = false,
    /// Read the cache of that watch alone.
    watch: []const u8 = "",
};

/// `object`; `rv`, its resourceVersion; `sources`, the ids of the watches that show it.
pub const Got = struct { object: Value, rv: []const u8, sources: Value };

/// Reads one object, from the cache unless `live`. NotFound where it is absent.
pub fn get(request: GetRequest) Error!Got {
    const answered = try call(host.get, request);
    return .{ .object = answered.get("object"), .rv = answered.get("rv").string(arena), .sources = answered.get("sources") };
}

pub const IndexLookup = struct { name: []const u8, value: []const u8 };

pub const ListRequest = struct {
    apiVersion: []const u8,
    kind: []const u8,
    namespace: []const u8 = "",
    labelSelector: []const u8 = "",
    fieldSelector: []const u8 = "",
    /// Only objects with this value of an index that a watch declares.
    index: ?IndexLookup = null,
    watch: []const u8 = "",
    /// Cut items to these subtrees (JSON pointers).
    fields: []const []const u8 = &.{},
    limit: u32 = 0,
    @"continue": []const u8 = "",
    /// Read from the API server instead of the cache.
    live: bool = false,
};

/// `items`, an array; `continue` is not empty where there is more.
pub const Listed = struct { items: Value, rv: []const u8, @"continue": []const u8 };

/// Reads objects of a kind, from the cache unless `live`.
pub fn list(request: ListRequest) Error!Listed {
    const answered = try call(host.list, request);
    return .{
        .items = answered.get("items"),
        .rv = answered.get("rv").string(arena),
        .@"continue" = answered.get("continue").string(arena),
    };
}

// Writes.

/// Must hold for a write to happen; otherwise it is a Conflict.
pub const Preconditions = struct { uid: []const u8 = "", resourceVersion: []const u8 = "" };

/// An object that owns the written one: the host adds the ownerReference.
pub const Owner = struct { apiVersion: []const u8 = "", kind: []const u8, name: []const u8, uid: []const u8 };

pub const Verb = enum { create, update, patch, apply, delete };

pub const WriteRequest = struct {
    /// Set by `create`, `update`, `patch`, `apply` and `delete`.
    verb: ?Verb = null,
    apiVersion: []const u8,
    kind: []const u8,
    namespace: []const u8 = "",
    name: []const u8 = "",
    subresource: []const u8 = "",
    /// The object to create, update or apply: see `text`.
    object: Value = .absent,
    /// "merge" or "json".
    patchType: []const u8 = "",
    patch: Value = .absent,
    /// Take over fields of other managers (apply).
    force: bool = false,
    preconditions: ?Preconditions = null,
    /// Of a delete: "Background", "Foreground" or "Orphan".
    propagation: []const u8 = "",
    dryRun: bool = false,
    /// "return" puts the object in the way into `failure().current` (create).
    onExists: []const u8 = "",
    ownedBy: ?Owner = null,
    /// false: the cache may show the old object for a moment.
    settle: bool = true,
};

pub const Written = struct { object: Value, rv: []const u8, uid: []const u8 };

/// Changes one object. After success the cache of this module shows the new version.
pub fn write(request: WriteRequest) Error!Written {
    const answered = try call(host.write, request);
    return .{ .object = answered.get("object"), .rv = answered.get("rv").string(arena), .uid = answered.get("uid").string(arena) };
}

/// Creates an object. AlreadyExists where there is one of that name.
pub fn create(request: WriteRequest) Error!Written {
    return writeAs(.create, request);
}

/// Replaces an object. It needs a resourceVersion, in the object or as a precondition.
pub fn update(request: WriteRequest) Error!Written {
    return writeAs(.update, request);
}

/// Changes parts of an object.
pub fn patch(request: WriteRequest) Error!Written {
    return writeAs(.patch, request);
}

/// Server-side apply, with edged/MODULE as the field manager.
pub fn apply(request: WriteRequest) Error!Written {
    return writeAs(.apply, request);
}

/// Deletes an object.
pub fn delete(request: WriteRequest) Error!Written {
    return writeAs(.delete, request);
}

fn writeAs(verb: Verb, request: WriteRequest) Error!Written {
    var whole = request;
    whole.verb = verb;
    return write(whole);
}

/// A value of Zig (see `json.Text.write`) as JSON, for `object`, `patch` and `args`.
pub fn text(value: anytype) Error!Value {
    return .{ .text = try json.stringify(arena, value) };
}

// Watches and keys.

pub const Key = struct {
    kind: []const u8,
    namespace: []const u8 = "",
    name: []const u8,

    pub fn of(value: Value) Key {
        return .{
            .kind = value.get("kind").string(arena),
            .namespace = value.get("namespace").string(arena),
            .name = value.get("name").string(arena),
        };
    }
};

/// How an event becomes a key: the object itself, its controller owner of a kind, a name at a pointer, objects of another
/// watch whose index has this object's `namespace/name`, or whatever `map` answers.
pub const Mapping = struct {
    by: enum { self, owner, path, index, guest },
    kind: []const u8 = "",
    pointer: []const u8 = "",
    watch: []const u8 = "",
    index: []const u8 = "",
};

pub const Watch = struct {
    id: []const u8,
    apiVersion: []const u8,
    kind: []const u8,
    /// Empty for all namespaces.
    namespace: []const u8 = "",
    labelSelector: []const u8 = "",
    fieldSelector: []const u8 = "",
    /// Empty: the object itself.
    map: []const Mapping = &.{},
    /// Updates count only if one of these subtrees changed. Null: all of them.
    on: ?[]const []const u8 = null,
    /// `text` of a list of conditions.
    where: Value = .absent,
    /// `text` of an object: name of the index -> pointer, pointers or "owner".
    indexes: Value = .absent,
    mode: enum { full, metadata } = .full,
    /// Cached objects keep only these subtrees. Null: all of them.
    keep: ?[]const []const u8 = null,
    selectorFallback: enum { fail, client } = .fail,
    onClose: enum { enqueue, silent } = .enqueue,
};

pub const Opened = struct { created: bool, synced: bool };

/// Opens a watch. Opening the same one again changes nothing; WatchClash where the id means another one.
pub fn watchOpen(watch: Watch) Error!Opened {
    const answered = try call(host.watch_open, watch);
    return .{ .created = answered.get("created").boolean() orelse false, .synced = answered.get("synced").boolean() orelse false };
}

/// Closes a watch and says how many objects were visible only through it.
pub fn watchClose(id: []const u8) Error!u32 {
    const answered = try call(host.watch_close, .{ .id = id });
    return answered.get("dropped").int(u32) orelse 0;
}

/// Adds a key to the queue of this module, after a delay.
pub fn enqueue(key: Key, after_ms: u64) Error!void {
    _ = try call(host.enqueue, .{ .key = key, .afterMs = after_ms });
}

// Events, metrics, extensions, log, clocks.

pub const Reference = struct {
    apiVersion: []const u8,
    kind: []const u8,
    namespace: []const u8 = "",
    name: []const u8,
    uid: []const u8 = "",
};

pub const Event = struct {
    regarding: Reference,
    type: enum { Normal, Warning } = .Normal,
    reason: []const u8,
    note: []const u8,
    action: []const u8 = "",
};

/// Records an event. Losing one is fine.
pub fn emit(event: Event) void {
    _ = call(host.event, event) catch {};
}

pub const MetricOperation = enum { inc, set, observe };

/// Changes a metric of this module. `labels` is a struct of texts, `.{}` for none.
pub fn metric(name: []const u8, op: MetricOperation, value: i64, labels: anytype) void {
    _ = call(host.metric, .{ .name = name, .op = op, .value = value, .labels = text(labels) catch Value.absent }) catch {};
}

/// Asks an extension of the host that the module was granted. `args` is a struct.
pub fn ext(name: []const u8, op: []const u8, args: anytype) Error!Value {
    return call(host.ext, .{ .ext = name, .op = op, .args = try text(args) });
}

pub const Level = enum(i32) { debug = 0, info = 1, warning = 2, problem = 3 };

pub fn log(level: Level, line: []const u8) void {
    host.log(@intFromEnum(level), line.ptr, line.len);
}

/// Milliseconds since 1970.
pub fn nowMs() i64 {
    return host.now_ms();
}

/// Milliseconds of a clock that only goes forward.
pub fn monoMs() i64 {
    return host.mono_ms();
}

pub fn random(buffer: []u8) void {
    _ = host.random(buffer.ptr, buffer.len);
}

fn call(comptime function: anytype, request: anytype) Error!Value {
    const message = try json.stringify(arena, request);
    const packed_result: u64 = @bitCast(function(message.ptr, @intCast(message.len)));
    const status: i32 = @bitCast(@as(u32, @truncate(packed_result >> 32)));
    const answered = Value.parse(try readAll(host.resp_read, @truncate(packed_result)));
    if (status == 0) return answered;
    last_failure = .{
        .code = status,
        .reason = answered.get("reason").string(arena),
        .message = answered.get("message").string(arena),
        .retry_after_ms = answered.get("retryAfterMs").int(u64) orelse 0,
        .current = answered.get("current"),
        .fields = answered.get("fields"),
    };
    const number: usize = @intCast(@max(1, -@as(i64, status)));
    return if (number <= errors.len) errors[number - 1] else error.Internal;
}

fn readAll(comptime function: anytype, length: u32) Error![]const u8 {
    if (length == 0) return "";
    const buffer = try arena.alloc(u8, length);
    const copied = function(buffer.ptr, 0, length);
    return if (copied < 0) "" else buffer[0..@min(length, @as(u32, @intCast(copied)))];
}

// What exports are called with, and answer.

pub const Setup = struct {
    module: []const u8,
    node: []const u8,
    config: Value,
    generation: i64,
    /// "first", "wake", "trap" or "upgrade".
    reason: []const u8,
    /// Whether `restore` will be called.
    snapshot: bool,
    /// Declarations of watches that were opened by `watchOpen` and survived the last instance.
    open_watches: Value,
};

pub const For = struct { apiVersion: []const u8, kind: []const u8 };
pub const Backoff = struct { baseMs: u32 = 5, maxMs: u32 = 1_000_000 };
pub const Operation = enum { CREATE, UPDATE, DELETE, CONNECT };
pub const Admits = struct {
    operations: []const Operation,
    apiVersion: []const u8,
    kind: []const u8,
    failurePolicy: enum { Fail, Ignore } = .Fail,
};

pub const Manifest = struct {
    @"for": ?For = null,
    watches: []const Watch = &.{},
    admits: []const Admits = &.{},
    concurrency: u32 = 1,
    backoff: ?Backoff = null,
    snapshot: bool = false,
    unconditionalUpdates: bool = false,
};

pub const Request = struct {
    key: Key,
    /// The cached object of the key; `exists()` is false where it is gone.
    object: Value,
    /// Ids of the watches that show the object.
    sources: Value,
    /// Sources show different versions.
    ambiguous: bool,
    /// 1, and more with each failure of this key since its last success.
    attempt: u32,
    /// Time left for this call.
    deadline_ms: i64,
};

/// The default is success.
pub const Result = struct {
    /// The key comes again after that time.
    requeueAfterMs: ?u64 = null,
    /// The key comes again once every open watch is synced.
    requeueOn: ?enum { sync } = null,
    /// A failure: the key is tried again with back-off.
    @"error": []const u8 = "",
    /// `error` is final until the object changes.
    terminal: bool = false,

    pub const done: Result = .{};

    pub fn retry(why: []const u8) Result {
        return .{ .@"error" = why };
    }
};

/// The usual result for an error: what is permanent is terminal, a throttled key waits as long as it is told, an unsynced
/// watch is waited for, and the rest is retried with back-off. Errors of `reconcile` go through it.
pub fn answer(problem: anyerror) Result {
    const why = reasonOf(problem);
    return switch (problem) {
        error.NotSynced => .{ .requeueOn = .sync },
        error.Throttled => if (last_failure.retry_after_ms > 0)
            .{ .requeueAfterMs = last_failure.retry_after_ms }
        else
            .{ .@"error" = why },
        error.Denied, error.Invalid, error.WatchClash, error.Unsupported => .{ .@"error" = why, .terminal = true },
        else => .{ .@"error" = why },
    };
}

const code_names = [_][]const u8{
    "internal", "denied", "not_found", "already_exists", "conflict",  "watch_clash", "invalid", "throttled",
    "unknown",  "limit",  "unavailable", "not_synced",   "deadline", "unsupported",
};

/// The code's name and the message, where `problem` is the import's that failed last; else the error's name.
fn reasonOf(problem: anyerror) []const u8 {
    for (errors, code_names) |each, name| {
        if (each != problem or last_failure.message.len == 0) continue;
        return std.mem.concat(arena, u8, &.{ name, ": ", last_failure.message }) catch name;
    }
    return @errorName(problem);
}

/// Input of `map`.
pub const Change = struct { watch: []const u8, type: []const u8, old: Value, object: Value };

/// Input of `admit`: the request of an AdmissionReview.
pub const AdmissionRequest = struct {
    operation: []const u8,
    namespace: []const u8,
    name: []const u8,
    object: Value,
    old_object: Value,
    /// All of it.
    request: Value,
};

pub const Status = struct { message: []const u8, code: u32 };
pub const Admission = struct {
    /// No default: it is written in any case.
    allowed: bool,
    status: ?Status = null,
    /// `text` of the operations of a JSON patch.
    patch: Value = .absent,
    warnings: []const []const u8 = &.{},

    pub const allow: Admission = .{ .allowed = true };

    pub fn refuse(code: u32, message: []const u8) Admission {
        return .{ .allowed = false, .status = .{ .message = message, .code = code } };
    }
};

const version = 1 << 16;
const retry_later: i64 = -1;
const terminal: i64 = -2;
const bad_input: i64 = -3;

/// Exports the functions of `Controller` under the names of the ABI. Call it in a `comptime` block.
pub fn exportController(comptime Controller: type) void {
    const exports = struct {
        fn abi() callconv(.c) i32 {
            return version;
        }

        fn setup(length: u32) callconv(.c) i64 {
            const input = begin(length) catch return bad_input;
            const manifest = Controller.setup(.{
                .module = input.get("module").string(arena),
                .node = input.get("node").string(arena),
                .config = input.get("config"),
                .generation = input.get("generation").int(i64) orelse 0,
                .reason = input.get("reason").string(arena),
                .snapshot = input.get("snapshot").boolean() orelse false,
                .open_watches = input.get("openWatches"),
            }) catch |problem| return failed(problem, bad_input);
            return body(manifest);
        }

        fn reconcile(length: u32) callconv(.c) i64 {
            const input = begin(length) catch return bad_input;
            const result = Controller.reconcile(Request{
                .key = .of(input.get("key")),
                .object = input.get("object"),
                .sources = input.get("sources"),
                .ambiguous = input.get("ambiguous").boolean() orelse false,
                .attempt = input.get("attempt").int(u32) orelse 1,
                .deadline_ms = input.get("deadlineMs").int(i64) orelse 0,
            }) catch |problem| answer(problem);
            const nothing = result.requeueAfterMs == null and result.requeueOn == null and result.@"error".len == 0;
            return if (nothing and !result.terminal) 0 else body(result);
        }

        fn map(length: u32) callconv(.c) i64 {
            const input = begin(length) catch return bad_input;
            const keys: []const Key = Controller.map(Change{
                .watch = input.get("watch").string(arena),
                .type = input.get("type").string(arena),
                .old = input.get("old"),
                .object = input.get("object"),
            }) catch |problem| return failed(problem, retry_later);
            return body(struct { keys: []const Key }{ .keys = keys });
        }

        fn admit(length: u32) callconv(.c) i64 {
            const input = begin(length) catch return bad_input;
            const admission: Admission = Controller.admit(AdmissionRequest{
                .operation = input.get("operation").string(arena),
                .namespace = input.get("namespace").string(arena),
                .name = input.get("name").string(arena),
                .object = input.get("object"),
                .old_object = input.get("oldObject"),
                .request = input,
            }) catch |problem| return failed(problem, retry_later);
            return body(admission);
        }

        fn snapshot() callconv(.c) i64 {
            forget();
            return returned(Controller.snapshot() catch |problem| return failed(problem, retry_later));
        }

        fn restore(length: u32) callconv(.c) i64 {
            forget();
            const bytes = readAll(host.msg_read, length) catch return bad_input;
            Controller.restore(bytes) catch |problem| return failed(problem, bad_input);
            return 0;
        }

        fn stop() callconv(.c) i64 {
            forget();
            Controller.stop();
            return 0;
        }
    };
    @export(&exports.abi, .{ .name = "edged_ctl_abi" });
    @export(&exports.setup, .{ .name = "edged_ctl_setup" });
    if (@hasDecl(Controller, "reconcile")) @export(&exports.reconcile, .{ .name = "edged_ctl_reconcile" });
    if (@hasDecl(Controller, "map")) @export(&exports.map, .{ .name = "edged_ctl_map" });
    if (@hasDecl(Controller, "admit")) @export(&exports.admit, .{ .name = "edged_ctl_admit" });
    if (@hasDecl(Controller, "snapshot")) @export(&exports.snapshot, .{ .name = "edged_ctl_snapshot" });
    if (@hasDecl(Controller, "restore")) @export(&exports.restore, .{ .name = "edged_ctl_restore" });
    if (@hasDecl(Controller, "stop")) @export(&exports.stop, .{ .name = "edged_ctl_stop" });
}

/// Gives back what the last call left.
fn forget() void {
    _ = arena_state.reset(.{ .retain_with_limit = retained });
    last_failure = .{};
}

/// The input of an export, which has to be an object.
fn begin(length: u32) Error!Value {
    forget();
    const input = Value.parse(try readAll(host.msg_read, length));
    return if (input.isObject()) input else error.Invalid;
}

fn body(value: anytype) i64 {
    return returned(json.stringify(arena, value) catch return retry_later);
}

/// An answer as the ABI packs it. It stays in the arena until the next call.
fn returned(bytes: []const u8) i64 {
    if (bytes.len == 0) return 0;
    return @bitCast((@as(u64, @intFromPtr(bytes.ptr)) << 32) | bytes.len);
}

fn failed(problem: anyerror, code: i64) i64 {
    log(.problem, if (last_failure.message.len != 0) last_failure.message else @errorName(problem));
    return code;
}
