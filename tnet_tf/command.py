"""What all commands share: flags in, exit code out, and one clear line for a user's mistake."""

import sys
from collections.abc import Callable

from tnet_tf import flags
from tnet_tf.config import Config
from tnet_tf.errors import UserError

_HELP = ("-h", "--help", "-help", "--helpfull", "--helpshort")


def run(main: Callable[[Config], object]) -> None:
    """Runs a command with the settings of the command line and exits.

    Args:
      main: the command; its docstring is what `--help` shows before the settings.

    Exit codes: 0 done; 2 a user's mistake, told in one line on stderr; 130 interrupted.
    """
    if any(argument in _HELP for argument in sys.argv[1:]):
        print(
            main.__doc__,
            "\nSettings (also from a file, --flagfile=experiments/NAME.flags):",
            sep="\n",
        )
        print(flags.usage())
        sys.exit(0)
    try:
        flags.parse(sys.argv)
        main(flags.config_from_flags())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{f'; {interrupt}' if interrupt.args else ''}", file=sys.stderr)
        sys.exit(130)
