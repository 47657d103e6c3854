"""The configuration document: what is refused and where, what is filled in, how it is written out again."""

import json

import pytest

from weyl.config.errors import InvalidConfig
from weyl.config.models import Config
from weyl.config.source import parse_config

VO = """\
DIRAC: {}
Registry:
  voa:
    IdP: {URL: "https://idp.example.org", ClientID: weyl}
    DefaultGroup: user
    Users:
      "1f2": {PreferedUsername: alice}
    Groups:
      user: {Properties: [NormalUser, JobSharing], Users: ["1f2"]}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The configuration is empty"),
        ("- a", "The configuration must be a mapping with the sections DIRAC and Registry"),
        ("DIRAC: {}\n", "line 1: Registry: is missing"),
        ("Registry: {}\n", "line 1: DIRAC: is missing"),
        ("DIRAC: {}\nDIRAC: {}\nRegistry: {}\n", "line 2: DIRAC: is given twice, first in line 1"),
        ("DIRAC: {}\nRegistry: {}\nRegistri: {}\n", "line 3: Registri: is not known here; did you mean Registry?"),
        ("DIRAC: {}\nRegistry: {}\nSystems: &a {b: *a}\n", "line 3: Systems.b: refers to itself"),
        ("DIRAC: {}\nRegistry: {}\n? [1]\n: 2\n", "line 3: […]: is not a name; keys are plain text"),
        ("DIRAC: {NoSetup: maybe}\nRegistry: {}\n", "line 1: DIRAC.NoSetup: must be true or false"),
    ],
)
def test_a_fault_is_named_with_its_line_and_path(text: str, problem: str) -> None:
    assert problem in problems_of(text)


def test_a_name_that_two_users_of_a_vo_have_is_refused_with_both_lines() -> None:
    """Jobs belong to names: the second user would own the jobs of the first."""
    doubled = VO.replace(
        '"1f2": {PreferedUsername: alice}\n',
        '"1f2": {PreferedUsername: alice}\n      "9a8": {PreferedUsername: bob}\n'
        '      "7e6":\n        Email: alice@example.org\n        PreferedUsername: alice\n',
    )
    assert problems_of(doubled) == [
        "line 11: Registry.voa.Users.7e6.PreferedUsername: user 1f2 already has the name alice. Jobs belong to names, "
        "so each user of a VO needs a different one (see line 7)"
    ]
    vob = VO.partition("Registry:\n")[2].replace("voa", "vob")
    assert len(parse_config(VO + vob).registry) == 2
    assert json.loads(parse_config(VO).model_dump_json(by_alias=True))["Registry"]["voa"]["Users"]["1f2"] == {
        "PreferedUsername": "alice",
        "DNs": [],
        "Email": None,
        "Suspended": [],
        "Quota": None,
    }


def test_text_that_is_not_yaml_is_refused_with_its_line() -> None:
    (problem,) = problems_of("DIRAC: {}\nRegistry: [\n")
    assert problem.startswith("line 3: This is not YAML:")


def test_an_alias_bomb_is_refused() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert any("aliases spelled out" in problem for problem in problems_of("\n".join(levels)))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("[" * 900 + "]" * 900, "nested more than 50 deep"),
        ("[&a0 [1]" + "".join(f", &a{n} [*a{n - 1}]" for n in range(1, 60)) + "]", "nested more than 50 deep"),
        ('!!int ""', "does not fit the tag"),
        ("!!bool maybe", "does not fit the tag"),
        ("!!timestamp x", "does not fit the tag"),
        ("!!binary aGk=", "has the tag tag:yaml.org,2002:binary"),
        ("!!python/name:os.system x", "has the tag"),
        ("1" + ":59" * 100, "too long a number"),
        ("9" * 5_000, "too long a number"),
        ("\ud800", "is not all text"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_line(value: str, problem: str) -> None:
    found = problems_of(f"DIRAC: {{}}\nRegistry: {{}}\nSystems: {{a: {value}}}\n")
    assert any(problem in each for each in found), found


def test_of_very_many_faults_the_first_are_told_and_their_number() -> None:
    found = problems_of(VO + "".join(f"Nonsense{number}: 1\n" for number in range(3_000)))
    assert len(found) == 101
    assert found[-1] == "There are 2900 more faults"


def test_all_faults_are_told_at_once_with_the_nearest_known_name() -> None:
    text = VO + "      prod: {Propeties: [NormalUser], JobShare: many}\n"
    assert set(problems_of(text)) == {
        "line 10: Registry.voa.Groups.prod.Propeties: is not known here; did you mean Properties?",
        "line 10: Registry.voa.Groups.prod.JobShare: must be a number",
    }


def test_a_subject_that_yaml_reads_as_a_number_must_be_quoted() -> None:
    (problem,) = problems_of(VO.replace('"1f2": {', "123: {"))
    assert problem.startswith("line 7: Registry.voa.Users.")
    assert "write it in quotes" in problem


def test_a_fault_inherited_from_the_defaults_is_found_in_the_defaults() -> None:
    (problem,) = problems_of(VO + "Operations:\n  Defaults:\n    JobHealth: {StalledAfter: -1}\n")
    assert problem.startswith("line 12: Operations.voa.JobHealth.StalledAfter:")


def test_unknown_keys_of_queues_are_refused_with_the_nearest_known_one() -> None:
    text = VO + "Resources: {Sites: {A: {CEs: {c: {Driver: local, Queues: {q: {Walltime: 5}}}}}}}\n"
    (problem,) = problems_of(text)
    assert problem.endswith("is not known here; did you mean WallTime?")


def test_defaults_are_merged_below_each_vo_and_then_removed() -> None:
    text = VO + (
        "Operations:\n"
        "  Defaults: {JobDescription: {MaxPriority: 5, AllowedJobTypes: [User]}, Pilot: {a: 1, b: {c: 2}}}\n"
        "  voa: {JobDescription: {MaxPriority: 7}, Pilot: {b: {d: 3}}}\n"
    )
    config = parse_config(text)
    assert set(config.operations) == {"voa"}
    assert config.operations["voa"].job_description.max_priority == 7
    assert config.operations["voa"].job_description.allowed_job_types == ["User"]
    assert config.operations["voa"].pilot == {"a": 1, "b": {"c": 2, "d": 3}}


def test_every_vo_of_the_registry_has_operations() -> None:
    operations = parse_config(VO).operations["voa"]
    assert operations.job_description.default_cpu_time == 86_400
    assert operations.services.job_scheduling.max_rescheduling == 3
    assert operations.job_health.stalled_after == 75 * 60
    assert operations.matching.db12_per_cpu_time == 1.0


def test_the_dump_has_the_wire_names_all_defaults_and_sorted_sets() -> None:
    document = json.loads(parse_config(VO).model_dump_json(by_alias=True))
    group = document["Registry"]["voa"]["Groups"]["user"]
    assert group["Properties"] == ["JobSharing", "NormalUser"]
    assert group["JobShare"] == 1000
    assert isinstance(group["JobShare"], int)
    assert document["Registry"]["voa"]["Users"]["1f2"]["PreferedUsername"] == "alice"
    assert document["Operations"]["voa"]["JobDescription"]["MinCPUTime"] == 100
    assert document["Operations"]["voa"]["EMail"] is None
    assert document["DIRAC"] == {"NoSetup": False}


def test_a_dump_is_itself_a_configuration() -> None:
    config = parse_config(VO)
    assert parse_config(config.model_dump_json(by_alias=True)) == config


@pytest.mark.parametrize(
    "text",
    [
        # The peer writes out what is not set: these two are free sections there.
        "Operations: {voa: {Matching: null, ResourceStatus: null, Pilot: null, Services: {Catalogs: null}}}\n",
        "Operations: {Defaults: {JobDescription: null}, voa: null}\n",
        "Operations: {voa: {Services: {JobScheduling: null}, ResourceStatus: {Sites: null}}}\n",
        "Resources: null\n",
        "Resources: {Computing: null, Sites: null}\n",
    ],
)
def test_a_section_without_content_has_its_defaults(text: str) -> None:
    assert parse_config(VO + text) == parse_config(VO)


def test_a_null_section_of_a_vo_keeps_the_defaults_of_all_vos() -> None:
    text = "Operations: {Defaults: {Matching: {Every: 7}}, voa: {Matching: null}}\n"
    assert parse_config(VO + text).operations["voa"].matching.every == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (VO.replace("{}", "null", 1), "DIRAC: must be a mapping"),
        (VO + "Operations: {voa: {JobDescription: {MaxCPUTime: null}}}\n", "MaxCPUTime: must be a whole number"),
    ],
)
def test_null_is_refused_where_something_must_be_written(text: str, problem: str) -> None:
    assert problems_of(text)[0].endswith(problem)


def test_each_platform_is_compatible_with_itself_and_other_keys_of_computing_are_dropped() -> None:
    text = VO + "Resources: {Computing: {OSCompatibility: {el9: [el8]}, Other: 1}}\n"
    computing = parse_config(text).resources.computing
    assert computing.os_compatibility == {"el9": frozenset({"el8", "el9"})}


def test_a_storage_element_without_doors_is_one_that_only_says_where_its_files_are() -> None:
    element = parse_config(VO + "Resources: {StorageElements: {SE: {Sites: [], Medium: tape}}}\n").resources
    assert (element.storage_elements["SE"].medium, element.storage_elements["SE"].endpoints) == ("tape", [])


def test_python_names_are_no_keys_of_the_document() -> None:
    assert problems_of("DIRAC: {no_setup: true}\nRegistry: {}\n")


def test_code_and_tests_may_build_a_configuration_by_python_names() -> None:
    config = Config.model_validate({"dirac": {}, "registry": {}})
    assert config.resources.sites == {}


GRID = (
    VO
    + """\
