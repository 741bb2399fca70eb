"""The one exception that stands for a user's mistake."""


class UserError(Exception):
    """A mistake of the user's: bad flag, file, record or shape.

    The message is one line that names what is wrong and what would be right. Commands print it
    without a stack trace and exit with code 2 (see `tnet_tf.command`).
    """
