from tnet_tf.evaluation import report
from tnet_tf.evaluation.results import Curve, Results

VALUES = {
    "run_dir": "runs/birds",
    "checkpoint": "best",
    "model": "tnet",
    "backbone": "bagnet77",
    "dataset": "folder/birds",
    "split": "test",
    "image_size": [448, 336],
    "parameters": 4559591,
    "images": 1234,
    "gflops_by_locations": Curve(0, (0.3875, 0.7748, 1.1621)),
    "top1_by_locations": Curve(0, (0.4779, 0.7017, 0.7146)),
    "top1_attended_only_by_locations": Curve(1, (0.5, 0.625)),
    "coverage_by_locations": Curve(1, (0.25,)),
}
RESULTS = Results(VALUES)


def test_the_table_has_a_row_for_each_number_of_locations():
    heading, rule, *rows = report.table(RESULTS).splitlines()
    assert [row.split() for row in rows] == [
        ["0", "0.39", "47.79", "-", "-"],
        ["1", "0.77", "70.17", "50.00", "25.00"],
        ["2", "1.16", "71.46", "62.50", "-"],
    ]
    for name in ("locations", "GFLOPs", "top-1 %", "top-1 % attended only", "coverage %"):
        assert name in heading
    assert set(rule) == {"-", " "}


def test_the_columns_are_aligned():
    lines = report.table(RESULTS).splitlines()
    assert len({len(line) for line in lines}) == 1
    end = lines[0].index("GFLOPs") + len("GFLOPs")
    assert [line[end - 4 : end] for line in lines[2:]] == ["0.39", "0.77", "1.16"]


def test_the_text_says_what_was_measured():
    text = report.to_text(RESULTS)
    for part in ("runs/birds", "best", "folder/birds", "test", "1234 images", "448 x 336 px"):
        assert part in text
    assert "4,559,591 parameters" in text
    assert report.table(RESULTS) in text


def test_the_text_has_a_section_for_everything_that_was_measured():
    text = report.to_text(
        RESULTS
        | {
            "gaze_baselines": {"random": RESULTS},
            "classes": [{"name": "owl", "images": 1, "precision": 1, "recall": 1, "f1": 1}],
            **{f"macro_{measure}": 1.0 for measure in ("precision", "recall", "f1")},
            "confusions": [],
            "calibration": None,
        }
    )
    sections = text.split("\n\n")
    assert sections[:2] == report.to_text(RESULTS).strip().split("\n\n")
    for section, word in zip(sections[2:], ("random", "owl", "calibration"), strict=True):
        assert word in section
