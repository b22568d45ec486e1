//! Which interfaces this node has, and for which attachment each is there. The memory of an instance; the fabric itself is
//! what holds, and `adoption.zig` fills this from it.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const networks = @import("networks.zig");
const Value = ctl.Value;
const arena = ctl.arena;
const kept = std.heap.wasm_allocator;

pub const Interface = struct {
    is_local: bool,
    slot: network.Slot,
    /// The other node's address; 0 for a local one.
    host: u32,

    pub fn sameAs(interface: Interface, other: Interface) bool {
        return std.meta.eql(interface, other);
    }
};

pub const Holder = struct { key: []const u8, interface: Interface };

var holders: std.ArrayList(Holder) = .empty;
/// This node's address towards the others, as the fabric says it.
pub var host_address: u32 = 0;

pub fn hostText() ![]const u8 {
    return network.addressText(arena, host_address);
}

/// `namespace/name`.
pub fn keyOf(object: Value) ![]const u8 {
    const metadata = object.get("metadata");
    return std.mem.concat(arena, u8, &.{ metadata.get("namespace").string(arena), "/", metadata.get("name").string(arena) });
}

/// The interface that an attachment is to have here; null for none. All of it is of one state of the object.
pub fn wantedBy(object: Value) ?Interface {
    if (!object.exists()) return null;
    const status = object.get("status");
    const slot: network.Slot = .{
        .address = network.addressOf(status.get("ipv4").string(arena)) orelse return null,
        .vni = status.get("addressVNI").int(u32) orelse return null,
    };
    if (std.mem.eql(u8, object.at("/spec/node").string(arena), networks.node)) {
        return .{ .is_local = true, .slot = slot, .host = 0 };
    }
    const host = network.addressOf(status.get("hostIP").string(arena)) orelse return null;
    return if (networks.isIn(slot.vni)) .{ .is_local = false, .slot = slot, .host = host } else null;
}

pub fn of(key: []const u8) ?Interface {
    return if (indexOf(key)) |index| holders.items[index].interface else null;
}

fn indexOf(key: []const u8) ?usize {
    for (holders.items, 0..) |each, index| if (std.mem.eql(u8, each.key, key)) return index;
    return null;
}

pub fn holder(slot: network.Slot) ?Holder {
    for (holders.items) |each| if (std.meta.eql(each.interface.slot, slot)) return each;
    return null;
}

pub fn hasLocal(vni: u32) bool {
    for (holders.items) |each| if (each.interface.is_local and each.interface.slot.vni == vni) return true;
    return false;
}

pub fn forgetAll() void {
    while (holders.pop()) |each| kept.free(each.key);
}

/// Makes an interface. One that is there already, from before, is as good.
pub fn make(key: []const u8, interface: Interface) !void {
    try ask(interface, true);
    try remember(key, interface);
}

pub fn remember(key: []const u8, interface: Interface) !void {
    try holders.append(kept, .{ .key = try kept.dupe(u8, key), .interface = interface });
    count();
}

/// The same interface is another attachment's now.
pub fn hand(from: []const u8, to: []const u8) !void {
    const index = indexOf(from) orelse return;
    const key = try kept.dupe(u8, to);
    kept.free(holders.items[index].key);
    holders.items[index].key = key;
}

/// Deletes an attachment's interface. What the fabric refuses to delete stays known, and is tried again.
pub fn remove(key: []const u8) !void {
    const index = indexOf(key) orelse return;
    try ask(holders.items[index].interface, false);
    kept.free(holders.swapRemove(index).key);
    count();
}

fn count() void {
    var local: i64 = 0;
    for (holders.items) |each| local += @intFromBool(each.interface.is_local);
    ctl.metric("local_interfaces", .set, local, .{});
    ctl.metric("remote_interfaces", .set, @as(i64, @intCast(holders.items.len)) - local, .{});
}

/// CreateLocalIfc and the like, timed.
pub fn ask(interface: Interface, create: bool) !void {
    const mac = network.macOf(interface.slot);
    const mac_text = try network.hexText(arena, mac, "", ':');
    const address = try network.addressText(arena, interface.slot.address);
    const began = ctl.monoMs();
    const locals: []const u8 = if (create) "CreateLocalIfc" else "DeleteLocalIfc";
    const remotes: []const u8 = if (create) "CreateRemoteIfc" else "DeleteRemoteIfc";
    _ = if (interface.is_local) try ctl.ext("netfabric", locals, .{
        .name = try network.hexText(arena, mac, "kos", 0),
        .vni = interface.slot.vni,
        .guestMAC = mac_text,
        .guestIP = address,
    }) else try ctl.ext("netfabric", remotes, .{
        .vni = interface.slot.vni,
        .guestMAC = mac_text,
        .guestIP = address,
        .hostIP = try network.addressText(arena, interface.host),
    });
    ctl.metric("fabric_ms", .observe, ctl.monoMs() - began, .{ .op = if (interface.is_local) locals else remotes });
}
