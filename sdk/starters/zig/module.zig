//! Keeps a ConfigMap named greeting in each Namespace that is labelled greet=yes, as README.md says.

const std = @import("std");
const ctl = @import("edged_ctl");
const arena = ctl.arena;

comptime {
    ctl.exportController(@This());
}

var text: []const u8 = "Hello";

/// Says what the module watches, and which keys a change means: a Namespace its own, a ConfigMap that of its owner.
pub fn setup(input: ctl.Setup) !ctl.Manifest {
    const given = input.config.get("text");
    // The arena is emptied at the next call: what stays is copied elsewhere.
    if (given.isString()) text = try std.heap.wasm_allocator.dupe(u8, given.string(arena));
    return .{
        .@"for" = .{ .apiVersion = "v1", .kind = "Namespace" },
        .watches = &.{
            .{ .id = "namespaces", .apiVersion = "v1", .kind = "Namespace", .labelSelector = "greet=yes", .mode = .metadata },
            .{
                .id = "greetings",
                .apiVersion = "v1",
                .kind = "ConfigMap",
                .fieldSelector = "metadata.name=greeting",
                .map = &.{.{ .by = .owner, .kind = "Namespace" }},
            },
        },
    };
}

/// Compares what is with what should be, and writes the difference. An error is tried again, later and later.
pub fn reconcile(request: ctl.Request) !ctl.Result {
    if (!request.object.exists()) return .done; // its ConfigMap goes with it
    const namespace = request.key.name;
    const found = ctl.get(.{ .apiVersion = "v1", .kind = "ConfigMap", .namespace = namespace, .name = "greeting" }) catch |problem| {
        if (problem == error.NotFound) {
            try create(namespace, request.object.at("/metadata/uid").string(arena));
            return .done;
        }
        return problem;
    };
    if (std.mem.eql(u8, found.object.at("/data/text").string(arena), text)) return .done;
    _ = try ctl.patch(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .namespace = namespace,
        .name = "greeting",
        .patchType = "merge",
        .patch = try ctl.text(.{ .data = .{ .text = text } }),
        .preconditions = .{ .resourceVersion = found.rv },
    });
    return .done;
}

fn create(namespace: []const u8, uid: []const u8) !void {
    ctl.log(.info, try std.mem.concat(arena, u8, &.{ "greeting ", namespace }));
    _ = try ctl.create(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .namespace = namespace,
        .name = "greeting",
        .object = try ctl.text(.{
            .apiVersion = "v1",
            .kind = "ConfigMap",
            .metadata = .{ .namespace = namespace, .name = "greeting" },
            .data = .{ .text = text },
        }),
        .ownedBy = .{ .apiVersion = "v1", .kind = "Namespace", .name = namespace, .uid = uid },
    });
}
