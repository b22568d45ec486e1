"""`edged reviews POLICY`: shows the AdmissionReviews that a policy gets and what it answers, as they come.

It helps to find out why a policy does what it does. Only users of the status socket can see reviews, and only while
the command runs. Values of Secrets are hidden. Each review is one line of JSON.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from edged.cli import options
from edged.cli.parsing import Parser
from edged.cli.status_client import configured_socket, lines
from edged.errors import PeerError
from edged.json_text import dumps


def declare(parser: Parser) -> None:
    parser.describe("Prints one line of JSON for each review until Ctrl-C: policy, verdict, request, the policy's own "
                    "answer, and what the API server was told.",
                    "edged reviews no-privileged --rejected", "edged reviews no-privileged --request --count 1 > "
                                                              "r.json")
    parser.add_argument("policy", metavar="POLICY", help="the policy's name, as `edged status` shows it")
    parser.add_argument("--rejected", action="store_true", help="only reviews that the policy rejects or fails on")
    parser.add_argument("--count", type=options.whole(0, 2**31 - 1), default=0, metavar="N",
                        help="stop after N reviews; default: 0, which is never")
    parser.add_argument("--seconds", type=options.seconds(366 * 86400), metavar="N", help="stop after N seconds")
    parser.add_argument("--request", action="store_true", help="print only the AdmissionReview, to keep in a file")
    options.socket(parser)


def run(args: argparse.Namespace) -> int:
    request = {"operation": "reviews", "policy": args.policy, "count": args.count, "rejected": args.rejected}
    if args.seconds is not None:
        request["seconds"] = args.seconds
    ended = False
    for kind, event in lines(args.socket or configured_socket(args.config), request, silence_s=None):
        if kind == "result":
            ended = True
            continue
        review = event["review"]
        if review["missed"]:
            print(f"edged: {review['missed']} reviews were skipped: output is too slow", file=sys.stderr)
        print(dumps(_admission_review(review) if args.request else review).decode(), flush=True)
    if not ended:
        raise PeerError("the daemon ended")
    return 0


def _admission_review(review: Mapping[str, object]) -> dict[str, Any]:
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": review["request"]}
