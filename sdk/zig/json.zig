//! JSON without a tree: values are read where they lie in the message, and answers are written from Zig's own types.
//!
//! Reading costs no memory but for texts with escapes; a look-up walks over what stands before it. Messages of the host
//! are valid JSON; what is not (a guest has to survive that too) reads as absent, never beyond the message.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// One JSON value, as its text. Absent and null are the same thing here, as they are in Kubernetes.
pub const Value = struct {
    text: []const u8,

    pub const absent: Value = .{ .text = "" };

    /// A whole message.
    pub fn parse(message: []const u8) Value {
        var cursor: Cursor = .{ .text = message };
        return cursor.value();
    }

    pub fn exists(value: Value) bool {
        return value.text.len != 0 and value.text[0] != 'n';
    }

    /// The member of an object.
    pub fn get(value: Value, name: []const u8) Value {
        var found = value.members();
        while (found.next()) |member| {
            if (sameText(member.name, name)) return member.value;
        }
        return absent;
    }

    /// `get` through several objects and arrays: "/status/errors/0". Names with "/" or "~" are not for this function.
    pub fn at(value: Value, pointer: []const u8) Value {
        var here = value;
        var steps = std.mem.splitScalar(u8, pointer, '/');
        _ = steps.next();
        while (steps.next()) |step| here = if (here.isArray()) here.element(step) else here.get(step);
        return here;
    }

    fn element(value: Value, step: []const u8) Value {
        var left = std.fmt.parseInt(usize, step, 10) catch return absent;
        var found = value.elements();
        while (found.next()) |each| : (left -= 1) {
            if (left == 0) return each;
        }
        return absent;
    }

    pub fn isArray(value: Value) bool {
        return value.text.len != 0 and value.text[0] == '[';
    }

    pub fn isObject(value: Value) bool {
        return value.text.len != 0 and value.text[0] == '{';
    }

    pub fn isString(value: Value) bool {
        return value.text.len >= 2 and value.text[0] == '"';
    }

    /// The decoded text of a string; "" for anything else. A copy only where there are escapes.
    pub fn string(value: Value, arena: Allocator) []const u8 {
        if (!value.isString()) return "";
        return decoded(arena, value.text[1 .. value.text.len - 1]) catch "";
    }

    /// An integer; null for anything else, numbers with a fraction or an exponent among them.
    pub fn int(value: Value, comptime T: type) ?T {
        return std.fmt.parseInt(T, value.text, 10) catch null;
    }

    pub fn boolean(value: Value) ?bool {
        if (std.mem.eql(u8, value.text, "true")) return true;
        return if (std.mem.eql(u8, value.text, "false")) false else null;
    }

    pub fn elements(value: Value) Elements {
        return .{ .cursor = .{ .text = value.text, .position = 1 }, .open = value.isArray() };
    }

    pub fn members(value: Value) Members {
        return .{ .cursor = .{ .text = value.text, .position = 1 }, .open = value.isObject() };
    }
};

pub const Elements = struct {
    cursor: Cursor,
    open: bool,

    pub fn next(self: *Elements) ?Value {
        if (!self.open) return null;
        const found = self.cursor.value();
        self.open = found.text.len != 0;
        if (!self.open) return null;
        self.cursor.skipMark(',');
        return found;
    }
};

/// `name` is the text between the quotes, escapes and all.
pub const Member = struct { name: []const u8, value: Value };

pub const Members = struct {
    cursor: Cursor,
    open: bool,

    pub fn next(self: *Members) ?Member {
        if (!self.open) return null;
        const name = self.cursor.value();
        self.open = name.isString();
        if (!self.open) return null;
        self.cursor.skipMark(':');
        const found = self.cursor.value();
        self.open = found.text.len != 0;
        if (!self.open) return null;
        self.cursor.skipMark(',');
        return .{ .name = name.text[1 .. name.text.len - 1], .value = found };
    }
};

const Cursor = struct {
    text: []const u8,
    position: usize = 0,

    fn skipSpace(self: *Cursor) void {
        while (self.position < self.text.len) : (self.position += 1) switch (self.text[self.position]) {
            ' ', '\t', '\r', '\n' => {},
            else => return,
        };
    }

    fn skipMark(self: *Cursor, mark: u8) void {
        self.skipSpace();
        if (self.position < self.text.len and self.text[self.position] == mark) self.position += 1;
    }

    /// The value that begins here, and goes on behind it. `absent` where there is none.
    fn value(self: *Cursor) Value {
        self.skipSpace();
        const start = self.position;
        if (start >= self.text.len) return .absent;
        switch (self.text[start]) {
            '"' => if (!self.skipString()) return .absent,
            '{', '[' => if (!self.skipNested()) return .absent,
            ']', '}', ',', ':' => return .absent,
            else => self.skipWord(),
        }
        return .{ .text = self.text[start..self.position] };
    }

    fn skipWord(self: *Cursor) void {
        while (self.position < self.text.len) : (self.position += 1) switch (self.text[self.position]) {
            ',', ']', '}', ':', ' ', '\t', '\r', '\n' => return,
            else => {},
        };
    }

    fn skipString(self: *Cursor) bool {
        self.position += 1;
        while (self.position < self.text.len) : (self.position += 1) switch (self.text[self.position]) {
            '\\' => self.position += 1,
            '"' => {
                self.position += 1;
                return true;
            },
            else => {},
        };
        self.position = self.text.len;
        return false;
    }

    fn skipNested(self: *Cursor) bool {
        var depth: usize = 0;
        while (self.position < self.text.len) switch (self.text[self.position]) {
            '"' => if (!self.skipString()) return false,
            '{', '[' => {
                depth += 1;
                self.position += 1;
            },
            '}', ']' => {
                depth -= 1;
                self.position += 1;
                if (depth == 0) return true;
            },
            else => self.position += 1,
        };
        return false;
    }
};

