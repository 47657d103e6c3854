"""What is decided about pilots without asking anybody: needs, secrets, the meaning of a computing element's words."""

import gzip
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.matcher.models import CpuArchitecture, Gpu
from weyl.pilots.compute_elements.driver import CEState, CEStatus
from weyl.pilots.errors import NoPeppers
from weyl.pilots.launch import SECRET_FILE, pilot_spec
from weyl.pilots.need import Means, Presence, QueueKey, Target, demands, plan, slots, targets, template
from weyl.pilots.secrets import PepperRing, Refresh
from weyl.pilots.service.logs import text_of
from weyl.pilots.service.polling import judge
from weyl.resource_status.claims import NO_CLAIMS, Claim, Claims, Element
from weyl.resource_status.models import Kind
from weyl.task_queues.requirements import make_class

NOW = datetime(2026, 11, 25, tzinfo=UTC)
OLD, NEW = "old:b2xkLXBlcHBlci1vZi10aGUtc3VpdGU", "new:bmV3LXBlcHBlci1vZi10aGUtc3VpdGU"
QUEUE = {"WallTime": 3600, "Cores": 4, "MemoryMB": 8000, "MaxWaiting": 5, "MaxTotal": 8}
KEY = QueueKey("voa", "A", "ce", "q")


def config_of(sites: dict[str, object], **operations: object) -> Config:
    vo = {"IdP": {"URL": "x", "ClientID": "y"}, "DefaultGroup": "user"}
    return Config.model_validate(
        {
            "DIRAC": {},
            "Registry": {"voa": vo, "vob": vo},
            "Operations": {"Defaults": operations},
            "Resources": {"Sites": sites},
        }
    )


def site(queue: dict[str, object] = QUEUE, **more: object) -> dict[str, object]:
    return {"CEs": {"ce": {"Driver": "local", "Queues": {"q": queue}}}, **more}


def targets_of(sites: dict[str, object], vo: str = "voa", claims: Claims = NO_CLAIMS) -> list[Target]:
    return targets(config_of(sites), vo, means=Means(["local"]), seen={}, claims=claims, now=NOW)


@pytest.mark.parametrize(("hours", "reason"), [(0.5, "too soon"), (2, None)])
def test_no_pilot_is_sent_that_would_outlive_its_place(hours: float, reason: str | None) -> None:
    claim = Claim(
        Element(Kind.SITE, "A"), "all", "drain", None, "downtime", "x", NOW, until=NOW + timedelta(hours=hours)
    )
    [told] = targets_of({"A": site()}, claims=Claims([claim]))
    expected = None if reason is None else "Draining until 2026-11-25 00:30 UTC, which is sooner than a pilot's 3600 s"
    assert told.reason == expected


def class_of(vo: str = "voa", **requirements: object) -> dict[str, object]:
    wanted = {"wall_time": 600, "cpu": {"num_cores": {"min": 1, "max": 1}}} | requirements
    return make_class(wanted, vo=vo, group="user", owner="alice", job_type="User").document


# -- need --------------------------------------------------------------------------------------------------------------


def test_nothing_waits_so_nothing_is_wanted() -> None:
    places = targets_of({"A": site()})
    assert demands({}, {}, places) == {KEY: 0.0}
    assert plan(places[0], 0.0, Presence(), site_total=0, options=Operations(), now=NOW).need == 0


def test_jobs_that_fit_side_by_side_share_a_pilot() -> None:
    places = targets_of({"A": site()})
    assert demands({1: 20}, {1: class_of()}, places)[KEY] == 5.0
    whole = class_of(cpu={"num_cores": {"min": 4, "max": 4}})
    assert demands({1: 20}, {1: whole}, places)[KEY] == 20.0


