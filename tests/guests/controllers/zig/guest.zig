//! The conformance guest in Zig. What it does is written in tests/controllers/conformance/README.md.

const std = @import("std");
const ctl = @import("edged_ctl");
const Value = ctl.Value;
const arena = ctl.arena;

comptime {
    ctl.exportController(@This());
}

var count: u64 = 0;

pub fn setup(input: ctl.Setup) !ctl.Manifest {
    if (input.config.get("limit").int(i64) == null) return error.LimitIsMissing;
    var open: usize = 0;
    var watches = input.open_watches.elements();
    while (watches.next()) |_| open += 1;
    ctl.log(.info, try std.fmt.allocPrint(arena, "setup {s} {s} {s} {d} {s} {d}", .{
        input.module, input.node, input.reason, input.generation, input.config.get("greeting").string(arena), open,
    }));
    return .{
        .@"for" = .{ .apiVersion = "v1", .kind = "ConfigMap" },
        .watches = &.{ .{
            .id = "configs",
            .apiVersion = "v1",
            .kind = "ConfigMap",
            .map = &.{.{ .by = .self }},
            .on = &.{"/data"},
            .indexes = .{ .text = "{\"by-text\":[\"/data/text\"],\"by-owner\":\"owner\"}" },
        }, .{
            .id = "nodes",
            .apiVersion = "v1",
            .kind = "Node",
            .labelSelector = "edge=yes",
            .map = &.{.{ .by = .guest }},
            .mode = .metadata,
        } },
        .admits = &.{.{
            .operations = &.{ .CREATE, .UPDATE },
            .apiVersion = "v1",
            .kind = "ConfigMap",
            .failurePolicy = .Ignore,
        }},
        .backoff = .{ .baseMs = 10, .maxMs = 60000 },
        .snapshot = true,
    };
}

const Case = enum {
    get,
    @"get-live",
    mirror,
    @"mirror-own",
    echo,
    list,
    @"list-index",
    create,
    update,
    @"patch-merge",
    @"patch-json",
    apply,
    delete,
    watch,
    unwatch,
    enqueue,
    ext,
    clock,
    log,
    gone,
    requeue,
    fail,
    terminal,
    count,
    trap,
};

pub fn reconcile(request: ctl.Request) !ctl.Result {
    const key = request.key;
    const object = request.object;
    switch (std.meta.stringToEnum(Case, key.name) orelse return .done) {
        .get => note(key, "Read", textOf((try settings(key, false, "")).object)),
        .@"get-live" => note(key, "Read", textOf((try settings(key, true, "configs")).object)),
        .mirror => try mirror(key, textOf((try settings(key, false, "")).object)),
        .@"mirror-own" => try mirror(key, textOf(object)),
        .echo => note(key, "Echo", textOf(object)),
        .list => try countAll(.{
            .apiVersion = "v1",
            .kind = "ConfigMap",
            .namespace = key.namespace,
            .labelSelector = "app=web",
            .fields = &.{"/metadata/name"},
            .limit = 2,
        }),
        .@"list-index" => try countAll(.{
            .apiVersion = "v1",
            .kind = "ConfigMap",
            .watch = "configs",
            .index = .{ .name = "by-text", .value = "Grüße, 世界" },
        }),
        .create => try create(key, object),
        .update => try update(key, object),
        .@"patch-merge" => {
            var asked = about(key, key.name);
            asked.patchType = "merge";
            asked.patch = .parse("{\"metadata\":{\"annotations\":{\"seen\":\"yes\",\"old\":null}}}");
            asked.settle = false;
            _ = try ctl.patch(asked);
        },
        .@"patch-json" => {
            var asked = about(key, key.name);
            asked.patchType = "json";
            asked.patch = try ctl.text(.{
                .{ .op = "test", .path = "/data/text", .value = "here" }, .{ .op = "remove", .path = "/data/text" },
            });
            asked.dryRun = true;
            _ = try ctl.patch(asked);
        },
        .apply => try apply(key),
        .delete => try delete(key, object),
        .watch => return watch(key),
        .unwatch => ctl.metric("dropped", .set, try ctl.watchClose("vni-42"), .{}),
        .enqueue => try ctl.enqueue(.{ .kind = "ConfigMap", .namespace = key.namespace, .name = "later" }, 1500),
        .ext => note(key, "Ext", (try ctl.ext("netfabric", "list", .{ .vni = @as(u32, 42) })).get("text").string(arena)),
        .clock => try clock(),
        .log => {
            ctl.log(.debug, "debug ä");
            ctl.log(.info, "info ö");
            ctl.log(.warning, "warning ü");
            ctl.log(.problem, "error ß");
        },
        .gone => ctl.log(.info, if (object.exists()) "there" else "gone"),
        .requeue => return .{ .requeueAfterMs = 2500 },
        .fail => return .retry("as asked"),
        .terminal => return .{ .@"error" = "as asked", .terminal = true },
        .count => {
            count += 1;
            ctl.metric("counted", .inc, @intCast(count), .{});
        },
        .trap => @trap(),
    }
    return .done;
}

pub fn map(change: ctl.Change) ![]const ctl.Key {
    const object = change.object;
    const namespace = object.at("/metadata/namespace").string(arena);
    const keys = try arena.alloc(ctl.Key, 2);
    var used: usize = 0;
    for ([_]Value{ change.old, object }) |each| {
        const name = each.at("/data/target").string(arena);
        if (name.len == 0 or (used == 1 and std.mem.eql(u8, keys[0].name, name))) continue;
        keys[used] = .{ .kind = "ConfigMap", .namespace = namespace, .name = name };
        used += 1;
    }
    return keys[0..used];
}

