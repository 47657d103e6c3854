"""Uploads from their opening to what is registered of them, at a directory and at a bucket."""

import asyncio
from datetime import timedelta

import pytest
from tests.storage.uploading import (
    ALICE,
    BOB,
    BUCKET,
    CONTENT,
    DISK,
    MANAGER,
    World,
    committed,
    opened,
    order,
    put,
    wanted,
)

from weyl.file_catalog.checksums import Checksums
from weyl.kit.clock import utcnow
from weyl.storage import s3_answers
from weyl.storage.errors import (
    BadCommit,
    TooManyUploads,
    UploadNotFound,
    UploadOver,
    UploadRefused,
)
from weyl.storage.service.uploads import abandon, renew
from weyl.storage.uploads import Landed, StoredPlace, Wanted


async def put_failed(world: World, file: Wanted, content: bytes) -> str:
    """Return why a file was not registered whose content is another one."""
    upload = await opened(world, order(file))
    landed = await world.write(upload, {file.name: content})
    done = await committed(world, upload, landed)
    assert done.state == "failed"
    assert await world.visible([file.lfn]) == 0
    return done.failed[file.name].detail


@pytest.mark.parametrize(("target", "se"), [(0, DISK), (1, BUCKET)])
async def test_what_was_written_and_verified_is_a_file_and_the_other_target_is_swept(
    world: World, target: int, se: str
) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    assert [each.se for each in upload.files[lfn].targets] == [DISK, BUCKET]
    landed = await world.write(upload, {lfn: CONTENT}, target=target)
    assert await world.files() == {}
    done = await committed(world, upload, landed)
    assert (done.state, done.failed) == ("registered", {})
    assert done.files[lfn].file_id
    assert await world.replicas() == {(lfn, se, lfn)}
    assert [state for _, _, state in await world.intents()] == ["abandoned"]
    await world.sweep()
    assert await world.intents() == []
    assert await world.stored() == {(se, lfn)}
    assert await world.findings() == []


async def test_what_is_registered_already_needs_nothing(world: World) -> None:
    lfn, other = world.lfn(), world.lfn()
    done = await put(world, lfn)
    again = await opened(world, order(wanted(lfn, CONTENT)))
    assert (again.state, again.files[lfn].state, again.files[lfn].targets) == ("registered", "registered", [])
    assert again.files[lfn].file_id == done.files[lfn].file_id
    both = await opened(world, order(wanted(lfn, CONTENT), wanted(other, CONTENT)))
    assert [each.state for each in both.files.values()] == ["registered", "wanted"]
    done = await committed(world, both, await world.write(both, {other: CONTENT}))
    assert done.files.keys() == {lfn, other}


async def test_of_files_that_cannot_be_the_others_are_taken_unless_all_or_nothing_was_asked_for(world: World) -> None:
    good, taken = world.lfn(), world.lfn()
    await put(world, taken)
    files = [
        wanted(good, CONTENT),
        wanted("/voa/user/a/alice/../x", CONTENT),
        wanted("/vob/x", CONTENT),
        wanted("/voa/user/b/bob/x", CONTENT),
        wanted(taken, b"other content"),
        wanted("/voa/user/a/alice/twice", CONTENT, name="one"),
        wanted("/voa/user/a/alice/twice", CONTENT, name="two"),
    ]
    with pytest.raises(UploadRefused) as refused:
        await opened(world, order(*files, is_atomic=True))
    upload = await opened(world, order(*files))
    assert upload.files.keys() == {good}
    assert {name: failure.code for name, failure in upload.failed.items()} == {
        files[1].lfn: "bad_name",
        "/vob/x": refused.value.failed["/vob/x"].code,
        "/voa/user/b/bob/x": refused.value.failed["/voa/user/b/bob/x"].code,
        taken: "conflict",
        "one": "conflict",
        "two": "conflict",
    }
    done = await committed(world, upload, await world.write(upload, {good: CONTENT}))
    assert (done.files.keys(), done.failed.keys()) == ({good}, upload.failed.keys())


@pytest.mark.parametrize("target", [0, 1])
async def test_a_file_that_is_not_what_was_announced_is_not_registered_and_its_bytes_go(
    world: World, target: int
) -> None:
    lfn = world.lfn()
    file = Wanted(lfn, lfn, len(CONTENT), Checksums(md5="0" * 32))
    upload = await opened(world, order(file))
    done = await committed(world, upload, await world.write(upload, {lfn: CONTENT}, target=target))
    assert done.state == "failed"
    assert "its md5 is" in done.failed[lfn].detail
    await world.sweep()
    assert (await world.stored(), await world.intents(), await world.files()) == (set(), [], {})


