//! Examines Subnets: of those of one virtual network that overlap, or that lie in several namespaces, at most one is ever
//! validated; only validated ones are used. README.md says how, and why that holds with several of these at work.

const std = @import("std");
const ctl = @import("edged_ctl");
const network = @import("network");
const object_status = @import("object_status");
const Value = ctl.Value;
const arena = ctl.arena;

comptime {
    ctl.exportController(@This());
}

const most_reasons = 16;
/// When a refused Subnet is examined again whose rival the watch does not show.
const unseen_rival_ms = 2000;

pub fn setup(input: ctl.Setup) !ctl.Manifest {
    _ = input;
    const watches = try arena.dupe(ctl.Watch, &.{.{
        .id = "sn",
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .map = &.{.{ .by = .self }},
        .on = &.{ "/spec", "/status" },
        .indexes = try ctl.text(.{ .vni = "/spec/vni", .validated = "/status/validated" }),
    }});
    return .{
        .@"for" = .{ .apiVersion = network.api_version, .kind = "Subnet" },
        .watches = watches,
        .admits = &.{.{ .operations = &.{ .CREATE, .UPDATE }, .apiVersion = network.api_version, .kind = "Subnet" }},
        .backoff = .{ .baseMs = 20, .maxMs = 30_000 },
    };
}

/// What of a Subnet decides.
const Subnet = struct { namespace: []const u8, name: []const u8, uid: []const u8, vni: u32, range: network.Range, text: []const u8 };

fn subnetOf(object: Value) network.NotANetwork!Subnet {
    const text = object.at("/spec/ipv4").string(arena);
    const vni = object.at("/spec/vni").int(u32) orelse 0;
    if (vni == 0 or vni > network.highest_vni) return error.NotCanonical;
    return .{
        .namespace = object.at("/metadata/namespace").string(arena),
        .name = object.at("/metadata/name").string(arena),
        .uid = object.at("/metadata/uid").string(arena),
        .vni = vni,
        .range = try network.rangeOf(text),
        .text = text,
    };
}

pub fn reconcile(request: ctl.Request) !ctl.Result {
    if (!std.mem.eql(u8, request.key.kind, "Subnet")) return .done;
    try askAgain(request.key, request.object);
    if (!request.object.exists() or request.object.at("/status/validated").boolean() == true) return .done;
    const subnet = subnetOf(request.object) catch |problem| return decide(request.object, &.{.{ .message = complaint(problem) }});
    const rivals = try conflicts(subnet, try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .fieldSelector = try joined(&.{ "spec.vni=", try network.vniText(arena, subnet.vni) }),
        .live = true,
    }));
    if (rivals.len == 0) {
        if (try lockElsewhere(subnet)) |lock| return waitForLock(subnet, lock);
    }
    const result = try decide(request.object, rivals);
    return if (try allCached(subnet, rivals)) result else .{ .requeueAfterMs = unseen_rival_ms };
}

/// Whether the watch shows each of these rivals. One that only the live list showed may be gone before the watch comes to
/// it: then nobody ever tells that it went.
fn allCached(subnet: Subnet, rivals: []const Reason) !bool {
    if (rivals.len == 0) return true;
    const cached = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .index = .{ .name = "vni", .value = try network.vniText(arena, subnet.vni) },
        .fields = &.{"/metadata/uid"},
    });
    for (rivals) |rival| {
        var items = cached.items.elements();
        while (items.next()) |item| {
            if (std.mem.endsWith(u8, rival.rival, try joined(&.{ "/", item.at("/metadata/uid").string(arena) }))) break;
        } else return false;
    }
    return true;
}

/// Enqueues the refused Subnets that had a rival of this name that is gone, be it that another one has its name now. Their
/// own status says who that was, so nothing has to be remembered.
fn askAgain(key: ctl.Key, object: Value) !void {
    const name = try joined(&.{ key.namespace, "/", key.name, "/" });
    const uid = object.at("/metadata/uid").string(arena);
    const refused = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .index = .{ .name = "validated", .value = "false" },
        .fields = &.{ "/metadata/namespace", "/metadata/name", "/status/rivals" },
    });
    var items = refused.items.elements();
    while (items.next()) |item| {
        var rivals = item.at("/status/rivals").elements();
        while (rivals.next()) |rival| {
            const text = rival.string(arena);
            if (!std.mem.startsWith(u8, text, name) or std.mem.eql(u8, text[name.len..], uid)) continue;
            try ctl.enqueue(.{
                .kind = "Subnet",
                .namespace = item.at("/metadata/namespace").string(arena),
                .name = item.at("/metadata/name").string(arena),
            }, 0);
            break;
        }
    }
}

/// Why a Subnet cannot be used. `rival`: `namespace/name/uid` of the Subnet in its way.
const Reason = struct { message: []const u8, rival: []const u8 = "" };

/// The Subnets that this one cannot be beside, in the order of messages. More than fit in change nothing: each is enough.
fn conflicts(subnet: Subnet, others: ctl.Listed) ![]const Reason {
    var reasons: [most_reasons]Reason = undefined;
    var count: usize = 0;
    var items = others.items.elements();
    var seen: i64 = 0;
    while (items.next()) |item| {
        seen += 1;
        if (std.mem.eql(u8, item.at("/metadata/uid").string(arena), subnet.uid)) continue;
        const rival = subnetOf(item) catch continue; // never validated, so never used
        const message = try conflict(subnet, rival) orelse continue;
        if (count < most_reasons) {
            reasons[count] = .{ .message = message, .rival = try joined(&.{ rival.namespace, "/", rival.name, "/", rival.uid }) };
            count += 1;
        }
    }
    ctl.metric("listed_subnets", .observe, seen, .{});
    std.mem.sort(Reason, reasons[0..count], {}, precedes);
    return arena.dupe(Reason, reasons[0..count]);
}

