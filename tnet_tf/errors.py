"""What stands for a user's mistake: an exception, and a warning; and others' errors in a line."""

# Libraries put whole configurations into their messages; a line ends after so many characters.
_LONGEST = 300


class UserError(Exception):
    """A mistake of the user's: bad flag, file, record or shape.

    The message is one line that names what is wrong and what would be right. Commands print it
    without a stack trace and exit with code 2 (see `tnet_tf.command`).
    """

    # Keras wraps errors of a layer's call in several lines, unless they are marked so.
    _keras_call_info_injected = True


class DoubtfulSettings(UserWarning):
    """Settings that work but are hardly meant; the message is one line, as `UserError`'s is."""


def first_line(error: BaseException) -> str:
    """What an error of a library says in its first line, or its kind where it says nothing.

    A key that is missing says its name only, so the kind comes before it.
    """
    text = next(iter(str(error).strip().splitlines()), "")
    kind = type(error).__name__
    if isinstance(error, KeyError) or not text:
        text = f"{kind}: {text}" if text else kind
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}.."


def one_line(text: str) -> str:
    r"""The text with line breaks and other unprintable characters, of names of files, escaped.

    >>> print(one_line("skipped cat/a\nb.png"))
    skipped cat/a\nb.png
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
