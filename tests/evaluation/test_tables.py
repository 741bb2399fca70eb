from tnet_tf.evaluation.tables import aligned, heading, percent, shortened


def test_columns_are_as_wide_as_their_widest_cell():
    assert aligned([("name", "n"), ("a", "100")]) == ["name    n", "----  ---", "a     100"]


def test_headings_and_shares_are_in_percent():
    assert heading("top1") == "top-1 %"
    assert heading("hit_rate") == "hit rate %"
    assert percent(0.125) == "12.50"
    assert percent(None) == "-"


def test_long_names_are_cut():
    assert shortened("tabby cat", 9) == "tabby cat"
    assert shortened("tabby cat", 6) == "tabby…"