/// Whether an encoded name means `plain`, which has nothing to escape.
fn sameText(encoded: []const u8, plain: []const u8) bool {
    return std.mem.eql(u8, encoded, plain);
}

fn decoded(arena: Allocator, raw: []const u8) Allocator.Error![]const u8 {
    if (std.mem.indexOfScalar(u8, raw, '\\') == null) return raw;
    const out = try arena.alloc(u8, raw.len); // an escape is never shorter than what it means
    var length: usize = 0;
    var position: usize = 0;
    while (position < raw.len) {
        if (raw[position] != '\\' or position + 1 >= raw.len) {
            out[length] = raw[position];
            length += 1;
            position += 1;
            continue;
        }
        const mark = raw[position + 1];
        position += 2;
        if (mark == 'u') {
            length += std.unicode.utf8Encode(codePoint(raw, &position), out[length..]) catch 0;
            continue;
        }
        out[length] = switch (mark) {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => 8,
            'f' => 12,
            else => mark,
        };
        length += 1;
    }
    return out[0..length];
}

/// Behind `\u`: four hexadecimal digits, with the other half of a surrogate pair where there is one.
fn codePoint(raw: []const u8, position: *usize) u21 {
    const high = hexUnit(raw, position);
    if (high < 0xD800 or high > 0xDBFF) return high;
    if (position.* + 1 >= raw.len or raw[position.*] != '\\' or raw[position.* + 1] != 'u') return high;
    position.* += 2;
    const low = hexUnit(raw, position);
    if (low < 0xDC00 or low > 0xDFFF) return 0xFFFD;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

fn hexUnit(raw: []const u8, position: *usize) u21 {
    const end = @min(position.* + 4, raw.len);
    defer position.* = end;
    return std.fmt.parseInt(u16, raw[position.*..end], 16) catch 0xFFFD;
}

/// JSON as it is written. Memory comes from the arena of the call.
pub const Text = struct {
    arena: Allocator,
    bytes: []u8 = &.{},
    length: usize = 0,

    pub fn written(self: Text) []const u8 {
        return self.bytes[0..self.length];
    }

    pub fn append(self: *Text, more: []const u8) Allocator.Error!void {
        if (self.length + more.len > self.bytes.len) {
            self.bytes = try self.arena.realloc(self.bytes, @max(256, 2 * (self.length + more.len)));
        }
        @memcpy(self.bytes[self.length..][0..more.len], more);
        self.length += more.len;
    }

    /// A bool, an integer, a text, a `Value` as it stands, an enum's name, an optional, an array or slice, or a struct:
    /// an object of its fields. A field that is null or equal to its default is left out.
    pub fn write(self: *Text, value: anytype) Allocator.Error!void {
        const T = @TypeOf(value);
        if (T == Value) return self.append(if (value.text.len == 0) "null" else value.text);
        switch (@typeInfo(T)) {
            .bool => try self.append(if (value) "true" else "false"),
            .int, .comptime_int => try self.writeInt(value),
            .@"enum", .enum_literal => try self.writeString(@tagName(value)),
            .optional => if (value) |present| try self.write(present) else try self.append("null"),
            // `.{}` is an empty object; an empty list is a slice.
            .@"struct" => |info| if (info.is_tuple and info.field_names.len != 0) try self.writeTuple(value) else try self.writeObject(value),
            .array => try self.writeSlice(&value),
            .pointer => |info| switch (info.size) {
                .slice => if (info.child == u8) try self.writeString(value) else try self.writeSlice(value),
                .one => switch (@typeInfo(info.child)) {
                    .array => |array| if (array.child == u8) try self.writeString(value) else try self.writeSlice(value),
                    else => try self.write(value.*),
                },
                else => @compileError("no JSON for " ++ @typeName(T)),
            },
            else => @compileError("no JSON for " ++ @typeName(T)),
        }
    }

    fn writeInt(self: *Text, value: anytype) Allocator.Error!void {
        var digits: [24]u8 = undefined;
        const wide: i64 = @intCast(value);
        var left: u64 = @abs(wide);
        var start: usize = digits.len;
        while (true) {
            start -= 1;
            digits[start] = @intCast('0' + left % 10);
            left /= 10;
            if (left == 0) break;
        }
        if (wide < 0) try self.append("-");
        try self.append(digits[start..]);
    }

    fn writeTuple(self: *Text, value: anytype) Allocator.Error!void {
        try self.append("[");
        inline for (value, 0..) |each, number| {
            if (number != 0) try self.append(",");
            try self.write(each);
        }
        try self.append("]");
    }

    fn writeSlice(self: *Text, value: anytype) Allocator.Error!void {
        try self.append("[");
        for (value, 0..) |each, number| {
            if (number != 0) try self.append(",");
            try self.write(each);
        }
        try self.append("]");
    }

    fn writeObject(self: *Text, value: anytype) Allocator.Error!void {
        try self.append("{");
        var first = true;
        const info = @typeInfo(@TypeOf(value)).@"struct";
        inline for (info.field_names, info.field_types, info.field_attrs) |name, T, attributes| {
            // A field of `.{ .a = 1 }` has a "default" as well: what it is.
            const default = comptime if (attributes.@"comptime") null else attributes.defaultValue(T);
            if (!isLeftOut(T, default, @field(value, name))) {
                if (!first) try self.append(",");
                first = false;
                try self.append("\"" ++ name ++ "\":");
                try self.write(@field(value, name));
            }
        }
        try self.append("}");
    }

    pub fn writeString(self: *Text, value: []const u8) Allocator.Error!void {
        try self.append("\"");
        var clean: usize = 0;
        for (value, 0..) |byte, position| {
            if (byte >= 0x20 and byte != '"' and byte != '\\') continue;
            try self.append(value[clean..position]);
            clean = position + 1;
            const digits = "0123456789abcdef";
            switch (byte) {
                '"', '\\' => try self.append(&.{ '\\', byte }),
                else => try self.append(&.{ '\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15] }),
            }
        }
        try self.append(value[clean..]);
        try self.append("\"");
    }
};

fn isLeftOut(comptime T: type, comptime default: ?T, value: T) bool {
    if (T == Value) return value.text.len == 0;
    if (@typeInfo(T) == .optional and value == null) return true;
    if (default == null) return false;
    return switch (@typeInfo(T)) {
        .bool, .int, .@"enum" => value == default.?,
        .pointer => |info| info.size == .slice and value.len == 0 and default.?.len == 0,
        else => false,
    };
}

/// `value` as JSON text, in memory of the arena.
pub fn stringify(arena: Allocator, value: anytype) Allocator.Error![]const u8 {
    var text: Text = .{ .arena = arena };
    try text.write(value);
    return text.written();
}

test "values are found where they lie" {
    const message = Value.parse(" {\"a\": {\"b\":[1, -2,{\"c\":\"x\\ny\\u00e9\\ud83d\\ude00\"}]},\"n\":null,\"t\":true}");
    var buffer: [256]u8 = undefined;
    var fixed = std.heap.FixedBufferAllocator.init(&buffer);
    try std.testing.expectEqual(@as(?i64, -2), message.at("/a/b/1").int(i64));
    try std.testing.expectEqualStrings("x\ny\u{e9}\u{1F600}", message.at("/a/b/2/c").string(fixed.allocator()));
    try std.testing.expect(!message.get("n").exists() and !message.get("x").exists() and !message.at("/a/b/9").exists());
    try std.testing.expectEqual(@as(?bool, true), message.get("t").boolean());
    try std.testing.expectEqual(@as(?u8, null), message.at("/a/b/1").int(u8));
}

test "broken messages read as absent" {
    for ([_][]const u8{ "", "{", "{\"a\"", "{\"a\":", "{\"a\":[", "{\"a\":\"\\", "]", "{\"a\" 1 2}", "[1,,2]" }) |broken| {
        const message = Value.parse(broken);
        _ = message.at("/a/0/b");
        var found = message.elements();
        while (found.next()) |_| {}
    }
}

test "what is written is what the types say" {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    const Choice = enum { create, update };
    const Request = struct { verb: Choice, name: []const u8 = "", live: bool = false, limit: ?u32 = null, raw: Value, more: []const []const u8 = &.{} };
    const got = try stringify(arena.allocator(), Request{ .verb = .create, .name = "a\"\\\n", .raw = .parse("{\"x\": 1}"), .more = &.{ "p", "q" } });
    try std.testing.expectEqualStrings("{\"verb\":\"create\",\"name\":\"a\\\"\\\\\\u000a\",\"raw\":{\"x\": 1},\"more\":[\"p\",\"q\"]}", got);
    try std.testing.expectEqualStrings("{\"args\":{}}", try stringify(arena.allocator(), .{ .args = .{} }));
    try std.testing.expectEqualStrings("{\"exists\":true,\"n\":0}", try stringify(arena.allocator(), .{ .exists = true, .n = 0 }));
    const numbers = try stringify(arena.allocator(), .{ @as(i64, -9007199254740993), @as(u8, 0), true, @as(?u8, null) });
    try std.testing.expectEqualStrings("[-9007199254740993,0,true,null]", numbers);
}