pub fn admit(request: ctl.AdmissionRequest) !ctl.Admission {
    const text = textOf(request.object);
    if (text.len == 0) return .refuse(422, "text is missing");
    if (std.mem.eql(u8, text, "plain")) return .allow;
    const warnings = try arena.alloc([]const u8, 1);
    warnings[0] = try std.mem.concat(arena, u8, &.{ "labelled on ", request.operation });
    return .{
        .allowed = true,
        .patch = .parse("[{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"seen\":\"yes\"}}]"),
        .warnings = warnings,
    };
}

pub fn snapshot() ![]const u8 {
    return (try ctl.text(.{ .count = count })).text;
}

pub fn restore(bytes: []const u8) !void {
    count = Value.parse(bytes).get("count").int(u64) orelse return error.NoCount;
}

pub fn stop() void {
    ctl.log(.info, "stopped");
}

fn textOf(object: Value) []const u8 {
    return object.at("/data/text").string(arena);
}

fn note(key: ctl.Key, reason: []const u8, text: []const u8) void {
    ctl.emit(.{
        .regarding = .{ .apiVersion = "v1", .kind = "ConfigMap", .namespace = key.namespace, .name = key.name },
        .reason = reason,
        .note = text,
    });
}

fn settings(key: ctl.Key, live: bool, watched: []const u8) !ctl.Got {
    return ctl.get(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .namespace = key.namespace,
        .name = "settings",
        .live = live,
        .watch = watched,
    });
}

fn about(key: ctl.Key, name: []const u8) ctl.WriteRequest {
    return .{ .apiVersion = "v1", .kind = "ConfigMap", .namespace = key.namespace, .name = name };
}

fn mirror(key: ctl.Key, text: []const u8) !void {
    var asked = about(key, key.name);
    asked.patchType = "merge";
    asked.patch = try ctl.text(.{ .data = .{ .text = text } });
    _ = try ctl.patch(asked);
}

fn countAll(request: ctl.ListRequest) !void {
    var asked = request;
    var found: i64 = 0;
    while (true) {
        const listed = try ctl.list(asked);
        var items = listed.items.elements();
        while (items.next()) |_| found += 1;
        asked.@"continue" = listed.@"continue";
        if (asked.@"continue".len == 0) break;
    }
    ctl.metric("listed", .set, found, .{ .kind = "ConfigMap" });
}

const Metadata = struct { namespace: []const u8, name: []const u8 };

fn create(key: ctl.Key, owner: Value) !void {
    var asked = about(key, "copy");
    asked.object = try ctl.text(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .metadata = Metadata{ .namespace = key.namespace, .name = "copy" },
        .data = .{ .text = "Grüße, 世界 🚀 \"quoted\" \\ back" },
    });
    asked.onExists = "return";
    asked.ownedBy = .{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .name = key.name,
        .uid = owner.at("/metadata/uid").string(arena),
    };
    const created = ctl.create(asked) catch |problem| {
        if (problem != error.AlreadyExists) return problem;
        return note(key, "Exists", ctl.failure().current.at("/metadata/uid").string(arena));
    };
    note(key, "Created", created.uid);
}

fn update(key: ctl.Key, object: Value) !void {
    var asked = about(key, key.name);
    asked.subresource = "status";
    asked.object = try ctl.text(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .metadata = Metadata{ .namespace = key.namespace, .name = key.name },
        .status = .{ .phase = "Ready" },
    });
    asked.preconditions = .{
        .uid = object.at("/metadata/uid").string(arena),
        .resourceVersion = object.at("/metadata/resourceVersion").string(arena),
    };
    note(key, "Updated", (try ctl.update(asked)).rv);
}

fn apply(key: ctl.Key) !void {
    var asked = about(key, "applied");
    asked.object = try ctl.text(.{
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .metadata = Metadata{ .namespace = key.namespace, .name = "applied" },
        .data = .{ .text = "applied" },
    });
    asked.force = true;
    _ = ctl.apply(asked) catch |problem| {
        if (problem != error.Conflict) return problem;
        note(key, "Conflict", ctl.failure().fields.at("/0").string(arena));
    };
}

fn delete(key: ctl.Key, object: Value) !void {
    var asked = about(key, key.name);
    asked.preconditions = .{ .uid = object.at("/metadata/uid").string(arena) };
    asked.propagation = "Background";
    _ = ctl.delete(asked) catch |problem| if (problem != error.NotFound) return problem;
}

fn watch(key: ctl.Key) !ctl.Result {
    const opened = try ctl.watchOpen(.{
        .id = "vni-42",
        .apiVersion = "v1",
        .kind = "ConfigMap",
        .namespace = key.namespace,
        .labelSelector = "app=web",
        .fieldSelector = "metadata.name!=x",
        .map = &.{
            .{ .by = .owner, .kind = "ConfigMap" },
            .{ .by = .path, .kind = "ConfigMap", .pointer = "/data/target" },
            .{ .by = .index, .watch = "configs", .index = "by-text" },
        },
        .on = &.{ "/data", "/metadata/labels" },
        .where = .{ .text = "[{\"pointer\":\"/data/ready\",\"eq\":true}]" },
        .indexes = .{ .text = "{\"vni\":[\"/data/vni\",\"/metadata/name\"]}" },
        .keep = &.{ "/metadata", "/data" },
        .selectorFallback = .client,
        .onClose = .silent,
    });
    return if (opened.synced) .done else .{ .requeueOn = .sync };
}

fn clock() !void {
    const now = ctl.nowMs();
    const mono = ctl.monoMs();
    var bytes: [4]u8 = undefined;
    ctl.random(&bytes);
    ctl.log(.info, try std.fmt.allocPrint(arena, "{d} {d} {x:0>8}", .{ now, mono, std.mem.readInt(u32, &bytes, .big) }));
}
