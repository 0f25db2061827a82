# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The one kind of failure that is reported to the user, and how an exception of a library becomes one."""


class ExportError(Exception):
    """What is wrong, where, and what to do: one message for the user."""


def summary(error: BaseException, length: int = 400) -> str:
    """The first lines of an exception's text, as one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= length else text[:length] + " ..."
