//! A scheduler guest for tests: exports all fifteen functions, imports every host function, and shows in its answers
//! what it was given. Written against the bare ABI, without any library, so that it tests the host and not an SDK.

const std = @import("std");

extern "k8s.io/api" fn node(name: [*]const u8, len: usize, buf: [*]u8, limit: usize) usize;
extern "k8s.io/api" fn nodeList(buf: [*]u8, limit: usize) usize;
extern "k8s.io/klog" fn log(severity: u32, msg: [*]const u8, len: usize) void;
extern "k8s.io/klog" fn logs(severity: u32, msg: [*]const u8, len: usize, kvs: [*]const u8, kvs_len: usize) void;
extern "k8s.io/klog" fn severity() u32;
extern "k8s.io/scheduler" fn get_config(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn currentPod(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn targetPod(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn currentNodeName(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn filteredNodeList(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn nodeToStatusMap(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn nodeScoreList(buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn nodeImageStates(name: [*]const u8, len: usize, buf: [*]u8, limit: usize) usize;
extern "k8s.io/scheduler" fn @"result.cluster_events"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"result.node_names"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"result.nominated_node_name"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"result.status_reason"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"result.normalized_score_list"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"handle.eventrecorder.eventf"(buf: [*]const u8, len: usize) void;
extern "k8s.io/scheduler" fn @"handle.reject_waiting_pod"(in: [*]const u8, len: usize, out: [*]u8, limit: usize) void;
extern "k8s.io/scheduler" fn @"handle.get_waiting_pod"(in: [*]const u8, len: usize, out: [*]u8, limit: usize) void;

const success = 0;
const failure = 1;
const unschedulable = 2;
const wait = 4;
const skip = 5;

var small: [16]u8 = undefined; // too small for most values: the host is asked twice
var large: [1 << 20]u8 = undefined;
var second: [1 << 16]u8 = undefined;
var text: [1 << 16]u8 = undefined;

/// The Pod's name as prefilter saw it: the state of the cycle.
var pod_name: [256]u8 = undefined;
var pod_name_len: usize = 0;

/// Asks once with a small buffer, and again with a large one if the value did not fit.
fn value(comptime ask: fn ([*]u8, usize) callconv(.c) usize, into: []u8) []const u8 {
    const first = ask(&small, small.len);
    if (first <= small.len) {
        @memcpy(into[0..first], small[0..first]);
        return into[0..first];
    }
    const again = ask(into.ptr, into.len);
    if (again != first or again > into.len) @trap();
    return into[0..again];
}

fn reason(comptime format: []const u8, args: anytype) void {
    const said = std.fmt.bufPrint(&text, format, args) catch @trap();
    @"result.status_reason"(said.ptr, said.len);
}

/// The last length-delimited field of that number in a protobuf message, "" when there is none.
fn field(message: []const u8, number: u64) []const u8 {
    var found: []const u8 = "";
    var at: usize = 0;
    while (at < message.len) {
        const key = varint(message, &at);
        if (key & 7 == 0) {
            _ = varint(message, &at);
            continue;
        }
        if (key & 7 != 2) @trap();
        const size: usize = @intCast(varint(message, &at));
        if (key >> 3 == number) found = message[at .. at + size];
        at += size;
    }
    return found;
}

fn varint(message: []const u8, at: *usize) u64 {
    var result: u64 = 0;
    var shift: u6 = 0;
    while (true) : (shift += 7) {
        const byte = message[at.*];
        at.* += 1;
        result |= @as(u64, byte & 127) << shift;
        if (byte < 128) return result;
    }
}

/// The value of a label of a Pod or a Node, null when it has none of that name.
fn label(object: []const u8, name: []const u8) ?[]const u8 {
    const metadata = field(object, 1);
    var at: usize = 0;
    while (at < metadata.len) {
        const key = varint(metadata, &at);
        if (key & 7 == 0) {
            _ = varint(metadata, &at);
            continue;
        }
        const size: usize = @intCast(varint(metadata, &at));
        const entry = metadata[at .. at + size];
        at += size;
        if (key >> 3 == 11 and std.mem.eql(u8, field(entry, 1), name)) return field(entry, 2);
    }
    return null;
}

fn currentNode() []const u8 {
    const name = value(currentNodeName, &second);
    const size = node(name.ptr, name.len, &large, large.len);
    return large[0..size];
}

export fn enqueue() void {
    const events = [_]u32{ 1, 63, 0, 2, 3, 4 }; // Node: all; Pod: delete; PersistentVolumeClaim: an update
    @"result.cluster_events"(@ptrCast(&events), @sizeOf(@TypeOf(events)));
}

/// Limits the nodes to those in the label `only` (separated by dots); `reject` in the Pod's labels: code and reason.
export fn prefilter() i32 {
    const pod = value(currentPod, &large);
    const name = field(field(pod, 1), 1);
    @memcpy(pod_name[0..name.len], name);
    pod_name_len = name.len;
    if (value(currentNodeName, &second).len != 0) @trap();
    if (label(pod, "reject")) |why| {
        reason("rejected: {s}", .{why});
        return unschedulable;
    }
    if (label(pod, "skip") != null) return skip;
    if (label(pod, "only")) |names| {
        var list: [512]u8 = undefined;
        @memcpy(list[0..names.len], names);
        list[names.len] = 0;
        for (list[0..names.len]) |*byte| if (byte.* == '.') {
            byte.* = 0;
        };
        @"result.node_names"(&list, names.len + 1);
    }
    return success;
}

export fn addpod() i32 {
    return target("added");
}

export fn removepod() i32 {
    return target("removed");
}

fn target(what: []const u8) i32 {
    const other = value(targetPod, &large);
    reason("{s} {s} for {s} on {s}", .{ what, field(field(other, 1), 1), pod_name[0..pod_name_len], value(currentNodeName, &second) });
    return unschedulable;
}

/// Refuses nodes labelled `closed`, and trusts nothing: the node read must be the node asked for.
export fn filter() i32 {
    const name = value(currentNodeName, &second);
    const size = node(name.ptr, name.len, &small, 0);
    const found = currentNode();
    if (found.len != size or !std.mem.eql(u8, field(field(found, 1), 1), name)) {
        reason("read another node than {s}", .{name});
        return failure;
    }
    if (label(found, "closed")) |why| {
        reason("node {s} is closed: {s}", .{ name, why });
        return unschedulable;
    }
    return success;
}

export fn postfilter() i64 {
    const statuses = value(nodeToStatusMap, &large);
    reason("statuses {s}", .{statuses});
    @"result.nominated_node_name"("node-9", 6);
    return @as(i64, 1) << 32 | unschedulable;
}

export fn prescore() i32 {
    if (severity() != 0) return success;
    const names = value(filteredNodeList, &large);
    const pairs = std.fmt.bufPrint(&text, "nodes\x00{s}\x00pod\x00{s}\x00", .{ names, pod_name[0..pod_name_len] }) catch @trap();
    logs(0, "prescore", 8, pairs.ptr, pairs.len);
    log(2, "plain\n", 6);
    const list = value(nodeList, &large);
    const event = std.fmt.bufPrint(&text, "{{\"RegardingReference\":{{\"Kind\":\"Pod\",\"Name\":\"{s}\"}},\"Eventtype\":\"Normal\"," ++
        "\"Reason\":\"Looked\",\"Action\":\"PreScore\",\"Note\":\"{d} bytes of nodes\"}}", .{ pod_name[0..pod_name_len], list.len }) catch @trap();
    @"handle.eventrecorder.eventf"(event.ptr, event.len);
    return success;
}

/// The digits at the end of the node's name.
export fn score() i64 {
    const name = value(currentNodeName, &second);
    var at = name.len;
    while (at > 0 and std.ascii.isDigit(name[at - 1])) at -= 1;
    if (at == name.len) {
        reason("node {s} has no number", .{name});
        return failure;
    }
    return (std.fmt.parseInt(i64, name[at..], 10) catch @trap()) << 32;
}

/// The configuration, or the scores as they were.
export fn normalizescore() i32 {
    const config = value(get_config, &second);
    const scores = value(nodeScoreList, &large);
    const given = if (config.len == 0 or config[0] != '{') scores else config;
    @"result.normalized_score_list"(given.ptr, given.len);
    return success;
}

/// Checks that this instance saw this Pod's prefilter, and that the Pod carries its node by now.
export fn reserve() i32 {
    const pod = value(currentPod, &large);
    const name = value(currentNodeName, &second);
    const chosen = field(field(pod, 2), 10);
    if (!std.mem.eql(u8, field(field(pod, 1), 1), pod_name[0..pod_name_len]) or !std.mem.eql(u8, chosen, name)) {
        reason("{s} is not {s} on {s} ({s})", .{ field(field(pod, 1), 1), pod_name[0..pod_name_len], chosen, name });
        return failure;
    }
    const size = nodeImageStates(name.ptr, name.len, &text, text.len);
    var copy: [4096]u8 = undefined;
    @memcpy(copy[0..size], text[0..size]);
    reason("images {s}", .{copy[0..size]});
    return unschedulable;
}

export fn unreserve() void {
    log(0, "unreserved\n", 11);
}

/// Waits a second and a half. With `reject UID` or `get UID` as configuration: what became of that.
export fn permit() i64 {
    const config = value(get_config, &second);
    var answer: [512]u8 = @splat(0);
    if (std.mem.startsWith(u8, config, "reject ")) {
        @"handle.reject_waiting_pod"(config.ptr + 7, config.len - 7, &answer, 8);
        reason("rejected {d}", .{std.mem.readInt(u64, answer[0..8], .little)});
        return @as(i64, unschedulable) << 32;
    }
    if (std.mem.startsWith(u8, config, "get ")) {
        @"handle.get_waiting_pod"(config.ptr + 4, config.len - 4, &answer, answer.len);
        var end: usize = answer.len;
        while (end > 0 and answer[end - 1] == 0) end -= 1;
        reason("found {d}", .{end});
        return @as(i64, unschedulable) << 32;
    }
    return @as(i64, wait) << 32 | 1500;
}

export fn prebind() i32 {
    return success;
}

export fn bind() i32 {
    return skip;
}

export fn postbind() void {
    log(0, "bound\n", 6);
}
