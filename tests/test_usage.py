import re

from tnet_tf.config import Config
from tnet_tf.config.usage import usage

SETTINGS = {field.name: field for field in Config.settings()}


def shown(text):
    """Names of the settings in a help text, in its order."""
    return re.findall(r"^  --(?:\[no\])?(\w+):", text, flags=re.MULTILINE)


def test_every_setting_is_shown_once_with_its_default():
    text = usage(SETTINGS)
    assert sorted(shown(text)) == sorted(SETTINGS)
    assert text.count("    (default: ") == len(SETTINGS)
    assert "  --image_size: Height and width in pixels" in text
    assert "    (default: 224,224)" in text
    assert "  --[no]random_flip: " in text
    assert "    (default: false)" in text
    assert "  --on_bad_image: <stop|skip>: " in text


def test_settings_are_grouped_by_section_and_sections_without_any_are_left_out():
    text = usage({"grid", "seed", "backbone", "checkpoint_every"})
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "train settings. The run: where, how long, how fast.",
        "model settings. The network (paper 3, appendix 2.1; MGNet paper, 3).",
    ]
    assert sorted(shown(text)) == ["backbone", "checkpoint_every", "grid", "seed"]


def test_usual_settings_of_a_section_come_before_its_others():
    for group in usage(SETTINGS).split("\n\n"):
        usual = [SETTINGS[name].metadata["usual"] for name in shown(group)]
        assert usual == sorted(usual, reverse=True)
        assert any(usual)


def test_what_a_command_does_comes_before_data_and_network():
    sections = re.findall(r"^(\w+) settings", usage(SETTINGS), flags=re.MULTILINE)
    assert sections.index("eval") < sections.index("data") < sections.index("model")
    assert sorted(sections) == sorted(Config.sections())


def test_help_fits_the_page():
    assert max(map(len, usage(SETTINGS).splitlines())) <= 100
