//! The guest's side of the kube-scheduler Wasm ABI, as far as the plugins in Zig need it: reads of the Pod, the node
//! and the configuration, and a reason for a status. Objects come as protobuf; see protobuf.zig.

const std = @import("std");

const imports = struct {
    extern "k8s.io/scheduler" fn get_config(buffer: [*]u8, limit: usize) usize;
    extern "k8s.io/scheduler" fn currentPod(buffer: [*]u8, limit: usize) usize;
    extern "k8s.io/scheduler" fn currentNodeName(buffer: [*]u8, limit: usize) usize;
    extern "k8s.io/scheduler" fn @"result.status_reason"(text: [*]const u8, length: usize) void;
    extern "k8s.io/scheduler" fn @"result.cluster_events"(events: [*]const u8, length: usize) void;
    extern "k8s.io/api" fn node(name: [*]const u8, name_length: usize, buffer: [*]u8, limit: usize) usize;
};

pub const Code = enum(i32) {
    success = 0,
    err = 1,
    unschedulable = 2,
    /// Not even the eviction of other Pods would help.
    unresolvable = 3,
    skip = 5,
};

/// Field numbers of k8s.io/api/core/v1 Pod and Node, and of their ObjectMeta.
pub const metadata_field = 1;
pub const labels_field = 11;
pub const annotations_field = 12;

/// Tells the host why, and gives back the code, so that `return sched.status(...)` reads well.
pub fn status(code: Code, reason: []const u8) i32 {
    imports.@"result.status_reason"(reason.ptr, reason.len);
    return @intFromEnum(code);
}

/// A pair of resource and actions that may make an unschedulable Pod schedulable.
pub const ClusterEvent = extern struct { resource: u32, actions: u32 };
pub const node_resource: u32 = 1;
pub const action_add: u32 = 1;
pub const action_update_node_label: u32 = 8;

/// Wasm is little-endian, as the host wants these numbers.
pub fn setClusterEvents(events: []const ClusterEvent) void {
    const bytes = std.mem.sliceAsBytes(events);
    imports.@"result.cluster_events"(bytes.ptr, bytes.len);
}

/// What the configuration of the plugin says; "" when there is none.
pub fn config(arena: std.mem.Allocator) ![]const u8 {
    return read(arena, {}, struct {
        fn ask(_: void, buffer: []u8) usize {
            return imports.get_config(buffer.ptr, buffer.len);
        }
    }.ask);
}

/// The Pod in this cycle, as a protobuf message.
pub fn currentPod(arena: std.mem.Allocator) ![]const u8 {
    return read(arena, {}, struct {
        fn ask(_: void, buffer: []u8) usize {
            return imports.currentPod(buffer.ptr, buffer.len);
        }
    }.ask);
}

/// The node that this call is about, as a protobuf message; "" when the host knows no such node.
pub fn currentNode(arena: std.mem.Allocator) ![]const u8 {
    const name = try read(arena, {}, struct {
        fn ask(_: void, buffer: []u8) usize {
            return imports.currentNodeName(buffer.ptr, buffer.len);
        }
    }.ask);
    return read(arena, name, struct {
        fn ask(node_name: []const u8, buffer: []u8) usize {
            return imports.node(node_name.ptr, node_name.len, buffer.ptr, buffer.len);
        }
    }.ask);
}

/// The ABI's way to read: the host answers the full length, and writes only when the buffer holds all of it.
fn read(arena: std.mem.Allocator, argument: anytype, ask: fn (@TypeOf(argument), []u8) usize) ![]const u8 {
    const first_try = try arena.alloc(u8, 2048);
    const length = ask(argument, first_try);
    if (length <= first_try.len) return first_try[0..length];
    const exact = try arena.alloc(u8, length);
    if (ask(argument, exact) != length) return error.ValueChangedWhileReading;
    return exact;
}
