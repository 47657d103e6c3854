"""Storage elements in the configuration: bases, doors, and what is refused with its line."""

import pytest
from tests.config.test_source import VO, problems_of

from weyl.config.errors import InvalidConfig
from weyl.config.models import with_sections
from weyl.config.source import parse_config
from weyl.config.storage_elements import Endpoint, StorageElement

TEXT = (
    VO
    + """\
Resources:
  StorageElementBases:
    disks: {Checksums: [adler32], PathMax: 100, VOs: [voa]}
  StorageElements:
    ONE:
      Base: disks
      PathMax: 200
      Endpoints:
        - {Name: https, Protocol: https, URL: "https://one.example:8444", Path: /grid, VOPaths: {voa: /grid/a}}
    TWO:
      Endpoints:
        - {Name: s3, Protocol: s3, URL: "https://s3.example", Bucket: files, Credentials: keys}
    THREE: {Endpoints: [{Name: disk, Protocol: file, Path: /data}]}
"""
)


def elements(text: str = TEXT) -> dict[str, StorageElement]:
    return parse_config(text).resources.storage_elements


def test_a_base_counts_where_the_element_says_nothing() -> None:
    one = elements()["ONE"]
    assert (one.checksums, one.path_max, one.vos) == (["adler32"], 200, ["voa"])
    assert (one.serves("voa"), one.serves("vob"), elements()["TWO"].serves("vob")) == (True, False, True)


def test_a_vo_may_have_a_directory_of_its_own() -> None:
    [endpoint] = elements()["ONE"].endpoints
    assert (endpoint.path_for("voa"), endpoint.path_for("vob")) == ("/grid/a", "/grid")


def test_a_door_is_for_everything_unless_it_says_for_what() -> None:
    assert elements()["TWO"].endpoints[0].access.remove == ["lan", "wan"]
    only = Endpoint.model_validate(
        {"Name": "x", "Protocol": "file", "Path": "/data", "Access": {"Read": ["lan"]}}, by_name=False
    )
    assert (only.access.read, only.access.write, only.access.remove) == (["lan"], [], [])


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        ("Base: disks", "Base: disk", "Base: is not one of Resources.StorageElementBases; did you mean disks?"),
        ("PathMax: 200", "PathsMax: 200", "ONE.PathsMax: is not known here; did you mean PathMax?"),
        ("Bucket: files", "Buckets: files", "Endpoints.0.Buckets: is not known here; did you mean Bucket?"),
        (", Bucket: files", "", "Protocol s3 needs URL, Bucket and Credentials"),
        ("Bucket: files", "Bucket: fi/les", "'fi/les' is no name of a bucket"),
        ("https://s3.example", "https://me@s3.example", "without a user"),
        ("https://s3.example", "https://s3.example/files", "directories stand in Path"),
        ("https://s3.example", "https://s3.example:99999", "ort out of range"),
        ("https://s3.example", "ftp://s3.example", "must be http:// or https://"),
        ("Path: /data", "Path: data", "must be an absolute path"),
        ("Path: /data", "Path: /data/../etc", "without // . and .."),
        ("Path: /data", "Path: /", "the whole file system is not handed out"),
        ("Protocol: file", "Protocol: file, Auth: {Kind: token, Audience: x}", "knows neither Auth nor Credentials"),
        ("Path: /grid,", "Path: /grid, Auth: {Kind: token},", "give Audience"),
        ("Path: /grid,", "Path: /grid, Credentials: x,", "of no use without Auth"),
        ("Path: /grid,", "Path: /grid, Access: {ThirdParty: [pull]},", "ThirdParty: is not known here"),
        (
            "https://one.example:8444",
            'http://one.example", Auth: {Kind: token, Audience: x}, Region: "x',
            "Tokens go over https:// only",
        ),
        ("THREE: {", "THREE: {Limits: {In: 1}, ", "THREE.Limits: is not known here"),
        (
            "Path: /grid,",
            "Path: /grid, Credentials: x, Auth: {Kind: token, Audience: x, Issuer: 'http://iam.example/vo'},",
            "must be the https:// URL of an issuer",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(was: str, becomes: str, problem: str) -> None:
    assert was in TEXT
    assert any(problem in each for each in problems_of(TEXT.replace(was, becomes, 1)))


def test_a_protocol_needs_a_driver_where_it_is_known_which_there_are() -> None:
    model = with_sections({}, protocols=["s3", "file", "https"])
    parse_config(TEXT, model)
    with pytest.raises(InvalidConfig) as caught:
        parse_config(TEXT.replace("Protocol: file", "Protocol: root"), model)
    [problem] = caught.value.problems
    assert "Endpoints.0.Protocol" in str(problem.path)
    assert "is not the protocol of an installed driver; there are file, https, s3" in problem.message


def test_two_elements_of_a_vo_are_never_the_same_place() -> None:
    again = (
        TEXT + '    FOUR: {Endpoints: [{Name: x, Protocol: https, URL: "https://one.example:8444/", Path: /grid/a}]}\n'
    )
    [problem] = problems_of(again)
    assert "FOUR.Endpoints.0: is for voa the same place as ONE" in problem
    assert "FOUR" not in str(elements(again.replace("FOUR: {", "FOUR: {VOs: [vob], "))["ONE"])


def test_two_doors_of_an_element_have_different_names() -> None:
    door = "{Name: disk, Protocol: file, Path: /data}"
    assert "Two of the Endpoints are called disk" in problems_of(TEXT.replace(door, f"{door}, {door}"))[0]
