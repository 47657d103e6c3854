"""What may be wrong with job descriptions, in words for the person who wrote them."""

from weyl.kit.errors import BadRequest


class JDLSyntaxError(BadRequest):
    """A job description that does not follow the grammar."""

    def __init__(self, *, line: int, column: int, expected: str, found: str) -> None:
        seen = f"found {found!r}" if found else "found the end of the text"
        super().__init__(f"line {line}, column {column}: expected {expected}; {seen}")
        self.line = line
        self.column = column
        self.expected = expected


class BadAttribute(BadRequest):
    """An attribute of a job description that cannot be used as it is."""

    def __init__(self, attribute: str, reason: str) -> None:
        super().__init__(f"{attribute}: {reason}")
        self.attribute = attribute
        self.reason = reason


class BadSubmission(BadRequest):
    """A submission of which nothing was stored."""
