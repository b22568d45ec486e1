//! Addresses, ranges and names of virtual networks: what the modules kos-subnets, kos-ipam and kos-agent agree on. Pure.

const std = @import("std");
const Allocator = std.mem.Allocator;

pub const api_version = "network.edged.dev/v1alpha1";
pub const highest_vni = (1 << 21) - 1;

/// Addresses from `first` to `last`, both included.
pub const Range = struct {
    first: u32,
    last: u32,

    pub fn size(range: Range) u32 {
        return range.last - range.first + 1;
    }

    pub fn contains(range: Range, address: u32) bool {
        return range.first <= address and address <= range.last;
    }

    pub fn overlaps(range: Range, other: Range) bool {
        return range.first <= other.last and other.first <= range.last;
    }

    /// What attachments may have: not the network's own address, the one behind it and the last one, where that leaves
    /// any; small networks give all they have.
    pub fn assignable(range: Range) Range {
        return if (range.size() >= 5) .{ .first = range.first + 2, .last = range.last - 1 } else range;
    }
};

const private = [_]Range{
    .{ .first = 0x0A000000, .last = 0x0AFFFFFF }, // 10.0.0.0/8
    .{ .first = 0xAC100000, .last = 0xAC1FFFFF }, // 172.16.0.0/12
    .{ .first = 0xC0A80000, .last = 0xC0A8FFFF }, // 192.168.0.0/16
};

/// A number without sign and leading zeros.
fn number(comptime T: type, text: []const u8) ?T {
    if (text.len == 0 or (text.len > 1 and text[0] == '0')) return null;
    for (text) |digit| if (digit < '0' or digit > '9') return null;
    return std.fmt.parseInt(T, text, 10) catch null;
}

/// "10.1.2.3", in this form alone.
pub fn addressOf(text: []const u8) ?u32 {
    return fourBytes(text, '.');
}

fn fourBytes(text: []const u8, mark: u8) ?u32 {
    var parts = std.mem.splitScalar(u8, text, mark);
    var address: u32 = 0;
    for (0..4) |_| address = address << 8 | (number(u8, parts.next() orelse return null) orelse return null);
    return if (parts.next() == null) address else null;
}

/// What is wrong with a network, in words for its author.
pub const NotANetwork = error{ NotCanonical, NotPrivate };

/// "10.1.2.0/24" in private space, with no bit set behind the prefix.
pub fn rangeOf(text: []const u8) NotANetwork!Range {
    const slash = std.mem.indexOfScalar(u8, text, '/') orelse return error.NotCanonical;
    const first = addressOf(text[0..slash]) orelse return error.NotCanonical;
    const prefix = number(u6, text[slash + 1 ..]) orelse return error.NotCanonical;
    if (prefix > 32) return error.NotCanonical;
    const host_bits: u32 = @truncate((@as(u64, 1) << @intCast(32 - prefix)) - 1);
    if (first & host_bits != 0) return error.NotCanonical;
    const range: Range = .{ .first = first, .last = first | host_bits };
    for (private) |each| if (each.contains(range.first) and each.contains(range.last)) return range;
    return error.NotPrivate;
}

pub fn addressText(arena: Allocator, address: u32) Allocator.Error![]const u8 {
    return bytesText(arena, address, '.', "");
}

fn bytesText(arena: Allocator, address: u32, mark: u8, before: []const u8) Allocator.Error![]const u8 {
    const out = try arena.alloc(u8, before.len + 15);
    @memcpy(out[0..before.len], before);
    var length = before.len;
    for (0..4) |place| {
        if (place != 0) {
            out[length] = mark;
            length += 1;
        }
        length += decimal(out[length..], @as(u8, @truncate(address >> @intCast(24 - 8 * place))));
    }
    return out[0..length];
}

fn decimal(out: []u8, value: u32) usize {
    var digits: [10]u8 = undefined;
    var start: usize = digits.len;
    var left = value;
    while (true) {
        start -= 1;
        digits[start] = @intCast('0' + left % 10);
        left /= 10;
        if (left == 0) break;
    }
    @memcpy(out[0 .. digits.len - start], digits[start..]);
    return digits.len - start;
}

pub fn vniText(arena: Allocator, vni: u32) Allocator.Error![]const u8 {
    const out = try arena.alloc(u8, 10);
    return out[0..decimal(out, vni)];
}