def test_memory_decides_too_how_many_fit_side_by_side() -> None:
    hungry = class_of(cpu={"num_cores": {"min": 1, "max": 1}, "ram_mb": {"request": {"overhead": 4000, "per_core": 0}}})
    assert demands({1: 2}, {1: hungry}, targets_of({"A": site({**QUEUE, "MemoryMB": 5000})}))[KEY] == 2.0


def test_a_class_is_shared_by_the_queues_that_it_fits() -> None:
    found = demands({1: 8}, {1: class_of()}, targets_of({"A": site(), "B": site()}))
    assert found == {KEY: 1.0, KEY._replace(site="B"): 1.0}


def test_jobs_count_only_where_they_could_run() -> None:
    places = targets_of({"A": site(), "B": site(Status={"Status": "Banned"}), "C": site(VOs=["vob"])})
    assert [place.key.site for place in places] == ["A", "B"]
    long = class_of(wall_time=7200)
    other = class_of(vo="vob")
    assert demands({1: 8, 2: 8}, {1: long, 2: other}, places) == {KEY: 0.0, KEY._replace(site="B"): 0.0}


def test_a_banned_site_gets_no_pilots_and_says_why() -> None:
    (place,) = targets_of({"A": site(Status={"Status": "Banned", "Reason": "power cut"})})
    planned = plan(place, 5.0, Presence(), site_total=0, options=Operations(), now=NOW)
    assert (planned.need, planned.reason) == (0, "A: power cut")


def test_a_driver_that_is_not_installed_is_named() -> None:
    (place,) = targets(config_of({"A": site()}), "voa", means=Means([]), seen={}, claims=NO_CLAIMS, now=NOW)
    assert place.reason == "No driver 'local' is installed for ce"


@pytest.mark.parametrize(
    ("demand", "presence", "site_total", "need", "reason"),
    [
        (2.2, Presence(), 0, 3, None),
        (2.0, Presence(waiting=2, queue_waiting=2, queue_total=2), 2, 0, None),
        (2.0, Presence(used_cores=(4, 2), queue_total=2), 2, 2, None),
        (0.5, Presence(used_cores=(2,), queue_total=1), 1, 0, None),
        (9.0, Presence(), 0, 5, "MaxWaiting of 5 reached"),
        (9.0, Presence(used_cores=(4,) * 7, queue_total=7), 7, 1, "MaxTotal of 8 reached"),
        (9.0, Presence(queue_total=8, queue_waiting=5), 8, 0, "MaxWaiting of 5 reached"),
        (9.0, Presence(), 4999, 1, "MaxPilots of 5000 at A reached"),
    ],
)
def test_a_queue_gets_what_is_missing_within_its_limits(
    demand: float, presence: Presence, site_total: int, need: int, reason: str | None
) -> None:
    (place,) = targets_of({"A": site()})
    planned = plan(place, demand, presence, site_total=site_total, options=Operations(), now=NOW)
    assert (planned.need, planned.reason) == (need, reason)


def test_a_fresh_pilot_offers_the_whole_allocation_on_nodes_as_they_were_seen() -> None:
    (place,) = targets_of({"A": site()})
    first = template(place.queue, [])
    arm = first.cpu.model_copy(update={"num_cores": 1, "architecture": CpuArchitecture(name="aarch64")})
    busy = first.model_copy(update={"wall_time": 60, "tags": ["os:el9"], "cpu": arm, "cpu_power_db12": 12.5})
    again = template(place.queue, [busy, first.model_copy(update={"tags": ["hostfeat:userns"]})])
    assert (again.wall_time, again.cpu.num_cores, again.cpu_power_db12) == (3600, 4, 12.5)
    assert again.tags == ("hostfeat:userns", "os:el9")
    assert again.cpu.architecture == CpuArchitecture(name="aarch64")


