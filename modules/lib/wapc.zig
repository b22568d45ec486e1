//! The guest's side of the waPC calls that Kubewarden policies use: takes a call apart, hands it to the policy's
//! two functions, sends the answer back, and logs through `tracing/log`.
//! Holds no policy. Used by the policies under modules/admission that are written in Zig.
//!
//! A policy exports `__guest_call` itself and hands over to `serve`. Every error that its functions return becomes
//! the waPC error of the call, which hosts treat as a rejection: a policy that cannot read a request denies it.

const std = @import("std");

const host = struct {
    extern "wapc" fn __guest_request(operation: [*]u8, payload: [*]u8) void;
    extern "wapc" fn __guest_response(pointer: [*]const u8, length: usize) void;
    extern "wapc" fn __guest_error(pointer: [*]const u8, length: usize) void;
    extern "wapc" fn __host_call(
        binding: [*]const u8,
        binding_length: usize,
        namespace: [*]const u8,
        namespace_length: usize,
        operation: [*]const u8,
        operation_length: usize,
        payload: [*]const u8,
        payload_length: usize,
    ) i32;
};

/// What a policy answers to `validate`. Absent fields are left out of the JSON.
pub const Verdict = struct {
    accepted: bool,
    message: ?[]const u8 = null,
    code: ?u16 = null,

    pub const accept: Verdict = .{ .accepted = true };

    /// 403 is what a client of the API server sees; without a code it would see 400.
    pub fn reject(message: []const u8) Verdict {
        return .{ .accepted = false, .message = message, .code = 403 };
    }
};

/// What a policy answers to `validate_settings`.
pub const SettingsVerdict = struct { valid: bool, message: ?[]const u8 = null };

pub const Policy = struct {
    /// `request` and `settings` as the host sent them.
    validate: *const fn (arena: std.mem.Allocator, request: std.json.Value, settings: std.json.Value) anyerror!Verdict,
    validate_settings: *const fn (arena: std.mem.Allocator, settings: std.json.Value) anyerror!SettingsVerdict,
};

var arena_state = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);

/// One waPC call: 1 when an answer was sent, 0 when an error was.
pub fn serve(operation_length: usize, payload_length: usize, policy: Policy) i32 {
    _ = arena_state.reset(.free_all);
    const arena = arena_state.allocator();
    const answer = answerOf(arena, operation_length, payload_length, policy) catch |failure| {
        const name = @errorName(failure);
        host.__guest_error(name.ptr, name.len);
        return 0;
    };
    host.__guest_response(answer.ptr, answer.len);
    return 1;
}

fn answerOf(arena: std.mem.Allocator, operation_length: usize, payload_length: usize, policy: Policy) ![]const u8 {
    // One byte more: the address of an empty allocation may lie outside memory, and some hosts refuse to write
    // nothing there.
    const operation = (try arena.alloc(u8, operation_length + 1))[0..operation_length];
    const payload = (try arena.alloc(u8, payload_length + 1))[0..payload_length];
    host.__guest_request(operation.ptr, payload.ptr);

    if (std.mem.eql(u8, operation, "validate")) {
        const document = try std.json.parseFromSliceLeaky(std.json.Value, arena, payload, .{});
        const request = get(document, "request") orelse return error.PayloadHasNoRequest;
        if (request != .object) return error.RequestIsNoObject;
        return jsonOf(arena, try policy.validate(arena, request, get(document, "settings") orelse .null));
    }
    if (std.mem.eql(u8, operation, "validate_settings")) {
        const settings = try std.json.parseFromSliceLeaky(std.json.Value, arena, payload, .{});
        return jsonOf(arena, try policy.validate_settings(arena, settings));
    }
    if (std.mem.eql(u8, operation, "protocol_version")) return "\"v1\"";
    return error.UnknownOperation;
}

fn jsonOf(arena: std.mem.Allocator, value: anytype) ![]const u8 {
    return std.json.Stringify.valueAlloc(arena, value, .{ .emit_null_optional_fields = false });
}

/// A member of a JSON object; null when `value` is no object, has no such member, or has null there
/// (Kubernetes treats null and absent alike).
pub fn get(value: std.json.Value, key: []const u8) ?std.json.Value {
    if (value != .object) return null;
    const member = value.object.get(key) orelse return null;
    return if (member == .null) null else member;
}

/// `get`, through several objects.
pub fn walk(value: std.json.Value, path: []const []const u8) ?std.json.Value {
    var here = value;
    for (path) |key| here = get(here, key) orelse return null;
    return here;
}

/// A string member, or "" when there is none.
pub fn text(value: std.json.Value, key: []const u8) []const u8 {
    const member = get(value, key) orelse return "";
    return if (member == .string) member.string else "";
}

/// Logs one event through the host. A host that refuses changes no verdict, so the answer is not looked at.
pub fn log(arena: std.mem.Allocator, level: []const u8, message: []const u8, fields: anytype) void {
    const event = jsonOf(arena, .{ .level = level, .message = message, .data = fields }) catch return;
    const namespace = "tracing";
    const binding = "kubewarden";
    _ = host.__host_call(binding, binding.len, namespace, namespace.len, "log", 3, event.ptr, event.len);
}
