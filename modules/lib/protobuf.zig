//! Reads protobuf messages in place, as far as scheduler plugins need them: the fields of a message one after the
//! other, and entries of `map<string, string>`. Field numbers are the callers' business.

const std = @import("std");

pub const Malformed = error{Malformed};

/// One field of a message. `bytes` is the content of a length-delimited field and empty for all others.
pub const Field = struct { number: u32, bytes: []const u8 };

pub const Reader = struct {
    rest: []const u8,

    /// The next field, or null at the end of the message.
    pub fn next(self: *Reader) Malformed!?Field {
        if (self.rest.len == 0) return null;
        const tag = try self.varint();
        const number = std.math.cast(u32, tag >> 3) orelse return error.Malformed;
        const bytes: []const u8 = switch (tag & 7) {
            0 => blk: {
                _ = try self.varint();
                break :blk "";
            },
            1 => blk: {
                _ = try self.take(8);
                break :blk "";
            },
            2 => try self.take(try self.varint()),
            5 => blk: {
                _ = try self.take(4);
                break :blk "";
            },
            else => return error.Malformed,
        };
        return .{ .number = number, .bytes = bytes };
    }

    fn varint(self: *Reader) Malformed!u64 {
        var value: u64 = 0;
        for (0..10) |index| {
            if (index >= self.rest.len) return error.Malformed;
            const byte = self.rest[index];
            value |= @as(u64, byte & 0x7f) << @intCast(@min(index * 7, 63));
            if (byte < 0x80) {
                self.rest = self.rest[index + 1 ..];
                return value;
            }
        }
        return error.Malformed;
    }

    fn take(self: *Reader, length: u64) Malformed![]const u8 {
        if (length > self.rest.len) return error.Malformed;
        const taken = self.rest[0..@intCast(length)];
        self.rest = self.rest[@intCast(length)..];
        return taken;
    }
};

/// The content of the message's first field of that number, or null.
pub fn find(message: []const u8, number: u32) Malformed!?[]const u8 {
    var reader: Reader = .{ .rest = message };
    while (try reader.next()) |field| {
        if (field.number == number) return field.bytes;
    }
    return null;
}

/// The value of `key` in the `map<string, string>` that is field `number` of the message, or null.
pub fn findInMap(message: []const u8, number: u32, key: []const u8) Malformed!?[]const u8 {
    var reader: Reader = .{ .rest = message };
    while (try reader.next()) |field| {
        if (field.number != number) continue;
        const found = try find(field.bytes, 1) orelse "";
        if (std.mem.eql(u8, found, key)) return try find(field.bytes, 2) orelse "";
    }
    return null;
}