@pytest.mark.parametrize(
    ("more", "machines", "tags"),
    [
        ({}, [], ()),
        ({}, ["x86_64"], ("hostfeat:cwl",)),
        ({"Architecture": "aarch64"}, ["x86_64"], ()),
        ({"Architecture": "aarch64", "Payload": {"Engine": "/cvmfs/weyl/engine"}}, ["x86_64"], ("hostfeat:cwl",)),
    ],
)
def test_a_fresh_pilot_is_expected_to_run_cwl_where_it_can_have_an_engine(
    more: dict[str, object], machines: list[str], tags: tuple[str, ...]
) -> None:
    (place,) = targets_of({"A": site({**QUEUE, **more})})
    expected = template(place.queue, [], machines).tags
    assert tuple(tag for tag in expected if "python" not in tag) == tags
    # The first pilot says which versions its node has; without the doubt it would not be sent.
    assert {"hostfeat:python-3.9", "hostfeat:python-3.13"} < set(expected)
    # what pilots have said counts more: their nodes may lack the Python for it
    seen = template(place.queue, []).model_copy(update={"tags": ["os:el9"]})
    assert template(place.queue, [seen], machines).tags == ("os:el9",)


def test_a_pushed_offer_has_the_tags_of_the_configuration_only() -> None:
    queue = {**QUEUE, "Mode": "push", "Payload": {"Engine": "/cvmfs/weyl/engine"}}
    places = {"A": site(queue), "B": site({**queue, "Tags": ["hostfeat:cwl"]})}
    made = targets(config_of(places), "voa", means=Means(["local"], ["x86_64"]), seen={}, claims=NO_CLAIMS, now=NOW)
    assert ["hostfeat:cwl" in place.offer.tags for place in made] == [False, True]


def test_a_queue_with_gpus_offers_them_as_they_were_seen() -> None:
    (place,) = targets_of({"A": site({**QUEUE, "GPUs": 2})})
    gpu = {"count": 1, "vendor": "nvidia", "arch": "sm_80", "vram_mb_per_gpu": 1024, "runtime_version": "12.0"}
    want = {"vendor": "nvidia", "arch": "sm_90", "count": {"min": 1, "max": 1}}
    assert demands({1: 1}, {1: class_of(gpu=want)}, [place])[KEY] > 0
    seen = template(place.queue, []).model_copy(update={"gpu": Gpu.model_validate(gpu)})
    (told,) = targets(
        config_of({"A": site({**QUEUE, "GPUs": 2})}),
        "voa",
        means=Means(["local"]),
        seen={KEY: [seen]},
        claims=NO_CLAIMS,
        now=NOW,
    )
    assert told.offer.gpu.count == 2
    assert demands({1: 1}, {1: class_of(gpu=want)}, [told])[KEY] == 0
    assert demands({1: 1}, {1: class_of()}, [told])[KEY] == 0


def test_what_no_pilot_has_told_yet_is_taken_for_the_best() -> None:
    demanding = class_of(cpu={"architecture": {"name": "x86_64", "level": "x86-64-v4"}})
    assert demands({1: 1}, {1: demanding}, targets_of({"A": site()}))[KEY] > 0


def test_at_least_one_payload_fits_in_a_pilot() -> None:
    (place,) = targets_of({"A": site()})
    allocation = SimpleNamespace(cores=8, ram_mb=None, scratch_mb=0, gpus=0)
    assert slots(allocation, place.offer) == 1  # type: ignore[arg-type]


def test_a_pilot_is_told_its_place_and_never_its_secret() -> None:
    (place,) = targets_of({"A": site({**QUEUE, "PowerDB12": 11.5, "Payload": {"Software": ["/opt/x"]}})})
    spec = pilot_spec(place, url="https://weyl", archive=b"zip", options=Operations())
    line = " ".join(spec.arguments)
    assert "--url https://weyl" in line
    assert f"--secret-file {SECRET_FILE}" in line
    assert "--power-db12 11.5 " in line
    assert "--software /opt/x" in line
    assert SECRET_FILE not in spec.inputs
    assert not spec.environment
    assert (spec.cores, spec.memory_mb, spec.wall_s, spec.queue) == (4, 8000, 3600, "q")


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_secret_is_recognised_under_the_pepper_that_made_it() -> None:
    secret, mac = PepperRing(OLD).mint()
    rotated = PepperRing(f"{NEW},{OLD}")
    assert secret.startswith("weylp_old_")
    assert rotated.mac_of(secret) == mac
    assert rotated.mint()[0].startswith("weylp_new_")
    assert PepperRing(NEW).mac_of(secret) is None


