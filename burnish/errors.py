"""Every error that Burnish raises on purpose.

    BurnishError
    ├── UserError(ValueError)              bad input: says what is accepted, never retried
    │   ├── NotFoundError(LookupError)
    │   └── ConflictError                  somebody else changed it first, or it exists already
    ├── RetryableError                     infrastructure: the same call may succeed later
    │   └── UnavailableError(ConnectionError)   nobody answers: names who is missing
    └── SetupError(RuntimeError)           this process cannot start: says what to do

Each message is one sentence for the person who has to act on it.
"""


class BurnishError(Exception):
    """The base of every error raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UserError(BurnishError, ValueError):
    """Bad input.

    Attributes:
        field: path of the input at fault, for example ``stages[1].rl.group_size``.
        hint: what is accepted instead.
    """

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        """The whole sentence: field, message, hint."""
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message}{f' ({self.hint})' if self.hint else ''}"


class NotFoundError(UserError, LookupError):
    """The thing that was named does not exist."""


class ConflictError(UserError):
    """A compare-and-set failed, or the name is taken."""


class RetryableError(BurnishError):
    """The infrastructure failed; the work itself is not at fault and is tried again."""


class UnavailableError(RetryableError, ConnectionError):
    """Nobody answers."""


class SetupError(BurnishError, RuntimeError):
    """The process cannot start."""