/// `v1-VNI-A-B-C-D`: one name for one address of a virtual network, so the API server keeps a second lock away.
pub fn lockName(arena: Allocator, vni: u32, address: u32) Allocator.Error![]const u8 {
    var before: [16]u8 = undefined;
    @memcpy(before[0..3], "v1-");
    const length = 3 + decimal(before[3..], vni);
    before[length] = '-';
    return bytesText(arena, address, '-', before[0 .. length + 1]);
}

pub const Slot = struct { vni: u32, address: u32 };

/// What a lock's name says; null for other names.
pub fn slotOf(name: []const u8) ?Slot {
    if (!std.mem.startsWith(u8, name, "v1-")) return null;
    const dash = std.mem.indexOfScalarPos(u8, name, 3, '-') orelse return null;
    const vni = number(u21, name[3..dash]) orelse return null;
    if (vni == 0) return null;
    return .{ .vni = vni, .address = fourBytes(name[dash + 1 ..], '-') orelse return null };
}

/// The MAC address of an address: one for each pair of virtual network and private address. Locally administered.
pub fn macOf(slot: Slot) [6]u8 {
    const first: u8 = @truncate(slot.address >> 24);
    return .{
        // Of the first bytes of private addresses, 10, 172 and 192, one bit is enough beside the second byte.
        @as(u8, @truncate(slot.vni >> 16)) << 3 | (first >> 1 & 1) << 2 | 2,
        @truncate(slot.address >> 16),
        @truncate(slot.address >> 8),
        @truncate(slot.address),
        @truncate(slot.vni >> 8),
        @truncate(slot.vni),
    };
}

/// "02:00:...": with `mark` between the bytes, 0 for none.
pub fn hexText(arena: Allocator, mac: [6]u8, before: []const u8, mark: u8) Allocator.Error![]const u8 {
    const out = try arena.alloc(u8, before.len + 17);
    @memcpy(out[0..before.len], before);
    var length = before.len;
    for (mac, 0..) |byte, place| {
        if (place != 0 and mark != 0) {
            out[length] = mark;
            length += 1;
        }
        out[length] = "0123456789abcdef"[byte >> 4];
        out[length + 1] = "0123456789abcdef"[byte & 15];
        length += 2;
    }
    return out[0..length];
}

/// A number that differs from attachment to attachment and from try to try, the same in each controller.
pub fn chosen(uid: []const u8, vni: u32, attempt: u32) u32 {
    var hash: u32 = 0x811C9DC5 ^ vni;
    for (uid) |byte| hash = (hash ^ byte) *% 0x01000193;
    hash = (hash ^ attempt) *% 0x85EBCA6B;
    hash = (hash ^ hash >> 13) *% 0xC2B2AE35;
    return hash ^ hash >> 16;
}

/// "2026-01-31T23:59:59Z" of milliseconds since 1970.
pub fn timeText(arena: Allocator, now_ms: i64) Allocator.Error![]const u8 {
    const seconds = @divFloor(now_ms, 1000);
    const of_day: u32 = @intCast(@mod(seconds, 86400));
    const date = civil(@divFloor(seconds, 86400));
    const out = try arena.alloc(u8, 20);
    @memcpy(out, "0000-00-00T00:00:00Z");
    fill(out[0..4], date.year);
    fill(out[5..7], date.month);
    fill(out[8..10], date.day);
    fill(out[11..13], of_day / 3600);
    fill(out[14..16], of_day / 60 % 60);
    fill(out[17..19], of_day % 60);
    return out;
}

fn fill(out: []u8, value: u32) void {
    var left = value;
    var place = out.len;
    while (place > 0) : (left /= 10) {
        place -= 1;
        out[place] = @intCast('0' + left % 10);
    }
}

const Date = struct { year: u32, month: u32, day: u32 };

