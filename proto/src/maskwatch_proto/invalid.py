"""What is wrong with a message that nobody can use."""

from pydantic import ValidationError

_NO_UUID = "Input should be a valid UUID"


class InvalidMessage(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A message that will never be archived, however often it is tried.

    Attributes:
        field: Path of the offending field in its .proto file, or "message" for the whole.
        reason: Why, in words for the operator; never holds bytes of the message.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def first_problem(error: ValidationError) -> tuple[tuple[str, ...], str]:
    """Return the path of the first value that a model refuses, and why, without the value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # pydantic quotes the character at which a UUID goes wrong, a control character as it is.
    reason = _NO_UUID if first["type"] == "uuid_parsing" else first["msg"]
    return tuple(str(part) for part in first["loc"]), reason
