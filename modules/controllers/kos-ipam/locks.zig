//! Locks of addresses: reading, taking, giving back.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const Value = ctl.Value;
const arena = ctl.arena;

pub const Lock = struct {
    name: []const u8,
    uid: []const u8,
    /// UID of the attachment that owns it.
    owner: []const u8,
    /// As the API server wrote it: texts in the order of time.
    created: []const u8,
    slot: network.Slot,

    fn of(object: Value) ?Lock {
        const name = object.at("/metadata/name").string(arena);
        return .{
            .name = name,
            .uid = object.at("/metadata/uid").string(arena),
            .owner = object.at("/metadata/ownerReferences/0/uid").string(arena),
            .created = object.at("/metadata/creationTimestamp").string(arena),
            .slot = network.slotOf(name) orelse return null,
        };
    }

    /// Which of two usable ones is kept: the older one, of the same second that with the larger UID. Every controller
    /// decides the same.
    pub fn isBetterThan(lock: Lock, other: Lock) bool {
        return switch (std.mem.order(u8, lock.created, other.created)) {
            .lt => true,
            .gt => false,
            .eq => std.mem.lessThan(u8, other.uid, lock.uid),
        };
    }
};

/// The cached locks whose owner has this name, whatever its UID is.
pub fn ofOwner(namespace: []const u8, name: []const u8) ![]const Lock {
    const found = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .index = .{ .name = "owner", .value = try std.mem.concat(arena, u8, &.{ namespace, "/", name }) },
    });
    var locks: std.ArrayList(Lock) = .empty;
    var items = found.items.elements();
    while (items.next()) |item| try locks.append(arena, Lock.of(item) orelse continue);
    return locks.items;
}

/// The lock of an address: from the cache, or as the API server has it. Null where there is none.
pub fn get(namespace: []const u8, slot: network.Slot, live: bool) !?Lock {
    const got = ctl.get(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .namespace = namespace,
        .name = try network.lockName(arena, slot.vni, slot.address),
        .live = live,
    }) catch |problem| return if (problem == error.NotFound) null else problem;
    return Lock.of(got.object);
}

/// What came of taking an address.
pub const Taken = union(enum) {
    created: Lock,
    /// It was ours already: an answer was lost, or another instance took it for the same attachment.
    found: Lock,
    /// Somebody else's, the cache did not show that yet.
    other,
};

pub const Owner = struct { namespace: []const u8, name: []const u8, uid: []const u8, subnet: []const u8 };

pub fn take(owner: Owner, slot: network.Slot) !Taken {
    const name = try network.lockName(arena, slot.vni, slot.address);
    const address = try network.addressText(arena, slot.address);
    const written = ctl.create(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .namespace = owner.namespace,
        .name = name,
        .object = try ctl.text(.{
            .apiVersion = @as([]const u8, network.api_version),
            .kind = @as([]const u8, "IPLock"),
            .metadata = .{ .name = name, .namespace = owner.namespace },
            .spec = .{ .vni = slot.vni, .ipv4 = address, .subnetName = owner.subnet },
        }),
        .ownedBy = .{ .apiVersion = network.api_version, .kind = "NetworkAttachment", .name = owner.name, .uid = owner.uid },
        .onExists = "return",
    }) catch |problem| {
        if (problem != error.AlreadyExists) return problem;
        ctl.metric("lock_creates", .inc, 1, .{ .outcome = @as([]const u8, "exists") });
        const there = Lock.of(ctl.failure().current) orelse return .other; // gone meanwhile: the next try takes it
        return if (std.mem.eql(u8, there.owner, owner.uid)) .{ .found = there } else .other;
    };
    ctl.metric("lock_creates", .inc, 1, .{ .outcome = @as([]const u8, "created") });
    return .{ .created = Lock.of(written.object) orelse return error.Internal };
}

/// Deletes a lock, this one and no other of its name. Whether it was there does not matter.
pub fn release(namespace: []const u8, lock: Lock) !void {
    _ = ctl.delete(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .namespace = namespace,
        .name = lock.name,
        .preconditions = .{ .uid = lock.uid },
    }) catch |problem| switch (problem) {
        error.NotFound, error.Conflict => return,
        else => return problem,
    };
    ctl.metric("locks_released", .inc, 1, .{});
}