async def test_a_wrong_size_is_told_and_a_file_that_is_not_there_too(world: World) -> None:
    lfn, gone = world.lfn(), world.lfn()
    assert "it has 3 bytes there" in await put_failed(world, wanted(lfn, CONTENT), b"abc")
    upload = await opened(world, order(wanted(gone, CONTENT)))
    done = await committed(world, upload, {gone: Landed(DISK)})
    assert "nothing lies there" in done.failed[gone].detail


async def test_of_fifty_files_with_a_wrong_one_none_is_visible_at_any_time(world: World) -> None:
    contents = {world.lfn(): f"content {number}".encode() for number in range(50)}
    files = [wanted(lfn, content) for lfn, content in contents.items()]
    upload = await opened(world, order(*files, is_atomic=True))
    landed = await world.write(upload, {**contents, files[17].lfn: b"content xx"})
    seen: set[int] = set()

    async def look() -> None:
        while True:
            seen.add(await world.visible(contents))

    looking = asyncio.create_task(look())
    done = await committed(world, upload, landed)
    looking.cancel()
    assert (done.state, list(done.failed)) == ("failed", [files[17].lfn])
    assert seen <= {0}
    again = await opened(world, order(*files, is_atomic=True))
    looking = asyncio.create_task(look())
    done = await committed(world, again, await world.write(again, contents))
    looking.cancel()
    assert done.state == "registered"
    assert seen <= {0, 50}
    assert await world.visible(contents) == 50
    await world.sweep()
    assert await world.findings() == []


async def test_a_commit_that_comes_again_is_answered_like_the_first(world: World) -> None:
    lfn, late = world.lfn(), world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    landed = await world.write(upload, {lfn: CONTENT})
    both = await asyncio.gather(*(committed(world, upload, landed) for _ in range(3)))
    assert {(each.state, each.files[lfn].file_id) for each in both} == {("registered", both[0].files[lfn].file_id)}
    shown = await renew(world.uploads, world.config, ALICE, upload.upload_id, now=utcnow())
    assert (shown.state, shown.files[lfn].file_id) == ("registered", both[0].files[lfn].file_id)
    given_up = await opened(world, order(wanted(late, CONTENT)))
    await abandon(world.uploads, ALICE, given_up.upload_id, now=utcnow())
    with pytest.raises(UploadOver):
        await committed(world, given_up, {late: Landed(DISK)})
    with pytest.raises(UploadOver):
        await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())


async def test_a_commit_must_fit_its_upload(world: World) -> None:
    one, other = world.lfn(), world.lfn()
    upload = await opened(world, order(wanted(one, CONTENT), wanted(other, CONTENT), is_atomic=True))
    landed = await world.write(upload, {one: CONTENT})
    for wrong in (landed, {**landed, other: Landed("NOWHERE")}, {**landed, other: Landed(DISK), "x": Landed(DISK)}):
        with pytest.raises(BadCommit):
            await committed(world, upload, wrong)
    with pytest.raises(UploadNotFound):
        await committed(world, upload, landed, who=BOB)
    with pytest.raises(UploadNotFound):
        await renew(world.uploads, world.config, BOB, upload.upload_id, now=utcnow())
    assert await world.states() == {upload.upload_id: "open"}


async def test_what_did_not_land_is_told_and_the_rest_is_registered(world: World) -> None:
    one, other = world.lfn(), world.lfn()
    upload = await opened(world, order(wanted(one, CONTENT), wanted(other, CONTENT)))
    done = await committed(world, upload, await world.write(upload, {one: CONTENT}))
    assert (done.state, done.files.keys(), done.failed[other].code) == ("registered", {one}, "not_found")


async def test_two_uploads_to_one_path_lie_beside_each_other_and_the_first_commit_has_the_name(world: World) -> None:
    lfn, first, second = world.lfn(), b"first content", b"second content"
    one = await opened(world, order(wanted(lfn, first)))
    two = await opened(world, order(wanted(lfn, second)), member=MANAGER)
    landed = [await world.write(one, {lfn: first}), await world.write(two, {lfn: second})]
    assert {path for se, path, _ in await world.intents() if se == DISK} == {lfn, f"{lfn}~{two.upload_id}"}
    assert (await committed(world, two, landed[1])).state == "registered"
    late = await committed(world, one, landed[0])
    assert (late.state, late.failed[lfn].code) == ("failed", "conflict")
    assert await world.replicas() == {(lfn, DISK, f"{lfn}~{two.upload_id}")}
    await world.sweep()
    assert await world.stored() == {(DISK, f"{lfn}~{two.upload_id}")}
    assert await world.findings() == []


