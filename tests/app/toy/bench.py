"""What the toy room holds: toys that were made, counted by their kind."""

from collections import Counter
from collections.abc import Mapping

from weyl.kit.services import Key

Bench = Counter[str]

BENCH: Key[Bench] = Key("the bench of toys")
PAINTS: Key[Mapping[str, str]] = Key("the paints of toys")