fn conflict(subnet: Subnet, rival: Subnet) !?[]const u8 {
    if (rival.vni != subnet.vni) return null;
    const vni = try network.vniText(arena, subnet.vni);
    if (!std.mem.eql(u8, subnet.namespace, rival.namespace))
        return try joined(&.{ "Subnet ", rival.namespace, "/", rival.name, " has VNI ", vni, " in another namespace" });
    if (!subnet.range.overlaps(rival.range)) return null;
    return try joined(&.{ "overlaps with Subnet ", rival.namespace, "/", rival.name, " (", rival.text, ") of VNI ", vni });
}

fn precedes(_: void, one: Reason, other: Reason) bool {
    return std.mem.lessThan(u8, one.message, other.message);
}

/// A lock of this virtual network in another namespace: its address is still in use there, whatever became of its Subnet.
fn lockElsewhere(subnet: Subnet) !?Value {
    const selector = .{ "spec.vni=", try network.vniText(arena, subnet.vni), ",metadata.namespace!=", subnet.namespace };
    const locks = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "IPLock",
        .fieldSelector = try joined(&selector),
        .limit = 1,
        .live = true,
    });
    var items = locks.items.elements();
    return items.next();
}

/// Nobody tells when such a lock goes: it is asked for again until then.
fn waitForLock(subnet: Subnet, lock: Value) !ctl.Result {
    ctl.log(.info, try joined(&.{
        "Subnet ",                               subnet.namespace,                         "/", subnet.name, " waits for the lock ",
        lock.at("/metadata/namespace").string(arena), "/", lock.at("/metadata/name").string(arena),
    }));
    ctl.metric("waits_for_locks", .inc, 1, .{});
    return .{ .requeueAfterMs = 1000 };
}

/// Writes the verdict, unless it stands there already.
fn decide(object: Value, reasons: []const Reason) !ctl.Result {
    const validated = reasons.len == 0;
    const errors = try arena.alloc([]const u8, reasons.len);
    const rivals = try arena.alloc([]const u8, reasons.len);
    for (reasons, errors, rivals) |reason, *message, *rival| {
        message.* = reason.message;
        rival.* = reason.rival;
    }
    const status = object.get("status");
    const same = sameTexts(status.get("errors"), errors) and sameTexts(status.get("rivals"), rivals);
    if (same and status.get("validated").boolean() == validated) {
        ctl.metric("duplicate_work", .inc, 1, .{});
        return .done;
    }
    _ = object_status.write(object, &.{
        .{ .name = "validated", .value = try ctl.text(validated) },
        .{ .name = "errors", .value = if (validated) .absent else try ctl.text(errors) },
        .{ .name = "rivals", .value = if (validated) .absent else try ctl.text(rivals) },
    }) catch |problem| return if (problem == error.NotFound) .done else problem;
    ctl.metric("verdicts", .inc, 1, .{ .validated = @as([]const u8, if (validated) "true" else "false") });
    const metadata = object.get("metadata");
    ctl.emit(.{
        .regarding = .{
            .apiVersion = network.api_version,
            .kind = "Subnet",
            .namespace = metadata.get("namespace").string(arena),
            .name = metadata.get("name").string(arena),
            .uid = metadata.get("uid").string(arena),
        },
        .type = if (validated) .Normal else .Warning,
        .reason = if (validated) "SubnetValidated" else "SubnetFailedValidation",
        .note = if (validated) "attachments may have addresses of it" else reasons[0].message,
    });
    return .done;
}

fn sameTexts(value: Value, texts: []const []const u8) bool {
    var elements = value.elements();
    for (texts) |text| {
        const element = elements.next() orelse return false;
        if (!std.mem.eql(u8, element.string(arena), text)) return false;
    }
    return elements.next() == null;
}

fn complaint(problem: network.NotANetwork) []const u8 {
    return switch (problem) {
        error.NotCanonical => "spec.ipv4 must be an IPv4 network like 10.1.2.0/24, and spec.vni from 1 to 2097151",
        error.NotPrivate => "spec.ipv4 must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
    };
}

/// What is wrong at first sight, before the object is there. Two that are created at the same time do not see each other:
/// `reconcile` is what decides.
pub fn admit(request: ctl.AdmissionRequest) !ctl.Admission {
    const subnet = subnetOf(request.object) catch |problem| return .refuse(422, complaint(problem));
    if (std.mem.eql(u8, request.operation, "UPDATE")) {
        const old = subnetOf(request.old_object) catch return .allow;
        const same = old.vni == subnet.vni and std.meta.eql(old.range, subnet.range);
        return if (same) .allow else .refuse(422, "spec.ipv4 and spec.vni are immutable");
    }
    var beside = subnet;
    beside.namespace = request.namespace;
    const known = try ctl.list(.{
        .apiVersion = network.api_version,
        .kind = "Subnet",
        .index = .{ .name = "vni", .value = try network.vniText(arena, subnet.vni) },
    });
    var items = known.items.elements();
    while (items.next()) |item| {
        const rival = subnetOf(item) catch continue;
        if (item.at("/metadata/deletionTimestamp").exists()) continue;
        if (try conflict(beside, rival)) |message| return .refuse(409, message);
    }
    return .allow;
}

fn joined(parts: []const []const u8) ![]const u8 {
    return std.mem.concat(arena, u8, parts);
}