@pytest.mark.parametrize(
    "text", ["", "x", "weylp_old_", "weylp_old_short", "weylr_old_" + "a" * 43, "weylp__" + "a" * 43]
)
def test_what_cannot_be_a_secret_has_no_hash(text: str) -> None:
    assert PepperRing(OLD).mac_of(text) is None


def test_a_refresh_token_proves_its_session_and_its_place_in_line() -> None:
    ring, refresh = PepperRing(OLD), Refresh(uuid4(), 3)
    token = ring.refresh_token(refresh)
    assert ring.refresh_of(token) == refresh
    assert PepperRing(f"{NEW},{OLD}").refresh_of(token) == refresh
    for forged in (
        token.replace("_3_", "_4_"),
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token.replace(refresh.session_id.hex, uuid4().hex),
        token.replace("weylr_old", "weylr_new"),
    ):
        assert ring.refresh_of(forged) is None


@pytest.mark.parametrize("text", ["nocolon", "a:!!", "a:c2hvcnQ"])
def test_peppers_that_protect_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pepper"):
        PepperRing(text)


def test_without_a_pepper_no_secret_is_made() -> None:
    with pytest.raises(NoPeppers):
        PepperRing("").mint()


# -- the computing element's word --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "spoke", "state", "expected"),
    [
        ("Submitted", False, CEState.WAITING, "Waiting"),
        ("Submitted", False, CEState.RUNNING, "Waiting"),
        ("Waiting", False, CEState.RUNNING, None),
        ("Running", True, CEState.RUNNING, None),
        ("Running", True, CEState.WAITING, None),
        ("Running", True, CEState.DONE, "Done"),
        ("Running", True, CEState.FAILED, "Failed"),
        ("Running", True, CEState.ABORTED, "Failed"),
        ("Waiting", False, CEState.DONE, "Aborted"),
        ("Waiting", False, CEState.FAILED, "Aborted"),
        ("Waiting", False, CEState.DELETED, "Deleted"),
        ("Waiting", False, CEState.UNKNOWN, None),
    ],
)
def test_a_word_of_the_element_means_a_status(status: str, spoke: bool, state: CEState, expected: str | None) -> None:
    pilot = SimpleNamespace(status=status, spoke_at=NOW if spoke else None, unknown_since=None)
    found = judge(pilot, CEStatus(state, "said so"), now=NOW)
    assert (found[0] if found else None) == expected


def test_a_pilot_that_its_element_forgot_is_given_up_after_a_day() -> None:
    pilot = SimpleNamespace(status="Waiting", spoke_at=None, unknown_since=NOW - timedelta(hours=23))
    assert judge(pilot, CEStatus(CEState.UNKNOWN), now=NOW) is None
    found = judge(pilot, CEStatus(CEState.UNKNOWN), now=NOW + timedelta(hours=1))
    assert found is not None
    assert found[0] == "Aborted"


def test_a_damaged_piece_of_a_log_does_not_hide_the_others() -> None:
    pieces = [gzip.compress(b"one\n"), b"\x1f\x8bnonsense", gzip.compress(b"two\n")]
    assert text_of(pieces) == "one\n\n[a piece of this log is damaged]\ntwo\n"


def test_a_piece_that_unpacks_to_too_much_is_cut() -> None:
    text = text_of([gzip.compress(b"x" * 5_000_000)])
    assert len(text) < 2_200_000
    assert text.endswith("[the rest of this piece is left out]\n")
