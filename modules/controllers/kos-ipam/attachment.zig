//! What becomes of one attachment: it keeps its address, gets one, or loses it.
//!
//! Whatever happens between two writes, and whatever of it the cache shows, these hold: a status names only an address whose
//! lock this attachment owns; a lock is deleted only when its owner is gone, or after the status said, in `releasing`, that
//! it will be: who writes a status has seen the list, because writes are guarded by the resourceVersion.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const object_status = @import("object_status");
const locks = @import("locks.zig");
const subnets = @import("subnets.zig");
const choice = @import("choice.zig");
const Lock = locks.Lock;
const Value = ctl.Value;
const arena = ctl.arena;

/// Of the configuration: how long an attachment without a usable Subnet keeps its lock, to have the same address again.
pub var grace_ms: i64 = 10_000;

const most_creates = 4;
/// Locks that were given up are remembered for caches that are behind; this many of them.
const most_releasing = 32;

const now: ctl.Result = .{ .requeueAfterMs = 1 };

pub fn reconcile(request: ctl.Request) !ctl.Result {
    const object = request.object;
    const uid = object.at("/metadata/uid").string(arena);
    const owned = try locks.ofOwner(request.key.namespace, request.key.name);
    var own: std.ArrayList(Lock) = .empty;
    for (owned) |lock| if (std.mem.eql(u8, lock.owner, uid)) try own.append(arena, lock);
    if (own.items.len < owned.len) try releaseDead(request.key, owned, uid);
    if (!object.exists()) return .done;
    const status = object.get("status");
    var work: Work = .{
        .object = object,
        .status = status,
        .owner = .{
            .namespace = request.key.namespace,
            .name = request.key.name,
            .uid = uid,
            .subnet = object.at("/spec/subnet").string(arena),
        },
        .own = own.items,
        .address = status.get("ipv4").string(arena),
    };
    return work.run() catch |problem| if (problem == error.NotFound) .done else problem;
}

/// Deletes locks of former editions of the attachment. Not those of an edition that the cache does not show yet: who is
/// alive, the API server says.
fn releaseDead(key: ctl.Key, owned: []const Lock, seen: []const u8) !void {
    const alive = if (ctl.get(.{
        .apiVersion = network.api_version,
        .kind = "NetworkAttachment",
        .namespace = key.namespace,
        .name = key.name,
        .live = true,
    })) |got| got.object.at("/metadata/uid").string(arena) else |problem| if (problem == error.NotFound) "" else return problem;
    for (owned) |lock| {
        if (std.mem.eql(u8, lock.owner, seen) or std.mem.eql(u8, lock.owner, alive)) continue;
        try locks.release(key.namespace, lock);
    }
}

