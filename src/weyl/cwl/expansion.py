"""From what was sent to the input objects of jobs: a list, a range, lists that are scattered, or none at all."""

from weyl.cwl.compilation import Compilation
from weyl.cwl.inputs import normal_base
from weyl.cwl.objects import Given, Objects, Scattered, Single, Stepped
from weyl.cwl.problems import Problem, nearest, problem
from weyl.cwl.sent_body import SentBody
from weyl.cwl.types import takes_int, text_of_type


class BadExpansion(Exception):
    """A submission from which no jobs can be made; `problems` says why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].detail)
        self.problems = problems


def expanded(sent: SentBody, compilation: Compilation, *, jobs_max: int) -> Objects:
    """Return the input objects of a submission, none of them made yet; raises `BadExpansion`."""
    objects = _objects(sent, compilation)
    if not objects.count:
        raise BadExpansion(problem("empty-expansion", "the submission makes no job: the range or the list is empty"))
    if objects.count > jobs_max:
        told = f"{objects.count} jobs: one submission takes at most {jobs_max}; send the others in further ones"
        raise BadExpansion(problem("too-many-jobs", told))
    return objects


def _objects(sent: SentBody, compilation: Compilation) -> Objects:
    base = normal_base(sent.base)
    if sent.order.range_param is not None:
        return Stepped(sent.order.range_param, _range(sent, sent.order.range_param, compilation), base)
    if sent.scatter is not None:
        if not sent.scatter:
            raise BadExpansion(problem("empty-expansion", "scatter names no input", "/scatter"))
        is_crossed = sent.order.scatter_method == "flat_crossproduct"
        lengths = {name: len(places) // 2 for name, places in sent.scatter.items()}
        if not is_crossed and len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise BadExpansion(problem("bad-range", f"lists of unequal length: {told}", "/scatter"))
        return Scattered(sent.text, sent.scatter, is_crossed, base)
    # An empty list is as good as none: both mean the one job of the defaults.
    return Given(sent.text, sent.inputs, base) if sent.inputs else Single(base)


def _range(sent: SentBody, name: str, compilation: Compilation) -> range:
    order = sent.order
    if order.range_step == 0:
        raise BadExpansion(problem("bad-range", "range_step must not be 0", "/range_step"))
    kind = compilation.types.get(name)
    if kind is None:
        guess = nearest(name, compilation.types)
        told = f"the document has no input {name!r}"
        raise BadExpansion(problem("bad-range", told, "/range_param", did_you_mean=guess))
    if not takes_int(kind):
        told = f"{name} is {text_of_type(kind)}, which takes no whole number"
        raise BadExpansion(problem("bad-range", told, "/range_param"))
    assert order.range_end is not None, "a range has an end"
    return range(order.range_start or 0, order.range_end, 1 if order.range_step is None else order.range_step)