Resources:
  Sites: {LCG.Alpha.org: {}}
  StorageElements:
    ALPHA-DISK: {Sites: [LCG.Alpha.org]}
    ALPHA-TAPE: {Sites: [LCG.Alpha.org], Medium: tape}
Operations:
  Defaults:
    InputData:
      Catalog: static
      Files:
        /voa/data/: {StorageElements: [ALPHA-DISK], Size: 1000}
"""
)


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        ("Medium: tape", "Medium: tap", "line 14: Resources.StorageElements.ALPHA-TAPE.Medium: "),
        (
            "ALPHA-DISK: {Sites: [LCG.Alpha.org]}",
            "ALPHA-DISK: {Sites: [LCG.Alpha.com]}",
            "line 13: Resources.StorageElements.ALPHA-DISK.Sites.0: is not a site of Resources.Sites;"
            " did you mean LCG.Alpha.org?",
        ),
        (
            "[ALPHA-DISK], Size",
            "[ALPHA-DISC], Size",
            "line 20: Operations.voa.InputData.Files./voa/data/.StorageElements.0: is not a storage element of"
            " Resources.StorageElements; did you mean ALPHA-DISK?",
        ),
        ("Size: 1000", "Size: -1", "line 20: Operations.voa.InputData.Files./voa/data/.Size: "),
        ("[ALPHA-DISK], Size", "[], Size", "line 20: Operations.voa.InputData.Files./voa/data/.StorageElements: "),
        ("/voa/data/:", "voa/data/:", "is no name of a file or a directory: it does not begin with /"),
        ("/voa/data/:", "/voa//data:", "is no name of a file or a directory: it has // in it"),
        ("Catalog:", "Catalogue:", "line 18: Operations.voa.InputData.Catalogue: is not known here; did you mean"),
    ],
)
def test_files_that_are_listed_wrongly_are_told_with_their_line(was: str, becomes: str, problem: str) -> None:
    assert parse_config(GRID).operations["voa"].input_data.files["/voa/data/"].size == 1000
    assert was in GRID
    [found] = problems_of(GRID.replace(was, becomes, 1))
    assert problem in found
