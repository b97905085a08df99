import json


def test_cost(invoke, tmp_path):
    code, output, errors = invoke("audit", "cost", "pang", "--size", "16x12", "--batch", "2", "--out", tmp_path)
    assert code == 0
    assert "pang on 2 x 16 x 12 x 1, forward" in output
    assert "times the forecast" in output
    assert "pang-cost.png" in errors


def test_forecast_only_needs_no_weights(invoke, tmp_path):
    code, output, _ = invoke("audit", "cost", "unet", "--no-measure", "--training", "--json", "--out", tmp_path)
    facts = json.loads(output)
    assert (code, facts["images"], facts["measured_seconds"]) == (0, [1, 268, 268, 1], None)
    assert facts["backward"]["multiplications"] > facts["forward"]["multiplications"]


def test_errors(invoke, tmp_path):
    code, _, errors = invoke("audit", "cost", "unet", "--size", "17", "--no-measure", "--out", tmp_path)
    assert code == 2
    assert "not a legal size" in errors
