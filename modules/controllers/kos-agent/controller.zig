//! Makes the interfaces of virtual networks on one node: those of its own attachments, and ways to the attachments of the
//! same networks on other nodes. README.md says how; files of this folder: `interfaces.zig` which interface is there for
//! whom, `networks.zig` which networks this node is in, `adoption.zig` what a new instance finds.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const object_status = @import("object_status");
const interfaces = @import("interfaces.zig");
const networks = @import("networks.zig");
const adoption = @import("adoption.zig");
const Interface = interfaces.Interface;
const Value = ctl.Value;
const arena = ctl.arena;

comptime {
    ctl.exportController(@This());
}

/// So long an attachment waits whose address is still another one's, as far as the caches know.
const other_owner: ctl.Result = .{ .requeueAfterMs = 200 };

pub fn setup(input: ctl.Setup) !ctl.Manifest {
    if (input.node.len == 0) return error.NodeHasNoName;
    try networks.begin(input);
    const watches = try arena.dupe(ctl.Watch, &.{.{
        .id = "local",
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .fieldSelector = try std.mem.concat(arena, u8, &.{ "spec.node=", input.node, ",status.ipv4!=" }),
        .map = &.{.{ .by = .self }},
        .on = &.{ "/spec", "/status/ipv4", "/status/addressVNI", "/status/macAddress", "/status/ifcName", "/status/hostIP" },
        .indexes = try ctl.text(.{ .vni = "/status/addressVNI" }),
    }});
    return .{
        .@"for" = .{ .apiVersion = network.api_version, .kind = "NetworkAttachment" },
        .watches = watches,
        .backoff = .{ .baseMs = 20, .maxMs = 5_000 },
    };
}

pub fn reconcile(request: ctl.Request) !ctl.Result {
    try adoption.complete();
    if (!std.mem.eql(u8, request.key.kind, "NetworkAttachment")) return .done;
    // Seen in two watches whose order nobody knows: the one that is behind will tell.
    if (request.ambiguous) return .retry("several watches show it differently");
    const key = try std.mem.concat(arena, u8, &.{ request.key.namespace, "/", request.key.name });
    const wanted = interfaces.wantedBy(request.object);
    if (interfaces.of(key)) |present| {
        if (wanted != null and present.sameAs(wanted.?)) {
            return if (present.is_local) report(request.object, wanted.?, "") else .done;
        }
        try interfaces.remove(key);
    }
    try networks.leaveUnused();
    const interface = wanted orelse return .done;
    if (interface.is_local) return makeLocal(key, request, interface);
    return if (try take(key, interface)) .done else other_owner;
}

/// First the ways to the others, then the interface: it is not to miss them with its first packet.
fn makeLocal(key: []const u8, request: ctl.Request, interface: Interface) !ctl.Result {
    if (!try networks.enter(interface.slot.vni, request.key.namespace)) return .{ .requeueOn = .sync };
    if (!interfaces.hasLocal(interface.slot.vni)) try makeRemotes(interface.slot.vni);
    const made = take(key, interface) catch |problem| {
        const why = if (ctl.failure().message.len != 0) ctl.failure().message else @errorName(problem);
        _ = try report(request.object, null, why);
        return .retry(why);
    };
    return if (made) report(request.object, interface, "") else other_owner;
}

fn makeRemotes(vni: u32) !void {
    const known = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .watch = try networks.watchId(vni),
    });
    var items = known.items.elements();
    while (items.next()) |item| {
        const interface = interfaces.wantedBy(item) orelse continue;
        const key = try interfaces.keyOf(item);
        if (interface.is_local or interfaces.of(key) != null) continue;
        _ = try take(key, interface);
    }
}

/// Has the interface for this attachment. False where it is there for another one that wants it still.
fn take(key: []const u8, interface: Interface) !bool {
    if (interfaces.holder(interface.slot)) |holder| {
        if (try stillWanted(holder)) return false;
        if (holder.interface.sameAs(interface)) {
            try interfaces.hand(holder.key, key);
            return true;
        }
        try interfaces.remove(holder.key);
    }
    try interfaces.make(key, interface);
    return true;
}

fn stillWanted(holder: interfaces.Holder) !bool {
    const slash = std.mem.indexOfScalar(u8, holder.key, '/') orelse return false;
    const got = ctl.get(.{
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .namespace = holder.key[0..slash],
        .name = holder.key[slash + 1 ..],
    }) catch |problem| return if (problem == error.NotFound) false else problem;
    const wanted = interfaces.wantedBy(got.object) orelse return false;
    return wanted.sameAs(holder.interface);
}

/// Writes what became of a local interface, unless it stands there already. `why`: what failed, "" for nothing.
fn report(object: Value, interface: ?Interface, why: []const u8) !ctl.Result {
    const status = object.get("status");
    const errors = try object_status.edited(arena, status.get("errors"), &.{.{
        .name = "host",
        .value = if (why.len == 0) .absent else try ctl.text(.{why}),
    }});
    var edits: std.ArrayList(object_status.Edit) = .empty;
    if (!std.mem.eql(u8, status.at("/errors/host/0").string(arena), why)) {
        try edits.append(arena, .{ .name = "errors", .value = if (errors.text.len == 2) .absent else errors });
    }
    if (interface) |present| {
        const mac = network.macOf(present.slot);
        try change(&edits, status, "macAddress", try network.hexText(arena, mac, "", ':'));
        try change(&edits, status, "ifcName", try network.hexText(arena, mac, "kos", 0));
        try change(&edits, status, "hostIP", try interfaces.hostText());
        if (edits.items.len != 0 and !status.get("readyTime").exists()) {
            try change(&edits, status, "readyTime", try network.timeText(arena, ctl.nowMs()));
        }
    }
    if (edits.items.len == 0) return .done;
    _ = object_status.write(object, edits.items) catch |problem| return if (problem == error.NotFound) .done else problem;
    ctl.metric("status_writes", .inc, 1, .{});
    return .done;
}

fn change(edits: *std.ArrayList(object_status.Edit), status: Value, name: []const u8, text: []const u8) !void {
    if (std.mem.eql(u8, status.get(name).string(arena), text)) return;
    try edits.append(arena, .{ .name = name, .value = try ctl.text(text) });
}
