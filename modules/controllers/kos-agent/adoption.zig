//! What a new instance finds: interfaces that earlier ones made. Those that somebody wants are taken over untouched, the
//! others are deleted, before anything else is done.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const interfaces = @import("interfaces.zig");
const networks = @import("networks.zig");
const Interface = interfaces.Interface;
const Value = ctl.Value;
const arena = ctl.arena;

var is_complete = false;

/// Does it all, or fails and begins anew at the next key.
pub fn complete() !void {
    if (is_complete) return;
    interfaces.forgetAll();
    const name = try ctl.ext("netfabric", "Name", .{});
    interfaces.host_address = network.addressOf(name.get("hostIP").string(arena)) orelse return error.FabricHasNoHostAddress;
    var wanted: std.ArrayList(interfaces.Holder) = .empty;
    const locals = try attachments("local");
    var items = locals.elements();
    while (items.next()) |item| {
        const interface = interfaces.wantedBy(item) orelse continue;
        if (!interface.is_local) continue;
        // Without the others of a network nobody knows which of its interfaces are orphans.
        if (!try networks.enter(interface.slot.vni, item.at("/metadata/namespace").string(arena))) return error.NotSynced;
        try wanted.append(arena, .{ .key = try interfaces.keyOf(item), .interface = interface });
    }
    try networks.leaveUnused();
    const count = wanted.items.len;
    for (0..count) |place| {
        if (isFirstOfItsNetwork(wanted.items[0 .. place + 1])) try addRemotes(&wanted, wanted.items[place].interface.slot.vni);
    }
    try adopt("ListLocalIfcs", wanted.items, true);
    try adopt("ListRemoteIfcs", wanted.items, false);
    is_complete = true;
}

fn attachments(watch: []const u8) !Value {
    const found = try ctl.list(.{ .apiVersion = network.api_version, .kind = "NetworkAttachment", .watch = watch });
    return found.items;
}

/// Whether none before the last one is of its network.
fn isFirstOfItsNetwork(holders: []const interfaces.Holder) bool {
    const last = holders[holders.len - 1].interface.slot.vni;
    for (holders[0 .. holders.len - 1]) |each| if (each.interface.slot.vni == last) return false;
    return true;
}

fn addRemotes(wanted: *std.ArrayList(interfaces.Holder), vni: u32) !void {
    const remotes = try attachments(try networks.watchId(vni));
    var items = remotes.elements();
    while (items.next()) |item| {
        const interface = interfaces.wantedBy(item) orelse continue;
        if (!interface.is_local) try wanted.append(arena, .{ .key = try interfaces.keyOf(item), .interface = interface });
    }
}

fn adopt(op: []const u8, wanted: []const interfaces.Holder, is_local: bool) !void {
    const found = try ctl.ext("netfabric", op, .{});
    var adopted: i64 = 0;
    var items = found.get("items").elements();
    while (items.next()) |item| {
        const interface: Interface = .{
            .is_local = is_local,
            .slot = .{
                .vni = item.get("vni").int(u32) orelse continue,
                .address = network.addressOf(item.get("guestIP").string(arena)) orelse continue,
            },
            .host = if (is_local) 0 else network.addressOf(item.get("hostIP").string(arena)) orelse continue,
        };
        if (owner(wanted, interface)) |key| {
            try interfaces.remember(key, interface);
            adopted += 1;
        } else try interfaces.ask(interface, false);
    }
    ctl.metric("adopted", .inc, adopted, .{ .op = op });
}

fn owner(wanted: []const interfaces.Holder, interface: Interface) ?[]const u8 {
    for (wanted) |each| if (each.interface.sameAs(interface) and interfaces.of(each.key) == null) return each.key;
    return null;
}