const Work = struct {
    object: Value,
    status: Value,
    owner: locks.Owner,
    /// Cached locks of this edition.
    own: []const Lock,
    /// What the status shows.
    address: []const u8,

    fn run(work: *Work) !ctl.Result {
        const offer = try subnets.offer(work.owner.namespace, work.owner.subnet);
        const shown = if (offer == .unexamined) return .done else try work.shownLock();
        const found = switch (offer) {
            .network => |found| found,
            .none => |why| return work.withoutSubnet(why),
            .unexamined => unreachable,
        };
        if (shown) |lock| return work.withAddress(found, lock);
        if (work.bestOf(found)) |lock| return work.adopt(found, lock);
        if (work.own.len != 0) return work.giveUp(work.own, false);
        if (found.is_deleting) return work.withoutSubnet(try work.sentence(" is being deleted"));
        if (work.object.at("/metadata/deletionTimestamp").exists()) return .done;
        return work.pick(found);
    }

    fn sentence(work: *Work, rest: []const u8) ![]const u8 {
        return subnets.sentence(work.owner.namespace, work.owner.subnet, rest);
    }

    fn shownSlot(work: *Work) ?network.Slot {
        const address = network.addressOf(work.address) orelse return null;
        return .{ .vni = work.status.get("addressVNI").int(u32) orelse return null, .address = address };
    }

    /// The lock of the address that the status shows. One that the cache lacks is asked for: statuses may arrive first.
    fn shownLock(work: *Work) !?Lock {
        const slot = work.shownSlot() orelse return null;
        const uid = work.status.get("lockUID").string(arena);
        for (work.own) |lock| if (std.meta.eql(lock.slot, slot)) {
            return if (std.mem.eql(u8, lock.uid, uid)) lock else null;
        };
        const lock = try locks.get(work.owner.namespace, slot, true) orelse return null;
        if (!std.mem.eql(u8, lock.owner, work.owner.uid)) return null;
        work.own = try std.mem.concat(arena, Lock, &.{ work.own, &.{lock} });
        return if (std.mem.eql(u8, lock.uid, uid)) lock else null;
    }

    fn withAddress(work: *Work, found: subnets.Network, lock: Lock) !ctl.Result {
        if (!found.has(lock.slot)) return work.giveUp(work.own, false);
        var surplus: std.ArrayList(Lock) = .empty;
        for (work.own) |each| if (!std.mem.eql(u8, each.uid, lock.uid)) try surplus.append(arena, each);
        if (surplus.items.len != 0) return work.giveUp(surplus.items, true);
        const clean = !work.status.at("/errors/ipam").exists() and !work.status.get("addressContention").exists();
        if (clean and !work.status.get("unaddressedSince").exists()) return .done;
        try work.show(lock);
        return .done;
    }

    /// The best lock that can be shown: none that was given up, since another instance may be deleting it.
    fn bestOf(work: *Work, found: subnets.Network) ?Lock {
        var best: ?Lock = null;
        for (work.own) |lock| {
            if (!found.has(lock.slot) or work.isGivenUp(lock)) continue;
            if (best == null or lock.isBetterThan(best.?)) best = lock;
        }
        return best;
    }

    /// Somebody took a lock and did not come to write it down.
    fn adopt(work: *Work, found: subnets.Network, lock: Lock) !ctl.Result {
        if (!try subnets.isStill(found, work.owner.namespace, work.owner.subnet, false)) return work.behind();
        try work.show(lock);
        ctl.metric("addresses", .inc, 1, .{ .by = @as([]const u8, "adoption") });
        return if (work.own.len > 1) now else .done;
    }

    fn behind(work: *Work) !ctl.Result {
        return .retry(try work.sentence(" is not what the cache shows"));
    }

    fn pick(work: *Work, found: subnets.Network) !ctl.Result {
        var tries: choice.Choice = .{
            .namespace = work.owner.namespace,
            .uid = work.owner.uid,
            .vni = found.vni,
            .range = found.range,
        };
        var former = work.shownSlot(); // its lock is gone: the same address, if it is still to be had
        for (0..most_creates) |_| {
            const slot = former orelse network.Slot{ .vni = found.vni, .address = try tries.next() orelse return work.contended(found) };
            former = null;
            if (!found.has(slot)) continue;
            const lock = switch (try locks.take(work.owner, slot)) {
                .created, .found => |lock| lock,
                .other => continue,
            };
            if (work.isGivenUp(lock)) return work.giveUp(&.{lock}, false);
            if (!try subnets.isStill(found, work.owner.namespace, work.owner.subnet, true)) return work.behind();
            try work.show(lock);
            work.tell(slot) catch {};
            return .done;
        }
        return .retry("the cache of locks is behind");
    }

    fn tell(work: *Work, slot: network.Slot) !void {
        const waited = work.status.get("addressContention").boolean() orelse false;
        ctl.metric("addresses", .inc, 1, .{ .by = @as([]const u8, if (waited) "contention" else "choice") });
        ctl.emit(.{
            .regarding = .{
                .apiVersion = network.api_version,
                .kind = "NetworkAttachment",
                .namespace = work.owner.namespace,
                .name = work.owner.name,
                .uid = work.owner.uid,
            },
            .reason = "AddressAssigned",
            .note = try std.mem.concat(arena, u8, &.{
                try network.addressText(arena, slot.address), " of VNI ", try network.vniText(arena, slot.vni),
            }),
        });
    }

    /// All addresses are taken. The text is written once; a lock that goes wakes somebody, back-off does the rest.
    fn contended(work: *Work, found: subnets.Network) !ctl.Result {
        const why = try work.sentence(try std.mem.concat(arena, u8, &.{
            " is full: all ", try network.vniText(arena, found.range.size()), " addresses are taken",
        }));
        ctl.metric("contention", .inc, 1, .{});
        const waits = work.status.get("addressContention").boolean() orelse false;
        if (!waits or work.address.len != 0) try work.clear(why, .{ .name = "addressContention", .value = try ctl.text(true) });
        return .retry(why);
    }

    /// There is no Subnet to have an address of. The status loses its address now, the lock goes when the Subnet has not
    /// come back in time. Since when that is so stands in the status.
    fn withoutSubnet(work: *Work, why: []const u8) !ctl.Result {
        const said = work.status.get("unaddressedSince").string(arena);
        const moment = ctl.nowMs();
        const since = network.timeOf(said) orelse moment;
        if (said.len == 0 or work.address.len != 0 or !work.says(why)) {
            const text = if (said.len == 0) try network.timeText(arena, moment) else said;
            try work.clear(why, .{ .name = "unaddressedSince", .value = try ctl.text(text) });
        }
        if (work.own.len == 0) return .done;
        const left = grace_ms - (moment - since);
        if (left > 0) return .{ .requeueAfterMs = @intCast(left) };
        return work.giveUp(work.own, false);
    }

    fn says(work: *Work, why: []const u8) bool {
        return std.mem.eql(u8, work.status.at("/errors/ipam/0").string(arena), why);
    }

    fn isGivenUp(work: *Work, lock: Lock) bool {
        var each = work.status.get("releasing").elements();
        while (each.next()) |uid| if (std.mem.eql(u8, uid.string(arena), lock.uid)) return true;
        return false;
    }

    /// Deletes locks of this edition, after the status says so. `keep`: the address that it shows is another one's.
    fn giveUp(work: *Work, gone: []const Lock, keep: bool) !ctl.Result {
        var said = keep or work.address.len == 0;
        var releasing: std.ArrayList([]const u8) = .empty;
        var each = work.status.get("releasing").elements();
        while (each.next()) |uid| try releasing.append(arena, uid.string(arena));
        for (gone) |lock| {
            if (work.isGivenUp(lock)) continue;
            said = false;
            try releasing.append(arena, lock.uid);
        }
        const first = releasing.items.len -| most_releasing;
        const edit: object_status.Edit = .{ .name = "releasing", .value = try ctl.text(releasing.items[first..]) };
        if (!said) try work.write(if (keep) &.{edit} else &(without_address ++ .{edit}));
        for (gone) |lock| try locks.release(work.owner.namespace, lock);
        return now;
    }

    fn show(work: *Work, lock: Lock) !void {
        const address = try network.addressText(arena, lock.slot.address);
        const edits = [_]object_status.Edit{
            .{ .name = "ipv4", .value = try ctl.text(address) },
            .{ .name = "addressVNI", .value = try ctl.text(lock.slot.vni) },
            .{ .name = "lockUID", .value = try ctl.text(lock.uid) },
            .{ .name = "addressContention", .value = .absent },
            .{ .name = "unaddressedSince", .value = .absent },
            .{ .name = "errors", .value = try work.errors(.absent) },
        };
        const same = std.mem.eql(u8, address, work.address);
        try work.write(if (same) &edits else &(edits ++ without_interface));
    }

    /// No address, for a reason. `more` is the edit that goes with the reason; the other one's member goes away.
    fn clear(work: *Work, why: []const u8, more: object_status.Edit) !void {
        const edits = without_address ++ [_]object_status.Edit{
            .{ .name = "errors", .value = try work.errors(try ctl.text(.{why})) },
            if (std.mem.eql(u8, more.name, "unaddressedSince")) more else .{ .name = "unaddressedSince", .value = .absent },
            if (std.mem.eql(u8, more.name, "addressContention")) more else .{ .name = "addressContention", .value = .absent },
        };
        try work.write(&edits);
    }

    fn errors(work: *Work, ipam: Value) !Value {
        const new = try object_status.edited(arena, work.status.get("errors"), &.{.{ .name = "ipam", .value = ipam }});
        return if (new.text.len == 2) .absent else new;
    }

    fn write(work: *Work, edits: []const object_status.Edit) !void {
        work.object = try object_status.write(work.object, edits);
        work.status = work.object.get("status");
        work.address = work.status.get("ipv4").string(arena);
    }
};

const without_interface = [_]object_status.Edit{
    .{ .name = "macAddress", .value = .absent },
    .{ .name = "ifcName", .value = .absent },
    .{ .name = "hostIP", .value = .absent },
    .{ .name = "readyTime", .value = .absent },
};

/// With the address goes what the agent said of its interface.
const without_address = without_interface ++ [_]object_status.Edit{
    .{ .name = "ipv4", .value = .absent },
    .{ .name = "addressVNI", .value = .absent },
    .{ .name = "lockUID", .value = .absent },
};
