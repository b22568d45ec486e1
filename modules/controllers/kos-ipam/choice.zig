//! Which address an attachment tries to get.
//!
//! The tries follow from the attachment's UID. So an attachment whose answer was lost, or that two instances work on at
//! once, comes to the same lock; and different attachments spread over the range. A try costs one look into the cache of
//! locks. Only where several in a row are taken, all locks of the network are listed.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const locks = @import("locks.zig");
const arena = ctl.arena;

const most_tries = 16;
const page = 1000;
/// Addresses that are looked at together when all locks are listed: a bit for each.
const window = 1 << 16;

pub const Choice = struct {
    namespace: []const u8,
    uid: []const u8,
    vni: u32,
    range: network.Range,
    tried: u32 = 0,

    /// An address that is free as far as the cache knows; null if none is. Each call goes on behind the last one.
    pub fn next(self: *Choice) !?u32 {
        while (self.tried < most_tries) {
            const address = self.range.first + network.chosen(self.uid, self.vni, self.tried) % self.range.size();
            self.tried += 1;
            if (try locks.get(self.namespace, .{ .vni = self.vni, .address = address }, false) == null) return address;
        }
        self.tried += 1;
        return self.free();
    }

    /// Looks at all locks, window by window.
    fn free(self: *Choice) !?u32 {
        const windows = (self.range.size() - 1) / window + 1;
        const start = network.chosen(self.uid, self.vni, self.tried) % windows;
        for (0..windows) |step| {
            const first = self.range.first + window * ((start + @as(u32, @intCast(step))) % windows);
            const last = if (self.range.last - first < window) self.range.last else first + window - 1;
            if (try self.freeOf(.{ .first = first, .last = last })) |address| return address;
        }
        return null;
    }

    fn freeOf(self: *Choice, range: network.Range) !?u32 {
        const taken = try arena.alloc(u8, range.size() / 8 + 1);
        @memset(taken, 0);
        const count = try self.mark(range, taken);
        if (count == range.size()) return null;
        var skip = network.chosen(self.uid, self.vni, self.tried) % (range.size() - count);
        for (0..range.size()) |place| {
            if (isSet(taken, place)) continue;
            if (skip == 0) return range.first + @as(u32, @intCast(place));
            skip -= 1;
        }
        return null;
    }

    /// Sets a bit for each lock in the range; how many there are.
    fn mark(self: *Choice, range: network.Range, taken: []u8) !u32 {
        var count: u32 = 0;
        var from: []const u8 = "";
        while (true) {
            const found = try ctl.list(.{
                .apiVersion = network.api_version,
                .kind = "IPLock",
                .namespace = self.namespace,
                .index = .{ .name = "vni", .value = try network.vniText(arena, self.vni) },
                .fields = &.{"/spec/ipv4"},
                .limit = page,
                .@"continue" = from,
            });
            var items = found.items.elements();
            while (items.next()) |item| {
                const address = network.addressOf(item.at("/spec/ipv4").string(arena)) orelse continue;
                if (!range.contains(address)) continue;
                const place = address - range.first;
                if (isSet(taken, place)) continue;
                taken[place / 8] |= @as(u8, 1) << @intCast(place % 8);
                count += 1;
            }
            from = found.@"continue";
            if (from.len == 0) return count;
        }
    }
};

fn isSet(bits: []const u8, place: usize) bool {
    return bits[place / 8] >> @intCast(place % 8) & 1 == 1;
}
