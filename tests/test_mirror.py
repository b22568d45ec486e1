"""tests/ mirrors edged/: the test of edged/wasm/idle.py is tests/wasm/test_idle.py, and a table here says through which
tests the other files are tested. So the test of a file is found at the first guess, or at the second."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "edged"

THROUGH: dict[str, tuple[str, ...]] = {
    "__main__.py": ("test_main.py",),
    "abi/opa.py": ("wasm/test_merging.py", "admission/host/test_rego_policy.py"),
    "abi/opa_companion.py": ("wasm/test_merging.py",),
    "abi/rego/": ("abi/rego/test_builtins.py",),
    "abi/wapc.py": ("admission/host/test_faults.py", "admission/host/test_capability_policies.py"),
    "abi/wasi_policy.py": ("admission/host/test_wasi_policies.py",),
    "admission/audit/": ("admission/audit/test_auditor.py", "admission/audit/test_boundaries.py"),
    "admission/config.py": ("test_config.py",),
    "admission/endpoint/no_registration.py": ("admission/resources/test_custom_resources.py",),
    "admission/endpoint/": ("admission/endpoint/test_boundaries.py", "admission/rules/test_malformed.py"),
    "admission/host/context.py": (
        "admission/host/test_faults.py", "cli/policy/test_suite_files.py", "cluster/test_admission.py",
    ),
    "admission/host/webhook_specs.py": ("admission/resources/test_conversion.py",),
    "admission/host/": ("admission/host/test_faults.py", "admission/host/test_policy_groups.py"),
    "admission/resources/": (
        "admission/resources/test_custom_resources.py", "admission/resources/test_boundaries.py",
        "admission/resources/test_hostile_objects.py",
    ),
    "cli/controller/": ("cli/controller/test_test.py",),
    "cli/crds.py": (
        "admission/resources/test_definitions.py", "admission/audit/test_report_definitions.py",
        "cli/test_network_definitions.py",
    ),
    "cli/check_conditions.py": ("cli/test_check.py",),
    "cli/check_findings.py": ("cli/test_check.py",),
    "cli/demo/": ("cli/demo/test_demo.py", "test_optimized.py"),
    "cli/doctor/": ("cli/doctor/test_doctor.py",),
    "cli/installation/": ("cli/installation/test_install.py", "cli/installation/test_removal.py"),
    "cli/controller_inspect.py": ("cli/test_module_inspect.py",),
    "cli/module_content.py": ("cli/test_check.py", "cli/doctor/test_modules.py"),
    "cli/module.py": ("cli/test_modules.py",),
    "cli/own_process.py": ("cli/demo/test_demo.py", "cli/test_sandbox.py"),
    "cli/policy/": ("cli/policy/test_ask.py",),
    "cli/policy/__init__.py": ("cli/test_kwctl.py",),
    "cli/run.py": ("cli/policy/test_same_as_daemon.py",),
    "cli/sandbox/": ("cli/test_sandbox.py",),
    "cli/simulation/": ("cli/simulation/test_simulate.py",),
    "cli/status_client.py": ("process/test_status_socket.py",),
    "cli/uninstall.py": ("cli/test_init.py", "cli/installation/test_removal.py"),
    "cli/webhook/": ("cli/test_webhook.py",),
    "controllers/core/abi.py": ("cli/test_module_inspect.py", "controllers/run/test_controllers.py"),
    "controllers/core/leases.py": ("controllers/test_wording.py",),
    "controllers/core/declarations.py": ("controllers/core/test_manifest.py",),
    "controllers/core/indexes.py": ("controllers/core/test_view.py",),
    "controllers/core/kind_view.py": ("controllers/core/test_view.py",),
    "controllers/core/listing.py": ("controllers/core/test_view.py",),
    "controllers/core/overlays.py": ("controllers/core/test_view.py",),
    "controllers/core/selection.py": ("controllers/core/test_view.py",),
    "controllers/core/troubles.py": ("controllers/core/test_work.py",),
    "controllers/core/watch_view.py": ("controllers/core/test_view.py", "controllers/core/test_mapping.py"),
    "controllers/core/fields.py": ("controllers/core/test_manifest.py", "controllers/core/test_requests.py"),
    "controllers/run/": (
        "controllers/run/test_controllers.py", "controllers/run/test_boundaries.py", "controllers/run/test_faults.py",
        "controllers/run/test_reload.py",
    ),
    "daemon/": (
        "daemon/test_reload.py", "daemon/test_start_and_stop.py", "cli/policy/test_same_as_daemon.py",
        "cluster/test_lifecycle.py",
    ),
    "fabric/config.py": ("test_config.py",),
    "fabric/errors.py": ("fabric/test_interfaces.py",),
    "fabric/operations.py": ("fabric/test_memory.py",),
    "fabric/picture.py": ("fabric/test_linux.py",),
    "fabric/plan.py": ("fabric/test_linux.py", "fabric/test_netlink.py"),
    "http/connection.py": ("http/test_listener.py",),
    "http/transport.py": ("http/test_listener.py",),
    "kube/cel/": ("kube/cel/test_programs.py",),
    "kube/informer.py": ("kube/test_informers.py",),
    "kube/values/checks.py": ("test_config.py",),
    "kube/watch.py": ("kube/test_informers.py",),
    "process/unix_listener.py": ("process/test_status_socket.py", "fabric/test_server.py"),
    "process/config.py": ("cli/test_check.py",),
    "registry/config.py": ("test_config.py",),
    "sandbox/kinds/openapi_documents.py": ("sandbox/protocol/test_openapi.py",),
    "sandbox/protocol/custom_openapi_v2.py": ("sandbox/protocol/test_custom_openapi.py",),
    "sandbox/reading/cells/": ("sandbox/reading/cells/test_kinds.py",),
    "sandbox/admission/policies/": (
        "sandbox/admission/policies/test_validating.py", "sandbox/admission/policies/test_mutating.py",
    ),
    "sandbox/validation/admission_policies.py": ("sandbox/admission/policies/test_validating.py",),
    "sandbox/validation/match_rules.py": ("sandbox/admission/policies/test_validating.py",),
    "sandbox/": (
        "sandbox/test_server.py", "sandbox/reading/test_reads.py", "sandbox/writing/test_writer.py",
        "sandbox/custom/test_crd_deletion.py",
        "sandbox/admission/test_webhook_admission.py",
    ),
    "scheduling/config/assembly.py": ("scheduling/run/test_profile_trial.py", "scheduling/run/test_plugin_loader.py"),
    "scheduling/config/document_shapes.py": ("scheduling/config/test_profile_config.py",),
    "scheduling/config/plugin_args.py": ("scheduling/config/test_profile_config.py",),
    "scheduling/config/section.py": ("test_config.py",),
    "scheduling/core/binding.py": ("scheduling/run/test_scheduler_loop.py", "scheduling/run/test_guest_loop.py"),
    "scheduling/core/class_scores.py": ("scheduling/core/test_classes.py",),
    "scheduling/core/counters.py": ("scheduling/run/test_scheduler_metrics.py",),
    "scheduling/core/extender_answers.py": (
        "scheduling/run/test_extender_requests.py", "scheduling/run/test_extender_reference.py",
    ),
    "scheduling/core/extenders.py": (
        "scheduling/run/test_extender_loop.py", "scheduling/run/test_extender_requests.py",
    ),
    "scheduling/core/framework.py": ("scheduling/core/test_cycle.py", "scheduling/core/test_preemption.py"),
    "scheduling/core/outcome.py": ("scheduling/core/test_cycle.py",),
    "scheduling/core/plugin_status.py": ("scheduling/core/test_cycle.py",),
    "scheduling/core/point_plan.py": ("scheduling/core/test_profile.py", "scheduling/config/test_kube_scheduler.py"),
    "scheduling/core/pod_class.py": ("scheduling/core/test_classes.py",),
    "scheduling/core/snapshot.py": ("scheduling/core/test_cache.py", "scheduling/core/test_classes.py"),
    "scheduling/core/volume_binder.py": ("scheduling/plugins/test_volume_binding.py",),
    "scheduling/core/what_if.py": ("scheduling/core/test_preemption.py",),
    "scheduling/guests/guest_leases.py": ("scheduling/guests/test_guest.py",),
    "scheduling/guests/guest_template.py": ("scheduling/guests/test_node_loop.py",),
    "scheduling/guests/loop_modules.py": ("scheduling/guests/test_node_loop.py",),
    "scheduling/guests/loaded_guest.py": ("scheduling/guests/test_guest.py",),
    "scheduling/objects/features.py": ("scheduling/plugins/test_node_declared_features.py",),
    "scheduling/objects/nodes.py": ("scheduling/core/test_cache.py", "scheduling/core/test_classes.py"),
    "scheduling/objects/pod_volumes.py": ("scheduling/plugins/test_volume_binding.py",),
    "scheduling/objects/storage_objects.py": ("scheduling/plugins/test_volume_binding.py",),
    "scheduling/run/": (
        "scheduling/run/test_scheduler_loop.py", "scheduling/run/test_preemption_loop.py",
        "scheduling/run/test_boundaries.py",
    ),
    "scheduling/run/pod_bindings.py": (
        "scheduling/run/test_scheduler_loop.py", "scheduling/run/test_guest_loop.py",
        "scheduling/run/test_slow_profiles.py",
    ),
    "scheduling/run/plugin_handle.py": ("scheduling/run/test_guest_loop.py", "cluster/test_scheduling_volumes.py"),
    "scheduling/run/scheduler_builder.py": ("scheduling/run/test_scheduling.py",),
    "scheduling/run/scheduler_writes.py": ("cluster/test_scheduling.py", "cluster/test_scheduling_volumes.py"),
    "telemetry/otlp.py": ("admission/host/test_traces.py",),
    "toml/reader.py": ("test_config.py",),
    "wasm/compile_child.py": ("wasm/test_compile.py",),
    "wasm/": (
        "wasm/test_invariants.py", "wasm/test_slots.py", "wasm/test_merging.py", "wasm/test_background.py",
    ),
    "yaml_text/": ("test_yaml_text.py", "test_yaml_reference.py"),
    "wasm/surrounded.py": ("scheduling/guests/test_node_loop.py",),
    "wasm/window.py": ("scheduling/guests/test_node_loop.py",),
}  # fmt: skip
"""A file of edged/, or a folder (with a slash at its end: what is in it, and has neither a test nor a line of its own)
-> the tests through which it is tested. Ways that start real Kubernetes programs (cluster/) are named where there are
no shorter ones."""

OF_NO_FILE = {
    "admission/host/test_image_differential.py", "controllers/core/test_hostile_input.py",
    "daemon/test_hostile_cluster.py", "kube/test_heartbeats.py",
    "kube/cel/test_daemons_checker.py", "kube/cel/test_hostile.py",
    "kube/test_hostile_answers.py", "kube/test_hostile_kubeconfigs.py",
    "admission/host/test_boundaries.py",
    "admission/resources/test_growth.py",
    "daemon/test_boundaries.py",
    "registry/test_hostile_answers.py",
    "registry/test_real.py",
    "sandbox/test_failures.py",
    "sandbox/test_hostile_requests.py",
    "sandbox/test_hostile_requests_fuzz.py",
    "sandbox/test_kubectl.py",
    "sandbox/test_left_out.py",
    "scheduling/core/test_missed_events.py",
    "scheduling/guests/test_guest_everything.py",
    "scheduling/run/test_growth.py",
    "scheduling/run/test_hostile_objects.py",
    "wasm/test_failures.py",
    "wasm/test_interpreters.py",
    "wasm/test_torture.py",
}
"""Tests that are about a folder and not about one of its files. Their names say what they test."""


def has_code(path: Path) -> bool:
    """Whether there is something to test: declarations of types and constants are not."""
    tree = ast.parse(path.read_text())
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


def mirrored(file: str) -> str:
    """The test of a file of edged/, by its name."""
    folder, _, name = file.rpartition("/")
    return f"{folder}/test_{name}" if folder else f"test_{name}"


FILES = [str(path.relative_to(ROOT)) for path in sorted(ROOT.rglob("*.py")) if has_code(path)]
WITHOUT = [file for file in FILES if not (TESTS / mirrored(file)).exists()]
NAMED = {test for tests in THROUGH.values() for test in tests}


def way_to(file: str) -> str | None:
    """The line of THROUGH for a file: its own, or that of the nearest folder."""
    lines = [file, *(f"{folder}/" for folder in Path(file).parents)]
    return next((line for line in lines if line in THROUGH), None)


def test_every_file_has_its_test_or_a_way_to_it() -> None:
    lost = [file for file in WITHOUT if way_to(file) is None]
    assert not lost, f"add {[mirrored(file) for file in lost]}, or a line to THROUGH"


def test_every_line_is_needed() -> None:
    unused = THROUGH.keys() - {way_to(file) for file in WITHOUT}
    assert not unused, "what these name has a test of its name by now, or is gone"


def test_the_tests_on_the_way_exist_and_say_what_they_test() -> None:
    missing = sorted(test for test in NAMED if not (TESTS / test).exists())
    assert not missing
    assert all(ast.get_docstring(ast.parse((TESTS / test).read_text())) for test in NAMED)


def test_every_test_is_found_from_a_file() -> None:
    """A test whose file was moved, renamed or split follows it."""
    tests = [str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py") if path.parent != TESTS]
    alone = set()
    for test in tests:
        folder, _, name = test.rpartition("/")
        file = ROOT / folder / name.removeprefix("test_").replace("_fuzz.py", ".py")
        if (ROOT / folder).is_dir() and not file.exists() and test not in NAMED:
            alone.add(test)
    assert alone == OF_NO_FILE
