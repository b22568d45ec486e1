//! Puts Pods that need a device on nodes that report a free one.
//!
//! A Pod asks with the annotation or the label `edged.dev/device`: one device name (`camera`), in an annotation also
//! several with counts (`camera,tpu=2`). A node reports free devices in labels: `device.edged.dev/camera: "1"`, kept
//! up to date by whatever hands the devices out (labels, because a changed label brings waiting Pods back at once).
//! Two Pods placed before a node reports again may both count on its last device: the loser is for the kubelet's
//! device plugin to refuse. The plugin takes no configuration.

const std = @import("std");
const protobuf = @import("protobuf");
const sched = @import("scheduler");

const ask_key = "edged.dev/device";
const label_prefix = "device.edged.dev/";

var pod_arena = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);
var call_arena = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);

/// What the Pod of this cycle asks for. Set by prefilter, lives in pod_arena.
var asked: []const Device = &.{};

const Device = struct { name: []const u8, count: u32 };

const Problem = error{ EmptyName, NameTooLong, BadCount };

export fn enqueue() void {
    sched.setClusterEvents(&.{.{
        .resource = sched.node_resource,
        .actions = sched.action_add | sched.action_update_node_label,
    }});
}

/// Reads what the Pod asks for, once per cycle. Skip: this plugin's filter need not be called for this Pod.
export fn prefilter() i32 {
    asked = &.{};
    _ = pod_arena.reset(.free_all);
    const arena = pod_arena.allocator();
    if (!takesNoConfig(arena)) return sched.status(.err, "device-fit takes no configuration");
    asked = readAsk(arena) catch |problem| return sched.status(.unresolvable, askProblem(problem));
    return @intFromEnum(if (asked.len == 0) sched.Code.skip else sched.Code.success);
}

export fn filter() i32 {
    _ = call_arena.reset(.retain_capacity);
    const arena = call_arena.allocator();
    for (asked) |device| {
        const code = fits(arena, device) catch return sched.status(.err, "the node is no readable protobuf message");
        if (code != .success) return @intFromEnum(code);
    }
    return @intFromEnum(sched.Code.success);
}

fn takesNoConfig(arena: std.mem.Allocator) bool {
    const config = sched.config(arena) catch return false;
    const meaningful = std.mem.trim(u8, config, " \t\r\n");
    return meaningful.len == 0 or std.mem.eql(u8, meaningful, "{}");
}

fn askProblem(problem: anyerror) []const u8 {
    return switch (problem) {
        Problem.EmptyName => ask_key ++ ": a device name is empty",
        Problem.NameTooLong => ask_key ++ ": a device name is longer than 63 characters",
        Problem.BadCount => ask_key ++ ": a count is not a number from 1 to 999",
        else => "the Pod is no readable protobuf message",
    };
}

fn readAsk(arena: std.mem.Allocator) ![]const Device {
    const pod = try sched.currentPod(arena);
    const metadata = try protobuf.find(pod, sched.metadata_field) orelse return &.{};
    const text = try protobuf.findInMap(metadata, sched.annotations_field, ask_key) orelse
        try protobuf.findInMap(metadata, sched.labels_field, ask_key) orelse return &.{};
    return parseAsk(arena, text);
}

fn parseAsk(arena: std.mem.Allocator, text: []const u8) ![]const Device {
    var devices: std.ArrayList(Device) = .empty;
    var items = std.mem.splitScalar(u8, text, ',');
    while (items.next()) |item| try devices.append(arena, try parseDevice(std.mem.trim(u8, item, " ")));
    return devices.items;
}

fn parseDevice(item: []const u8) Problem!Device {
    const equals = std.mem.findScalar(u8, item, '=') orelse return named(item, 1);
    const count = std.fmt.parseInt(u32, item[equals + 1 ..], 10) catch return error.BadCount;
    if (count == 0 or count > 999) return error.BadCount;
    return named(item[0..equals], count);
}

fn named(name: []const u8, count: u32) Problem!Device {
    if (name.len == 0) return error.EmptyName;
    if (name.len > 63) return error.NameTooLong; // the limit of the name part of a label
    return .{ .name = name, .count = count };
}

/// Gives the reason to the host when the answer is not success.
fn fits(arena: std.mem.Allocator, device: Device) !sched.Code {
    const metadata = try protobuf.find(try sched.currentNode(arena), sched.metadata_field) orelse "";
    const label = try std.mem.concat(arena, u8, &.{ label_prefix, device.name });
    const reported = try protobuf.findInMap(metadata, sched.labels_field, label) orelse
        return because(.unresolvable, try std.fmt.allocPrint(arena, "node has no {s}", .{device.name}));
    const free = std.fmt.parseInt(u32, reported, 10) catch
        return because(.unresolvable, try std.fmt.allocPrint(arena, "node label {s} is not a number", .{label}));
    if (free >= device.count) return .success;
    if (free == 0) return because(.unschedulable, try std.fmt.allocPrint(arena, "node has no free {s}", .{device.name}));
    return because(.unschedulable, try std.fmt.allocPrint(arena, "node has {d} free {s}, {d} needed", .{
        free, device.name, device.count,
    }));
}

fn because(code: sched.Code, reason: []const u8) sched.Code {
    _ = sched.status(code, reason);
    return code;
}
