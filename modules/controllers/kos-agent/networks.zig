//! Which virtual networks this node is in: those of its own attachments. For each of them one watch shows the attachments
//! on other nodes; there is none for the others.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const interfaces = @import("interfaces.zig");
const arena = ctl.arena;
const kept = std.heap.wasm_allocator;

const prefix = "vni-";

/// This node's name.
pub var node: []const u8 = "";
/// Networks whose watch is open.
var open: std.ArrayList(u32) = .empty;

/// Learns from the host which watches are open: they outlive the instance that opened them.
pub fn begin(input: ctl.Setup) !void {
    node = try kept.dupe(u8, input.node);
    var watches = input.open_watches.elements();
    while (watches.next()) |each| {
        const id = each.get("id").string(arena);
        if (!std.mem.startsWith(u8, id, prefix)) continue;
        try open.append(kept, std.fmt.parseInt(u32, id[prefix.len..], 10) catch continue);
    }
}

pub fn isIn(vni: u32) bool {
    return std.mem.indexOfScalar(u32, open.items, vni) != null;
}

pub fn watchId(vni: u32) ![]const u8 {
    return std.mem.concat(arena, u8, &.{ prefix, try network.vniText(arena, vni) });
}

/// Has the watch of a network. False where it does not know all attachments yet.
pub fn enter(vni: u32, namespace: []const u8) !bool {
    const watch: ctl.Watch = .{
        .id = try watchId(vni),
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .namespace = namespace,
        .fieldSelector = try std.mem.concat(arena, u8, &.{
            "spec.node!=", node, ",status.addressVNI=", try network.vniText(arena, vni), ",status.ipv4!=,status.hostIP!=",
        }),
        .map = &.{.{ .by = .self }},
        .on = &.{ "/spec/node", "/status/ipv4", "/status/addressVNI", "/status/hostIP" },
    };
    const opened = ctl.watchOpen(watch) catch |problem| again: {
        // The network moved to another namespace: the old watch goes with the last attachment that it was opened for.
        if (problem != error.WatchClash) return problem;
        if (try localsElsewhere(vni, namespace)) return error.NetworkInTwoNamespaces;
        try leave(vni);
        break :again try ctl.watchOpen(watch);
    };
    if (!isIn(vni)) try open.append(kept, vni);
    return opened.synced;
}

fn localsElsewhere(vni: u32, namespace: []const u8) !bool {
    var items = (try locals(vni)).items.elements();
    while (items.next()) |item| {
        if (!std.mem.eql(u8, item.at("/metadata/namespace").string(arena), namespace)) return true;
    }
    return false;
}

fn locals(vni: u32) !ctl.Listed {
    return ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .watch = "local",
        .index = .{ .name = "vni", .value = try network.vniText(arena, vni) },
        .fields = &.{"/metadata/namespace"},
    });
}

/// Leaves the networks that no attachment of this node is in. Their remote attachments come to us once more, as gone.
pub fn leaveUnused() !void {
    var index: usize = open.items.len;
    while (index > 0) {
        index -= 1;
        const vni = open.items[index];
        if (interfaces.hasLocal(vni)) continue;
        var items = (try locals(vni)).items.elements();
        if (items.next() == null) try leave(vni);
    }
}

fn leave(vni: u32) !void {
    _ = ctl.watchClose(try watchId(vni)) catch |problem| if (problem != error.NotFound) return problem;
    const index = std.mem.indexOfScalar(u32, open.items, vni) orelse return;
    _ = open.swapRemove(index);
}
