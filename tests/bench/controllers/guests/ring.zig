//! The ring's controller: it copies the nonce of the TestResource "ring" in one namespace to the one in another. With `spin`
//! it reads its object from the cache and asks for its own key again, and writes nothing.

const std = @import("std");
const ctl = @import("edged_ctl");

comptime {
    ctl.exportController(@This());
}

const api_version = "bench.edged.dev/v1";
const kind = "TestResource";

var to: []const u8 = "";
var spins = false;

pub fn setup(input: ctl.Setup) !ctl.Manifest {
    to = try std.heap.wasm_allocator.dupe(u8, input.config.get("to").string(ctl.arena));
    spins = input.config.get("spin").boolean() orelse false;
    const watches = try ctl.arena.alloc(ctl.Watch, 1);
    watches[0] = .{
        .id = "own",
        .apiVersion = api_version,
        .kind = kind,
        .namespace = input.config.get("from").string(ctl.arena),
        .map = &.{.{ .by = .self }},
        .on = &.{"/spec"},
    };
    return .{ .@"for" = .{ .apiVersion = api_version, .kind = kind }, .watches = watches };
}

pub fn reconcile(request: ctl.Request) !ctl.Result {
    const own = request.key;
    if (spins) {
        _ = try ctl.get(.{ .apiVersion = api_version, .kind = kind, .namespace = own.namespace, .name = own.name });
        try ctl.enqueue(own, 0);
        return .done;
    }
    const nonce = request.object.at("/spec/nonce");
    if (!nonce.isString()) return .done;
    _ = try ctl.patch(.{
        .apiVersion = api_version,
        .kind = kind,
        .namespace = to,
        .name = own.name,
        .patchType = "merge",
        .patch = try ctl.text(.{ .spec = .{ .nonce = nonce } }),
    });
    return .done;
}
