"""What stands for a user's mistake: an exception, and a warning."""


class UserError(Exception):
    """A mistake of the user's: bad flag, file, record or shape.

    The message is one line that names what is wrong and what would be right. Commands print it
    without a stack trace and exit with code 2 (see `tnet_tf.command`).
    """


class DoubtfulSettings(UserWarning):
    """Settings that work but are hardly meant; the message is one line, as `UserError`'s is."""
