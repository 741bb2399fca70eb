import io

import pytest
from PIL import Image

from tnet_tf.errors import UserError
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.robustness import report
from tnet_tf.robustness.report import plot, read, to_text


def trial(name, strength, top1, gaze=None, images=50, clean=None):
    row = {
        "name": name,
        "strength": strength,
        "images": images,
        "top1_by_locations": Curve.of(0, top1),
        "clean_top1_by_locations": Curve.of(0, clean or [0.8] * len(top1)),
    }
    overlap = {} if gaze is None else {"gaze_overlap_by_locations": Curve.of(1, gaze)}
    return Results({**row, **overlap})


def network(name, *trials, gflops=(0.1, 0.2)):
    values = {
        "run_dir": name,
        "model": "mgnet",
        "backbone": "resnet18",
        "dataset": "birds",
        "split": "test",
        "gflops_by_locations": Curve.of(0, gflops),
        "settings": {
            "attack_epsilon": 4.0,
            "attack_step_size": 1.0,
            "attack_random_start": False,
            "attack_clip": False,
        },
        "trials": list(trials),
    }
    return Results(values)


LOOKING = network(
    "runs/looking",
    trial("clean", 0, [0.75, 0.8]),
    trial("fog", 1, [0.5, 0.6], [0.9]),
    trial("fog", 5, [0.3, 0.4], [0.5]),
    trial("snow", 1, [0.1, 0.2], [0.8]),
    trial("pgd", 4, [0.25, 0.35], [0.45], images=20, clean=[0.7, 0.95]),
)
DENSE = network("runs/dense", trial("clean", 0, [0.9]), trial("fog", 1, [0.7]), gflops=(1.5,))


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_corruptions_are_averaged_over_severities_and_then_over_corruptions():
    found = rows(to_text([LOOKING]))
    assert ["network", "locations", "GFLOPs", "clean", "average", "fog", "snow"] in found
    assert ["runs/looking", "0", "0.1000", "75.0", "25.0", "40.0", "10.0"] in found
    assert ["runs/looking", "1", "0.2000", "80.0", "35.0", "50.0", "20.0"] in found


def test_the_gaze_has_a_row_for_every_number_of_locations_but_none():
    assert ["runs/looking", "1", "0.2000", "-", "75.0", "70.0", "80.0"] in rows(to_text([LOOKING]))


def test_attacks_stand_beside_the_same_images_as_they_were():
    found = rows(to_text([LOOKING]))
    assert ["runs/looking", "clean", "-", "-", "70.0", "95.0", "-"] in found
    assert ["runs/looking", "pgd", "4/255", "pixels", "4", "25.0", "35.0", "45.0"] in found
    assert "attacks on 20 of them: epsilon 4/255, step 1/255 of the range of pixels, no random" in (
        to_text([LOOKING])
    )


def test_networks_with_and_without_locations_stand_in_one_table():
    found = rows(to_text([DENSE, LOOKING]))
    assert ["runs/dense", "0", "1.5000", "90.0", "70.0", "70.0", "-"] in found
    assert ["runs/looking", "1", "0.2000", "80.0", "35.0", "50.0", "20.0"] in found


def test_no_table_without_what_it_is_of():
    text = to_text([DENSE])
    assert "attacks" not in text
    assert "overlap" not in text


def test_the_plot_has_a_column_for_corruptions_and_for_every_attack():
    def width(reports):
        return Image.open(io.BytesIO(plot(reports))).width

    assert width([LOOKING, DENSE]) > 1.5 * width([DENSE])


def in_units(report, units):
    return report | {"settings": {**report["settings"], "attack_units": units}}


def test_tables_name_the_unit_of_every_networks_attacks():
    """LOOKING does not say: it is of before there was a choice, when all was of pixels."""
    text = to_text([LOOKING, in_units(LOOKING, "standardised")])
    assert "step 1/255 of the range of pixels, " in text
    assert "step 1/255 of ImageNet's deviation of each channel, " in text
    budgets = [row[2:4] for row in rows(text) if row[1:2] == ["pgd"]]
    assert budgets == [["4/255", "pixels"], ["4/255", "standardised"]]


@pytest.fixture
def drawn(monkeypatch):
    """Every figure that is made into a PNG."""
    figures = []
    monkeypatch.setattr(report, "png", lambda figure: figures.append(figure) or b"")
    return figures


def test_plots_name_the_unit_of_attacks(drawn):
    standardised = in_units(LOOKING, "standardised")
    plot([standardised, in_units(DENSE, "pixels")])
    titles = [axes.get_title() for axes in drawn[0].axes[:2]]
    assert titles == ["corruptions", "pgd, epsilon 4/255 standardised"]
    _, labels = drawn[0].axes[0].get_legend_handles_labels()
    assert labels == ["looking", "dense"]


def test_plots_of_several_budgets_name_each_networks(drawn):
    plot([LOOKING, in_units(LOOKING, "standardised"), DENSE])
    _, labels = drawn[0].axes[0].get_legend_handles_labels()
    assert labels == [
        "looking, epsilon 4/255 pixels",
        "looking, epsilon 4/255 standardised",
        "dense",
    ]


def test_a_report_that_was_written_is_read_as_it_was(tmp_path):
    (tmp_path / report.REPORT).write_text(LOOKING.to_json())
    assert read(str(tmp_path)) == LOOKING
    assert to_text([read(str(tmp_path))]) == to_text([LOOKING])


@pytest.mark.parametrize("content", ["", "7", "{}", '{"trials": []}', DENSE.to_json()[:-9]])
def test_what_is_no_report_is_told(tmp_path, content):
    (tmp_path / report.REPORT).write_text(content)
    with pytest.raises(UserError, match=r"--compare=.* has no robustness\.json that can be read"):
        read(str(tmp_path))