async def test_the_same_content_uploaded_twice_at_once_is_one_file_and_leaves_nothing_dark(world: World) -> None:
    lfn = world.lfn()
    uploads = [await opened(world, order(wanted(lfn, CONTENT))) for _ in range(3)]
    landed = [await world.write(each, {lfn: CONTENT}) for each in uploads]
    done = await asyncio.gather(*(committed(world, *pair) for pair in zip(uploads, landed, strict=True)))
    assert {each.state for each in done} == {"registered"}
    await world.sweep()
    assert len(await world.replicas()) == len(await world.stored()) == 1
    assert await world.findings() == []


async def test_a_path_is_not_given_away_before_nobody_can_be_writing_there(world: World) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    await world.write(upload, {lfn: CONTENT})
    await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())
    await world.sweep(timedelta(minutes=119))
    assert (DISK, lfn) in await world.stored()
    beside = await opened(world, order(wanted(lfn, CONTENT)))
    # Whoever was slow writes now: it is nobody's file.
    await world.write(upload, {lfn: b"late, and something else"})
    await committed(world, beside, await world.write(beside, {lfn: CONTENT}))
    assert await world.replicas() == {(lfn, DISK, f"{lfn}~{beside.upload_id}")}
    await world.sweep(timedelta(minutes=121))
    assert (DISK, lfn) not in await world.stored()
    assert await world.findings() == []


async def test_uploads_that_nobody_commits_expire_and_leave_nothing(world: World) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    landed = await world.write(upload, {lfn: CONTENT})
    await world.sweep(timedelta(hours=23))
    assert await world.states() == {upload.upload_id: "open"}
    await world.sweep(timedelta(hours=25))
    assert await world.states() == {upload.upload_id: "abandoned"}
    with pytest.raises(UploadOver):
        await committed(world, upload, landed)
    await world.sweep()
    assert (await world.stored(), await world.intents()) == (set(), [])
    await world.sweep(timedelta(days=40))
    assert await world.states() == {}


