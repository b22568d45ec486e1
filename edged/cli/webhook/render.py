"""`edged webhook render`: prints what edged registers, without registering it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from edged.admission.config import AdmissionConfig
from edged.admission.rules import webhook_objects
from edged.admission.rules.webhook_objects import Generated
from edged.cli.installation import api_server_files
from edged.cli.output import print_data, print_documents
from edged.cli.webhook.registrations import known_bundle, load, specs_of, target_of
from edged.config import Config


def run(args: argparse.Namespace) -> int:
    config, admission = load(args.config)
    specs = specs_of(config, admission)
    target = replace(target_of(config, admission), ca_bundle=known_bundle(config, admission))
    generated = webhook_objects.generate(specs, target, static=admission.register == "static")
    if args.selectors:
        print_data(generated.describe(), args.output)
    else:
        print_documents(_documents(config, admission, generated), args.output)
    return _report(generated)


def _documents(config: Config, admission: AdmissionConfig, generated: Generated) -> list[dict[str, Any]]:
    objects = [obj for obj in generated.objects.values() if obj["webhooks"]]
    if admission.register != "static":
        return objects
    return [*objects, *api_server_files.content(config, admission, Path(admission.static_dir)).values()]


def _report(generated: Generated) -> int:
    for name, problem in generated.problems.items():
        print(f"edged: policy {name} is not registered: {problem}", file=sys.stderr)
    return 1 if generated.problems else 0
