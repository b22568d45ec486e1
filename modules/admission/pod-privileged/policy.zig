//! Rejects Pods, and templates of Pods, with a privileged container.
//!
//! Settings (all optional; an unknown key is an error, because a misspelt exemption would be silent):
//!   skip_init_containers: bool       do not look at initContainers
//!   skip_ephemeral_containers: bool  do not look at ephemeralContainers
//!   allowed_images: [string]         images whose containers may be privileged: exact, or a prefix followed by `*`
//!
//! What is not a Pod, or has no template of one, is accepted: the rules decide what reaches this policy.

const std = @import("std");
const wapc = @import("wapc");

const Json = std.json.Value;
const Allocator = std.mem.Allocator;
const Verdict = wapc.Verdict;

const Settings = struct {
    skip_init_containers: bool = false,
    skip_ephemeral_containers: bool = false,
    allowed_images: []const []const u8 = &.{},
};

export fn __guest_call(operation_length: usize, payload_length: usize) i32 {
    return wapc.serve(operation_length, payload_length, .{
        .validate = validate,
        .validate_settings = validateSettings,
    });
}

fn validateSettings(arena: Allocator, settings: Json) !wapc.SettingsVerdict {
    const problem = try settingsProblem(arena, settings) orelse return .{ .valid = true };
    return .{ .valid = false, .message = problem };
}

fn settingsProblem(arena: Allocator, settings: Json) !?[]const u8 {
    if (settings == .null) return null;
    if (settings != .object) return "settings must be an object";
    var members = settings.object.iterator();
    while (members.next()) |member| {
        if (try memberProblem(arena, member.key_ptr.*, member.value_ptr.*)) |problem| return problem;
    }
    return null;
}

fn memberProblem(arena: Allocator, key: []const u8, value: Json) !?[]const u8 {
    if (std.mem.eql(u8, key, "skip_init_containers") or std.mem.eql(u8, key, "skip_ephemeral_containers")) {
        if (value == .bool) return null;
        return try std.fmt.allocPrint(arena, "{s} must be true or false", .{key});
    }
    if (std.mem.eql(u8, key, "allowed_images")) return imagesProblem(value);
    return try std.fmt.allocPrint(arena, "unknown setting \"{s}\"; known: skip_init_containers, " ++
        "skip_ephemeral_containers, allowed_images", .{key});
}

fn imagesProblem(value: Json) ?[]const u8 {
    if (value != .array) return "allowed_images must be a list of image names";
    for (value.array.items) |image| {
        if (image != .string or image.string.len == 0) return "allowed_images must hold non-empty strings only";
        const star = std.mem.findScalar(u8, image.string, '*') orelse continue;
        if (star != image.string.len - 1) return "allowed_images may have a `*` at the end of a name only";
        if (star == 0) return "allowed_images may not be `*`: that would allow every image";
    }
    return null;
}

fn validate(arena: Allocator, request: Json, raw_settings: Json) !Verdict {
    if (try settingsProblem(arena, raw_settings)) |problem| return Verdict.reject(problem);
    const settings: Settings = if (raw_settings == .null)
        .{}
    else
        try std.json.parseFromValueLeaky(Settings, arena, raw_settings, .{});
    const object = wapc.get(request, "object") orelse return Verdict.accept; // DELETE
    const spec = podSpecOf(object) orelse
        return if (std.mem.eql(u8, kindOf(object), "Pod")) error.PodWithoutSpec else Verdict.accept;
    const message = try firstPrivileged(arena, spec, settings) orelse return Verdict.accept;
    const whole = try std.fmt.allocPrint(arena, "{s} {s}: {s}", .{ kindOf(object), nameOf(request, object), message });
    wapc.log(arena, "info", "rejected a privileged container", .{
        .uid = wapc.text(request, "uid"),
        .namespace = wapc.text(request, "namespace"),
        .name = nameOf(request, object),
        .reason = message,
    });
    return Verdict.reject(whole);
}

fn kindOf(object: Json) []const u8 {
    const kind = wapc.text(object, "kind");
    return if (kind.len == 0) "object" else kind;
}

/// A Pod made by a controller has no name yet when it is admitted, only a prefix for one.
fn nameOf(request: Json, object: Json) []const u8 {
    const metadata = wapc.get(object, "metadata") orelse return wapc.text(request, "name");
    const name = wapc.text(metadata, "name");
    return if (name.len > 0) name else wapc.text(metadata, "generateName");
}

/// The Pod spec inside any of the built-in kinds that carry one.
fn podSpecOf(object: Json) ?Json {
    const kind = wapc.text(object, "kind");
    if (std.mem.eql(u8, kind, "Pod")) return wapc.get(object, "spec");
    if (std.mem.eql(u8, kind, "PodTemplate")) return wapc.walk(object, &.{ "template", "spec" });
    if (std.mem.eql(u8, kind, "CronJob"))
        return wapc.walk(object, &.{ "spec", "jobTemplate", "spec", "template", "spec" });
    return wapc.walk(object, &.{ "spec", "template", "spec" });
}

fn firstPrivileged(arena: Allocator, spec: Json, settings: Settings) !?[]const u8 {
    const lists = [_]struct { key: []const u8, label: []const u8, skip: bool }{
        .{ .key = "initContainers", .label = "init container", .skip = settings.skip_init_containers },
        .{ .key = "containers", .label = "container", .skip = false },
        .{
            .key = "ephemeralContainers",
            .label = "ephemeral container",
            .skip = settings.skip_ephemeral_containers,
        },
    };
    for (lists) |list| {
        if (list.skip) continue;
        const containers = wapc.get(spec, list.key) orelse continue;
        if (containers != .array) return error.ContainersMustBeAList;
        for (containers.array.items) |container| {
            if (!isPrivileged(container) or isAllowed(wapc.text(container, "image"), settings)) continue;
            return try std.fmt.allocPrint(arena, "{s} \"{s}\" is privileged, which is not allowed", .{
                list.label, wapc.text(container, "name"),
            });
        }
    }
    return null;
}

fn isPrivileged(container: Json) bool {
    const privileged = wapc.walk(container, &.{ "securityContext", "privileged" }) orelse return false;
    return !(privileged == .bool and !privileged.bool); // anything but a plain false
}

fn isAllowed(image: []const u8, settings: Settings) bool {
    for (settings.allowed_images) |pattern| {
        if (std.mem.endsWith(u8, pattern, "*")) {
            if (std.mem.startsWith(u8, image, pattern[0 .. pattern.len - 1])) return true;
        } else if (std.mem.eql(u8, image, pattern)) return true;
    }
    return false;
}
