"""CPU architectures: which features a level or profile stands for, and what a processor's flags amount to."""

import difflib
from dataclasses import dataclass


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Version of the tables below; stored in every class that was expanded with them.
TABLES_VERSION = 1

X86_LEVEL_FEATURES: tuple[frozenset[str], ...] = (
    frozenset(),
    _names("cx16 lahf_lm popcnt sse3 ssse3 sse4_1 sse4_2"),
    _names("avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave"),
    _names("avx512f avx512bw avx512cd avx512dq avx512vl"),
)

# What each step of the Arm architecture makes mandatory, in the words of the Linux kernel's CPU flags.
ARM_STEP_FEATURES: tuple[frozenset[str], ...] = (
    _names("fp asimd"),
    _names("atomics asimdrdm crc32"),
    _names("dcpop"),
    _names("jscvt fcma lrcpc"),
    _names("asimddp uscat ilrcpc flagm dit"),
    _names("flagm2 frint sb dcpodp"),
    _names("ecv"),
    _names("afp wfxt"),
    _names("mops hbc"),
    _names("cssc rprfm"),
)
ARM_V9_OFFSET = 5

# Kernel flag -> the name that requirements use, where the two differ.
FLAG_NAMES = {"pni": "sse3", "abm": "lzcnt", "sha_ni": "sha", "avx512_vnni": "avx512vnni", "avx512_bf16": "avx512bf16"}

X86_OTHER_FEATURES = _names(
    "mmx sse sse2 aes pclmulqdq rdrand rdseed adx sha fma4 xop sse4a clflushopt clwb xsavec xsaveopt fsgsbase "
    "avx512ifma avx512vbmi avx512_vbmi2 avx512vnni avx512bf16 avx512_bitalg avx512_vpopcntdq avx512_fp16 "
    "avx_vnni vaes vpclmulqdq gfni amx_tile amx_bf16 amx_int8 serialize movdiri movdir64b"
)
ARM_OTHER_FEATURES = _names(
    "aes pmull sha1 sha2 sha3 sha512 sm3 sm4 fphp asimdhp asimdfhm sve sve2 sveaes svepmull svebitperm svesha3 "
    "svesm4 svei8mm svebf16 svef32mm svef64mm i8mm bf16 mte mte3 bti rng paca pacg ssbs sme sme2 cpuid evtstrm"
)
KNOWN_FEATURES: dict[str, frozenset[str]] = {
    "x86_64": frozenset().union(*X86_LEVEL_FEATURES) | X86_OTHER_FEATURES,
    "aarch64": frozenset().union(*ARM_STEP_FEATURES) | ARM_OTHER_FEATURES,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a job wants of a processor: a family, and the features that it must have."""

    name: str | None
    features: frozenset[str]


def features_of_flags(flags: list[str] | frozenset[str]) -> frozenset[str]:
    """Translate the flags of /proc/cpuinfo into feature names."""
    return frozenset(FLAG_NAMES.get(flag, flag) for flag in flags)


def x86_level(features: frozenset[str]) -> int:
    """Return the highest x86-64 level (1 to 4) that a processor with these features has."""
    level = 1
    for step in X86_LEVEL_FEATURES[1:]:
        if not step <= features:
            break
        level += 1
    return level


def arm_profile(features: frozenset[str]) -> str:
    """Return the highest Armv8 profile that a processor with these features has."""
    highest = 0
    for step, wanted in enumerate(ARM_STEP_FEATURES[1:], start=1):
        if not wanted <= features:
            break
        highest = step
    return f"armv8.{highest}-a"


def features_of_level(level: str) -> frozenset[str]:
    """Expand an x86-64 level; one that is not known here becomes a feature that no processor has."""
    prefix, number = level[:-1], level[-1:]
    if prefix != "x86-64-v" or number not in "1234":
        return frozenset([f"level:{level}"])
    return frozenset().union(*X86_LEVEL_FEATURES[: int(number)])


def features_of_profile(profile: str) -> frozenset[str]:
    """Expand an Arm profile; one that is not known here becomes a feature that no processor has."""
    step = _arm_step(profile)
    if step is None:
        return frozenset([f"profile:{profile}"])
    return frozenset().union(*ARM_STEP_FEATURES[: step + 1])


def _arm_step(profile: str) -> int | None:
    family, dot, rest = profile.removesuffix("-a").partition(".")
    if family not in ("armv8", "armv9") or not dot or not rest.isdecimal() or not profile.endswith("-a"):
        return None
    step = int(rest) + (ARM_V9_OFFSET if family == "armv9" else 0)
    return step if step < len(ARM_STEP_FEATURES) else None


def expand(name: str | None, *, level: str | None, profile: str | None, required: list[str]) -> Architecture:
    """Turn the architecture block of a requirements document into a family and a set of features."""
    features = frozenset(required)
    if level is not None:
        features |= features_of_level(level)
    if profile is not None:
        features |= features_of_profile(profile)
    return Architecture(name, features)


def nearest_feature(name: str, feature: str) -> str | None:
    """Name the known feature of this architecture whose spelling is nearest."""
    near = difflib.get_close_matches(feature, sorted(KNOWN_FEATURES.get(name, frozenset())), n=1, cutoff=0.6)
    return near[0] if near else None
