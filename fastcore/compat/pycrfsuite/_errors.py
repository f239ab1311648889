"""The version whose files and messages these are, and the error of that name."""

CRFSUITE_VERSION = "0.12.2"


class CRFSuiteError(Exception):
    """An error by CRFsuite's number; nothing here raises it: ValueError and the like say more.

    Parameters
    ----------
    code : int
        The number.
    """

    _messages = {  # noqa: RUF012 as in what this replaces
        -(1 << 31) + number: message
        for number, message in enumerate(
            [
                "Unknown error occurred",
                "Insufficient memory",
                "Unsupported operation",
                "Incompatible data",
                "Internal error",
                "Overflow",
                "Not implemented",
            ]
        )
    }

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(self._messages.get(code, "Unexpected error"))

    def __reduce__(self) -> tuple[type["CRFSuiteError"], tuple[int]]:
        return type(self), (self.code,)
