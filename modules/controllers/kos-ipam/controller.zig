//! Gives attachments their addresses. README.md has the protocol and why it holds; files of this folder:
//! `attachment.zig` what becomes of one attachment, `locks.zig` locks of addresses, `choice.zig` which address is tried,
//! `subnets.zig` what a Subnet says and who waits for it.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const attachment = @import("attachment.zig");
const subnets = @import("subnets.zig");
const arena = ctl.arena;

comptime {
    ctl.exportController(@This());
}

pub fn setup(input: ctl.Setup) !ctl.Manifest {
    attachment.grace_ms = input.config.get("graceMs").int(i64) orelse 10_000;
    subnets.in_use_finalizer = input.config.get("inUseFinalizer").boolean() orelse false;
    const watches = try arena.dupe(ctl.Watch, &.{
        .{
            .id = "na",
            .apiVersion = network.api_version,
            .kind = "NetworkAttachment",
            .map = &.{.{ .by = .self }},
            .on = &.{ "/spec", "/status/ipv4", "/status/addressVNI", "/status/lockUID", "/status/releasing" },
            .indexes = try ctl.text(.{
                .subnet = .{ "/metadata/namespace", "/spec/subnet" },
                .waiting = .{ "/metadata/namespace", "/spec/subnet", "/status/addressContention" },
            }),
        },
        .{
            .id = "sn",
            .apiVersion = network.api_version,
            .kind = "Subnet",
            .map = &.{ .{ .by = .index, .watch = "na", .index = "subnet" }, .{ .by = .self } },
            .on = &.{ "/spec", "/status/validated", "/metadata/deletionTimestamp" },
            // Nobody waits for a Subnet that was not examined yet.
            .where = try ctl.text(.{.{ .pointer = @as([]const u8, "/status/validated"), .exists = true }}),
        },
        .{
            .id = "lk",
            .apiVersion = network.api_version,
            .kind = "IPLock",
            .map = &.{
                .{ .by = .owner, .kind = "NetworkAttachment" },
                .{ .by = .path, .kind = "Subnet", .pointer = "/spec/subnetName" },
            },
            .on = &.{ "/spec", "/metadata/ownerReferences" },
            .indexes = try ctl.text(.{
                .owner = .{ "/metadata/namespace", "/metadata/ownerReferences/0/name" },
                .subnet = .{ "/metadata/namespace", "/spec/subnetName" },
                .vni = "/spec/vni",
            }),
        },
    });
    return .{
        .@"for" = .{ .apiVersion = network.api_version, .kind = "NetworkAttachment" },
        .watches = watches,
        .concurrency = input.config.get("concurrency").int(u32) orelse 1,
        .backoff = .{ .baseMs = 20, .maxMs = 30_000 },
    };
}

pub fn reconcile(request: ctl.Request) !ctl.Result {
    if (std.mem.eql(u8, request.key.kind, "NetworkAttachment")) return attachment.reconcile(request);
    if (std.mem.eql(u8, request.key.kind, "Subnet")) return subnets.reconcile(request);
    return .done;
}
