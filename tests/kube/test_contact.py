"""When the API server last answered, and why it does not."""

from __future__ import annotations

from edged.kube.contact import Contact


def test_the_last_word_counts() -> None:
    clock = [100.0]
    contact = Contact(lambda: clock[0])
    assert not contact.is_tried and contact.heard_at is None
    contact.failed("refused")
    assert contact.is_tried and contact.failure == "refused" and contact.heard_at is None
    contact.heard()
    assert (contact.heard_at, contact.failure) == (100.0, "")
    clock[0] = 200.0
    contact.failed("refused")
    assert (contact.heard_at, contact.failure) == (100.0, "refused")
