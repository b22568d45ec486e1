"""Who may take a Lease, and when, by the observer's own clock."""

from edged.kube.control.leases import Election, LeaseTimes, lease

TIMES = LeaseTimes(15.0, 10.0, 2.0)


def held(by, renewed, duration=15, **more):
    return {"spec": {"holderIdentity": by, "leaseDurationSeconds": duration, "renewTime": renewed, **more}}


def test_a_lease_that_goes_on_changing_is_not_taken():
    me = Election("me", TIMES)
    for now in range(0, 100, 10):
        me.observe(held("other", f"t{now}"), now)
        assert not me.may_take(now)


def test_a_silent_holder_is_replaced_whatever_its_clock_says():
    me = Election("me", TIMES)
    me.observe(held("other", "2099-01-01T00:00:00.000000Z"), 100.0)
    me.observe(held("other", "2099-01-01T00:00:00.000000Z"), 114.0)
    assert not me.may_take(114.9)
    assert me.may_take(115.0)


def test_the_holders_own_duration_counts():
    me = Election("me", TIMES)
    me.observe(held("other", "t", duration=60), 0.0)
    assert not me.may_take(59.0)
    assert me.may_take(60.0)


def test_a_free_lease_is_taken_at_once():
    me = Election("me", TIMES)
    assert me.may_take(0.0)
    me.observe(held("", "t", duration=1), 0.0)
    assert me.may_take(0.0)


def test_a_claim_counts_transitions_and_keeps_what_others_wrote():
    me = Election("me", TIMES)
    assert me.claim("now") == {
        "holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "now", "renewTime": "now",
        "leaseTransitions": 0,
    }  # fmt: skip
    me.observe(held("other", "t", leaseTransitions=4, strategy="x"), 0.0)
    claim = me.claim("now")
    assert (claim["leaseTransitions"], claim["strategy"], claim["acquireTime"]) == (5, "x", "now")
    me.claimed({"spec": claim}, 100.0, 100.1)
    renewed = me.claim("later")
    assert (renewed["leaseTransitions"], renewed["acquireTime"], renewed["renewTime"]) == (5, "now", "later")


def test_leading_ends_before_others_may_begin():
    me = Election("me", TIMES)
    me.claimed({"spec": me.claim("t")}, sent_at=100.0, now=103.0)
    assert me.leads(109.9)
    assert not me.leads(110.0)  # it counts from when the request was sent
    me.claimed({"spec": me.claim("u")}, 109.0, 109.0)
    assert me.leads(118.0)
    me.lost()
    assert not me.leads(109.0)


def test_another_holder_ends_leading():
    me = Election("me", TIMES)
    me.claimed({"spec": me.claim("t")}, 0.0, 0.0)
    me.observe(held("other", "u"), 1.0)
    assert not me.leads(1.0)


def test_a_released_lease_has_no_holder():
    me = Election("me", TIMES)
    me.claimed({"spec": me.claim("t")}, 0.0, 0.0)
    spec = me.release("end")
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 0)


def test_the_object():
    made = lease("n", "ns", {"a": 1})
    assert (made["kind"], made["metadata"], made["spec"]) == ("Lease", {"name": "n", "namespace": "ns"}, {"a": 1})