/// The date of a day since 1970-01-01, by years that begin in March and eras of 400 years.
fn civil(days: i64) Date {
    const shifted = days + 719468;
    const era = @divFloor(shifted, 146097);
    const of_era: u32 = @intCast(shifted - era * 146097);
    const year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const of_year = of_era - (365 * year + year / 4 - year / 100);
    const month = (5 * of_year + 2) / 153;
    const january = month >= 10;
    return .{
        .year = @intCast(@as(i64, year) + era * 400 + @intFromBool(january)),
        .month = if (january) month - 9 else month + 3,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

/// Milliseconds since 1970 of what `timeText` wrote, with or without a fraction; null for anything else.
pub fn timeOf(text: []const u8) ?i64 {
    if (text.len < 20 or text[4] != '-' or text[10] != 'T' or text[text.len - 1] != 'Z') return null;
    const year = std.fmt.parseInt(i64, text[0..4], 10) catch return null;
    const month = std.fmt.parseInt(i64, text[5..7], 10) catch return null;
    const day = std.fmt.parseInt(i64, text[8..10], 10) catch return null;
    const hour = std.fmt.parseInt(i64, text[11..13], 10) catch return null;
    const minute = std.fmt.parseInt(i64, text[14..16], 10) catch return null;
    const second = std.fmt.parseInt(i64, text[17..19], 10) catch return null;
    const march = if (month > 2) year else year - 1;
    const era = @divFloor(march, 400);
    const of_era = march - era * 400;
    const of_year = @divFloor(153 * (if (month > 2) month - 3 else month + 9) + 2, 5) + day - 1;
    const days = era * 146097 + of_era * 365 + @divFloor(of_era, 4) - @divFloor(of_era, 100) + of_year - 719468;
    return 1000 * (days * 86400 + hour * 3600 + minute * 60 + second);
}

test "networks are private and canonical" {
    try std.testing.expectEqual(Range{ .first = 0x0A010200, .last = 0x0A0102FF }, try rangeOf("10.1.2.0/24"));
    try std.testing.expectEqual(Range{ .first = 0x0A000000, .last = 0x0AFFFFFF }, try rangeOf("10.0.0.0/8"));
    try std.testing.expectEqual(@as(u32, 1), (try rangeOf("192.168.3.4/32")).size());
    for ([_][]const u8{ "", "10.1.2.0", "10.1.2.1/24", "10.1.2.0/33", "10.1.2.0/024", "010.1.2.0/24", "10.1.2/24", "10.1.2.0.0/24", "10.1.256.0/24", "+10.1.2.0/24" }) |text|
        try std.testing.expectError(error.NotCanonical, rangeOf(text));
    for ([_][]const u8{ "11.0.0.0/8", "10.0.0.0/7", "0.0.0.0/0", "172.32.0.0/16", "192.169.0.0/24" }) |text|
        try std.testing.expectError(error.NotPrivate, rangeOf(text));
}

test "small networks give all their addresses" {
    try std.testing.expectEqual(@as(u32, 4), (try rangeOf("10.0.0.4/30")).assignable().size());
    const eight = (try rangeOf("10.0.0.8/29")).assignable();
    try std.testing.expectEqual(Range{ .first = 0x0A00000A, .last = 0x0A00000E }, eight);
}

test "a lock's name says its address, and nothing else is one" {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    const name = try lockName(arena.allocator(), highest_vni, 0xAC1FFF00);
    try std.testing.expectEqualStrings("v1-2097151-172-31-255-0", name);
    try std.testing.expectEqual(Slot{ .vni = highest_vni, .address = 0xAC1FFF00 }, slotOf(name).?);
    for ([_][]const u8{ "v1-2097152-10-0-0-1", "v1-0-10-0-0-1", "v1-5-10-0-0", "v1-5-10-0-0-1-2", "v1-5-10-0-0-256", "v2-5-10-0-0-1", "v1-05-10-0-0-1" }) |text|
        try std.testing.expectEqual(@as(?Slot, null), slotOf(text));
}

test "MAC addresses differ where slots do" {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    var seen = std.AutoHashMap([6]u8, void).init(std.testing.allocator);
    defer seen.deinit();
    for ([_]u32{ 1, 255, 256, 65535, 65536, highest_vni }) |vni| for ([_]u32{ 0x0A100000, 0x0AA80000, 0xAC100000, 0xAC1F0001, 0xC0A80000, 0x0A000001 }) |address| {
        const mac = macOf(.{ .vni = vni, .address = address });
        try std.testing.expect(mac[0] & 3 == 2); // locally administered, one interface
        try std.testing.expect(!(try seen.getOrPut(mac)).found_existing);
    };
    try std.testing.expectEqualStrings("06:00:00:05:00:01", try hexText(arena.allocator(), macOf(.{ .vni = 1, .address = 0x0A000005 }), "", ':'));
}

test "times go both ways" {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    for ([_]i64{ 0, 951782400000, 951868799000, 1709164800000, 4102444799000 }) |moment|
        try std.testing.expectEqual(@as(?i64, moment), timeOf(try timeText(arena.allocator(), moment)));
    try std.testing.expectEqualStrings("2000-02-29T00:00:00Z", try timeText(arena.allocator(), 951782400123));
    try std.testing.expectEqual(@as(?i64, null), timeOf("yesterday"));
}
