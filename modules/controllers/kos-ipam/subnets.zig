//! What a Subnet offers, who waits for an address of it, and the finalizer of one in use.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const Value = ctl.Value;
const arena = ctl.arena;

/// Of the configuration: whether a Subnet with addresses in use stays until they are given back.
pub var in_use_finalizer = false;
const finalizer = "subnets.network.edged.dev/in-use";
const most_waiters = 16;

/// A validated Subnet.
pub const Network = struct {
    uid: []const u8,
    vni: u32,
    /// What attachments may have of it.
    range: network.Range,
    /// It will go: nobody gets an address of it any more, who has one keeps it.
    is_deleting: bool,

    pub fn has(self: Network, slot: network.Slot) bool {
        return slot.vni == self.vni and self.range.contains(slot.address);
    }
};

pub const Offer = union(enum) {
    network: Network,
    /// Why there is no address, for people.
    none: []const u8,
    /// It was not examined yet. An event will tell.
    unexamined,
};

/// What the cache knows of a Subnet.
pub fn offer(namespace: []const u8, name: []const u8) !Offer {
    const got = ctl.get(.{ .apiVersion = network.api_version, .kind = "Subnet", .namespace = namespace, .name = name }) catch |problem| {
        if (problem != error.NotFound) return problem;
        return .{ .none = try sentence(namespace, name, " does not exist") };
    };
    const validated = got.object.at("/status/validated").boolean() orelse return .unexamined;
    if (!validated) return .{ .none = try sentence(namespace, name, " was refused: see its status") };
    const found = networkOf(got.object) orelse return .{ .none = try sentence(namespace, name, " cannot be read") };
    return .{ .network = found };
}

fn networkOf(object: Value) ?Network {
    const whole = network.rangeOf(object.at("/spec/ipv4").string(arena)) catch return null;
    return .{
        .uid = object.at("/metadata/uid").string(arena),
        .vni = object.at("/spec/vni").int(u32) orelse return null,
        .range = whole.assignable(),
        .is_deleting = object.at("/metadata/deletionTimestamp").exists(),
    };
}

pub fn sentence(namespace: []const u8, name: []const u8, rest: []const u8) ![]const u8 {
    return std.mem.concat(arena, u8, &.{ "Subnet ", namespace, "/", name, rest });
}

/// Whether the API server still has the Subnet as the cache showed it. Asked between the lock and the status: kos-subnets
/// lets no other namespace have the virtual network while there are locks, so of the two questions one sees the other.
pub fn isStill(known: Network, namespace: []const u8, name: []const u8, for_new: bool) !bool {
    const got = ctl.get(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .namespace = namespace,
        .name = name,
        .live = true,
    }) catch |problem| return if (problem == error.NotFound) false else problem;
    if (!std.mem.eql(u8, got.object.at("/metadata/uid").string(arena), known.uid)) return false;
    if (for_new and got.object.at("/metadata/deletionTimestamp").exists()) return false;
    return got.object.at("/status/validated").boolean() orelse false;
}

/// A lock of the Subnet came or went, or it changed itself.
pub fn reconcile(request: ctl.Request) !ctl.Result {
    try wakeWaiter(request.key);
    return if (in_use_finalizer and request.object.exists()) guard(request.key, request.object) else .done;
}

/// One attachment that waits because the Subnet is full tries again. If it gets an address, its lock brings us back here
/// for the next one. Which one is left to chance, so that several instances wake different ones.
fn wakeWaiter(key: ctl.Key) !void {
    const value = try std.mem.concat(arena, u8, &.{ key.namespace, "/", key.name, "/true" });
    const waiting = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .index = .{ .name = "waiting", .value = value },
        .fields = &.{"/metadata/name"},
        .limit = most_waiters,
    });
    var count: u32 = 0;
    var items = waiting.items.elements();
    while (items.next()) |_| count += 1;
    if (count == 0) return;
    var chance: [4]u8 = undefined;
    ctl.random(&chance);
    var skip = std.mem.readInt(u32, &chance, .little) % count;
    items = waiting.items.elements();
    while (items.next()) |item| : (skip -= 1) {
        if (skip != 0) continue;
        const name = item.at("/metadata/name").string(arena);
        return ctl.enqueue(.{ .kind = "NetworkAttachment", .namespace = key.namespace, .name = name }, 0);
    }
}

/// Puts the finalizer onto a Subnet with locks, and takes it from one that is to go and has none.
fn guard(key: ctl.Key, object: Value) !ctl.Result {
    const finalizers = object.at("/metadata/finalizers");
    const is_deleting = object.at("/metadata/deletionTimestamp").exists();
    var texts: std.ArrayList([]const u8) = .empty;
    var has = false;
    var each = finalizers.elements();
    while (each.next()) |one| {
        const text = one.string(arena);
        if (std.mem.eql(u8, text, finalizer)) has = true else try texts.append(arena, text);
    }
    if (has == !is_deleting) return .done;
    const in_use = if (is_deleting) try isLocked(key, object) else try hasLock(key);
    if (is_deleting == in_use) return .done;
    if (!is_deleting) try texts.append(arena, finalizer);
    _ = ctl.patch(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .namespace = key.namespace,
        .name = key.name,
        .patchType = "merge",
        .patch = try ctl.text(.{ .metadata = .{
            .resourceVersion = object.at("/metadata/resourceVersion"),
            .uid = object.at("/metadata/uid"),
            .finalizers = try ctl.text(texts.items),
        } }),
    }) catch |problem| if (problem != error.NotFound) return problem;
    return .done;
}

fn hasLock(key: ctl.Key) !bool {
    const found = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .index = .{ .name = "subnet", .value = try std.mem.concat(arena, u8, &.{ key.namespace, "/", key.name }) },
        .limit = 1,
    });
    var items = found.items.elements();
    return items.next() != null;
}

/// As the API server knows it: a lock that the cache does not show yet counts.
fn isLocked(key: ctl.Key, object: Value) !bool {
    const found = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .namespace = key.namespace,
        .fieldSelector = try std.mem.concat(arena, u8, &.{ "spec.vni=", object.at("/spec/vni").text }),
        .live = true,
    });
    var items = found.items.elements();
    while (items.next()) |item| {
        if (std.mem.eql(u8, item.at("/spec/subnetName").string(arena), key.name)) return true;
    }
    return false;
}
