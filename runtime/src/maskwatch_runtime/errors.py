"""The kinds of failure that the loops tell apart; anything else is a bug and ends the process."""


class Unavailable(Exception):  # noqa: N818 - errors are named for what is wrong
    """A dependency cannot do its part now; the same call may succeed later.

    Attributes:
        dependency: The word of the dependency in health reports: "kafka", "postgres", "smtp" ...
        reason: What it said, for the operator.
    """

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency} is unavailable: {reason}")
        self.dependency = dependency
        self.reason = reason


class Misconfigured(Exception):  # noqa: N818
    """The service cannot start as it is set up; the message names the setting or the file."""
