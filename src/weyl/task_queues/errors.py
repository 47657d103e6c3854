"""What can be wrong with requirements and tag expressions, as HTTP-ready errors."""

from weyl.kit.errors import BadRequest, Forbidden, NotFound


class Problem:
    """One violation in a requirements document: where it is, what is wrong, what was probably meant."""

    __slots__ = ("detail", "pointer", "suggestion")

    def __init__(self, pointer: str, detail: str, suggestion: str | None = None) -> None:
        self.pointer = pointer
        self.detail = detail
        self.suggestion = suggestion

    def wire(self) -> dict[str, str]:
        """Return the JSON form that goes into the `problems` list of the answer."""
        shown = {"pointer": self.pointer, "detail": self.detail}
        return shown if self.suggestion is None else {**shown, "did_you_mean": self.suggestion}

    def __repr__(self) -> str:
        return f"Problem({self.pointer!r}, {self.detail!r}, {self.suggestion!r})"


class InvalidRequirements(BadRequest):
    """The requirements break one or more rules; `problems` names each of them."""

    def __init__(self, problems: list[Problem]) -> None:
        sentences = [f"{problem.pointer}: {problem.detail}" for problem in problems]
        super().__init__("; ".join(sentences), extra={"problems": [problem.wire() for problem in problems]})
        self.problems = problems


class TagSyntaxError(BadRequest):
    """A tag expression cannot be read; `position` is the index of the first character that is wrong."""

    def __init__(self, detail: str, position: int, suggestion: str | None = None) -> None:
        shown = f"{detail} (character {position + 1})"
        if suggestion is not None:
            shown = f"{shown}; did you mean {suggestion!r}?"
        super().__init__(shown, extra={"position": position})
        self.position = position
        self.suggestion = suggestion


class TaskQueueNotFound(NotFound):
    """No task queue of this number exists in the caller's VO."""


class TaskQueuesForbidden(Forbidden):
    """Task queues are shown to the administrators of their VO only."""
