"""Runs our commands in this process, as a user would type them."""

import sys
from collections.abc import Callable

import pytest
from absl.testing import flagsaver

from tnet_tf import command
from tnet_tf.flags import FLAGS


def exit_code(main: Callable, *arguments: str) -> int:
    """Runs a command with these arguments; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch, flagsaver.flagsaver():
        patch.setattr(sys, "argv", ["command", *arguments])
        for name in FLAGS:
            FLAGS[name].unparse()
        try:
            command.run(main)
        except SystemExit as stop:
            return stop.code
    return 0


def the_error(messages: str) -> str:
    """The one line in which a command tells a user's mistake."""
    (line,) = (line for line in messages.splitlines() if line.startswith("error: "))
    assert "Traceback" not in messages
    return line
