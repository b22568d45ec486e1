//! Changes of an object's status that leave alone what others wrote there.

const std = @import("std");
const ctl = @import("edged_ctl");
const Value = ctl.Value;

/// A member of the status. Its value `Value.absent`: it goes away.
pub const Edit = struct { name: []const u8, value: Value };

/// An object with some members changed, the others as they stand.
pub fn edited(arena: std.mem.Allocator, old: Value, edits: []const Edit) std.mem.Allocator.Error!Value {
    var text: ctl.json.Text = .{ .arena = arena };
    var separator: []const u8 = "{";
    var members = old.members();
    while (members.next()) |member| {
        if (find(edits, member.name) != null) continue;
        try append(&text, &separator, member.name, member.value);
    }
    for (edits) |edit| if (edit.value.exists()) try append(&text, &separator, edit.name, edit.value);
    try text.append(if (separator[0] == '{') "{}" else "}");
    return .{ .text = text.written() };
}

fn append(text: *ctl.json.Text, separator: *[]const u8, name: []const u8, value: Value) !void {
    try text.append(separator.*);
    separator.* = ",";
    try text.append("\"");
    try text.append(name);
    try text.append("\":");
    try text.append(value.text);
}

fn find(edits: []const Edit, name: []const u8) ?Edit {
    for (edits) |edit| if (std.mem.eql(u8, edit.name, name)) return edit;
    return null;
}

/// Writes the status of `object`, guarded by its uid and resourceVersion. Gives back the object as it is now.
pub fn write(object: Value, edits: []const Edit) ctl.Error!Value {
    const metadata = object.get("metadata");
    const body = try ctl.text(.{
        .apiVersion = object.get("apiVersion"),
        .kind = object.get("kind"),
        .metadata = .{
            .name = metadata.get("name"),
            .namespace = metadata.get("namespace"),
            .uid = metadata.get("uid"),
            .resourceVersion = metadata.get("resourceVersion"),
        },
        .spec = object.get("spec"),
        .status = try edited(ctl.arena, object.get("status"), edits),
    });
    const written = try ctl.update(.{
        .apiVersion = object.get("apiVersion").string(ctl.arena),
        .kind = object.get("kind").string(ctl.arena),
        .namespace = metadata.get("namespace").string(ctl.arena),
        .name = metadata.get("name").string(ctl.arena),
        .subresource = "status",
        .object = body,
    });
    return written.object;
}

test "what is not named stays as it is" {
    var state = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer state.deinit();
    const old = Value.parse("{\"a\": [1, 2],\"b\":\"x\",\"c\":{}}");
    const new = try edited(state.allocator(), old, &.{ .{ .name = "b", .value = .absent }, .{ .name = "d", .value = .parse("5") } });
    try std.testing.expectEqualStrings("{\"a\":[1, 2],\"c\":{},\"d\":5}", new.text);
    const nothing = try edited(state.allocator(), .absent, &.{.{ .name = "b", .value = .absent }});
    try std.testing.expectEqualStrings("{}", nothing.text);
}