async def test_what_lies_there_already_is_verified_and_registered_where_it_is(world: World) -> None:
    own, other, wrong = world.lfn(), world.lfn(), world.lfn()
    odd = f"/voa/old/{own.rpartition('/')[2]}"
    for path in (own, odd, wrong):
        (world.disk / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (world.disk / path[1:]).write_bytes(CONTENT)
    files = [
        wanted(own, CONTENT, at=[StoredPlace(DISK)]),
        wanted(other, CONTENT, at=[StoredPlace(DISK, odd)]),
        wanted(wrong, b"something else", at=[StoredPlace(DISK)]),
        wanted(world.lfn(), CONTENT, at=[StoredPlace(DISK, "/vob/x")]),
    ]
    refused = await opened(world, order(files[1]))
    assert refused.failed[other].code == "forbidden"
    upload = await opened(world, order(*files), member=MANAGER)
    assert upload.failed.keys() == {files[3].lfn}
    done = await committed(world, upload, {})
    assert (done.files.keys(), set(done.failed)) == ({own, other}, {wrong, files[3].lfn})
    assert await world.replicas() == {(own, DISK, own), (other, DISK, odd)}
    await world.sweep()
    # What was there before we came is nobody's to delete.
    assert {(finding.kind, finding.path) for finding in await world.findings()} == {("dark", wrong)}
    again = await opened(
        world, order(files[0], wanted(world.lfn(), CONTENT, at=[StoredPlace(DISK, odd)])), member=MANAGER
    )
    assert again.files[own].state == "registered"
    assert [failure.code for failure in again.failed.values()] == ["conflict"]


async def test_a_file_in_the_trash_keeps_its_path(world: World) -> None:
    lfn = world.lfn()
    await put(world, lfn, b"before")
    headers = world.application.login()
    answer = await world.application.client.post(
        "/api/files/delete", json={"lfns": [lfn], "reason": "test"}, headers=headers
    )
    assert answer.json()["failed"] == {}, answer.text
    await put(world, lfn, b"after")
    [(_, se, path)] = await world.replicas()
    assert path.startswith(f"{lfn}~")
    assert (world.disk / lfn[1:]).read_bytes() == b"before"
    assert (world.disk / path[1:]).read_bytes() == b"after"
    assert se == DISK
    assert await world.findings() == []


async def test_large_files_come_in_parts_and_renewed_requests_go_on_with_them(world: World) -> None:
    lfn, content = world.lfn(), bytes(1024) * 70_000
    upload = await opened(world, order(wanted(lfn, content), ses=[BUCKET]))
    request = upload.files[lfn].targets[0].request
    assert len(request["parts"]) > 1
    again = await renew(world.uploads, world.config, ALICE, upload.upload_id, now=utcnow())
    assert again.files[lfn].targets[0].request["upload"] == request["upload"]
    landed = await world.write(again, {lfn: content})
    wrong = await committed(world, upload, landed)
    assert wrong.state == "registered", wrong
    assert await world.findings(BUCKET) == []


async def test_parts_that_were_never_put_together_are_swept(world: World) -> None:
    lfn, content = world.lfn(), bytes(1024) * 70_000
    upload = await opened(world, order(wanted(lfn, content), ses=[BUCKET]))
    await world.write(upload, {lfn: content})
    done = await committed(world, upload, {lfn: Landed(BUCKET)})
    assert "nothing lies there" in done.failed[lfn].detail
    await world.sweep()
    assert (await world.stored(), await world.intents()) == (set(), [])


async def test_one_person_has_so_many_uploads_open_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weyl.storage.service.opening.OPEN_MAX", 2)
    uploads = [await opened(world, order(wanted(world.lfn(), CONTENT))) for _ in range(2)]
    with pytest.raises(TooManyUploads):
        await opened(world, order(wanted(world.lfn(), CONTENT)))
    await abandon(world.uploads, ALICE, uploads[0].upload_id, now=utcnow())
    await opened(world, order(wanted(world.lfn(), CONTENT)))


async def test_an_upload_of_many_files_takes_as_many_statements_as_one_of_few(world: World) -> None:
    # Names of the VO, its users and elements, and directories, are made by the first.
    await put(world, world.lfn())
    counts = []
    for number in (10, 300):
        contents = {world.lfn(): f"content {each}".encode() for each in range(number)}
        files = [wanted(lfn, content) for lfn, content in contents.items()]
        with world.uploads.db.count_statements() as opening:
            upload = await opened(world, order(*files, ses=[DISK], is_atomic=True))
        landed = await world.write(upload, contents)
        with world.uploads.db.count_statements() as committing:
            assert (await committed(world, upload, landed)).state == "registered"
        counts.append((len(opening), len(committing)))
    assert counts[0] == counts[1]


async def test_a_client_is_offered_only_what_it_can_reach(world: World) -> None:
    lfn = world.lfn()
    plain = await opened(world, order(wanted(lfn, CONTENT), protocols=None))
    assert [target.se for target in plain.files[lfn].targets] == [BUCKET]
    other = world.lfn()
    without = await opened(world, order(wanted(other, CONTENT), ses=[DISK], protocols=["https"]))
    assert without.failed[other].code == "busy"


async def test_a_storage_that_is_away_when_an_upload_is_opened_is_left_out_until_it_is_back(world: World) -> None:
    lfn = world.lfn()
    away = world.disk.rename(world.disk.with_name("away"))
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    assert [target.se for target in upload.files[lfn].targets] == [BUCKET]
    away.rename(world.disk)
    again = await renew(world.uploads, world.config, ALICE, upload.upload_id, now=utcnow())
    assert [target.se for target in again.files[lfn].targets] == [DISK, BUCKET]
    done = await committed(world, again, await world.write(again, {lfn: CONTENT}))
    assert done.state == "registered"


async def test_parts_that_no_waiting_puts_together_fail_the_upload_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_answers, "PART_BYTES", 5 * 1024 * 1024)
    lfn, content = world.lfn(), b"x" * (6 * 1024 * 1024)
    upload = await opened(world, order(wanted(lfn, content), ses=[BUCKET]))
    landed = await world.write(upload, {lfn: content})
    with pytest.raises(BadCommit, match="ETags"):
        await committed(world, upload, {lfn: Landed(BUCKET, ["<x/>\n", "x"])})
    wrong = {lfn: Landed(BUCKET, ["0" * 32, *landed[lfn].etags[1:]])}
    done = await committed(world, upload, wrong)
    assert (done.state, done.failed[lfn].code) == ("failed", "conflict")
